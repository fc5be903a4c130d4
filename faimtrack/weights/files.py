"""Files of weights: ours in safetensors, other people's checkpoints without running their code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faimtrack.atomic import atomic_file
from faimtrack.errors import shown
from faimtrack.weights.pickles import check_archive, load_pickle

FORMAT_VERSION = 1
# One entry only: the order of several in a header differs from run to run.
_HEADER_KEY = "faimtrack"
_HEADER_BYTES_LIMIT = 100_000_000
_TREES = ("model", "ema", "state_dict", "model_state_dict")
_WRAPPERS = ("module.", "_orig_mod.")
_METADATA_KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("architecture", "recipe", "data", "licence"), (str, "a text")),
    "classes": (list, "a list of names"),
    "settings": (dict, "an object"),
}


@dataclass(frozen=True, kw_only=True)
class WeightsMetadata:
    """What our own weights say of themselves.

    Attributes:
        architecture: Such as `yolox-nano` or `faster-rcnn-resnet50-fpn`.
        classes: Their names, in the order of the network's outputs.
        recipe: What they were trained with.
        data: What they were trained on.
        licence: Under which they may be used.
        settings: Plain JSON values that a network needs besides its weights, such as
            `input_convention`, `input_size` (height, width in pixels) or `batch_norm`
            (`kept` or `folded`).
    """

    architecture: str
    classes: tuple[str, ...] = ()
    recipe: str = ""
    data: str = ""
    licence: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file.

    Attributes:
        tensors: torch tensors on the CPU by their keys, without the prefix of a wrapper.
        metadata: What the file says of them; None if it is not ours.
        path: The file.
    """

    tensors: dict[str, Any]
    metadata: WeightsMetadata | None
    path: Path


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read the tensors of a file: safetensors, or what `torch.save` wrote, by its content.

    A checkpoint may hold its tensors under `model`, `ema`, `state_dict` or `model_state_dict`
    (the first that is there) or directly. Nothing that a file names is run.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, it is cut off, it wants to run code, it holds no tensors,
            some are no finite numbers, or a newer version of faimtrack wrote it.
        ModuleNotFoundError: torch or safetensors is not installed.
    """
    path = Path(path)
    _check_is_file(path)
    with path.open("rb") as file:
        start = file.read(512)
    metadata = None
    if _looks_like_safetensors(start):
        metadata = read_metadata(path)
        tensors = _load_safetensors(path)
    else:
        _check_start(path, start)
        tensors = _find_tensors(path, load_pickle(path))
    tensors = _without_wrapper(tensors)
    _check_tensors(path, tensors)
    return Checkpoint(tensors, metadata, path)


def read_metadata(path: str | os.PathLike[str]) -> WeightsMetadata | None:
    """What a file of ours says of itself, read without torch; None if it says nothing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It looks like safetensors and is cut off or broken, or a newer version of
            faimtrack wrote it.
    """
    path = Path(path)
    _check_is_file(path)
    with path.open("rb") as file:
        start = file.read(9)
        if not _looks_like_safetensors(start):
            return None
        length = int.from_bytes(start[:8], "little")
        header = start[8:] + file.read(length - 1)
    if len(header) < length:
        raise ValueError(f"{path}: expected weights in safetensors, got a file that is cut off")
    try:
        text = json.loads(header).get("__metadata__", {}).get(_HEADER_KEY)
        values = None if text is None else dict(json.loads(text))
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{path}: expected weights in safetensors, got a broken header") from None
    return None if values is None else _metadata_from(path, values)


def write_weights(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], metadata: WeightsMetadata
) -> None:
    """Write weights as safetensors; the same weights and metadata give the same bytes.

    Args:
        path: The file; it appears when it is whole, and replaces one that is there.
        tensors: torch tensors by their keys, on any device; those that share memory are written
            one by one.
        metadata: What they are.

    Raises:
        ValueError: There are no tensors, or the settings are no plain JSON values.
        OSError: The file cannot be written.
        ModuleNotFoundError: torch or safetensors is not installed.
    """
    from safetensors.torch import save

    path = Path(path)
    if not tensors:
        raise ValueError(f"{path}: expected tensors to write, got none")
    text = _metadata_text(metadata)
    own = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}
    data = save(own, metadata={_HEADER_KEY: text})
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def _metadata_text(metadata: WeightsMetadata) -> str:
    values = {
        "format_version": FORMAT_VERSION,
        "architecture": metadata.architecture,
        "classes": list(metadata.classes),
        "recipe": metadata.recipe,
        "data": metadata.data,
        "licence": metadata.licence,
        "settings": dict(metadata.settings),
    }
    try:
        return json.dumps(values, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata: expected plain JSON values, got: {error}") from None


def _metadata_from(path: Path, values: dict[str, Any]) -> WeightsMetadata:
    version = values.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path}: expected weights of format {FORMAT_VERSION}, got {shown(version)}"
        )
    for key, (kind, expected) in _METADATA_KINDS.items():
        if not isinstance(values.get(key), kind):
            raise ValueError(f"{path}: {key}: expected {expected}, got {shown(values.get(key))}")
    classes = values["classes"]
    if not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{path}: classes: expected a list of names, got {shown(classes)}")
    known = {key: values[key] for key in _METADATA_KINDS}
    return WeightsMetadata(**{**known, "classes": tuple(classes)})


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{path}: expected a file of weights, got a folder")
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file of weights, got no such file")


def check_content(path: str | os.PathLike[str]) -> None:
    """Refuse a file that cannot hold weights, by its beginning and without torch.

    Raises:
        ValueError: It is empty, a web page, an archive of something else or the like.
        OSError: It cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(512)
    if _looks_like_safetensors(start):
        read_metadata(path)
    elif path.suffix.lower() != ".onnx":
        _check_start(path, start)
        check_archive(path)
    elif found := _mistaken(start):
        raise ValueError(f"{path}: expected an ONNX model, got {found}")


def _looks_like_safetensors(start: bytes) -> bool:
    """Whether a file that begins so begins as safetensors do: a length, then JSON."""
    length = int.from_bytes(start[:8], "little")
    return len(start) > 8 and start[8:9] == b"{" and 2 <= length <= _HEADER_BYTES_LIMIT


def _mistaken(start: bytes) -> str | None:
    """What is often found in the place of weights; None if it is none of these."""
    text = start.lstrip().lower()
    if not start:
        return "an empty file"
    if text.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS: the file itself is still to be fetched (git lfs pull)"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page: the download gave an error or a form in the place of the file"
    if start.startswith(b"\x1f\x8b"):
        return "a gzip archive: unpack it first"
    return None


def _check_start(path: Path, start: bytes) -> None:
    """Refuse what does not begin as `torch.save` begins.

    Raises:
        ValueError: It does not.
    """
    found = _mistaken(start)
    if found is None and path.suffix.lower() == ".onnx":
        found = "an ONNX model"
    if found is None and path.suffix.lower() == ".safetensors":
        found = "no safetensors"
    if found is None and not start.startswith((b"PK\x03\x04", b"\x80")):
        found = "something else"
    if found is not None:
        raise ValueError(f"{path}: expected a checkpoint, got {found}")


def _load_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Any] = load_file(path, device="cpu")
    except SafetensorError as error:
        raise ValueError(
            f"{path}: expected weights in safetensors, got a file that is cut off or broken "
            f"({error})"
        ) from None
    return tensors


def _find_tensors(path: Path, content: Any) -> dict[str, Any]:
    """The tensors of a checkpoint, wherever in it they lie.

    Raises:
        ValueError: There are none.
    """
    import torch

    trees = [content]
    if isinstance(content, Mapping):
        trees = [content[name] for name in _TREES if name in content] + trees
    for tree in trees:
        if isinstance(tree, Mapping):
            tensors = {
                str(key): value.detach()
                for key, value in tree.items()
                if isinstance(value, torch.Tensor)
            }
            if tensors:
                return tensors
    held = ""
    if isinstance(content, Mapping):
        held = f"keys {', '.join(map(str, list(content)[:5]))}" if content else "nothing"
    raise ValueError(
        f"{path}: expected tensors under {', '.join(_TREES)} or directly, "
        f"got {held or type(content).__name__}"
    )


def _without_wrapper(tensors: dict[str, Any]) -> dict[str, Any]:
    """Keys as the network has them that was wrapped to run on several GPUs or compiled."""
    for prefix in _WRAPPERS:
        if tensors and all(key.startswith(prefix) for key in tensors):
            return _without_wrapper({key[len(prefix) :]: tensors[key] for key in tensors})
    return tensors


def _check_tensors(path: Path, tensors: dict[str, Any]) -> None:
    """Refuse an empty file, and numbers that no network can compute with."""
    import torch

    if not tensors:
        raise ValueError(f"{path}: expected weights, got a file without any tensor")
    for key, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise ValueError(f"{path}: {key}: expected plain numbers, got another kind of tensor")
        if not tensor.is_floating_point():
            continue
        # Types of 8 bits know no isfinite.
        wide = tensor.float() if tensor.element_size() < 2 else tensor
        if not torch.isfinite(wide).all():
            count = int((~torch.isfinite(wide)).sum())
            raise ValueError(
                f"{path}: {key}: expected finite weights, got {count} of {tensor.numel()} that "
                "are NaN or infinite"
            )
