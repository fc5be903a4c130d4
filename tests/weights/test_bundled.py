"""Weights that come with faimtrack: nothing is fetched, nothing is written."""

import dataclasses
import hashlib

import pytest
import torch

from faimtrack.weights import (
    WeightsMetadata,
    add_weights,
    cached_weights,
    find_weights,
    pull_weights,
    registry,
    verify_weights,
    write_weights,
)


@pytest.fixture
def bundled(tmp_path, monkeypatch, home):
    """The file of an entry that comes along."""
    folder = tmp_path / "package"
    path = folder / "little.safetensors"
    folder.mkdir()
    write_weights(path, {"weight": torch.ones(3)}, WeightsMetadata(architecture="yolox-nano"))
    entry = dataclasses.replace(
        registry.weights_entry("yolox-nano"),
        name="little",
        url=None,
        file_name=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=path.stat().st_size,
    )
    monkeypatch.setattr("faimtrack.weights.cache._BUNDLED", folder)
    monkeypatch.setattr(registry, "_ENTRIES", (*registry._ENTRIES, entry))
    return path


def test_what_comes_along_is_found_and_pulled_without_a_net_or_a_cache(bundled, home):
    assert find_weights("little") == bundled
    assert pull_weights("little") == bundled
    (check,) = verify_weights()
    assert (check.name, check.problem) == ("little", None)
    assert cached_weights() == []
    assert not home.exists() or not any(home.rglob("*"))
    assert sorted(path.name for path in bundled.parent.iterdir()) == [bundled.name]


def test_damage_to_what_comes_along_is_told_with_its_cure(bundled):
    content = bytearray(bundled.read_bytes())
    content[-1] ^= 1
    bundled.write_bytes(content)
    with pytest.raises(ValueError, match="expected SHA-256"):
        find_weights("little")
    (check,) = verify_weights(["little"])
    assert "installing faimtrack again" in check.problem
    bundled.unlink()
    with pytest.raises(FileNotFoundError, match="installing faimtrack again"):
        find_weights("little")


def test_no_other_file_takes_the_name_of_what_comes_along(bundled, tmp_path):
    mine = tmp_path / "mine.safetensors"
    write_weights(mine, {"weight": torch.zeros(3)}, WeightsMetadata(architecture="yolox-nano"))
    with pytest.raises(ValueError, match="little: comes with faimtrack"):
        add_weights(mine, "little")
