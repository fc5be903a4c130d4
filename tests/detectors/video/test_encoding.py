import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.detectors.video import encoding as module
from faimtrack.detectors.video.encoding import EncodingStore, FrameEncoding
from faimtrack.detectors.video.network import Proposals
from faimtrack.detectors.video.recall import proposal_recall


def make_encoding(count, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    proposals = Proposals(
        anchors=torch.arange(count),
        boxes=100 * torch.rand(count, 4, generator=draw),
        objectness=torch.rand(count, generator=draw),
        class_scores=torch.rand(count, 3, generator=draw),
        classification=torch.rand(count, 8, generator=draw).to(dtype),
        partner=torch.rand(count, 5, generator=draw).to(dtype),
    )
    return FrameEncoding(proposals=proposals, ratio=0.5, frame_size=(40, 60 + seed))


@given(
    st.lists(st.integers(0, 6), max_size=12),
    st.integers(0, 1500),
    st.sampled_from([torch.float32, torch.half]),
)
@settings(deadline=None)
def test_what_is_kept_comes_back_whether_in_memory_or_spilled(counts, memory_bytes, dtype):
    encodings = [make_encoding(count, seed, dtype) for seed, count in enumerate(counts)]
    with EncodingStore(memory_bytes) as store:
        for each in encodings:
            store.append(each)
        assert len(store) == len(encodings)
        sizes = sum(each.size_bytes for each in encodings)
        assert store.is_spilling == (sizes > memory_bytes)
        for place in reversed(range(len(encodings))):
            found, expected = store[place], encodings[place]
            assert (found.ratio, found.frame_size) == (expected.ratio, expected.frame_size)
            for one, other in zip(found.proposals, expected.proposals, strict=True):
                assert one.dtype == other.dtype
                assert torch.equal(one, other)


def test_a_full_disk_is_said_with_what_was_to_be_written(monkeypatch):
    def refuse(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match=r"expected room for proposals .*No space left"):
        EncodingStore(0).append(make_encoding(2))


def test_boxes_are_given_in_pixels_of_the_frame():
    encoding = make_encoding(3)
    np.testing.assert_array_equal(encoding.boxes, 2 * encoding.proposals.boxes.double().numpy())
    assert len(encoding) == 3


def test_recall_counts_objects_that_some_proposal_covers():
    objects = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
    covering = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 24, 10]])
    nothing = np.zeros((0, 4))
    assert proposal_recall([covering], [objects]) == 0.5
    assert proposal_recall([covering], [objects], iou_threshold=0.4) == 1.0
    assert proposal_recall([covering, nothing], [objects, objects]) == 0.25
    assert proposal_recall([covering], [nothing]) != proposal_recall([covering], [nothing])
    with pytest.raises(ValueError, match="expected those of 2 frames, as there is truth, got 1"):
        proposal_recall([covering], [objects, objects])
