"""Files of detections: MOTChallenge text, COCO's JSON and Parquet, written and read."""

from faimtrack.detectors.files.contents import FileContents
from faimtrack.detectors.files.formats import SUFFIXES, DetectionFormat
from faimtrack.detectors.files.reading import read_detections
from faimtrack.detectors.files.table import DetectionTable
from faimtrack.detectors.files.writer import DetectionFile

__all__ = [
    "SUFFIXES",
    "DetectionFile",
    "DetectionFormat",
    "DetectionTable",
    "FileContents",
    "read_detections",
]
