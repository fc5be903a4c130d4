"""What tells data from other data, and that rows without masks are planned beside others."""

import dataclasses
import shutil

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.masks.places import EXACT_MASKS, mask_file
from faimtrack.reproduce.data_hashes import DataHashes
from faimtrack.training import prepare
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.samples import DataPlaces


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    """A small crowd of objects."""
    folder = tmp_path_factory.mktemp("crowds")
    config = CrowdConfig(
        name="objects", scene="objects", seed=70003, frames=3, width=96, height=64
    )
    write_crowd(simulate_crowd(config), folder / config.name)
    return folder


@pytest.fixture
def root(crowds, tmp_path):
    """A folder with exact masks under the name of SAM's."""
    path = mask_file(crowds / "objects", "sam", tmp_path)
    path.parent.mkdir()
    shutil.copy(crowds / "objects" / EXACT_MASKS, path)
    return tmp_path


def learnt_from(name, places, *overrides, with_masks=True):
    recipe = resolve_training_recipe(name, overrides=overrides)
    return DataHashes().learnt_from(recipe, places, with_masks=with_masks)


def test_masks_that_are_learnt_and_not_made_here_tell_data_apart(crowds, root):
    plain = learnt_from("crowd/yolov", DataPlaces(data=crowds))
    places = DataPlaces(data=crowds, masks_root=root)
    sam = learnt_from("crowd/faim", places, "mask_branch.source=sam")
    assert plain.keys() == {"videos"}
    assert sam.keys() == plain.keys() == {"videos"}
    assert sam["videos"] != plain["videos"]
    assert learnt_from("crowd/faim", places, with_masks=False) == plain
    assert learnt_from("crowd/yolox-objects", places) == plain


def test_a_row_whose_masks_are_missing_is_planned(crowds, tmp_path):
    places = DataPlaces(data=crowds, masks_root=tmp_path / "none")
    found = learnt_from("crowd/faim", places, "mask_branch.source=sam")
    assert found == learnt_from("crowd/yolov", places)


def test_data_that_are_missing_are_not_planned(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        learnt_from("crowd/faim", DataPlaces(data=tmp_path / "nowhere"))


def test_each_is_looked_at_once_with_images_of_det_and_without(monkeypatch, tmp_path):
    asked = []

    def data_hashes(recipe, places):
        asked.append(recipe.data.det)
        return {"videos": str(recipe.data.det)}

    monkeypatch.setattr(prepare, "data_hashes", data_hashes)
    hashes, places = DataHashes(), DataPlaces(data=tmp_path)
    recipe = resolve_training_recipe("vid/yolox-s", overrides=["data.det=true"])
    without = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, det=False))
    for each in (recipe, without, recipe):
        found = hashes.learnt_from(each, places, with_masks=True)
        assert found == {"videos": str(each.data.det)}
    assert asked == [True, False]


def test_initial_weights_are_what_is_in_a_file_and_registered_ones_their_name(
    tmp_path, monkeypatch
):
    from faimtrack.weights import cache_folder

    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "home"))
    for name, content in (("one", b"same"), ("two", b"same"), ("three", b"other")):
        (tmp_path / name).write_bytes(content)
    one, two, three = (DataHashes().weights(str(tmp_path / n)) for n in ("one", "two", "three"))
    assert one == two != three
    hashes = DataHashes()
    assert hashes.weights(None) is None
    assert hashes.weights("yolox-nano") == "yolox-nano"
    assert hashes.weights("resnet50-imagenet") == "resnet50-imagenet"
    assert hashes.weights(str(tmp_path / "nowhere" / "base.pth")) == "base.pth"
    assert hashes.weights("mine") == "mine", "nowhere"
    assert not cache_folder().exists()


def test_weights_that_a_user_named_are_known_by_what_is_in_them(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from faimtrack.weights import WeightsMetadata, add_weights, weights_sha256, write_weights

    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "home"))
    path = tmp_path / "base.safetensors"
    write_weights(path, {"a": torch.zeros(2)}, WeightsMetadata(architecture="yolox-nano"))
    add_weights(path, "mine")
    assert DataHashes().weights("mine") == weights_sha256(path)
