import sys

import pytest


@pytest.mark.parametrize("verb", ["track", "detect"])
def test_without_ray_the_extra_that_brings_it_is_named(
    faimtrack, make_sequence, complaint, monkeypatch, tmp_path, verb
):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = faimtrack(verb, make_sequence(), "--ray", "local", "--output", "out")
    assert done.status == 1
    message = "ray is not installed: pip install 'faimtrack[ray]' brings it"
    assert complaint(done.err) == message
    assert not (tmp_path / "out").exists()


def test_an_address_that_is_none_is_one_line(faimtrack, make_sequence, complaint):
    done = faimtrack("track", make_sequence(), "--ray", "cluster")
    assert done.status == 1
    assert "expected local, auto, HOST:PORT or ray://HOST:PORT, got" in complaint(done.err)


@pytest.mark.slow
def test_a_run_on_a_cluster_says_what_a_local_run_says(start, make_sequence, tmp_path):
    for name in ("a", "b"):
        make_sequence(name)
    said = {}
    for folder, options in (("here", []), ("there", ["--ray", "local"])):
        process = start("track", "data", "--output", folder, *options)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        # Speeds differ, and so does the order in which sequences end.
        lines = sorted(
            line.partition("] ")[2].partition(" tracks,")[0] or line for line in err.splitlines()
        )
        said[folder] = (out.replace(folder, "folder"), lines)
    assert said["here"] == said["there"]
    for name in ("a.txt", "a.txt.json", "b.txt", "b.txt.json"):
        here, there = (tmp_path / folder / name for folder in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch", "torch"), ("safetensors.torch", "torch"), ("onnx", "export"), ("ray", "ray")],
)
def test_what_the_base_install_leaves_out_is_named_with_its_extra(module, extra):
    from faimtrack.cli.main import _describe

    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    package = module.partition(".")[0]
    expected = f"{package} is not installed: pip install 'faimtrack[{extra}]' brings it"
    assert _describe(error) == expected
