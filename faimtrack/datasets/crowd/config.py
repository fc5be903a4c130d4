"""What a synthetic crowd is made from: one configuration with all its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from faimtrack.motfile.sequence import check_sequence_name

Density = Literal["sparse", "medium", "dense"]
Camera = Literal["static", "moving"]
SceneName = Literal["people", "objects"]

GENERATOR_VERSION = 1
"""Part of every random key; raised whenever the text of some configuration changes."""

_LONGEST_SIDE = 8192
_MOST_PEOPLE = 2000
_CHOICES = (("density", Density), ("camera", Camera), ("scene", SceneName))
_OF_PEOPLE = ("density", "people", "distractors")
"""What means nothing in other scenes."""


@dataclass(frozen=True, kw_only=True)
class DensityPreset:
    """How a scene of one density is seen; all distances are fractions of the image height."""

    people: int = field(metadata={"unit": "people a frame", "help": "Where none are asked for."})
    horizon_permille: int = field(metadata={"unit": "1/1000", "help": "Row of the horizon."})
    far_permille: int = field(metadata={"unit": "1/1000", "help": "Farthest row of feet."})
    near_permille: int = field(metadata={"unit": "1/1000", "help": "Nearest row of feet."})
    near_height_permille: int = field(
        metadata={"unit": "1/1000", "help": "Height of a person of 1.7 m on the image's last row."}
    )


DENSITIES: dict[Density, DensityPreset] = {
    "sparse": DensityPreset(
        people=10,
        horizon_permille=120,
        far_permille=480,
        near_permille=1120,
        near_height_permille=400,
    ),
    "medium": DensityPreset(
        people=42,
        horizon_permille=70,
        far_permille=470,
        near_permille=1060,
        near_height_permille=248,
    ),
    "dense": DensityPreset(
        people=200,
        horizon_permille=-250,
        far_permille=260,
        near_permille=1030,
        near_height_permille=148,
    ),
}


def _check_range(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is not a whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name}: expected a whole number from {low} to {high}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class CrowdConfig:
    """One synthetic crowd. The same configuration gives the same text on every machine.

    Frame n does not depend on `frames`: a longer crowd begins with the shorter one.

    Raises:
        ValueError: A value is out of its range.
    """

    name: str = field(
        default="crowd", metadata={"unit": "text", "help": "Sequence name, as in seqinfo.ini."}
    )
    seed: int = field(
        default=0, metadata={"unit": "whole number", "help": "Every crowd has its own."}
    )
    frames: int = field(
        default=150, metadata={"unit": "frames", "help": "Length of the sequence."}
    )
    width: int = field(default=640, metadata={"unit": "px", "help": "Image width."})
    height: int = field(default=360, metadata={"unit": "px", "help": "Image height."})
    density: Density = field(
        default="medium",
        metadata={"unit": "preset", "help": "sparse, medium (MOT20-01) or dense: view and size."},
    )
    people: int | None = field(
        default=None,
        metadata={"unit": "people a frame", "help": "About so many; the density's own if unset."},
    )
    camera: Camera = field(
        default="static", metadata={"unit": "preset", "help": "static, or moving: pan and zoom."}
    )
    frame_rate: int = field(
        default=25, metadata={"unit": "frames/s", "help": "Slower walks at higher rates."}
    )
    distractors: bool = field(
        default=True,
        metadata={"unit": "flag", "help": "Add what is annotated but not evaluated."},
    )
    scene: SceneName = field(
        default="people",
        metadata={
            "unit": "preset",
            "help": "people, or objects: one to four large ones of kinds that look alike.",
        },
    )

    def __post_init__(self) -> None:
        check_sequence_name(self.name)
        _check_range("seed", self.seed, 0, 2**63 - 1)
        _check_range("frames", self.frames, 1, 1_000_000)
        _check_range("width", self.width, 32, _LONGEST_SIDE)
        _check_range("height", self.height, 32, _LONGEST_SIDE)
        _check_range("frame_rate", self.frame_rate, 1, 240)
        if self.people is not None:
            _check_range("people", self.people, 0, _MOST_PEOPLE)
        for name, allowed in _CHOICES:
            if getattr(self, name) not in get_args(allowed):
                expected = ", ".join(get_args(allowed))
                raise ValueError(
                    f"{name}: expected one of {expected}, got {getattr(self, name)!r}"
                )
        if not isinstance(self.distractors, bool):
            raise ValueError(f"distractors: expected true or false, got {self.distractors!r}")
        if self.scene != "people":
            for each in fields(self):
                if each.name in _OF_PEOPLE and getattr(self, each.name) != each.default:
                    raise ValueError(
                        f"{each.name}: expected nothing but {each.default!r} in a scene of "
                        f"{self.scene}, got {getattr(self, each.name)!r}"
                    )

    @property
    def preset(self) -> DensityPreset:
        """The view that belongs to the density."""
        return DENSITIES[self.density]

    @property
    def people_a_frame(self) -> int:
        """How many people are wanted in view."""
        return self.preset.people if self.people is None else self.people
