"""The ways in which pseudo masks are made."""

from __future__ import annotations

from typing import Literal

MaskMethod = Literal[
    "grabcut", "sam", "mobile-sam", "sam2", "box2mask", "box", "shuffled", "truth"
]
"""`grabcut` by colours alone, `sam`, `mobile-sam` and `sam2` by networks that a box prompts,
`box2mask` from instances that another program found; `box` (the whole box) and `shuffled`
(another object's mask) as controls, and `truth`, a crowd's exact masks."""

DEFAULT_METHOD: MaskMethod = "grabcut"
