"""The JSON sidecar that every output carries: what made it, from what, with which settings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import faimtrack
from faimtrack.atomic import atomic_file

FORMAT_VERSION = 1
_HASH_BLOCK_BYTES = 1 << 20
_OF_THE_OUTPUT = ("contents", "output_sha256")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where an output comes from.

    It holds neither the time of day nor a path of the machine, so that the same command on the
    same inputs writes the same bytes anywhere.

    Attributes:
        kind: What the output is, such as ``tracks``, ``video`` or ``crowd``.
        configuration: Every setting after presets, recipes and overrides, as plain values.
        inputs: SHA-256 of each input by its role (such as ``detections``); None for what cannot
            be hashed, such as a camera.
        weights: SHA-256 of each file of weights by its role.
        seed: What random numbers were drawn from; None if there were none.
        split: Which part of the sequence; None if that means nothing here.
        numbering: `kept` or `from-1`; None if that means nothing here.
        mode: `online` if each frame's answer knew nothing of later frames.
        contents: What the output says of itself, for its readers, such as names of classes; known
            when it is whole.
        output_sha256: Of the output itself; filled in by `write_provenance`.
        version: Of faimtrack.
        format_version: Of this record.
    """

    kind: str
    configuration: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str | None] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    split: str | None = None
    numbering: str | None = None
    mode: Literal["online", "offline"] | None = None
    contents: Mapping[str, Any] = field(default_factory=dict)
    output_sha256: str | None = None
    version: str = faimtrack.__version__
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """The record as text, the same for the same record."""
        tree = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if not self.contents:
            del tree["contents"]
        return json.dumps(tree, indent=2, sort_keys=True, allow_nan=False, default=_plain) + "\n"

    def differences(self, other: Provenance) -> list[str]:
        """The names of all that differs, dotted; what the outputs are is left aside."""
        mine, others = _flat(self), _flat(other)
        names = sorted(mine.keys() | others.keys())
        nothing = object()
        return [
            name
            for name in names
            if name.partition(".")[0] not in _OF_THE_OUTPUT
            and mine.get(name, nothing) != others.get(name, nothing)
        ]


def _flat(record: Provenance) -> dict[str, Any]:
    """Every leaf of the record under its dotted name, as JSON would give it back."""
    leaves: dict[str, Any] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                walk(f"{name}.{key}" if name else key, below)
        else:
            leaves[name] = value

    walk("", json.loads(record.to_json()))
    return leaves


def _plain(value: Any) -> Any:
    """What JSON does not know: mappings, configurations and paths (their last part only)."""
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, os.PathLike):
        return Path(value).name
    raise TypeError(f"provenance: expected plain values, got {type(value).__name__}")


def provenance_path(output: str | os.PathLike[str]) -> Path:
    """Where the sidecar of `output` is: ``NAME.json`` beside ``NAME``.

    >>> provenance_path("out/MOT20-01.txt").name
    'MOT20-01.txt.json'
    """
    output = Path(output)
    return output.with_name(f"{output.name}.json")


def write_provenance(output: str | os.PathLike[str], record: Provenance) -> Path:
    """Write the sidecar of an output that is there; gives the sidecar's path.

    Args:
        output: The output. A folder's sidecar lies beside the folder and holds no hash of it.
        record: What is known of it.

    Raises:
        OSError: The output cannot be read or the sidecar cannot be written.
    """
    output = Path(output)
    if not output.is_dir():
        record = dataclasses.replace(record, output_sha256=file_sha256(output))
    sidecar = provenance_path(output)
    with atomic_file(sidecar) as temporary:
        temporary.write_text(record.to_json(), encoding="utf-8", newline="\n")
    return sidecar


def read_provenance(output: str | os.PathLike[str]) -> Provenance:
    """Read the sidecar of `output`.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is not a sidecar, or a newer version of faimtrack wrote it.
    """
    path = provenance_path(output)
    return provenance_from_json(path.read_bytes(), path)


def provenance_from_json(text: str | bytes, where: str | os.PathLike[str]) -> Provenance:
    """A record from its JSON.

    Args:
        text: What `Provenance.to_json` gave.
        where: The file that it stood in, for messages.

    Raises:
        ValueError: It is not a record, or a newer version of faimtrack wrote it.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):  # both undecodable text and bad JSON
        raise ValueError(f"{where}: expected a provenance sidecar, got no JSON") from None
    names = {f.name for f in dataclasses.fields(Provenance)}
    if not isinstance(tree, dict) or not {"kind", "format_version", "version"} <= tree.keys():
        raise ValueError(f"{where}: expected a provenance sidecar, got other JSON")
    if tree["format_version"] != FORMAT_VERSION or not tree.keys() <= names:
        raise ValueError(
            f"{where}: expected format {FORMAT_VERSION}, got {tree['format_version']!r} "
            f"of faimtrack {tree['version']}"
        )
    for name in ("configuration", "inputs", "weights", "contents"):
        if not isinstance(tree.get(name, {}), dict):
            raise ValueError(f"{where}: expected {name} to be a mapping, got {tree[name]!r}")
    return Provenance(**tree)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def files_sha256(paths: list[Path]) -> str:
    """One SHA-256 for several files: of the names and hashes of all, sorted by name.

    Raises:
        OSError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
