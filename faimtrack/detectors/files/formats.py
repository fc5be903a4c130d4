"""The formats in which detections are written and read."""

from __future__ import annotations

from typing import Literal

DetectionFormat = Literal["mot", "coco", "parquet"]

SUFFIXES: dict[DetectionFormat, str] = {"mot": ".txt", "coco": ".json", "parquet": ".parquet"}

MASK_FORMATS: tuple[DetectionFormat, ...] = ("coco", "parquet")
"""Those that have a place for masks."""

EMBEDDING_FORMATS: tuple[DetectionFormat, ...] = ("parquet",)
"""Those that have a place for embeddings."""
