"""The one door to linking: the detections of a whole video in, the linked ones out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faimtrack.detectors.video.linking.config import (
    CONFIG_CLASSES,
    LinkConfig,
    LinkMethod,
    ReppConfig,
    SeqNmsConfig,
)
from faimtrack.detectors.video.linking.repp import link_repp
from faimtrack.detectors.video.linking.seq_nms import link_seq_nms
from faimtrack.structures import Detections


def link(
    frames: Sequence[Detections],
    config: LinkConfig,
    frame_numbers: Sequence[int] | NDArray[np.int64] | None = None,
) -> list[Detections]:
    """Link the detections of a video over time; each score then tells of the whole video.

    Scores (and with REPP boxes) change, and some detections go. What stays keeps its embedding
    and its mask; a mask is not moved with a box that is smoothed.

    Args:
        frames: The detections of all frames of one video, in order; frames may be empty.
        config: Which method, and its parameters.
        frame_numbers: `(F,)` their rising numbers; None: one after the other. Between frames
            whose numbers lie more than `config.max_step_frames` apart nothing is linked.

    Returns:
        As many frames. What is left of a frame keeps its order.

    Raises:
        ValueError: Frame numbers do not rise or are not as many as frames, frames that are not
            empty differ in their classes, or a file of coefficients is none.
        TypeError: There is no such method.
        OSError: The file of coefficients cannot be read.
    """
    _check_classes(frames)
    is_followed = _followed(len(frames), frame_numbers, config.max_step_frames)
    if isinstance(config, SeqNmsConfig):
        return link_seq_nms(frames, config, is_followed)
    if isinstance(config, ReppConfig):
        return link_repp(frames, config, is_followed)
    raise TypeError(f"config: expected {method_names()}'s, got {type(config).__name__}")


def method_names() -> str:
    """The methods for a message."""
    return " or ".join(CONFIG_CLASSES)


def method_of(config: LinkConfig) -> LinkMethod:
    """What a command line calls the method of a configuration.

    Raises:
        TypeError: There is no such method.
    """
    for name, kind in CONFIG_CLASSES.items():
        if type(config) is kind:
            return name
    raise TypeError(f"config: expected {method_names()}'s, got {type(config).__name__}")


def _followed(
    count: int, frame_numbers: Sequence[int] | NDArray[np.int64] | None, max_step_frames: int
) -> NDArray[np.bool_]:
    """`(F − 1,)` whether each frame but the last may be linked with the next."""
    if frame_numbers is None:
        return np.ones(max(count - 1, 0), bool)
    numbers = np.asarray(frame_numbers)
    if numbers.shape != (count,):
        raise ValueError(f"frame_numbers: expected {count}, one a frame, got {numbers.shape}")
    steps = np.diff(numbers)
    if (steps <= 0).any():
        place = int(np.flatnonzero(steps <= 0)[0])
        raise ValueError(
            f"frame_numbers: expected rising ones, got {numbers[place]} before "
            f"{numbers[place + 1]}"
        )
    return np.asarray(steps <= max_step_frames, dtype=bool)


def _check_classes(frames: Sequence[Detections]) -> None:
    """Refuse frames whose class ids mean different things."""
    names: tuple[str, ...] | None = None
    for place, detections in enumerate(frames):
        if not len(detections):
            continue
        if names is not None and detections.class_names != names:
            raise ValueError(
                f"frames: expected the classes {', '.join(names)} in all of them, got "
                f"{', '.join(detections.class_names)} at place {place}"
            )
        names = detections.class_names
