"""The table of what can stand in a crowd; its first row is the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shape = Literal["person", "cyclist", "cart", "board", "reflection", "block"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of object.

    Attributes:
        name: What class names say.
        mot_class: The class column of gt.txt, as MOTChallenge numbers classes.
        considered: The seventh column of gt.txt: whether rows count in the evaluation.
        shape: How it is posed and drawn.
        moves: Whether it walks or rolls; the others stand still.
        detected_permille: How surely a person detector takes it for a person, in 1/1000.
        share_permille: How many there are for every 1000 people.
    """

    name: str
    mot_class: int
    considered: bool
    shape: Shape
    moves: bool
    detected_permille: int
    share_permille: int


KINDS: tuple[Kind, ...] = (
    Kind(
        name="person",
        mot_class=1,
        considered=True,
        shape="person",
        moves=True,
        detected_permille=1000,
        share_permille=1000,
    ),
    Kind(
        name="static_person",
        mot_class=7,
        considered=False,
        shape="person",
        moves=False,
        detected_permille=800,
        share_permille=60,
    ),
    Kind(
        name="person_on_vehicle",
        mot_class=2,
        considered=False,
        shape="cyclist",
        moves=True,
        detected_permille=650,
        share_permille=24,
    ),
    Kind(
        name="non_motorised_vehicle",
        mot_class=6,
        considered=False,
        shape="cart",
        moves=False,
        detected_permille=40,
        share_permille=24,
    ),
    Kind(
        name="distractor",
        mot_class=8,
        considered=False,
        shape="board",
        moves=False,
        detected_permille=300,
        share_permille=24,
    ),
    Kind(
        name="reflection",
        mot_class=12,
        considered=False,
        shape="reflection",
        moves=False,
        detected_permille=350,
        share_permille=24,
    ),
    Kind(
        name="occluder",
        mot_class=11,
        considered=False,
        shape="block",
        moves=False,
        detected_permille=10,
        share_permille=48,
    ),
)
"""Annotations carry indices into this table as their class ids: 0 is the person."""

CLASS_NAMES: tuple[str, ...] = tuple(kind.name for kind in KINDS)
"""The names that class ids stand for."""
