"""The kinds of objects: two to a habitat, of the same colours before the same background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Habitat = Literal["grass", "water", "sky", "woods"]

HABITATS: tuple[Habitat, ...] = get_args(Habitat)


@dataclass(frozen=True, kw_only=True)
class ObjectKind:
    """One kind of object.

    Attributes:
        name: What class names say, as ImageNet VID does.
        mot_class: The class column of gt.txt; beyond MOTChallenge's own 1 to 13.
        habitat: Where it lives, with one other kind.
    """

    name: str
    mot_class: int
    habitat: Habitat


OBJECT_KINDS: tuple[ObjectKind, ...] = (
    ObjectKind(name="snake", mot_class=101, habitat="grass"),
    ObjectKind(name="lizard", mot_class=102, habitat="grass"),
    ObjectKind(name="watercraft", mot_class=103, habitat="water"),
    ObjectKind(name="whale", mot_class=104, habitat="water"),
    ObjectKind(name="airplane", mot_class=105, habitat="sky"),
    ObjectKind(name="bird", mot_class=106, habitat="sky"),
    ObjectKind(name="dog", mot_class=107, habitat="woods"),
    ObjectKind(name="fox", mot_class=108, habitat="woods"),
)
"""Annotations of such scenes carry indices into this table as their class ids."""

OBJECT_CLASS_NAMES: tuple[str, ...] = tuple(kind.name for kind in OBJECT_KINDS)
"""The names that class ids stand for."""


def kinds_of(habitat: Habitat) -> tuple[int, int]:
    """The two rows of `OBJECT_KINDS` that live there."""
    first, second = (row for row, kind in enumerate(OBJECT_KINDS) if kind.habitat == habitat)
    return first, second
