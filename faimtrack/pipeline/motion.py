"""Who tells how the picture of a sequence moves, and where a file of transforms is found."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from faimtrack.camera_motion import MotionFile, create_camera_motion
from faimtrack.pipeline.enriching import MotionEnricher
from faimtrack.pipeline.tasks import SequenceTask
from faimtrack.structures import SourceInfo

OWN_MOTION = "sequence"
"""Stands for each sequence's own file, as crowds have one."""
_OWN_FILE = "camera_motion.txt"
_PREFIX = "GMC-"
# MOT17 has each sequence three times, with another detector's name behind its own.
_OF_MOT17 = re.compile(r"(MOT17-\d\d)-(DPM|FRCNN|SDP)")


def motion_path(name: str, source: str, given: str) -> Path:
    """The file of transforms of a sequence; it need not be there.

    Args:
        name: The sequence's.
        source: Where its frames come from.
        given: A file; a folder of ``<sequence>.txt`` or ``GMC-<sequence>.txt`` (without the
            detector's name for MOT17); or `OWN_MOTION` for the ``camera_motion.txt`` in the
            sequence's folder.

    Raises:
        ValueError: The folder has several.
    """
    if given == OWN_MOTION:
        return Path(source) / _OWN_FILE
    folder = Path(given)
    if not folder.is_dir():
        return folder
    paths = [folder / each for each in _names(name)]
    found = [path for path in paths if path.exists()]
    if len(found) > 1:
        raise ValueError(
            f"{folder}: expected one file of camera motion for {name}, got "
            f"{' and '.join(path.name for path in found)}"
        )
    return found[0] if found else paths[0]


def _names(name: str) -> list[str]:
    names = [f"{name}.txt", f"{_PREFIX}{name}.txt"]
    of_mot17 = _OF_MOT17.fullmatch(name)
    if of_mot17 is not None:
        names += [f"{of_mot17[1]}.txt", f"{_PREFIX}{of_mot17[1]}.txt"]
    return names


def require_motion_file(task: SequenceTask) -> None:
    """See that the file of transforms of a task is there, if one is to be read.

    Raises:
        FileNotFoundError: It is not.
    """
    path = task.camera_motion
    if path is None or path.is_file():
        return
    where = "there"
    if task.recipe.camera_motion.file not in {OWN_MOTION, str(path)}:
        where = f"in {' or '.join(_names(task.name))}"
    raise FileNotFoundError(
        f"{path if where == 'there' else path.parent}: expected camera motion of {task.name} "
        f"{where}, got no such file"
    )


def open_camera_motion(task: SequenceTask, info: SourceInfo) -> MotionEnricher | None:
    """What tells the camera's motion in a task's sequence; None if nobody does.

    Args:
        task: The task.
        info: The sequence.

    Raises:
        ValueError: A file of transforms is wrong, or ends before the sequence.
        OSError: It cannot be read.
    """
    config = task.recipe.camera_motion
    if config.method == "none":
        return None
    if task.camera_motion is not None:
        config = replace(config, file=str(task.camera_motion))
    motion = create_camera_motion(config)
    if isinstance(motion, MotionFile) and info.frame_count:
        motion.require_frames(info.first_index + info.frame_count - 1)
    return MotionEnricher(motion)
