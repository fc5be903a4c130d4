"""One loader for ONNX models: detectors and re-identification alike."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

_METADATA_FIELDS = (14,)  # metadata_props of ModelProto
_EXTERNAL_DATA_FIELDS = (7, 5, 13)  # graph, initializer, external_data
_VARINT_BYTES = 10
_LONGEST_TEXT = 1 << 24

_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "mps": ("CoreMLExecutionProvider", "CPUExecutionProvider"),
}

_DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model.

    Attributes:
        name: As the model calls it.
        shape: Sizes; None where any size will do (a dynamic batch, say).
        dtype: Of its numbers.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name} ({sizes}) {self.dtype}"


class OnnxModel:
    """An ONNX file in onnxruntime; `run` may be called from several threads.

    Attributes:
        path: The file.
        inputs: What it takes.
        outputs: What it gives.
        providers: Where it runs, first choice first.
        threads: How many threads one call may use.
        metadata: What its maker wrote into the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        """Load a model.

        Args:
            path: The `.onnx` file.
            threads: Threads of one call; None takes `available_threads`.
            providers: onnxruntime's execution providers; None takes CUDA if it is there, else
                the CPU.

        Raises:
            OSError: The file is not there or cannot be read.
            ValueError: It is no ONNX model, a provider is unknown, the first of `providers` does
                not work here, or `threads` is below 1.
            ImportError: onnxruntime is not installed or cannot be loaded.
        """
        self.path = Path(path)
        if threads is not None and threads < 1:
            raise ValueError(f"threads: expected 1 or more, got {threads}")
        self.threads = available_threads() if threads is None else threads
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.path}: expected an ONNX model, got no such file")
        import onnxruntime

        wanted = _choose_providers(onnxruntime.get_available_providers(), providers)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # its errors are raised; a library prints nothing
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(self.path), options, providers=wanted
            )
        except Exception as error:  # onnxruntime's own kinds share no base but this
            raise ValueError(
                f"{self.path}: expected an ONNX model, got: {_reason(error)}"
            ) from None
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        if providers and self.providers[0] != wanted[0]:  # onnxruntime falls back in silence
            raise ValueError(
                f"providers: expected {wanted[0]}, got {self.providers[0]}: the device or its "
                "libraries are not here"
            )
        self.inputs = tuple(map(_describe, self._session.get_inputs()))
        self.outputs = tuple(map(_describe, self._session.get_outputs()))
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Run the model on one array an input, in the order of `inputs`.

        Returns:
            One array an output, in the order of `outputs`.

        Raises:
            ValueError: An array has another rank, size or type than the model takes, or the model
                fails on it.
        """
        if len(arrays) != len(self.inputs):
            raise ValueError(f"{self.path}: expected {len(self.inputs)} inputs, got {len(arrays)}")
        for expected, array in zip(self.inputs, arrays, strict=True):
            self._check(expected, array)
        feed = {info.name: array for info, array in zip(self.inputs, arrays, strict=True)}
        try:
            return tuple(self._session.run(None, feed))
        except Exception as error:  # as above
            raise ValueError(f"{self.path}: the model failed: {_reason(error)}") from None

    def _check(self, expected: TensorInfo, array: NDArray[Any]) -> None:
        fits = len(expected.shape) == array.ndim and all(
            size is None or size == came
            for size, came in zip(expected.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != expected.dtype:
            came = ", ".join(map(str, array.shape))
            raise ValueError(f"{self.path}: expected {expected}, got ({came}) {array.dtype}")


def available_threads() -> int:
    """How many threads this process may use for numbers.

    That is what the environment variable OMP_NUM_THREADS says, which numpy and torch heed too,
    else the cores that the process may use (a container's or a job's share, where onnxruntime
    would count the machine's).
    """
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if told.isdecimal() and int(told) > 0:
        return int(told)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def providers_of(device: Literal["auto", "cpu", "cuda", "mps"]) -> Sequence[str] | None:
    """Execution providers of onnxruntime for a device; None: whatever is there.

    Raises:
        ValueError: This onnxruntime is built without them.
    """
    if device == "auto":
        return None
    import onnxruntime

    wanted = _PROVIDERS[device]
    if wanted[0] not in onnxruntime.get_available_providers():
        hint = " (onnxruntime-gpu has it)" if device == "cuda" else ""
        raise ValueError(
            f"device: expected auto or cpu, got {device}: this onnxruntime is built without "
            f"{wanted[0]}{hint}"
        )
    return wanted


def read_onnx_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """What its maker wrote into an ONNX file; the model itself is not loaded.

    Args:
        path: The file. One that is no ONNX model, or is cut off, gives nothing: who loads it is
            told so.

    Raises:
        OSError: The file cannot be read.
    """
    return dict(_texts(path, _METADATA_FIELDS))


def onnx_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """An ONNX file and the files beside it in which it has its weights, if it has.

    Raises:
        OSError: The file cannot be read.
        ValueError: Its weights are to be outside of its folder.
    """
    path = Path(path)
    names = {text for key, text in _texts(path, _EXTERNAL_DATA_FIELDS) if key == "location"}
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{path}: expected its weights beside it, got {name!r}")
    return path, *(path.parent / name for name in sorted(names))


def _texts(path: str | os.PathLike[str], fields: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """The pairs of texts at a path of field numbers in a protobuf file."""
    path = Path(path)
    with path.open("rb") as file:
        for content in _contents(file, path.stat().st_size, fields):
            key, text = (
                b"".join(_contents(io.BytesIO(content), len(content), (field,)))
                for field in (1, 2)
            )
            yield key.decode("utf-8", "replace"), text.decode("utf-8", "replace")


def _contents(file: BinaryIO, end: int, fields: tuple[int, ...]) -> Iterator[bytes]:
    """What stands at a path of field numbers in a protobuf message, as often as it is there.

    Args:
        file: All else in it is passed over without being read.
        end: Where the message ends; it begins where the file stands.
        fields: The numbers, from the outermost.
    """
    while file.tell() < end and (tag := _varint(file)) is not None:
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            _varint(file)
            continue
        length = {1: 8, 5: 4}.get(kind) if kind != 2 else _varint(file)
        start = file.tell()
        if length is None or start + length > end:
            return  # it is something else than a protobuf message, or cut off
        if kind == 2 and field == fields[0]:
            if len(fields) > 1:
                yield from _contents(file, start + length, fields[1:])
            elif length <= _LONGEST_TEXT:
                yield file.read(length)
        file.seek(start + length)


def _varint(file: BinaryIO) -> int | None:
    """The next whole number; None at the end, or where there is none."""
    value = 0
    for position in range(_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << 7 * position
        if byte[0] < 0x80:
            return value
    return None


def _choose_providers(available: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        preferred = ("CUDAExecutionProvider", "CPUExecutionProvider")
        return [name for name in preferred if name in available]
    unknown = [name for name in wanted if name not in available]
    if unknown:
        raise ValueError(f"providers: expected some of {', '.join(available)}, got {unknown[0]}")
    return list(wanted)


def _describe(tensor: Any) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
    return TensorInfo(tensor.name, shape, np.dtype(_DTYPES.get(tensor.type, np.object_)))


def _reason(error: Exception) -> str:
    """What onnxruntime says, in one line without its codes and paths."""
    lines = str(error).strip().splitlines()
    return lines[0].split("failed:")[-1].split(" : ")[-1].strip() if lines else repr(error)
