"""What can be said of a source's frames as a whole: their hash and how many there are."""

from __future__ import annotations

from pathlib import Path

from faimtrack.provenance import file_sha256, files_sha256
from faimtrack.video import FrameSource
from faimtrack.video.images import ImageFiles, MotSequence


def full_length(source: FrameSource) -> int | None:
    """Frames of the whole sequence, whatever the split; None where nobody knows."""
    if isinstance(source, MotSequence):
        return source.sequence.frame_count
    if isinstance(source, ImageFiles):
        return len(source.paths)
    count = source.info.frame_count
    return None if count is None else source.info.first_index - 1 + count


def are_frames_at_hand(source: FrameSource) -> bool:
    """Whether there are pixels; a sequence folder may have none."""
    return not isinstance(source, MotSequence) or source.sequence.image_folder.is_dir()


def frames_sha256(name: str, source: FrameSource) -> str | None:
    """Of the pixels' files: all of a folder of images, or the video; None of a live source.

    Args:
        name: What the source was opened by.
        source: The source.

    Raises:
        OSError: A file cannot be read.
    """
    if isinstance(source, ImageFiles):
        return files_sha256(source.paths)
    if isinstance(source, MotSequence):
        folder = source.sequence.image_folder
        return files_sha256([path for path in folder.iterdir() if path.is_file()])
    path = Path(name)
    return file_sha256(path) if path.is_file() else None
