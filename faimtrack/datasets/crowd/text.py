"""The text of a sequence in MOT20's layout: the same bytes on every machine."""

from __future__ import annotations

import hashlib

import numpy as np

from faimtrack.datasets.crowd.annotations import VISIBILITY_ONE
from faimtrack.datasets.crowd.integers import SINE_ONE, cosine
from faimtrack.datasets.crowd.objects.lives import blur_length
from faimtrack.datasets.crowd.objects.states import ObjectStates
from faimtrack.datasets.crowd.scene import SUBPIXELS
from faimtrack.datasets.crowd.simulate import Crowd

CAMERA_FILE = "camera_motion.txt"
"""Name of the file with the camera's true motion, in the sequence's folder."""

CONDITIONS_FILE = "gt/conditions.txt"
"""How badly each object of a scene of objects is seen, a row for each of gt.txt."""

_CAMERA_DIGITS = 10


def sequence_texts(crowd: Crowd) -> dict[str, bytes]:
    """All text files of a sequence: path in its folder with `/` → bytes."""
    texts = {"seqinfo.ini": _sequence_info(crowd), "gt/gt.txt": _ground_truth(crowd)}
    if crowd.objects is None:
        texts["det/det.txt"] = _detections(crowd)
    else:  # The simulated detector knows people only.
        texts[CONDITIONS_FILE] = _conditions(crowd, crowd.objects)
    texts[CAMERA_FILE] = _camera_motion(crowd)
    return {path: text.encode() for path, text in texts.items()}


def text_digests(crowd: Crowd) -> dict[str, str]:
    """SHA-256 of each text file, in hexadecimal digits."""
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in sequence_texts(crowd).items()
    }


def _fixed(value: int, digits: int) -> str:
    """`value / 10**digits` in decimals, without trailing zeros."""
    unit = 10**digits
    sign, value = ("-", -value) if value < 0 else ("", value)
    text = f"{value // unit}.{value % unit:0{digits}d}".rstrip("0").rstrip(".")
    return sign + text


def _sequence_info(crowd: Crowd) -> str:
    config = crowd.config
    return (
        f"[Sequence]\nname={config.name}\nimDir=img1\nframeRate={config.frame_rate}\n"
        f"seqLength={config.frames}\nimWidth={config.width}\nimHeight={config.height}\n"
        "imExt=.jpg\n\n"
    )


def _ground_truth(crowd: Crowd) -> str:
    """Rows by track id and then by frame, as in MOT20."""
    table = crowd.annotations
    digits, classes = len(str(VISIBILITY_ONE)) - 1, crowd.mot_classes
    shown = [_fixed(value, digits) for value in table.visibility.tolist()]
    rows = zip(
        table.track_ids.tolist(),
        table.frames.tolist(),
        table.boxes_xywh.tolist(),
        table.considered.tolist(),
        table.class_ids.tolist(),
        shown,
        strict=True,
    )
    return "".join(
        f"{frame},{track},{x},{y},{w},{h},{int(counts)},{classes[kind]},{seen}\n"
        for track, frame, (x, y, w, h), counts, kind, seen in sorted(rows)
    )


def _tenths(value: int) -> str:
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // 10}.{value % 10}"


def _detections(crowd: Crowd) -> str:
    """Rows by frame and then by falling score; ids are -1, as in public detections."""
    table = crowd.detections
    rows = zip(
        table.frames.tolist(), table.boxes_xywh.tolist(), table.scores.tolist(), strict=True
    )
    return "".join(
        f"{frame},-1,{','.join(map(_tenths, box))},{_fixed(score, 2)},-1,-1,-1\n"
        for frame, box, score in rows
    )


def _conditions(crowd: Crowd, objects: ObjectStates) -> str:
    """`frame,id,turned,curled,defocus,blur`, ordered as gt.txt is; see docs/crowd.md."""
    turned = 1000 - np.abs(cosine(objects.yaw)) * 1000 // SINE_ONE
    curled = objects.curl * 1000 // SINE_ONE
    defocus = objects.defocus * 100 // SUBPIXELS
    blur = blur_length(objects) * 100 // SUBPIXELS
    columns = (objects.ids, crowd.annotations.frames, turned, curled, defocus, blur)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return "".join(
        f"{frame},{track},{_fixed(away, 3)},{_fixed(bent, 3)},{_fixed(soft, 2)},{_fixed(way, 2)}\n"
        for track, frame, away, bent, soft, way in sorted(rows)
    )


def _camera_motion(crowd: Crowd) -> str:
    """`frame,a,b,c,d,e,f`: maps pixels of the frame before to `a·x + b·y + c, d·x + e·y + f`."""
    lines = []
    for frame, row in enumerate(crowd.camera.steps(_CAMERA_DIGITS).tolist(), start=1):
        zoom, shift_x, shift_y = (_fixed(value, _CAMERA_DIGITS) for value in row)
        lines.append(f"{frame},{zoom},0,{shift_x},0,{zoom},{shift_y}\n")
    return "".join(lines)
