import dataclasses
from typing import Literal

import pytest

from faimtrack.detectors.config import DetectorConfig
from faimtrack.recipes import read_recipe_tree, recipe_names, resolve_recipe
from faimtrack.recipes.values import nearest, parse_text, parse_value
from faimtrack.trackers import ByteTrackConfig, OcSortConfig, SortConfig


@pytest.fixture
def write(tmp_path):
    def make(text, name="own.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


def test_without_anything_a_run_is_bytetrack_by_its_defaults_on_all_frames():
    recipe = resolve_recipe()
    assert recipe.tracker_name == "bytetrack"
    assert recipe.tracker == ByteTrackConfig()
    assert (recipe.settings.split, recipe.settings.numbering) == ("full", "kept")
    assert recipe.settings.classes == ()


def test_a_recipe_sets_tracker_preset_and_single_parameters(write):
    path = write(
        "tracker: {name: bytetrack, preset: mot20, track_threshold: 0.5, lost_buffer_frames: 7}\n"
        "detector: {score_threshold: 0.02, input_convention: legacy}\n"
        "split: val-half\nclasses: [person, car]\n"
    )
    recipe = resolve_recipe(path)
    expected = dataclasses.replace(
        ByteTrackConfig.preset("mot20"), track_threshold=0.5, lost_buffer_frames=7
    )
    assert recipe.tracker == expected
    assert recipe.detector.score_threshold == 0.02
    assert recipe.detector.input_convention == "legacy"
    assert (recipe.settings.split, recipe.settings.classes) == ("val-half", ("person", "car"))


def test_the_tree_of_a_recipe_resolves_to_the_same_recipe(write):
    import yaml

    first = resolve_recipe("mot20-val-half/ocsort", overrides=["iou_threshold=0.25"])
    again = resolve_recipe(write(yaml.safe_dump(first.tree())))
    assert again == first
    assert again.tree() == first.tree()


# Overrides


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("tracker.track_threshold=0.5", "track_threshold", 0.5),
        ("track_threshold=0.5", "track_threshold", 0.5),
        ("track_threshold = 5e-1", "track_threshold", 0.5),
        ("track_threshold=1", "track_threshold", 1.0),
        ("lost_buffer_frames=12", "lost_buffer_frames", 12),
        ("lost_buffer_frames=none", "lost_buffer_frames", None),
        ("fuse_score=false", "fuse_score", False),
        ("fuse_score=no", "fuse_score", False),
        ("solver=lapjv", "solver", "lapjv"),
    ],
)
def test_a_value_is_typed_as_its_field(text, key, value):
    found = getattr(resolve_recipe(overrides=[text]).tracker, key)
    assert found == value
    assert type(found) is type(value)


def test_a_preset_comes_first_wherever_it_stands():
    recipe = resolve_recipe(overrides=["fuse_score=true", "preset=mot20"])
    assert recipe.tracker == dataclasses.replace(ByteTrackConfig.preset("mot20"), fuse_score=True)


def test_the_last_override_of_a_key_wins():
    recipe = resolve_recipe(overrides=["track_threshold=0.5", "tracker.track_threshold=0.4"])
    assert recipe.tracker.track_threshold == 0.4


def test_overrides_win_over_settings_and_settings_over_the_recipe(write):
    path = write("split: train-half\nnumbering: from-1\n")
    recipe = resolve_recipe(path, settings={"split": "val-half", "numbering": None})
    assert (recipe.settings.split, recipe.settings.numbering) == ("val-half", "from-1")
    recipe = resolve_recipe(path, settings={"split": "val-half"}, overrides=["split=full"])
    assert recipe.settings.split == "full"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "half"}, "split: expected 'full', 'train-half' or 'val-half', got 'half'"),
        ({"splits": "full"}, "splits: unknown key; the nearest is split"),
    ],
)
def test_settings_are_checked_as_overrides_are(settings, message):
    with pytest.raises(ValueError, match="split") as caught:
        resolve_recipe(settings=settings)
    assert str(caught.value) == message


def test_classes_can_be_set_as_a_list():
    assert resolve_recipe(overrides=["classes=[person, car]"]).settings.classes == (
        "person",
        "car",
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("track_treshold=0.5", "track_treshold: unknown key; the nearest is track_threshold"),
        ("traker.max_age=1", "traker.max_age: unknown key; the nearest is "),
        ("detector.score=1", "detector.score: unknown key; the nearest is detector.score_thresh"),
        ("spilt=full", "spilt: unknown key; the nearest is split"),
        ("track_threshold=high", "tracker.track_threshold: expected a valid number, got 'high'"),
        ("track_threshold=nan", "tracker.track_threshold: expected a finite number, got 'n"),
        ("lost_buffer_s=inf", "tracker.lost_buffer_s: expected a finite number, got 'inf'"),
        ("name=bytetrac", "got 'bytetrac'; the nearest is bytetrack"),
        ("track_threshold=none", "tracker.track_threshold: expected a valid number, got 'none'"),
        ("track_threshold=", "tracker.track_threshold: expected a valid number, got ''"),
        ("track_threshold=7", "tracker.track_threshold: expected 0 to 1, got 7.0"),
        ("track_threshold=[1]", "tracker.track_threshold: expected a valid number, got [1]"),
        ("lost_buffer_frames=1.5", "tracker.lost_buffer_frames: expected a valid integer, got"),
        ("fuse_score=maybe", "tracker.fuse_score: expected a valid boolean, got 'maybe'"),
        ("solver=lap", "tracker.solver: expected 'scipy' or 'lapjv', got 'lap'"),
        ("split=half", "split: expected 'full', 'train-half' or 'val-half', got 'half'"),
        ("preset=referenc", "tracker.preset: expected default, mot20, reference, reference-mot"),
        ("tracker.name=bytetrac", "got 'bytetrac'; the nearest is bytetrack"),
        ("track_threshold", "--set track_threshold: expected key=value"),
        ("=1", "--set =1: expected key=value"),
    ],
)
def test_an_override_that_means_nothing_is_one_line_that_says_what_would(override, message):
    with pytest.raises(ValueError, match=r"expected|unknown") as caught:
        resolve_recipe(overrides=[override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bare_key_of_two_blocks_must_be_spelled_out(monkeypatch):
    from faimtrack.recipes import recipe as module

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Twin(DetectorConfig):
        track_threshold: float = 0.5

    monkeypatch.setattr(module, "config_class_of", lambda weights: Twin)
    with pytest.raises(
        ValueError, match=r"one of tracker\.track_threshold, detector\.track_threshold"
    ):
        resolve_recipe(overrides=["track_threshold=0.4"])
    recipe = resolve_recipe(overrides=["detector.track_threshold=0.4"])
    assert recipe.detector.track_threshold == 0.4
    assert recipe.tracker.track_threshold == 0.6


# Trackers


@pytest.mark.parametrize(
    "way",
    [
        {"tracker": "ocsort"},
        {"overrides": ["tracker.name=ocsort"]},
        {"overrides": ["name=sort", " name = ocsort"]},
    ],
)
def test_another_tracker_than_the_recipes_starts_from_its_own_defaults(write, way):
    path = write("tracker: {name: bytetrack, track_threshold: 0.5}\nsplit: val-half\n")
    recipe = resolve_recipe(path, **way)
    assert recipe.tracker == OcSortConfig()
    assert recipe.settings.split == "val-half"


def test_the_same_tracker_keeps_the_recipes_parameters(write):
    path = write("tracker: {name: bytetrack, track_threshold: 0.5}\n")
    assert resolve_recipe(path, tracker="bytetrack").tracker.track_threshold == 0.5


def test_an_unknown_tracker_names_the_nearest():
    with pytest.raises(ValueError, match="got 'octsort'; the nearest is ocsort"):
        resolve_recipe(tracker="octsort")


# Files


def test_a_recipe_extends_another_block_by_block(write):
    write("tracker: {name: sort, iou_threshold: 0.2, min_hits: 2}\nsplit: train-half\n", "a.yaml")
    path = write("extends: a.yaml\ntracker: {min_hits: 5}\nnumbering: from-1\n")
    recipe = resolve_recipe(path)
    assert recipe.tracker == SortConfig(iou_threshold=0.2, min_hits=5)
    assert (recipe.settings.split, recipe.settings.numbering) == ("train-half", "from-1")


def test_a_recipe_may_extend_one_that_extends_and_one_that_is_shipped(write):
    write("extends: mot20-val-half/bytetrack\n", "a.yaml")
    recipe = resolve_recipe(write("extends: a.yaml\ntracker: {track_threshold: 0.5}\n"))
    expected = ByteTrackConfig.preset("reference-mot20")
    assert recipe.tracker == dataclasses.replace(expected, track_threshold=0.5)


def test_a_recipe_that_extends_itself_is_an_error(write):
    path = write("extends: b.yaml\n", "a.yaml")
    write("extends: a.yaml\n", "b.yaml")
    with pytest.raises(ValueError, match="got one extending itself"):
        resolve_recipe(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected settings, got an empty file"),
        ("- a\n", "expected a mapping of settings, got list"),
        ("just text", "expected a mapping of settings, got str"),
        ("a: [1\n", "line 2: expected"),
        ("a: " + "[" * 5000, "expected settings, got them nested without end"),
        ("a: 1\na: 2\n", "line 2: expected 'a' once, got it twice"),
        ("1: 2\n", "line 1: expected a name for a key, got 1"),
        ("extends: [a, b]\n", r"expected extends to name one recipe, got ['a', 'b']"),
        ("trackers: {name: sort}\n", "trackers.name: unknown key; the nearest is tracker.name"),
        ("tracker: {max_agee: 1}\n", "tracker.max_agee: unknown key; the nearest is tracker."),
        ("tracker: sort\n", "tracker: expected a mapping, got 'sort'"),
        ("tracker: {fuse_score: 1}\n", "tracker.fuse_score: expected a valid boolean, got 1"),
        ("tracker: {match_threshold: true}\n", "expected a valid number, got True"),
        ("tracker: {match_threshold: .nan}\n", "tracker.match_threshold: expected a finite num"),
        ("tracker: {lost_buffer_frames: 1.5}\n", "expected a valid integer"),
        ("split: 3\n", "split: expected 'full', 'train-half' or 'val-half', got 3"),
        ("classes: person\n", "classes: expected a valid"),
        ("split: 2020-01-01\n", "split: expected a plain value"),
        ("tracker: !!python/object:os.system {}\n", "line 1"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_line_that_names_it(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=r"own\.yaml") as caught:
        resolve_recipe(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_yaml_takes_for_text_are_numbers(write):
    path = write("tracker: {name: bytetrack, track_threshold: 5e-1}\n")
    assert resolve_recipe(path).tracker.track_threshold == 0.5


def test_a_recipe_that_is_nowhere_names_the_nearest_shipped_one(tmp_path):
    with pytest.raises(ValueError, match="the nearest is mot17-val-half/bytetrack"):
        resolve_recipe("mot17-val-half/bytrack")
    with pytest.raises(FileNotFoundError):
        resolve_recipe(tmp_path / "none.yaml")


def test_a_recipe_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="expected YAML, got a file that is not text"):
        resolve_recipe(path)


# The shipped ones


PUBLISHED = [name for name in recipe_names() if "-val-half/" in name]
TRAINING = [name for name in recipe_names() if name not in PUBLISHED]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_row_resolves_to_the_tracker_and_split_in_its_name(name):
    recipe = resolve_recipe(name)
    folder, _, tracker = name.partition("/")
    assert recipe.tracker_name == tracker
    assert folder.endswith(recipe.settings.split)
    preset = "reference-mot20" if folder.startswith("mot20") else "reference"
    assert recipe.tracker == type(recipe.tracker).preset(preset)
    assert read_recipe_tree(name)["tracker"]["name"] == tracker


@pytest.mark.parametrize("name", TRAINING)
def test_a_recipe_that_trains_tracks_too_and_is_scored_where_it_does_not_learn(name):
    recipe = resolve_recipe(name)
    assert recipe.tracker_name == ("tracktor" if "tracktor" in name else "bytetrack")
    assert recipe.settings.split in {"val-half", "full"}
    assert "network" in read_recipe_tree(name)
    learns_from_videos = "dataset" in read_recipe_tree(name).get("data", {})
    if recipe.settings.split == "full" and not learns_from_videos:
        assert read_recipe_tree(name)["validation"]["at_end"] is False


def test_the_published_rows_are_there():
    expected = {
        f"{data}-val-half/{tracker}"
        for data in ("mot17", "mot20")
        for tracker in ("bytetrack", "ocsort", "sort")
    }
    assert expected <= set(recipe_names())


# Camera motion, appearance, regressor, postprocessing


def test_what_is_not_used_leaves_the_tree_as_it_was():
    tree = resolve_recipe("mot20-val-half/bytetrack").tree()
    assert list(tree) == ["tracker", "detector", "split", "numbering", "classes"]
    idle = ["camera_motion.method=none", "embedder.batch_size=3", "postprocess.max_gap_frames=2"]
    assert resolve_recipe("mot20-val-half/bytetrack", overrides=idle).tree() == tree


def test_all_blocks_resolve_and_their_tree_to_the_same_recipe(write, tmp_path):
    import yaml

    first = resolve_recipe(
        write(
            "tracker: {name: tracktor}\ncamera_motion: {method: ecc, affine: true}\n"
            "embedder: {weights: osnet.onnx, input_width: 64}\n"
            "regressor: {weights: faster-rcnn-resnet50-fpn, short_side: 320}\n"
            "postprocess: {preset: gaussian, minimum_length_frames: 3}\n"
        )
    )
    assert (first.camera_motion.method, first.camera_motion.affine) == ("ecc", True)
    assert (first.embedder_weights, first.embedder.input_width) == ("osnet.onnx", 64)
    assert first.regressor_weights == "faster-rcnn-resnet50-fpn"
    assert first.regressor.short_side == 320
    assert first.postprocess.interpolation == "gaussian"
    again = resolve_recipe(write(yaml.safe_dump(first.tree())))
    assert again == first
    assert again.tree() == first.tree()


def test_of_files_the_tree_tells_the_last_part_of_the_path():
    settings = {"camera_motion.file": "/data/GMC/walk.txt", "embedder.weights": "/data/osnet.onnx"}
    tree = resolve_recipe(settings=settings).tree()
    assert tree["camera_motion"]["file"] == "walk.txt"
    assert tree["embedder"]["weights"] == "osnet.onnx"


@pytest.mark.parametrize(
    ("override", "block", "value"),
    [
        ("batch_size=3", "detector", 3),
        ("device=cpu", "detector", "cpu"),
        ("score_threshold=0.3", "detector", 0.3),
        ("longest_side=320", "camera_motion", 320),
        ("max_gap_frames=4", "postprocess", 4),
        ("embedder.batch_size=4", "embedder", 4),
        ("regressor.device=cpu", "regressor", "cpu"),
    ],
)
def test_a_bare_key_is_the_trackers_the_detectors_or_the_runs_before_any_others(
    override, block, value
):
    recipe = resolve_recipe(overrides=[override])
    changed = getattr(recipe, block)
    assert getattr(changed, override.partition("=")[0].rpartition(".")[2]) == value
    for other in {"tracker", "detector", "embedder", "regressor", "postprocess"} - {block}:
        assert getattr(recipe, other) == getattr(resolve_recipe(), other)


def test_weights_and_presets_without_a_block_are_the_detectors_and_the_trackers(tmp_path):
    weights = tmp_path / "yolox.onnx"
    weights.write_bytes(b"")
    recipe = resolve_recipe(overrides=["weights=faster-rcnn-resnet50-fpn", "preset=mot20"])
    assert recipe.weights == "faster-rcnn-resnet50-fpn"
    assert (recipe.embedder_weights, recipe.regressor_weights) == (None, None)
    assert recipe.tracker == ByteTrackConfig.preset("mot20")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("camera_motion.methd=ecc", "unknown key; the nearest is camera_motion.method"),
        ("max_gap_frame=2", "unknown key; the nearest is max_gap_frames"),
        ("embeder.weights=a.onnx", "unknown key; the nearest is embedder.weights"),
        ("camera_motion.method=gmc", "camera_motion.method: expected 'none', 'sparse-flow'"),
        ("camera_motion.method=file", "camera_motion.file: expected a file of transforms"),
        (
            "postprocess.interpolation=cubic",
            "postprocess.interpolation: expected 'none', 'linear'",
        ),
        ("postprocess.preset=cubic", "postprocess.preset: expected default, linear, gaussian"),
    ],
)
def test_an_unknown_key_or_value_of_them_names_what_would_be_known(override, message):
    with pytest.raises(ValueError, match=r"expected|unknown") as caught:
        resolve_recipe(overrides=[override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_block_that_is_no_mapping_is_refused(write):
    with pytest.raises(ValueError, match="embedder: expected a mapping, got 'osnet'"):
        resolve_recipe(write("embedder: osnet\n"))


def test_camera_motion_that_is_named_later_takes_the_place_of_what_was_before(write):
    path = write("camera_motion: {method: file, file: GMC}\n")
    assert resolve_recipe(path).camera_motion.file == "GMC"
    recipe = resolve_recipe(path, settings={"camera_motion.method": "orb"})
    assert (recipe.camera_motion.method, recipe.camera_motion.file) == ("orb", None)
    recipe = resolve_recipe(path, settings={"camera_motion.method": "none"})
    assert "camera_motion" not in recipe.tree()
    recipe = resolve_recipe(settings={"camera_motion.method": "orb"}, overrides=["file=b.txt"])
    assert (recipe.camera_motion.method, recipe.camera_motion.file) == ("file", "b.txt")


@pytest.mark.parametrize("kind", ["instance", "mask"])
def test_the_detectors_own_features_are_what_it_keeps(write, kind):
    path = write("embedder: {weights: osnet.onnx}\n")
    recipe = resolve_recipe(
        path,
        detector="faster-rcnn-resnet50-fpn",
        settings={"embedder.weights": f"{kind}-features"},
    )
    assert recipe.detector.keep == f"{kind}_features"
    assert recipe.embedder_weights is None
    assert "embedder" not in recipe.tree()


def test_the_regressors_features_are_meant_where_detections_come_from_elsewhere():
    settings = {
        "embedder.weights": "mask-features",
        "regressor.weights": "faster-rcnn-resnet50-fpn",
    }
    recipe = resolve_recipe(tracker="tracktor", settings=settings)
    assert (recipe.detector.keep, recipe.regressor.keep) == ("none", "mask_features")


def test_an_embedder_can_be_taken_away_again(write):
    recipe = resolve_recipe(
        write("embedder: {weights: osnet.onnx}\n"), settings={"embedder.weights": "none"}
    )
    assert recipe.embedder_weights is None


# Single values


def test_text_and_yaml_values_go_to_the_declared_type():
    assert parse_text("k", "3", int | None) == 3
    assert parse_text("k", "[1, 2]", tuple[int, int]) == (1, 2)
    assert parse_text("k", "none", str | None) is None
    assert parse_text("k", "null", str | None) is None
    assert parse_text("k", "none", Literal["none", "some"]) == "none"
    assert parse_value("k", [1, 2.5], tuple[float, ...]) == (1.0, 2.5)
    assert parse_value("k", 3, float) == 3.0
    assert parse_value("k", None, float | None) is None


def test_the_nearest_name_does_not_mind_case():
    assert nearest("MAX_AGE", ["min_hits", "max_age"]) == "max_age"
