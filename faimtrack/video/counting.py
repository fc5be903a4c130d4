"""How many frames a video file has, without decoding it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import av


def declared_count(stream: Any) -> int | None:
    """The container's number of frames if its duration agrees with it.

    They differ where an edit list hides frames, or where an unfinished file was repaired.
    """
    rate, duration = stream.average_rate, stream.duration
    if not stream.frames or not rate or duration is None:
        return None
    from_duration = duration * stream.time_base * rate
    return int(stream.frames) if abs(from_duration - stream.frames) < Fraction(3, 2) else None


def count_packets(path: str) -> int:
    """Count a file's frames without decoding; of one that is cut off, those it should have."""
    count, end_s, is_whole, held = 0, Fraction(0), True, False
    with av.open(path) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    count += 1
                    held = packet.is_corrupt
                    if packet.pts is not None:
                        end_s = max(end_s, (packet.pts + packet.duration) * stream.time_base)
        except av.error.FFmpegError:
            is_whole = False
        declared_s = _matroska_duration_s(stream)
        if declared_s is not None and rate and (declared_s - end_s) * rate > 2:
            declared: int = round(declared_s * rate)
            return max(count, declared)
        if is_whole and not held:
            return count
        return max(count, int(stream.frames))


def _matroska_duration_s(stream: Any) -> Fraction | None:
    """The length that Matroska and WebM files note for a track, in seconds."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if found is None:
        return None
    return int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3])
