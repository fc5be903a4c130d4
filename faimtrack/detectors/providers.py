"""Devices by the names that onnxruntime has for them."""

from __future__ import annotations

from collections.abc import Sequence

from faimtrack.detectors.config import Device

_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "mps": ("CoreMLExecutionProvider", "CPUExecutionProvider"),
}


def providers_of(device: Device) -> Sequence[str] | None:
    """Execution providers of onnxruntime for a device; None: whatever is there.

    Raises:
        ValueError: This onnxruntime is built without them.
    """
    wanted = _PROVIDERS.get(device)
    if wanted is None:
        return None
    import onnxruntime

    if wanted[0] not in onnxruntime.get_available_providers():
        hint = " (onnxruntime-gpu has it)" if device == "cuda" else ""
        raise ValueError(
            f"device: expected auto or cpu, got {device}: this onnxruntime is built without "
            f"{wanted[0]}{hint}"
        )
    return wanted
