"""Frames from video files and URLs through PyAV, with rotation and true timestamps."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from faimtrack.motfile import SplitName
from faimtrack.structures import Frame, Image, SourceInfo
from faimtrack.video.counting import count_packets, declared_count
from faimtrack.video.sources import FrameSource, refuse_split, source_name, split_of

_LIVE_SCHEMES = ("rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "udp")
# By FFmpeg's number; the others are as good as never met, and left to PyAV.
_MATRICES = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M"}
_LEAST_STEP_S = 1e-4
_CONNECT_TIMEOUT_S = 10.0
_READ_TIMEOUT_S = 30.0


class VideoFile(FrameSource):
    """A video file or a URL.

    Frames are decoded in order while iterating; their conversion to RGB waits until the pixels
    are asked for. Times are the video's own, from 0 at its first frame, so a variable frame rate
    stays what it is; where a damaged file repeats a time, they still grow, by 0.1 ms. The display
    matrix (a phone held upright) is applied.
    """

    def __init__(self, source: str | Path, *, split: SplitName = "full") -> None:
        """Open the video, read its first frame and count the others.

        Raises:
            ValueError: It is no video, or has no frame.
            OSError: It cannot be read or reached.
        """
        self._source = str(source)
        self._split = split
        is_url = "://" in self._source
        self._name = _without_password(self._source) if is_url else self._source
        self._options = {"rtsp_transport": "tcp"} if self._source.startswith("rtsp") else {}
        self._timeout = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S) if is_url else None
        self._run: _Run | None = _Run(self)
        try:
            self._describe(self._run, is_url)
        except BaseException:
            self.close()
            raise

    def _describe(self, run: _Run, is_url: bool) -> None:
        """Find out what is known before the first frame; errors as of the constructor."""
        stream, first, split = run.stream, run.first, self._split
        self.is_live = self._source.startswith(_LIVE_SCHEMES) or (
            is_url and stream.duration is None and run.container.duration is None
        )
        self._expected = None if self.is_live else self._count(run, is_url)
        rate = stream.average_rate or stream.guessed_rate
        self._frame_rate = float(rate) if rate else None
        frames = None
        if self._expected is None:
            refuse_split(self._name, split)
        else:
            frames = split_of(self._name, self._expected, split)
        width, height = _upright_size(first)
        self.info = SourceInfo(
            name=source_name(self._source),
            frame_rate=self._frame_rate,
            frame_count=None if frames is None else len(frames),
            width=width,
            height=height,
            first_index=1 if frames is None else frames.start,
        )
        self._frames = frames

    def _count(self, run: _Run, is_url: bool) -> int | None:
        """The number of frames: by the container's table where it is right, else by a pass."""
        declared = declared_count(run.stream)
        if declared is not None:
            return declared
        return None if is_url else count_packets(self._source)

    def __iter__(self) -> Iterator[Frame]:
        run = self._run if self._run is not None else _Run(self)
        self._run = None
        try:
            yield from self._number(run)
        finally:
            run.close()

    def _number(self, run: _Run) -> Iterator[Frame]:
        run.expected = self._expected or 0
        size = _upright_size(run.first)
        stop = None if self._frames is None or self._split != "train-half" else self._frames.stop
        index, last_s = 0, -_LEAST_STEP_S
        for index, picture in enumerate(itertools.chain([run.first], run.rest), 1):
            if index == stop:
                return
            if self._frames is not None and index < self._frames.start:
                continue
            if _upright_size(picture) != size:
                came = _upright_size(picture)
                raise ValueError(
                    f"{self._name}: expected {size[0]} x {size[1]} pixels as frame 1 has, "
                    f"got {came[0]} x {came[1]} in frame {index}"
                )
            time_s = self._time_s(run.first, picture, run.stream.time_base, index)
            if time_s is not None:
                time_s = last_s = max(time_s, last_s + _LEAST_STEP_S)
            yield Frame(
                index,
                time_s=time_s,
                load=_Picture(picture),
                size=size,
            )
        # Packets are compared, not frames: some whole videos hold packets that show nothing.
        if self._expected is not None and (run.is_broken or run.packet_count < self._expected):
            raise ValueError(
                f"{self._name}: expected {max(self._expected, index + 1)} frames, "
                f"the video ends after {index}"
            )
        if run.is_broken:
            raise OSError(f"{self._name}: the stream broke off after frame {index}")

    def _time_s(self, first: Any, picture: Any, time_base: Any, index: int) -> float | None:
        if first.pts is not None and picture.pts is not None:
            return float((picture.pts - first.pts) * time_base)
        return (index - 1) / self._frame_rate if self._frame_rate else None

    def close(self) -> None:
        """Close the video; iterating afterwards opens it again."""
        if self._run is not None:
            self._run.close()
            self._run = None


class _Run:
    """One pass over a video.

    Attributes:
        first: The first decoded frame.
        rest: The decoded frames after it.
        packet_count: Packets read so far that are meant to be shown.
        is_broken: Whether the data ended in the middle.
        expected: How many packets there should be; 0 if unknown.
    """

    def __init__(self, video: VideoFile) -> None:
        self._name = video._name
        self.packet_count = 0
        self.expected = 0
        self.is_broken = False
        try:
            self.container = av.open(video._source, options=video._options, timeout=video._timeout)
        except av.error.FFmpegError as error:
            raise _plain(
                error, f"{self._name}: expected a video", video._timeout is not None
            ) from None
        try:
            if not self.container.streams.video:
                raise ValueError(f"{self._name}: expected a video, got a file without pictures")
            self.stream = self.container.streams.video[0]
            self.stream.thread_type = "AUTO"
            self.rest = self._pictures()
            self.first = next(self.rest, None)
            if self.first is None:
                raise ValueError(f"{self._name}: expected a video with frames, got none")
        except BaseException:
            self.container.close()
            raise

    def _pictures(self) -> Iterator[Any]:
        last_pts = None
        try:
            for packet in self._packets():
                for picture in packet.decode():
                    last_pts = picture.pts
                    yield picture
        except av.error.FFmpegError:
            self.is_broken = True
        try:
            yield from self._flush(last_pts)
        except (av.error.FFmpegError, EOFError):
            return

    def _flush(self, last_pts: int | None) -> Iterator[Any]:
        """What the decoder still holds; of a cut video only up to the first that is missing."""
        for picture in self.stream.codec_context.decode(None):
            is_cut = self.is_broken or self.packet_count < self.expected
            if is_cut and self._skips(last_pts, picture.pts):
                return
            last_pts = picture.pts
            yield picture

    def _skips(self, last_pts: int | None, pts: int | None) -> bool:
        """Whether more than one frame's time lies between two frames."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        if not rate or last_pts is None or pts is None:
            return False
        return bool((pts - last_pts) * self.stream.time_base * rate > Fraction(3, 2))

    def _packets(self) -> Iterator[Any]:
        """The packets but the one that is cut in the middle: its picture would be half grey."""
        held = None
        for packet in self.container.demux(self.stream):
            if packet.size == 0:
                break
            if held is not None:
                yield held
                held = None
            self.packet_count += not packet.is_discard
            if packet.is_corrupt:
                held = packet
            else:
                yield packet
        self.is_broken = held is not None

    def close(self) -> None:
        self.rest = iter(())
        self.container.close()


class _Picture:
    """Turns a decoded frame into pixels when called; the frame is kept as the decoder left it."""

    __slots__ = ("_picture",)

    def __init__(self, picture: Any) -> None:
        self._picture = picture

    def __call__(self) -> Image:
        # Told, because PyAV before 17 takes everything for BT.601 unless the two differ.
        matrix = _MATRICES.get(int(self._picture.colorspace))
        other = "ITU601" if matrix in ("ITU709", "SMPTE240M", "FCC") else None
        image = self._picture.reformat(
            format="rgb24", src_colorspace=matrix, dst_colorspace=other
        ).to_ndarray()
        is_transposed, is_mirrored, is_flipped = _orientation(self._picture)
        if is_transposed:
            image = image.transpose(1, 0, 2)
        if is_mirrored:
            image = image[:, ::-1]
        if is_flipped:
            image = image[::-1]
        return np.ascontiguousarray(image)


def _orientation(picture: Any) -> tuple[bool, bool, bool]:
    """Whether to swap x and y, then mirror x, then flip y, to show a decoded frame upright.

    The display matrix maps a pixel (x, y) to (a x + c y, b x + d y); of its angles only quarter
    turns and mirror images are followed.
    """
    data = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(a) >= abs(b):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def _upright_size(picture: Any) -> tuple[int, int]:
    """`(width, height)` in pixels as shown."""
    is_transposed = _orientation(picture)[0]
    width, height = picture.width, picture.height
    return (height, width) if is_transposed else (width, height)


def _without_password(url: str) -> str:
    """A URL for messages: no user, no password, no query."""
    return re.sub(r"//[^/@]*@", "//", url).split("?")[0]


def _plain(error: Any, expected: str, is_url: bool) -> Exception:
    """PyAV's error as a built-in one, in one line."""
    message = f"{expected}, got: {error.strerror or error}"
    for kind in (FileNotFoundError, PermissionError):
        if isinstance(error, kind):
            return kind(message)
    return OSError(message) if is_url or isinstance(error, OSError) else ValueError(message)
