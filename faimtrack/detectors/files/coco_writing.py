"""Writing detections as COCO's JSON, in which no bit of a box or a score is lost.

The file is one object: `info`, `categories` (ids from 1), `annotations` (`image_id` is the frame's
number; `bbox` is left, top, width, height in pixels; `score`; with masks `segmentation`, COCO's
compressed run lengths) and `images`, all frames that were
looked at. Each record has a line of its own. See `faimtrack.motfile.exact` for widths and heights.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from faimtrack.atomic import PartialFile
from faimtrack.detectors.files.contents import FileContents
from faimtrack.motfile.exact import extent_text, number_text
from faimtrack.structures import Detections, RunLengthMask, SourceInfo

_IMAGES_A_WRITE = 1000


class CocoEncoder:
    """Writes detections as COCO's JSON."""

    can_lack_its_end = True

    def __init__(self, file: PartialFile, class_names: tuple[str, ...], info: SourceInfo) -> None:
        self._file = file
        self._class_names, self._info = class_names, info
        self._count = 0

    def begin(self) -> None:
        """Write what is known before the first frame."""
        info = {"description": "detections", "sequence": self._info.name}
        categories = [
            {"id": number, "name": name} for number, name in enumerate(self._class_names, 1)
        ]
        lines = ",\n".join(json.dumps(category) for category in categories)
        self._file.write(
            f'{{"info": {json.dumps(info)},\n"categories": [\n{lines}\n],\n"annotations": ['
        )

    def add(self, frame: int, detections: Detections) -> None:
        """Write the annotations of one frame."""
        self._file.write("".join(self._records(frame, detections)))
        self._file.keep()

    def _records(self, frame: int, detections: Detections) -> list[str]:
        records = []
        rows = zip(
            detections.boxes.tolist(),
            detections.scores.tolist(),
            detections.class_ids.tolist(),
            detections.masks or [None] * len(detections),
            strict=True,
        )
        for (x1, y1, x2, y2), score, kind, mask in rows:
            width, height = extent_text(x1, x2), extent_text(y1, y2)
            comma = "," if self._count else ""
            self._count += 1
            records.append(
                f'{comma}\n{{"id": {self._count}, "image_id": {frame}, "category_id": {kind + 1}, '
                f'"bbox": [{number_text(x1)}, {number_text(y1)}, {width}, {height}], '
                f'"area": {number_text((x2 - x1) * (y2 - y1))}, "iscrowd": 0, '
                f'"score": {number_text(score)}{_mask_text(mask)}}}'
            )
        return records

    def end(self, contents: FileContents, is_whole: bool) -> None:
        """Write the images, which are known at the end, also after an error if there is room."""
        try:
            if not is_whole:
                self._file.cut()
            self._file.write('\n],\n"images": [')
            frames = itertools.chain.from_iterable(
                range(first, last + 1) for first, last in contents.frames
            )
            comma = ""
            while some := list(itertools.islice(frames, _IMAGES_A_WRITE)):
                images = ",\n".join(json.dumps(self._image(frame)) for frame in some)
                self._file.write(f"{comma}\n{images}")
                comma = ","
            self._file.write("\n]}\n")
            self._file.keep()
        except OSError:
            if is_whole:
                raise

    def _image(self, frame: int) -> dict[str, Any]:
        image: dict[str, Any] = {"id": frame, "file_name": f"{frame:06d}.jpg"}
        if self._info.width and self._info.height:
            image |= {"width": self._info.width, "height": self._info.height}
        return image


def _mask_text(mask: RunLengthMask | None) -> str:
    """The key of a mask with the comma before it; empty without a mask."""
    if mask is None:
        return ""
    counts = mask["counts"]
    text = counts if isinstance(counts, str) else counts.decode("ascii")
    tree = {"size": list(mask["size"]), "counts": text}
    return f', "segmentation": {json.dumps(tree)}'
