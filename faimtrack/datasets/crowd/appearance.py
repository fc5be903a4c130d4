"""What figures wear: colours, patterns, hair and bags, drawn from their ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.integers import Draws

# What a painted pixel of a figure belongs to; each part has a lit and a shaded tone.
NOTHING, SKIN, HAIR, TOP, BOTTOM, SHOE, BAG, METAL, PANEL, LEAF = range(10)
TONES = 3
SHADED, PLAIN, LIT = range(TONES)
PATTERN_STEP = 32
"""Added to a label where the cloth's pattern shows its second colour."""

Pattern = Literal["plain", "stripes", "bars", "checks", "blocks", "dots"]
Hair = Literal["short", "long", "hat", "hood", "bald"]

_SKINS = ((236, 200, 176), (222, 178, 148), (198, 148, 116), (150, 104, 76), (104, 70, 50))
_HAIRS = (
    (32, 28, 28),
    (58, 40, 28),
    (96, 66, 40),
    (158, 122, 74),
    (140, 138, 136),
    (24, 22, 26),
)
_CLOTHES = (
    (30, 32, 38),
    (40, 42, 48),
    (54, 56, 64),
    (84, 86, 92),
    (218, 218, 214),
    (188, 190, 194),
    (150, 152, 156),
    (38, 48, 78),
    (56, 74, 112),
    (104, 126, 152),
    (122, 46, 50),
    (168, 70, 62),
    (182, 124, 76),
    (196, 172, 96),
    (58, 80, 62),
    (98, 108, 80),
    (110, 88, 68),
    (156, 138, 112),
    (86, 62, 92),
    (184, 134, 146),
    (52, 98, 104),
    (206, 194, 172),
)
_TROUSERS = (
    (28, 30, 38),
    (40, 46, 66),
    (52, 66, 100),
    (78, 98, 134),
    (70, 66, 62),
    (126, 112, 92),
    (168, 156, 134),
    (46, 44, 44),
)
_PATTERNS: tuple[Pattern, ...] = ("plain", "stripes", "bars", "checks", "blocks", "dots")


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """How one figure looks.

    Attributes:
        palette: `(64, 3)` uint8 RGB: the colour of each label, see `label`.
        pattern: `(64, 64)` uint8: 32 where the second colour shows, else 0; over the figure's box.
        weave: `(64, 64)` int16: brightness of the cloth, added to all channels.
        hair: Style of the hair or what covers it.
        sleeves: Whether they reach the hands.
        skirt: 0 none, else how far it falls, in 1/1024 of the stature.
        coat: Whether the top falls to the knees.
    """

    palette: NDArray[np.uint8]
    pattern: NDArray[np.uint8]
    weave: NDArray[np.int16]
    hair: Hair
    sleeves: bool
    skirt: int
    coat: bool


def label(part: int, tone: int = PLAIN) -> int:
    """The label of a part in a tone: 0 is nothing, below `PATTERN_STEP`."""
    return part * TONES + tone


def appearance(draws: Draws, track_id: int) -> Appearance:
    """Dress the figure of an id; pictures may use floating point, text may not."""
    random = np.random.default_rng(int(draws.bits("appearance", [track_id])[0]))
    top, second = (_CLOTHES[row] for row in random.choice(len(_CLOTHES), 2, replace=False))
    if random.random() < 0.25:
        second = (235, 235, 230)
    bottom = _TROUSERS[random.integers(len(_TROUSERS))]
    colours = {
        SKIN: _SKINS[random.integers(len(_SKINS))],
        HAIR: _HAIRS[random.integers(len(_HAIRS))],
        TOP: top,
        BOTTOM: bottom,
        SHOE: ((30, 28, 28), (84, 58, 40), (210, 210, 208))[random.integers(3)],
        BAG: _CLOTHES[random.integers(len(_CLOTHES))],
        METAL: (54, 56, 60),
        PANEL: _CLOTHES[random.integers(len(_CLOTHES))],
        LEAF: (52, 84 + int(random.integers(24)), 44),
    }
    hair = ("short", "short", "long", "hat", "hood", "bald")[random.integers(6)]
    if hair == "hood":
        colours[HAIR] = top
    if hair == "hat":
        colours[HAIR] = _CLOTHES[random.integers(len(_CLOTHES))]
    pattern_name = _PATTERNS[random.choice(6, p=[0.66, 0.09, 0.04, 0.08, 0.09, 0.04])]
    skirted = random.random() < 0.2
    return Appearance(
        palette=_palette(colours, second, random),
        pattern=_pattern(pattern_name, random),
        weave=_weave(random),
        hair=hair,  # type: ignore[arg-type]
        sleeves=bool(random.random() < 0.7),
        skirt=int(random.integers(160, 330)) if skirted else 0,
        coat=bool(not skirted and random.random() < 0.25),
    )


def _weave(random: np.random.Generator) -> NDArray[np.int16]:
    """`(64, 64)` brightness of cloth: folds, a fine weave, and less light further down."""
    folds = cv2.GaussianBlur(
        random.normal(0, 1, (64, 64)).astype(np.float32), (0, 0), 2.2, None, 3.4
    )
    fine = random.normal(0, 4, (64, 64))
    fall = np.linspace(7, -11, 64)[:, None]
    cloth: NDArray[np.int16] = np.clip(folds * 75 + fine + fall, -48, 40).astype(np.int16)
    return cloth


def _palette(
    colours: dict[int, tuple[int, int, int]],
    second: tuple[int, int, int],
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """All labels' colours; jittered, so that no two people wear quite the same."""
    palette = np.zeros((2 * PATTERN_STEP, 3))
    for part, colour in colours.items():
        base = np.array(colour) * random.uniform(0.88, 1.12) + random.normal(0, 5, 3)
        other = np.array(second) if part in (TOP, PANEL) else base
        for tone, gain in ((SHADED, 0.7), (PLAIN, 0.92), (LIT, 1.14)):
            if tone == LIT:
                gain = 1.02 if part == SKIN else gain
                palette[label(part, tone)] = base * gain + 6
            else:
                palette[label(part, tone)] = base * gain
            palette[PATTERN_STEP + label(part, tone)] = other * gain
    return np.clip(palette, 0, 255).astype(np.uint8)


def _pattern(name: Pattern, random: np.random.Generator) -> NDArray[np.uint8]:
    """`(64, 64)` uint8: where the second colour shows on the figure's box."""
    y, x = np.mgrid[0:64, 0:64]
    step = int(random.integers(3, 6))
    shown = {
        "plain": np.zeros((64, 64), dtype=bool),
        "stripes": y % (2 * step) < step - 1,
        "bars": x % (2 * step + 4) < step,
        "checks": ((y // step) + (x // (2 * step))) % 2 == 0,
        "blocks": (y > 20) & (y < 20 + 3 * step),
        "dots": ((y % 6) < 3) & ((x % 12) < 6),
    }[name]
    return np.where(shown, PATTERN_STEP, 0).astype(np.uint8)
