import dataclasses

import pytest

from faimtrack.eval import BENCHMARKS
from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.training.prepare import prepare_training
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.run import save_weights
from faimtrack.training.samples import DataPlaces
from faimtrack.training.validation import (
    SCORES,
    evaluation_settings,
    scoring_recipe,
    validate,
)

SMALL = (
    "network.name=faster-rcnn-mobilenet-v3-large-320-fpn", "short_side=96", "long_side=160",
    "detector.device=cpu", "tracker.regression_threshold=0", "tracker.detection_threshold=0",
    "detector.max_detections=5",
)  # fmt: skip
MASKS = ("mask_branch.source=truth", "mask_branch.hidden_channels=16")


def recipe_of(name, *overrides):
    return resolve_training_recipe(f"crowd/{name}", overrides=overrides)


@pytest.fixture
def random_weights(small_crowd, tmp_path):
    """Writes the weights that a training would begin with."""

    def write(recipe):
        prepared = prepare_training(recipe, DataPlaces(data=small_crowd))
        path = tmp_path / "weights.safetensors"
        tensors = prepared.learner.state_dict()
        save_weights(path, prepared, tensors, step=0)
        return path

    return write


def test_what_is_learnt_is_what_is_scored():
    told = recipe_of("bytetrack", "data.benchmark=mot17")
    assert evaluation_settings(told, "val-half").rules is BENCHMARKS["mot17"]
    assert evaluation_settings(told, "val-half").split == "val-half"
    assert evaluation_settings(recipe_of("bytetrack"), "full").rules is None


def test_tracktor_scores_with_the_network_that_is_trained(small_crowd, random_weights, tmp_path):
    looks = "embedder.weights=mask-features"
    recipe = recipe_of("tracktor-mask", *SMALL, *MASKS, looks)
    weights, folder = random_weights(recipe), tmp_path / "files"
    scores = validate(recipe, small_crowd, weights, folder)
    assert tuple(scores.combined) == SCORES
    (tracks,) = (folder / "tracks").glob("*.txt")
    assert tracks.read_text()
    record = read_provenance(tracks)
    digest = file_sha256(weights)
    assert record.weights == {"detector": digest, "regressor": digest}
    # The network moves boxes as it finds them: with the settings of the recipe's detector.
    found = record.configuration["detections"]["detector"]
    moved = record.configuration["regressor"]
    assert (found["keep"], moved["keep"]) == ("none", "mask_features")
    assert moved == {**found, "keep": "mask_features", "weights": weights.name}


def test_the_network_keeps_no_masks_to_move_boxes():
    scoring = scoring_recipe(recipe_of("tracktor-mask", "detector.keep=masks"), "full")
    assert (scoring.detector.keep, scoring.regressor.keep) == ("none", "none")
    followed = recipe_of("bytetrack-mask", "detector.keep=mask_features")
    assert scoring_recipe(followed, "full").detector.keep == "mask_features"


def test_an_embedder_that_the_recipe_names_is_asked(small_crowd, random_weights, tmp_path):
    sizes = ("input_height=96", "input_width=160", "smallest_input=2", "largest_input=4")
    looks = ("tracker.use_appearance=true", "embedder.weights=colours")
    recipe = recipe_of("bytetrack", *sizes, *looks)
    validate(recipe, small_crowd, random_weights(recipe), tmp_path / "files")
    (tracks,) = (tmp_path / "files" / "tracks").glob("*.txt")
    assert read_provenance(tracks).configuration["embedder"]["weights"] == "colours"


def test_what_the_tracker_lacks_is_told_before_anything_is_trained(small_crowd):
    places = DataPlaces(data=small_crowd)
    with pytest.raises(ValueError, match="tracktor: expected a network that moves boxes, got yol"):
        prepare_training(recipe_of("bytetrack", "tracker.name=tracktor"), places)
    with pytest.raises(FileNotFoundError, match=r"no\.pth"):
        prepare_training(recipe_of("tracktor", "regressor.weights=no.pth"), places)
    with pytest.raises(FileNotFoundError, match=r"no\.onnx: expected an embedder"):
        prepare_training(recipe_of("bytetrack", "embedder.weights=no.onnx"), places)


def test_a_recipe_that_is_not_validated_needs_no_networks(small_crowd):
    quiet = ("every_steps=0", "at_end=false", "input_height=96", "input_width=160")
    recipe = recipe_of("bytetrack", *quiet, "tracker.name=tracktor")
    assert prepare_training(recipe, DataPlaces(data=small_crowd)).recipe == recipe


def test_a_regressor_that_the_recipe_names_stays_as_it_is_told():
    other = "faster-rcnn-resnet50-fpn"
    settings = (f"regressor.weights={other}", "regressor.score_threshold=0.3")
    recipe = recipe_of("tracktor", *settings)
    scoring = scoring_recipe(recipe, "full")
    assert scoring.regressor_weights == other
    assert scoring.regressor == recipe.tracking.regressor != recipe.tracking.detector
    assert dataclasses.replace(scoring, settings=recipe.tracking.settings) == recipe.tracking
