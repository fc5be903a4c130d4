"""Results of one sequence beside each other, each box in the colour of what CLEAR takes it for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faimtrack.config import PresetConfig, parameter
from faimtrack.drawing import EventPanels, write_picture
from faimtrack.eval import total_counts
from faimtrack.pipeline.comparison import Comparison, EventHistory, counts_by_kind
from faimtrack.pipeline.frames import are_frames_at_hand, frames_sha256, full_length
from faimtrack.pipeline.sinks import DEFAULT_FRAME_RATE
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.structures import Frame, Image
from faimtrack.video import FrameSource, VideoWriter, open_source

_MOST_WIDTH_PX = 16384  # more than any encoder takes

Report = Callable[[int, int], None]
"""Called after each frame with the frames done and the frames to do."""


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig(PresetConfig):
    """How a comparison looks."""

    most_width: int = parameter(
        960,
        unit="pixels",
        help="Width of a panel unless it is given; narrower images stay.",
        low=1,
    )
    switch_label_frames: int = parameter(
        12,
        unit="frames",
        help="How long the label of an identity switch stays; 1: that frame.",
        low=1,
    )


class ComparisonPictures:
    """Draws frames of a comparison from a source of images, one in memory at a time.

    Use it in a `with` statement.
    """

    def __init__(
        self,
        comparison: Comparison,
        images: str | Path,
        config: ComparisonConfig | None = None,
        *,
        width: int | None = None,
        scale: float | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Open the images; frame 1 is the full sequence's first.

        Args:
            comparison: What to draw.
            images: A sequence folder, a folder of images, a video.
            config: How it looks; the defaults if None.
            width: Of a panel in pixels.
            scale: Of a panel in widths of the image; not beside `width`.
            size: Height and width in pixels that the images are to have, those of the boxes; None:
                any.

        Raises:
            ValueError: There are no images, or fewer than the sequence has frames; both or
                impossible sizes.
            OSError: The images cannot be read.
        """
        if width is not None and scale is not None:
            raise ValueError("expected one of width and scale, got both")
        if scale is not None and not 0 < scale <= 8:
            raise ValueError(f"scale: expected above 0 and up to 8, got {scale:g}")
        if width is not None and not 0 < width <= _MOST_WIDTH_PX:
            raise ValueError(f"width: expected 1 to {_MOST_WIDTH_PX} pixels, got {width}")
        self._comparison, self._images, self._size = comparison, str(images), size
        self._config = config or ComparisonConfig()
        self._width, self._scale = width, scale
        self._source = open_source(images)
        try:
            _check_images(self._images, self._source, comparison.frames)
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> ComparisonPictures:
        return self

    def __exit__(self, *error: object) -> None:
        self._source.close()

    @property
    def frame_rate(self) -> float:
        """Frames per second of a video of the pictures."""
        return self._source.info.frame_rate or DEFAULT_FRAME_RATE

    def draw(self, frames: range) -> Iterator[tuple[Frame, Image]]:
        """Each frame and its picture, in order.

        Args:
            frames: Those to draw, in steps of 1.

        Raises:
            ValueError: They are not all among the comparison's frames, or an image is broken or
                has another size.
            OSError: An image cannot be read.
        """
        whole = self._comparison.frames
        if not frames or frames.start < whole.start or frames.stop > whole.stop:
            raise ValueError(
                f"frames: expected some of {whole.start} to {whole.stop - 1}, got "
                f"{frames.start} to {frames.stop - 1}"
            )
        histories = [
            EventHistory(side, self._comparison.ground_truth, self._config.switch_label_frames)
            for side in self._comparison.sides
        ]
        panels, last = None, 0
        for frame in self._source:
            if frame.index not in frames:
                continue
            image, last = frame.image, frame.index
            panels = panels or self._panels(image)
            shown = [history.advance_to(frame.index) for history in histories]
            counts = [counts_by_kind(history.counts) for history in histories]
            yield frame, panels.draw(image, shown, counts, f"frame {frame.index}")
            frame.release()
            if last == frames[-1]:
                return
        raise ValueError(
            f"{self._images}: expected images up to frame {frames[-1]}, got them up to {last}"
        )

    def record(self, frames: range, kind: str) -> Provenance:
        """What a video or picture of these frames was made from.

        Raises:
            OSError: An input cannot be read.
        """
        comparison = self._comparison
        inputs: dict[str, str | None] = {
            f"results {number}": side.sha256 for number, side in enumerate(comparison.sides, 1)
        }
        inputs["ground truth"] = comparison.ground_truth_sha256
        inputs["frames"] = frames_sha256(self._images, self._source)
        return Provenance(
            kind=kind,
            configuration={
                "comparison": self._config,
                "names": [side.name for side in comparison.sides],
                "rules": comparison.rules.name,
                "frames": [frames[0], frames[-1]],
                "width": self._width,
                "scale": self._scale,
            },
            inputs=inputs,
            split=comparison.settings.split,
            numbering=comparison.settings.numbering,
        )

    def _panels(self, image: Image) -> EventPanels:
        height, wide = image.shape[:2]
        if self._size is not None and self._size != (height, wide):
            raise ValueError(
                f"{self._images}: expected images of {self._size[1]} x {self._size[0]} pixels as "
                f"the sequence's seqinfo.ini has, got {wide} x {height}"
            )
        width = self._width or min(image.shape[1], self._config.most_width)
        if self._scale is not None:
            width = round(self._scale * image.shape[1])
        sides = self._comparison.sides
        totals = [counts_by_kind(total_counts(side.events)) for side in sides]
        return EventPanels([side.name for side in sides], totals, width)


def write_comparison_video(
    pictures: ComparisonPictures, frames: range, output: Path, report: Report | None = None
) -> None:
    """Write pictures as H.264, with a sidecar; the file appears when it is whole.

    Raises:
        ValueError: As `ComparisonPictures.draw`, or `output` is no name of an mp4.
        OSError: An image cannot be read or the video cannot be written.
    """
    start_s = None
    with VideoWriter(output, pictures.frame_rate) as writer:
        for done, (frame, picture) in enumerate(pictures.draw(frames), 1):
            start_s = frame.time_s if start_s is None else start_s
            time_s = None
            if frame.time_s is not None and start_s is not None:
                time_s = frame.time_s - start_s
            writer.write(picture, time_s=time_s)
            if report is not None:
                report(done, len(frames))
    write_provenance(output, pictures.record(frames, "video"))


def write_comparison_picture(pictures: ComparisonPictures, frame: int, output: Path) -> None:
    """Write the picture of one frame as PNG, with a sidecar.

    Raises:
        ValueError: As `ComparisonPictures.draw`, or `output` is no name of a PNG.
        OSError: The image cannot be read or the picture cannot be written.
    """
    only = range(frame, frame + 1)
    for _, picture in pictures.draw(only):
        write_picture(picture, output)
    write_provenance(output, pictures.record(only, "picture"))


def _check_images(name: str, source: FrameSource, frames: range) -> None:
    """Refuse images that cannot be those of the sequence.

    Raises:
        ValueError: They are.
    """
    if source.is_live:
        raise ValueError(f"{name}: expected images, a sequence or a video, got a live source")
    if not are_frames_at_hand(source):
        raise ValueError(f"{name}: expected images of the sequence, got a folder without them")
    length = full_length(source)
    if length is not None and length < frames[-1]:
        raise ValueError(
            f"{name}: expected the whole sequence's images, up to frame {frames[-1]}, got {length}"
        )
