"""What is found wrong in data: kinds, counts and first examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FINDINGS: Mapping[str, bool] = {
    # Training or scoring would stop at these, or learn what is not so.
    "no seqinfo.ini that can be read": True,
    "missing images": True,
    "images beyond the sequence": True,
    "images that cannot be decoded": True,
    "images of another size": True,
    "no ground truth": True,
    "lines that cannot be read": True,
    "numbers that are not finite": True,
    "frames beyond the sequence": True,
    "ids that are no whole numbers": True,
    "ids twice in a frame": True,
    "boxes of negative sides": True,
    "classes that the benchmark does not have": True,
    "classes that scenes of objects do not have": True,
    "nothing to learn": True,
    "masks that cannot be used": True,
    "masks without an object": True,
    "masks beyond their boxes": True,
    "images twice": True,
    # These are left out, cut, or as they should be.
    "boxes of no area": False,
    "boxes wholly outside": False,
    "boxes partly outside": False,
    "visibilities outside 0 to 1": False,
    "frames without objects": False,
    "objects without a mask": False,
    "boxes to be ignored": False,
}
"""What may be found, and whether it is an error; else it is a remark."""


@dataclass
class Finding:
    """One kind of fault in one sequence.

    Attributes:
        kind: One of `FINDINGS`.
        count: How many.
        first: The first of them, for people.
    """

    kind: str
    count: int
    first: str

    @property
    def is_error(self) -> bool:
        """Whether the data cannot be used as they are."""
        return FINDINGS[self.kind]


@dataclass
class PartReport:
    """What was found in one sequence, or in one file of CrowdHuman.

    Attributes:
        name: For people.
        images: How many it is to have in the split.
        rows: How many rows of ground truth the split has.
        objects: How many of those are learnt.
        findings: By kind.
    """

    name: str
    images: int = 0
    rows: int = 0
    objects: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)

    def add(self, kind: str, first: str, count: int = 1) -> None:
        """Count something; the first example of each kind is kept."""
        assert kind in FINDINGS, kind
        if count:
            known = self.findings.setdefault(kind, Finding(kind, 0, first))
            known.count += count

    @property
    def ordered(self) -> list[Finding]:
        """Errors first, in the order of `FINDINGS`."""
        return [self.findings[kind] for kind in FINDINGS if kind in self.findings]


@dataclass(frozen=True)
class DataReport:
    """What was found in a set of data.

    Attributes:
        parts: A sequence each, or a file of CrowdHuman.
    """

    parts: tuple[PartReport, ...]

    @property
    def error_count(self) -> int:
        """How many errors there are in all."""
        return self._count(is_error=True)

    @property
    def remark_count(self) -> int:
        """How many remarks there are in all."""
        return self._count(is_error=False)

    def _count(self, *, is_error: bool) -> int:
        return sum(
            finding.count
            for part in self.parts
            for finding in part.findings.values()
            if finding.is_error == is_error
        )

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "errors": self.error_count,
            "remarks": self.remark_count,
            "parts": [
                {
                    "name": part.name,
                    "images": part.images,
                    "rows": part.rows,
                    "objects": part.objects,
                    "findings": [
                        {
                            "kind": finding.kind,
                            "severity": "error" if finding.is_error else "remark",
                            "count": finding.count,
                            "first": finding.first,
                        }
                        for finding in part.ordered
                    ],
                }
                for part in self.parts
            ],
        }
