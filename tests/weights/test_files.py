import argparse
import json
import os
import subprocess
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from faimtrack.weights.files import (
    Checkpoint,
    WeightsMetadata,
    read_checkpoint,
    read_metadata,
    write_weights,
)
from faimtrack.weights.pickles import load_pickle

METADATA = WeightsMetadata(
    architecture="yolox-nano",
    classes=("person", "naïve"),
    recipe="yolox-mot20",
    data="MOT20 train",
    licence="Apache-2.0",
    settings={"input_size": [416, 416], "input_convention": "current"},
)


def make_tensors():
    generator = torch.Generator().manual_seed(0)
    return OrderedDict(
        {
            "stem.weight": torch.rand(4, 3, 3, 3, generator=generator),
            "stem.bias": torch.rand(4, generator=generator, dtype=torch.float64).half(),
            "steps": torch.tensor(7),
        }
    )


def said_of_itself(**changes):
    """A file's own words with some of them changed."""
    values = {"format_version": 1, "architecture": "x", "classes": [], "settings": {}}
    return json.dumps({**values, "recipe": "", "data": "", "licence": "", **changes})


class RunsCode:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def same(tensors, others):
    return tensors.keys() == others.keys() and all(
        torch.equal(tensors[key], others[key]) and tensors[key].dtype == others[key].dtype
        for key in tensors
    )


def test_what_is_written_is_read_back_with_its_metadata(tmp_path):
    path = tmp_path / "new" / "ours.safetensors"
    write_weights(path, make_tensors(), METADATA)
    checkpoint = read_checkpoint(path)
    assert isinstance(checkpoint, Checkpoint)
    assert same(checkpoint.tensors, make_tensors())
    assert checkpoint.metadata == read_metadata(path) == METADATA
    assert checkpoint.path == path


def test_other_programs_read_what_is_written(tmp_path):
    write_weights(tmp_path / "ours.safetensors", make_tensors(), METADATA)
    assert same(load_file(tmp_path / "ours.safetensors"), make_tensors())


def test_the_same_weights_give_the_same_bytes_in_another_process_and_order(tmp_path):
    code = (
        "import sys, torch\n"
        "from faimtrack.weights.files import WeightsMetadata, write_weights\n"
        "tensors = {'b': torch.ones(3), 'a': torch.zeros(2, 2)}\n"
        "metadata = WeightsMetadata(architecture='x', settings={'z': 1, 'y': [1.5, None]})\n"
        "write_weights(sys.argv[1], tensors, metadata)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "first.safetensors"],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONHASHSEED": "5"},
    )
    metadata = WeightsMetadata(architecture="x", settings={"y": [1.5, None], "z": 1})
    tensors = {"a": torch.zeros(2, 2), "b": torch.ones(3)}
    write_weights(tmp_path / "second.safetensors", tensors, metadata)
    first, second = (tmp_path / f"{name}.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_shared_and_transposed_tensors_and_parameters_are_written_as_they_look(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "base": base,
        "same": base,
        "turned": base.T,
        "part": base[1],
        "last": torch.rand(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    write_weights(tmp_path / "w.safetensors", tensors, METADATA)
    assert same(read_checkpoint(tmp_path / "w.safetensors").tensors, tensors)
    assert base.is_contiguous()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    write_weights(path, make_tensors(), METADATA)
    before = path.read_bytes()
    for tensors, settings in ((make_tensors(), {"x": object()}), ({}, {})):
        with pytest.raises(ValueError, match="expected"):
            write_weights(path, tensors, WeightsMetadata(architecture="x", settings=settings))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_metadata_is_read_without_torch(tmp_path):
    write_weights(tmp_path / "w.safetensors", make_tensors(), METADATA)
    code = (
        "import sys; from faimtrack.weights.files import read_metadata\n"
        "print(read_metadata(sys.argv[1]).architecture, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "w.safetensors"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["yolox-nano", "False"], done.stderr


def test_without_torch_the_error_names_torch(tmp_path, monkeypatch):
    torch.save({"model": make_tensors()}, tmp_path / "w.pth")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        read_checkpoint(tmp_path / "w.pth")
    assert caught.value.name == "torch"


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.ckpt", "w.pth.tar", "w"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoint_is_known_by_its_content(tmp_path, name, is_zip):
    content = {"start_epoch": 3, "optimizer": {}, "model": make_tensors()}
    torch.save(content, tmp_path / name, _use_new_zipfile_serialization=is_zip)
    checkpoint = read_checkpoint(tmp_path / name)
    assert same(checkpoint.tensors, make_tensors())
    assert checkpoint.metadata is None
    assert read_metadata(tmp_path / name) is None


@pytest.mark.parametrize("key", ["model", "ema", "state_dict", "model_state_dict", None])
def test_tensors_are_found_wherever_trainers_put_them(tmp_path, key):
    content = make_tensors() if key is None else {"epoch": 1, key: make_tensors()}
    torch.save(content, tmp_path / "w.pth")
    assert same(read_checkpoint(tmp_path / "w.pth").tensors, make_tensors())


def test_model_goes_before_ema_and_both_before_loose_tensors(tmp_path):
    other = {"x": torch.zeros(1)}
    torch.save({"y": torch.zeros(1), "ema": other, "model": make_tensors()}, tmp_path / "w.pth")
    assert same(read_checkpoint(tmp_path / "w.pth").tensors, make_tensors())
    torch.save({"y": torch.zeros(1), "ema": other}, tmp_path / "w.pth")
    assert same(read_checkpoint(tmp_path / "w.pth").tensors, other)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_taken_off(tmp_path, prefix):
    wrapped = {f"{prefix}{key}": value for key, value in make_tensors().items()}
    torch.save({"model": wrapped}, tmp_path / "w.pth")
    assert same(read_checkpoint(tmp_path / "w.pth").tensors, make_tensors())


def test_a_prefix_of_only_some_keys_stays(tmp_path):
    tensors = {"module.a": torch.ones(1), "b": torch.ones(1)}
    torch.save({"model": tensors}, tmp_path / "w.pth")
    assert same(read_checkpoint(tmp_path / "w.pth").tensors, tensors)


@pytest.mark.parametrize("is_zip", [True, False])
def test_scores_and_options_beside_the_weights_are_no_obstacle(tmp_path, is_zip):
    content = {
        "args": argparse.Namespace(lr=1),
        "best_ap": np.float64(0.4),
        "curve": [np.ones(3), np.float32(3), np.int64(3)],
        "model": make_tensors(),
    }
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=is_zip)
    assert same(read_checkpoint(tmp_path / "w.pth").tensors, make_tensors())


def test_reading_leaves_no_permission_behind(tmp_path):
    torch.save({"model": make_tensors(), "best_ap": np.float64(0.4)}, tmp_path / "w.pth")
    before = set(torch.serialization.get_safe_globals())
    read_checkpoint(tmp_path / "w.pth")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("suffix", ["pth", "safetensors.pt"])
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(tmp_path, is_zip, suffix):
    touched = tmp_path / "touched"
    evil = RunsCode(os.system, f"touch {touched}")
    path = tmp_path / f"evil.{suffix}"
    torch.save(
        {"model": make_tensors(), "extra": evil}, path, _use_new_zipfile_serialization=is_zip
    )
    with pytest.raises(ValueError, match=r"refused.*run code \((posix|nt)\.system\)") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert not touched.exists()
    # The file is a real one: opened without care it does run.
    torch.load(path, weights_only=False)
    assert touched.exists()


@pytest.mark.parametrize("function", [exec, eval, open, subprocess.check_output, __import__])
def test_whatever_a_pickle_wants_to_call_is_named_and_refused(tmp_path, function):
    torch.save({"model": RunsCode(function, "import this")}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=rf"refused.*\([\w.]*{function.__name__}\)"):
        read_checkpoint(tmp_path / "w.pth")


def test_a_whole_pickled_network_is_refused_and_named(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"run code \(torch.nn.modules.linear.Linear\)"):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize("kind", ["zip", "pickle", "safetensors"])
def test_a_file_that_is_cut_off_is_no_checkpoint_wherever_the_cut_is(tmp_path, kind):
    whole, cut = tmp_path / "whole", tmp_path / "cut.pth"
    if kind == "safetensors":
        write_weights(whole, make_tensors(), METADATA)
    else:
        torch.save({"model": make_tensors()}, whole, _use_new_zipfile_serialization=kind == "zip")
    data = whole.read_bytes()
    for length in sorted({1, 4, 8, 9, 12, 100, *range(60, len(data), 97), len(data) - 1}):
        cut.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"cut\.pth: expected") as caught:
            read_checkpoint(cut)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>404", "a web page"),
        (b"<?xml version='1.0'?><Error/>", "a web page"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"1,1,10,10,5,5,1,-1,-1,-1\n", "something else"),
        (b"\x80\x02nonsense", "no checkpoint at all"),
        (b"PK\x03\x04nonsense", "cut off"),
    ],
)
def test_what_is_no_checkpoint_is_called_by_its_name(tmp_path, content, said):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match=rf"w\.pth: expected a checkpoint, got .*{said}"):
        read_checkpoint(tmp_path / "w.pth")


def test_a_zip_of_something_else_is_named_by_what_is_in_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("holiday.jpg", b"x")
    with pytest.raises(ValueError, match=r"got a zip archive of holiday\.jpg"):
        read_checkpoint(tmp_path / "w.pth")


def test_a_torchscript_program_is_not_run(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("w/data.pkl", b"x")
        archive.writestr("w/constants.pkl", b"x")
    with pytest.raises(ValueError, match="TorchScript"):
        read_checkpoint(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_other_content_under_a_known_suffix_is_told(tmp_path, suffix):
    (tmp_path / f"w.{suffix}").write_bytes(b"\x08\x07\x12\x07pytorch")
    with pytest.raises(ValueError, match=r"expected a checkpoint, got (an ONNX|no safetensors)"):
        read_checkpoint(tmp_path / f"w.{suffix}")


@pytest.mark.parametrize(
    "content", [{}, {"model": {}}, {"epoch": 3}, [1, 2], 5, {"model": {"a": {"b": 1}}}]
)
def test_a_checkpoint_without_tensors_is_told(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth: expected tensors under model"):
        read_checkpoint(tmp_path / "w.pth")


def test_safetensors_without_tensors_are_told(tmp_path):
    save_file({}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="without any tensor"):
        read_checkpoint(tmp_path / "w.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_weights_that_are_no_finite_numbers_are_refused_by_key(tmp_path, value, dtype):
    tensors = make_tensors()
    tensors["head.weight"] = torch.tensor([1, value, 2], dtype=dtype)
    torch.save({"model": tensors}, tmp_path / "w.pth")
    write_weights(tmp_path / "w.safetensors", tensors, METADATA)
    for name in ("w.pth", "w.safetensors"):
        with pytest.raises(ValueError, match=r"head\.weight: expected finite.*1 of 3"):
            read_checkpoint(tmp_path / name)


def test_somebody_elses_safetensors_have_no_metadata(tmp_path):
    save_file(dict(make_tensors()), tmp_path / "w.safetensors", metadata={"format": "pt"})
    checkpoint = read_checkpoint(tmp_path / "w.safetensors")
    assert checkpoint.metadata is None
    assert same(checkpoint.tensors, make_tensors())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"format_version": 2}), "expected weights of format 1, got 2"),
        (json.dumps({"architecture": "x"}), "expected weights of format 1, got None"),
        (
            json.dumps({"format_version": 1, "architecture": 5}),
            "architecture: expected a text, got 5",
        ),
        (said_of_itself(settings=[1] * 5000), "settings: expected an object, got list of 5000"),
        (said_of_itself(classes={"a": 1}), "classes: expected a list of names, got {'a': 1}"),
        (
            said_of_itself(classes=[1] * 5000),
            "classes: expected a list of names, got list of 5000",
        ),
        ("{", "broken header"),
        ("3", "broken header"),
    ],
)
def test_metadata_of_a_newer_version_or_broken_ones_are_told(tmp_path, text, said):
    save_file(dict(make_tensors()), tmp_path / "w.safetensors", metadata={"faimtrack": text})
    for read in (read_metadata, read_checkpoint):
        with pytest.raises(ValueError, match=said):
            read(tmp_path / "w.safetensors")


def test_numbers_of_numpy_are_not_even_made(tmp_path):
    """What numpy makes of a forged type of numbers is beyond anybody's control."""
    torch.save({"model": make_tensors(), "best_ap": np.float64(0.4)}, tmp_path / "w.pth")
    content = load_pickle(tmp_path / "w.pth")
    assert not isinstance(content["best_ap"], np.generic)


def test_sparse_tensors_are_no_weights(tmp_path):
    torch.save({"model": {"a": torch.eye(3).to_sparse()}}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="a: expected plain numbers"):
        read_checkpoint(tmp_path / "w.pth")


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    for read in (read_checkpoint, read_metadata):
        with pytest.raises(FileNotFoundError, match=r"none\.pth"):
            read(tmp_path / "none.pth")
        with pytest.raises(ValueError, match="got a folder"):
            read(tmp_path)
