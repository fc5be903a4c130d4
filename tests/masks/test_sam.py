"""The path of SAM, with the real package on a small network that knows nothing."""

import inspect
from functools import partial

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from faimtrack.masks.config import PromptConfig
from faimtrack.masks.sam import (
    PromptedSegmenter,
    Sam2Network,
    SamNetwork,
    choose_device,
    open_sam,
    sam2_configuration,
)

SIDE, PATCH, WIDTH = 64, 16, 16
BOXES = np.array(
    [[3, 4, 30, 40], [10, 2, 50, 48], [0, 0, 80, 50], [60, 10, 79, 33], [7, 7, 8, 9]], np.int64
)


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    grid = SIDE // PATCH
    encoder = ImageEncoderViT(
        img_size=SIDE, patch_size=PATCH, embed_dim=16, depth=1, num_heads=2, out_chans=WIDTH,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True,
    )  # fmt: skip
    prompts = PromptEncoder(
        embed_dim=WIDTH, image_embedding_size=(grid, grid), input_image_size=(SIDE, SIDE),
        mask_in_chans=4,
    )  # fmt: skip
    decoder = MaskDecoder(
        transformer_dim=WIDTH,
        transformer=TwoWayTransformer(depth=1, embedding_dim=WIDTH, num_heads=2, mlp_dim=16),
        iou_head_depth=2, iou_head_hidden_dim=16,
    )  # fmt: skip
    return SamPredictor(Sam(encoder, prompts, decoder).eval())


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (50, 80, 3), dtype=np.uint8)


def segmenter(predictor, boxes_at_once=32):
    return PromptedSegmenter(SamNetwork(predictor), PromptConfig(boxes_at_once=boxes_at_once))


def test_network_sees_rgb(predictor):
    seen = []
    predictor.model.image_encoder.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0])
    )
    red = np.zeros((50, 80, 3), np.uint8)
    red[..., 0] = 255
    segmenter(predictor).segment(red, BOXES)
    (given,) = seen
    means, deviations = predictor.model.pixel_mean, predictor.model.pixel_std
    pixel = given[0, :, 5, 5] * deviations[:, 0, 0] + means[:, 0, 0]
    assert predictor.model.image_format == "RGB"
    assert pixel.tolist() == pytest.approx([255, 0, 0], abs=1e-3)


def test_image_is_embedded_once_for_all_boxes(predictor, monkeypatch):
    calls = []
    original = predictor.set_image
    monkeypatch.setattr(
        predictor, "set_image", lambda *given: (calls.append(given), original(*given))
    )
    segments = segmenter(predictor, boxes_at_once=2).segment(picture(), BOXES)
    assert len(segments) == len(BOXES)
    assert len(calls) == 1
    image, image_format = calls[0]
    assert (image.shape, image.dtype, image_format) == ((50, 80, 3), np.uint8, "RGB")


@pytest.mark.parametrize("boxes_at_once", [1, 2, 3])
def test_chunks_give_what_all_at_once_gives(predictor, boxes_at_once):
    whole = segmenter(predictor).segment(picture(), BOXES)
    chunked = segmenter(predictor, boxes_at_once).segment(picture(), BOXES)
    for one, other in zip(whole, chunked, strict=True):
        assert (one.pixels == other.pixels).all()
        assert one.quality == pytest.approx(other.quality, abs=1e-5)


def test_calls_have_the_documented_arguments(predictor, monkeypatch):
    calls = []
    original = predictor.predict_torch

    def spy(**given):
        calls.append(given)
        return original(**given)

    documented = inspect.signature(original).parameters
    monkeypatch.setattr(predictor, "predict_torch", spy)
    segmenter(predictor, 3).segment(picture(), BOXES)
    assert [len(call["boxes"]) for call in calls] == [3, 2]
    for call in calls:
        assert call.keys() <= documented.keys()
        assert call["point_coords"] is None
        assert call["point_labels"] is None
        assert call["multimask_output"] is False
        assert call["boxes"].shape[1:] == (4,)
    # The longer side of 80 pixels becomes 64: boxes are given in the network's own pixels.
    assert torch.allclose(calls[0]["boxes"][0], torch.tensor([3, 4, 30, 40]) * 0.8)


def test_segments_are_what_the_network_says_in_their_boxes(predictor):
    image = picture(3)
    segments = segmenter(predictor).segment(image, BOXES)
    predictor.set_image(image)
    for (x1, y1, x2, y2), segment in zip(BOXES.tolist(), segments, strict=True):
        masks, qualities, _ = predictor.predict(
            box=np.array([x1, y1, x2, y2]), multimask_output=False
        )
        assert (segment.pixels == masks[0, y1:y2, x1:x2]).all()
        assert segment.quality == pytest.approx(min(1, max(0, float(qualities[0]))), abs=1e-5)


class FixedNetwork:
    """Answers with given qualities, and whole images."""

    def __init__(self, *qualities):
        self.qualities = list(qualities)

    def set_image(self, image):
        self.size = image.shape[:2]

    def masks_of(self, boxes):
        answers = [self.qualities.pop(0) for _ in boxes]
        return np.ones((len(boxes), *self.size), dtype=bool), np.array(answers)


def test_predicted_quality_is_held_between_0_and_1():
    network = FixedNetwork(1.3, -0.2, float("nan"), 0.5, 1.0)
    segments = PromptedSegmenter(network, PromptConfig(boxes_at_once=2)).segment(picture(), BOXES)
    assert [each.quality for each in segments] == [1, 0, 0, 0.5, 1]


def test_image_without_boxes_is_not_embedded():
    network = FixedNetwork()
    assert PromptedSegmenter(network).segment(picture(), np.zeros((0, 4), np.int64)) == []
    assert not hasattr(network, "size")


class Sam2Answers:
    """What SAM 2's predictor gives, in its shapes."""

    def set_image(self, image):
        self.size = image.shape[:2]

    def predict(self, *, box, multimask_output):
        assert multimask_output is False
        assert box.shape[1] == 4
        masks = np.zeros((len(box), 1, *self.size), np.float32)
        for number, (x1, y1, x2, y2) in enumerate(box.astype(int)):
            masks[number, 0, y1:y2, x1 : (x1 + x2) // 2] = 1
        qualities = np.full((len(box), 1), 0.5, np.float32)
        if len(box) == 1:
            return masks[0], qualities[0], None
        return masks, qualities, None


@pytest.mark.parametrize("boxes_at_once", [1, 2, 32])
def test_sam2_answers_one_box_in_another_shape(boxes_at_once):
    network = Sam2Network(Sam2Answers())
    segments = PromptedSegmenter(network, PromptConfig(boxes_at_once=boxes_at_once)).segment(
        picture(), BOXES[:3]
    )
    for (x1, y1, x2, y2), segment in zip(BOXES[:3].tolist(), segments, strict=True):
        expected = np.zeros((y2 - y1, x2 - x1), dtype=bool)
        expected[:, : (x1 + x2) // 2 - x1] = True
        assert (segment.pixels == expected).all()
        assert segment.quality == 0.5


@pytest.mark.parametrize(
    ("blocks", "keys", "name"),
    [
        (12, (), "configs/sam2/sam2_hiera_t.yaml"),
        (16, ("obj_ptr_tpos_proj.weight",), "configs/sam2.1/sam2.1_hiera_s.yaml"),
        (24, (), "configs/sam2/sam2_hiera_b+.yaml"),
        (48, ("obj_ptr_tpos_proj.weight",), "configs/sam2.1/sam2.1_hiera_l.yaml"),
        (13, (), None),
    ],
)
def test_sam2_is_known_by_its_tensors(blocks, keys, name):
    tensors = {f"image_encoder.trunk.blocks.{number}.norm1.weight": 0 for number in range(blocks)}
    tensors |= dict.fromkeys((*keys, "image_encoder.trunk.patch_embed.proj.weight"), 0)
    assert sam2_configuration(tensors) == name


def test_other_checkpoints_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"backbone.weight": torch.ones(2)}, path)
    with pytest.raises(ValueError, match=r"other\.pth: expected a checkpoint of SAM .*backbone"):
        open_sam(path, PromptConfig())
    assert sam2_configuration({"backbone.weight": 0}) is None


def test_device_that_is_not_here_is_told():
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device: expected auto or cpu, got cuda"):
            choose_device("cuda")
    assert choose_device("cpu") == torch.device("cpu")
