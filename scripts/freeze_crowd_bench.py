"""Write the table of a new bench: configurations and the hashes of their text.

A bench that is out is never written again: whoever changes the generator's text raises
GENERATOR_VERSION, keeps what makes the old bytes or drops the old bench, and freezes a new one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from faimtrack.datasets.crowd import (
    GENERATOR_VERSION,
    CrowdConfig,
    simulate_crowd,
    text_digests,
)

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


def bench_configs() -> list[tuple[str, CrowdConfig]]:
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


def main() -> None:
    """Write the table, unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path, help="JSON file that must not be there")
    arguments = parser.parse_args()
    sequences = []
    for split, config in bench_configs():
        digests = text_digests(simulate_crowd(config))
        print(split, config.name)
        sequences.append({"split": split, "config": dataclasses.asdict(config), "sha256": digests})
    content = {"generator_version": GENERATOR_VERSION, "sequences": sequences}
    with arguments.output.open("x", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
