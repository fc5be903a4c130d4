"""Write the table of a new bench: configurations and the hashes of their text.

A bench that is out is never written again: whoever changes the generator's text raises
GENERATOR_VERSION, keeps what makes the old bytes or drops the old bench, and freezes a new one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from functools import partial
from pathlib import Path

import numpy as np

from faimtrack.datasets.crowd import (
    GENERATOR_VERSION,
    OBJECT_KINDS,
    CrowdConfig,
    simulate_crowd,
    text_digests,
)

# split, first seed, seeds to choose from (so that all kinds are seen about as often), sequences of
# each habitat, frames of each, which is also the wanted mean of boxes of each of its two kinds:
_OBJECTS = {
    "objects-v1": (("train", 31000, 700, 42, 24), ("test", 41000, 300, 6, 40)),
    # Shorter and many more: what tells networks apart is how many objects they are tested on.
    "objects-v2": (("train", 51000, 2100, 120, 16), ("test", 61000, 500, 15, 32)),
}

# split, density, camera, width, height, frames, seed
_V1 = (
    ("train", "sparse", "static", 640, 360, 150, 1101),
    ("train", "sparse", "moving", 640, 360, 150, 1102),
    ("train", "medium", "static", 640, 360, 200, 1103),
    ("train", "medium", "moving", 640, 360, 200, 1104),
    ("train", "medium", "static", 960, 540, 200, 1105),
    ("train", "medium", "moving", 960, 540, 200, 1106),
    ("train", "medium", "static", 640, 360, 200, 1107),
    ("train", "dense", "static", 640, 360, 150, 1108),
    ("train", "dense", "static", 960, 540, 200, 1109),
    ("train", "dense", "moving", 960, 540, 150, 1110),
    ("test", "sparse", "static", 640, 360, 150, 2101),
    ("test", "sparse", "moving", 640, 360, 150, 2102),
    ("test", "medium", "static", 640, 360, 250, 2103),
    ("test", "medium", "moving", 640, 360, 200, 2104),
    ("test", "medium", "static", 960, 540, 250, 2105),
    ("test", "dense", "static", 960, 540, 250, 2106),
    ("test", "dense", "moving", 960, 540, 150, 2107),
)


def people_configs() -> list[tuple[str, CrowdConfig]]:
    """The splits and configurations of crowd-bench-v1."""
    made = []
    for number, (split, density, camera, width, height, frames, seed) in enumerate(_V1, start=1):
        config = CrowdConfig(
            name=f"crowd-v1-{number:02d}-{density}-{camera}",
            seed=seed,
            frames=frames,
            width=width,
            height=height,
            density=density,
            camera=camera,
        )
        made.append((split, config))
    return made


def object_configs(bench: str) -> list[tuple[str, CrowdConfig]]:
    """The splits and configurations of a bench of objects: every kind in about as many frames.

    Which seeds are taken depends on how often they show which kind, on nothing else.
    """
    made = []
    for split, first, candidates, quota, frames in _OBJECTS[bench]:
        digits = max(2, len(str(quota)))
        pools: dict[str, list[tuple[int, np.ndarray]]] = {}
        for seed in range(first, first + candidates):
            config = _object_config("candidate", seed, frames)
            classes = simulate_crowd(config).annotations.class_ids
            counts = np.bincount(classes, minlength=len(OBJECT_KINDS))
            if counts.any():
                habitat = OBJECT_KINDS[int(counts.argmax())].habitat
                pools.setdefault(habitat, []).append((seed, counts))
        for habitat, pool in sorted(pools.items()):
            pair = [row for row, kind in enumerate(OBJECT_KINDS) if kind.habitat == habitat]
            chosen = sorted(_balanced(pool, pair, quota, frames))
            for number, seed in enumerate(chosen, start=1):
                name = f"{bench}-{split}-{habitat}-{number:0{digits}d}"
                made.append((split, _object_config(name, seed, frames)))
    return made


def _object_config(name: str, seed: int, frames: int) -> CrowdConfig:
    """Every third seed has a moving camera."""
    return CrowdConfig(
        name=name,
        seed=seed,
        frames=frames,
        width=320,
        height=256,
        camera="static" if seed % 3 else "moving",
        scene="objects",
    )


def _balanced(
    pool: list[tuple[int, np.ndarray]], pair: list[int], quota: int, mean_rows: int
) -> list[int]:
    """Seeds of a habitat, taken one by one: whichever keeps both kinds nearest to their due."""
    left, chosen, total = list(pool), [], np.zeros(len(OBJECT_KINDS), dtype=np.int64)
    for number in range(1, quota + 1):
        due = number * mean_rows
        # A third of the cameras move, whatever the counts say.
        camera = [each for each in left if (each[0] % 3 == 0) == (number % 3 == 0)]
        best = min(camera, key=lambda each: np.abs((total + each[1])[pair] - due).max())
        left.remove(best)
        chosen.append(best[0])
        total += best[1]
    return chosen


_BENCHES = {
    "crowd-bench-v1": people_configs,
    **{name: partial(object_configs, name) for name in _OBJECTS},
}


def _plain(config: CrowdConfig) -> dict[str, object]:
    """A configuration, without `scene` where it says nothing: crowd-bench-v1 is older."""
    plain = dataclasses.asdict(config)
    if config.scene == "people":
        del plain["scene"]
    return plain


def main() -> None:
    """Write the table, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bench", choices=_BENCHES, help="whose configurations")
    parser.add_argument("output", type=Path, help="JSON file that must not be there")
    arguments = parser.parse_args()
    sequences = []
    for split, config in _BENCHES[arguments.bench]():
        digests = text_digests(simulate_crowd(config))
        print(split, config.name)
        sequences.append({"split": split, "config": _plain(config), "sha256": digests})
    content = {"generator_version": GENERATOR_VERSION, "sequences": sequences}
    with arguments.output.open("x", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
