"""Video out: H.264 that every browser plays, under its final name only when whole."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from faimtrack.atomic import atomic_file
from faimtrack.structures import Image

_TICKS_PER_S = 90_000
_ENCODERS = ("libx264", "libopenh264")


class VideoWriter:
    """Writes an mp4 (H.264, yuv420p, BT.709, index at the front).

    H.264 with yuv420p has even sides only: an odd image is padded by repeating its last column or
    row, so no pixel is lost. Use it in a `with` statement: the file appears when the block ends
    well; after an error in the block nothing is left, and a file that was there before stays.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        frame_rate: float | Fraction,
        size: tuple[int, int] | None = None,
        *,
        quality: int = 23,
        threads: int = 0,
    ) -> None:
        """Begin a video; the file is opened at the first image.

        Args:
            path: Where to; the name should end in ``.mp4``.
            frame_rate: Frames per second, any positive number (29.97 and 30000/1001 are fine).
            size: `(width, height)` in pixels that all images have; None takes the first image's.
            quality: x264's constant rate factor: 18 looks like the original, 28 is small.
            threads: Of the encoder; 0 lets it choose.

        Raises:
            ValueError: The frame rate is not positive, or the suffix is not that of an mp4.
        """
        self._path = Path(path)
        if self._path.suffix.lower() not in {".mp4", ".m4v", ".mov"}:
            raise ValueError(f"{self._path}: expected a name that ends in .mp4")
        if not 0 < frame_rate <= _TICKS_PER_S:
            raise ValueError(
                f"frame_rate: expected above 0 and up to {_TICKS_PER_S}, got {frame_rate}"
            )
        self._rate = Fraction(frame_rate).limit_denominator(1001)
        self._size = size
        self._options = {"crf": str(quality), "preset": "veryfast", "threads": str(threads)}
        self._stack = contextlib.ExitStack()
        self._temporary: Path | None = None
        self._container: Any = None
        self._stream: Any = None
        self._count = 0
        self._last_tick = -1

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: Image, *, time_s: float | None = None) -> None:
        """Append an image.

        Args:
            image: `(H, W, 3)` uint8 RGB; not modified.
            time_s: When it is shown, in seconds from the video's start, to keep a variable frame
                rate; None is one frame after another at the frame rate.

        Raises:
            ValueError: The image has another size than the first, or its time is not later than
                the last one's.
            OSError: The file cannot be written (the disk is full, …); nothing is left behind.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(
                f"{self._path}: expected (height, width, 3) uint8 RGB in frame {self._count + 1}, "
                f"got {image.shape} {image.dtype}"
            )
        size = image.shape[1], image.shape[0]
        if self._size is None:
            self._size = size
        if size != self._size:
            raise ValueError(
                f"{self._path}: expected {self._size[0]} x {self._size[1]} pixels, got "
                f"{size[0]} x {size[1]} in frame {self._count + 1}"
            )
        shown_s = Fraction(self._count) / self._rate if time_s is None else time_s
        tick = round(shown_s * _TICKS_PER_S)
        if tick <= self._last_tick:
            raise ValueError(
                f"{self._path}: expected a time after {self._last_tick / _TICKS_PER_S:.4f} s in "
                f"frame {self._count + 1}, got {float(shown_s):.4f} s"
            )
        try:
            if self._container is None:
                self._open()
            self._encode(image, tick)
        except BaseException as error:
            raise self._abandon(error) from None
        self._count += 1
        self._last_tick = tick

    def close(self) -> None:
        """Finish the file and give it its name; a second call does nothing.

        Raises:
            ValueError: No image was written.
            OSError: The file cannot be written.
        """
        if self._container is None:
            if self._count == 0:
                raise ValueError(f"{self._path}: expected at least one image to write, got none")
            return
        container, self._container = self._container, None
        try:
            try:
                container.mux(self._stream.encode(None))
            finally:
                container.close()
            self._check_whole()
            self._stack.close()
        except BaseException as error:
            raise self._abandon(error) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._abandon(error)

    def _open(self) -> None:
        assert self._size is not None
        self._temporary = self._stack.enter_context(atomic_file(self._path))
        self._container = av.open(
            str(self._temporary), "w", format="mp4", options={"movflags": "+faststart"}
        )
        name = next((name for name in _ENCODERS if name in av.codecs_available), None)
        if name is None:
            raise OSError(f"this PyAV has no H.264 encoder ({', '.join(_ENCODERS)})")
        options = self._options if name == "libx264" else {}
        stream = self._container.add_stream(name, rate=self._rate, options=options)
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, _TICKS_PER_S)
        # 1 is BT.709 (and the limited range) everywhere: what players assume of HD.
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        self._stream = stream

    def _encode(self, image: Image, tick: int) -> None:
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="itu709")
        picture.pts, picture.time_base = tick, Fraction(1, _TICKS_PER_S)
        self._container.mux(self._stream.encode(picture))

    def _check_whole(self) -> None:
        """Some write errors of the last moment are not told by the library: count the frames."""
        with av.open(str(self._temporary)) as written:
            found = written.streams.video[0].frames
        if found != self._count:
            raise OSError(f"expected {self._count} frames in the file, got {found}")

    def _abandon(self, error: BaseException) -> BaseException:
        """Remove what was written; give the error in one line that names the file."""
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(Exception):
                container.close()
        # atomic_file removes its file on an exception, and raises it again.
        with contextlib.suppress(BaseException):
            self._stack.__exit__(type(error), error, error.__traceback__)
        if isinstance(error, (OSError, av.error.FFmpegError)):
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            return OSError(f"{self._path}: cannot write frame {self._count + 1}: {reason}")
        return error
