"""One image's annotation in ImageNet's XML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from faimtrack.datasets.annotated import NO_TRACK

_MOST_BYTES = 2**20  # an image of ImageNet has at most a few hundred objects
_LARGEST = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class XmlAnnotation:
    """What a file says of its image.

    Attributes:
        height, width: Of the image in pixels.
        wordnet_ids: A class an object.
        track_ids: −1 where the file has none.
        boxes: Corners `x1 y1 x2 y2` in pixels from 0, as written.
        occluded: 1 if something covers the object.
        generated: 1 if the box was interpolated, not drawn by a person.
    """

    height: int
    width: int
    wordnet_ids: list[str] = field(default_factory=list)
    track_ids: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    occluded: list[int] = field(default_factory=list)
    generated: list[int] = field(default_factory=list)


class _PlainTree(TreeBuilder):
    """Elements and text alone: no DOCTYPE, and so no entities that a file could define."""

    def doctype(self, name: str, *_: object) -> None:
        raise ValueError(f"expected no DOCTYPE, got one of {name[:40]!r}")


def parse_annotation(path: str, data: bytes) -> XmlAnnotation:
    """Read one file.

    Args:
        path: For messages.
        data: Its bytes.

    Raises:
        ValueError: It is no XML, has a DOCTYPE, or lacks what an annotation has.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError(
            f"{path}: expected an image's annotation of at most {_MOST_BYTES} bytes, got "
            f"{len(data)}"
        )
    parser = XMLParser(target=_PlainTree())
    try:
        parser.feed(data)
        root = parser.close()
        return _annotation(root)
    except ParseError as error:
        raise ValueError(f"{path}: expected XML, got: {error}") from None
    except (ValueError, LookupError) as error:  # LookupError: an encoding nobody knows
        raise ValueError(f"{path}: {error}") from None


def _annotation(root: Element) -> XmlAnnotation:
    size = root.find("size")
    if root.tag != "annotation" or size is None:
        raise ValueError(f"expected an annotation with a size, got {root.tag[:40]!r}")
    made = XmlAnnotation(height=_whole(size, "height", 0), width=_whole(size, "width", 0))
    for number, element in enumerate(root.iterfind("object"), 1):
        try:
            _add_object(made, element)
        except ValueError as error:
            raise ValueError(f"object {number}: {error}") from None
    return made


def _add_object(made: XmlAnnotation, element: Element) -> None:
    name = (element.findtext("name") or "").strip()
    box = element.find("bndbox")
    if not name or box is None:
        raise ValueError(f"expected a name and a bndbox, got {'no box' if name else 'no name'}")
    corners = [_number(box, key) for key in ("xmin", "ymin", "xmax", "ymax")]
    has_track = element.find("trackid") is not None
    made.wordnet_ids.append(name)
    made.track_ids.append(_whole(element, "trackid", 0) if has_track else NO_TRACK)
    made.boxes.append(corners)
    made.occluded.append(_flag(element, "occluded"))
    made.generated.append(_flag(element, "generated"))


def _number(element: Element, key: str) -> float:
    text = (element.findtext(key) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= 1e9:
        raise ValueError(f"expected a finite number as {key}, got {text[:40]!r}")
    return value


def _whole(element: Element, key: str, low: int) -> int:
    value = _number(element, key)
    if value % 1 or not low <= value <= _LARGEST:
        raise ValueError(f"expected a whole number from {low} as {key}, got {value:g}")
    return int(value)


def _flag(element: Element, key: str) -> int:
    return int((element.findtext(key) or "0").strip() == "1")
