import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

import faimtrack
from faimtrack.config import PresetConfig, parameter
from faimtrack.provenance import (
    Provenance,
    file_sha256,
    files_sha256,
    provenance_path,
    read_provenance,
    write_provenance,
)

RECORD = Provenance(
    kind="tracks",
    configuration={"tracker": {"name": "sort", "max_age": 1}, "classes": ["person"]},
    inputs={"detections": "ab", "frames": None},
    weights={"detector": "cd"},
    seed=3,
    split="val-half",
    numbering="kept",
    mode="online",
)


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "MOT20-01.txt"
    path.write_bytes(b"1,1,0,0,1,1,1,-1,-1,-1\n")
    return path


def test_what_is_written_is_read_back_with_the_hash_of_the_output(output):
    sidecar = write_provenance(output, RECORD)
    assert sidecar == provenance_path(output) == output.with_name("MOT20-01.txt.json")
    expected = hashlib.sha256(output.read_bytes()).hexdigest()
    assert read_provenance(output) == dataclasses.replace(RECORD, output_sha256=expected)
    assert json.loads(sidecar.read_text())["version"] == faimtrack.__version__


def test_the_same_record_gives_the_same_bytes_and_names_no_folder_of_the_machine(output, tmp_path):
    first = write_provenance(output, RECORD).read_bytes()
    assert write_provenance(output, RECORD).read_bytes() == first
    assert str(tmp_path).encode() not in first
    assert first.endswith(b"}\n")


def test_the_order_in_which_settings_were_put_together_does_not_show(output):
    first = Provenance(kind="x", configuration={"a": 1, "b": {"c": 2, "d": 3}})
    other = Provenance(kind="x", configuration={"b": {"d": 3, "c": 2}, "a": 1})
    before = write_provenance(output, first).read_bytes()
    assert write_provenance(output, other).read_bytes() == before


def test_the_sidecar_of_a_folder_lies_beside_it_and_has_no_hash(tmp_path):
    folder = tmp_path / "crowd"
    folder.mkdir()
    assert write_provenance(folder, RECORD) == tmp_path / "crowd.json"
    assert read_provenance(folder).output_sha256 is None


def test_configurations_and_paths_are_written_as_plain_values(output):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(PresetConfig):
        size: int = parameter(4, "How big.")

    record = Provenance(kind="x", configuration={"a": Config(), "b": Path("/some/where/det.txt")})
    write_provenance(output, record)
    assert read_provenance(output).configuration == {"a": {"size": 4}, "b": "det.txt"}


def test_what_json_cannot_hold_is_an_error_and_leaves_no_file(output):
    with pytest.raises(TypeError, match="expected plain values, got object"):
        write_provenance(output, Provenance(kind="x", configuration={"a": object()}))
    with pytest.raises(ValueError, match="JSON"):
        write_provenance(output, Provenance(kind="x", configuration={"a": float("nan")}))
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_differences_name_each_leaf_that_differs_but_not_the_hash_of_the_output():
    assert RECORD.differences(dataclasses.replace(RECORD, output_sha256="ef")) == []
    other = dataclasses.replace(
        RECORD,
        configuration={"tracker": {"name": "sort", "max_age": 2}, "classes": ["person"]},
        inputs={"detections": "ab"},
        seed=None,
    )
    assert RECORD.differences(other) == ["configuration.tracker.max_age", "inputs.frames", "seed"]


def test_a_record_equals_itself_after_a_trip_through_json(output):
    record = dataclasses.replace(RECORD, configuration={"classes": ("person", "car")})
    write_provenance(output, record)
    assert read_provenance(output).differences(record) == []


def test_a_missing_sidecar_is_a_missing_file(output):
    with pytest.raises(FileNotFoundError):
        read_provenance(output)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a provenance sidecar, got no JSON"),
        ("{", "got no JSON"),
        ("\xff", "got no JSON"),
        ("[]", "got other JSON"),
        ('{"kind": "tracks"}', "got other JSON"),
        ('{"kind": "t", "version": "9", "format_version": 2}', "format 1, got 2 of faimtrack 9"),
        ('{"kind": "t", "version": "9", "format_version": 1, "new": 0}', "expected format 1"),
    ],
)
def test_what_is_no_sidecar_is_refused_in_one_line_that_names_it(output, text, message):
    provenance_path(output).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message) as caught:
        read_provenance(output)
    assert str(provenance_path(output)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_files_hash_is_sha256_of_its_bytes_however_long(tmp_path):
    path = tmp_path / "big"
    data = bytes(range(256)) * 10_000
    path.write_bytes(data)
    assert file_sha256(path) == hashlib.sha256(data).hexdigest()


def test_the_hash_of_several_files_depends_on_names_and_contents_not_on_order(tmp_path):
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for path in paths:
        path.write_bytes(path.name.encode())
    before = files_sha256(paths)
    assert files_sha256(paths[::-1]) == before
    paths[0].write_bytes(b"other")
    assert files_sha256(paths) != before
    paths[0].write_bytes(b"a.jpg")
    assert files_sha256([paths[0].rename(tmp_path / "c.jpg"), paths[1]]) != before
