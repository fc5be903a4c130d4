"""Devices by the names that onnxruntime has for them."""

from __future__ import annotations

from collections.abc import Sequence

from faimtrack.detectors.config import Device


def providers_of(device: Device) -> Sequence[str] | None:
    """Execution providers of onnxruntime for a device; None: whatever is there."""
    names = {
        "cpu": ["CPUExecutionProvider"],
        "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
        "mps": ["CoreMLExecutionProvider", "CPUExecutionProvider"],
    }
    return names.get(device)
