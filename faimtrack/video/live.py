"""Cameras, and the newest frame of whatever is live."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from faimtrack.structures import Frame, Image, SourceInfo
from faimtrack.video.sources import FrameSource, source_name


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that a camera needs."""

    def isOpened(self) -> bool: ...  # noqa: D102

    def read(self) -> tuple[bool, Any]:
        """Whether there was a frame, and its `(H, W, 3)` uint8 pixels in BGR."""
        ...

    def get(self, property_id: int) -> float: ...  # noqa: D102

    def release(self) -> None: ...  # noqa: D102


def _open_capture(number: int) -> Capture:
    import cv2

    # OpenCV prints a page of warnings for a camera that is not there; the error below says it.
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture: Capture = cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)
    return capture


class Camera(FrameSource):
    """A camera of this machine; frames are numbered from 1, timed by the monotonic clock."""

    is_live = True

    def __init__(
        self,
        number: int,
        *,
        open_capture: Callable[[int], Capture] = _open_capture,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open camera `number`.

        Raises:
            OSError: There is no such camera, or it is in use.
        """
        import cv2

        self._number = number
        self._clock_s = clock_s
        self._capture = open_capture(number)
        if not self._capture.isOpened():
            self._capture.release()
            raise OSError(f"camera {number}: expected a camera, got none that can be opened")
        get = self._capture.get
        self.info = SourceInfo(
            name=source_name(number),
            frame_rate=float(get(cv2.CAP_PROP_FPS)) or None,
            width=int(get(cv2.CAP_PROP_FRAME_WIDTH)) or None,
            height=int(get(cv2.CAP_PROP_FRAME_HEIGHT)) or None,
        )

    def __iter__(self) -> Iterator[Frame]:
        index, start_s = 0, None
        while True:
            is_there, bgr = self._capture.read()
            now_s = self._clock_s()
            if not is_there:
                raise OSError(f"camera {self._number}: gave no more frames after frame {index}")
            index += 1
            start_s = now_s if start_s is None else start_s
            yield Frame(
                index,
                time_s=now_s - start_s,
                load=partial(_to_rgb, bgr),
                size=(bgr.shape[1], bgr.shape[0]),
            )

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


def _to_rgb(bgr: Any) -> Image:
    import cv2

    image: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return image


class LatestFrames(FrameSource):
    """The newest frame of a live source whenever one is asked for; older ones are dropped.

    A thread reads the source all the time. Frames keep the source's numbers, so that gaps show
    how many were dropped.
    """

    is_live = True

    def __init__(self, source: FrameSource) -> None:
        self.info = source.info
        self._source = source
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._error: BaseException | None = None
        self._is_over = False
        self._reader: threading.Thread | None = None

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for frame in self._source:
                with self._changed:
                    self._newest = frame
                    self._changed.notify()
                    if self._is_over:
                        break
        except BaseException as caught:  # raised again where the frames are asked for
            error = caught
        with self._changed:
            self._error, self._is_over = error, True
            self._changed.notify()

    def __iter__(self) -> Iterator[Frame]:
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, daemon=True, name="latest-frames")
            self._reader.start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._is_over)
                frame, self._newest = self._newest, None
            if frame is None:
                if self._error is not None:
                    raise self._error
                return
            yield frame

    def close(self) -> None:
        """Stop the thread and close the source."""
        with self._changed:
            self._is_over = True
            self._newest = None
            self._changed.notify()
        if self._reader is not None:
            self._reader.join(timeout=5.0)
        self._source.close()
