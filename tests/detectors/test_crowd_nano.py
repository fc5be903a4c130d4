"""The detector that comes with faimtrack: what it is, and how well it sees unknown people."""

import numpy as np
import pytest

from faimtrack import open_detector
from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.detectors.yolox.config import YoloxConfig, YoloxOnnxConfig
from faimtrack.motfile import read_mot
from faimtrack.structures import Frame
from faimtrack.training.average_precision import average_precision
from faimtrack.video.images import read_image
from faimtrack.weights import find_weights, weights_entry
from faimtrack.weights.files import read_checkpoint

NAMES = ("crowd-nano", "crowd-nano-torch")
FRAMES = 3


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    """Frames of crowds of seeds that nothing was trained, tuned or chosen on, by density."""
    folder = tmp_path_factory.mktemp("crowds")
    found = {}
    for place, density in enumerate(("sparse", "dense")):
        pairs = found.setdefault(density, [])
        for number in range(8):
            config = CrowdConfig(
                name=f"{density}-{number}", seed=900_000 + 1000 * place + number, frames=FRAMES,
                frame_rate=2, density=density, camera=("static", "moving")[number % 2],
            )  # fmt: skip
            sequence = write_crowd(simulate_crowd(config), folder / config.name, masks=False)
            truth = read_mot(sequence / "gt" / "gt.txt", "ground truth")
            truth = truth.select((truth.confidences > 0) & (truth.class_ids == 1))
            for index in range(1, FRAMES + 1):
                image = read_image(sequence / "img1" / f"{index:06d}.jpg")
                pairs.append((Frame(index, image=image), truth.boxes[truth.rows_of(index)]))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_says_what_it_is(name):
    entry, path = weights_entry(name), find_weights(name)
    assert path.stat().st_size == entry.size_bytes <= 4_000_000
    assert entry.licence == "Apache-2.0"
    assert entry.data == "drawn people"


def test_the_file_to_train_from_says_how_it_was_trained():
    metadata = read_checkpoint(find_weights("crowd-nano-torch")).metadata
    assert (metadata.architecture, metadata.classes) == ("yolox-nano", ("person",))
    assert (metadata.recipe, metadata.licence) == ("crowd/nano", "Apache-2.0")
    assert metadata.data == "people drawn by faimtrack"


@pytest.mark.parametrize(("density", "lowest"), [("sparse", 0.7), ("dense", 0.5)])
def test_it_finds_people_of_crowds_that_it_has_not_seen(crowds, density, lowest):
    detector = open_detector("crowd-nano", YoloxOnnxConfig(score_threshold=0.01))
    found = detector.detect([frame for frame, _ in crowds[density]])
    pairs = [(each.boxes, each.scores.tolist()) for each in found]
    scores = average_precision(pairs, [wanted for _, wanted in crowds[density]])
    assert scores.ap50 >= lowest


def test_both_files_are_the_same_network(crowds):
    frames = [frame for frame, _ in crowds["sparse"][:4]]
    ours = open_detector("crowd-nano", YoloxOnnxConfig(score_threshold=0.1)).detect(frames)
    theirs = open_detector("crowd-nano-torch", YoloxConfig(score_threshold=0.1)).detect(frames)
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other) > 0
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.05)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)
