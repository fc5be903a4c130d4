"""A drawn figure: a picture, what it shows in numbers, and its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faimtrack.atomic import atomic_file
from faimtrack.drawing import write_picture
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.structures import Image


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A picture and its numbers.

    Attributes:
        name: Of its files.
        image: `(H, W, 3)` uint8 RGB.
        lines: What it shows, for people.
        numbers: The same in full precision, as JSON's types.
        record: What it was made from.
    """

    name: str
    image: Image
    lines: tuple[str, ...]
    numbers: Mapping[str, Any] = field(default_factory=dict)
    record: Provenance

    def write(self, folder: Path) -> list[Path]:
        """Write `<name>.png` and `<name>.numbers.json` with their sidecars; gives the files.

        Raises:
            OSError: One cannot be written.
        """
        picture, numbers = folder / f"{self.name}.png", folder / f"{self.name}.numbers.json"
        write_picture(self.image, picture)
        with atomic_file(numbers) as temporary:
            text = json.dumps(dict(self.numbers), indent=1, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        for path in (picture, numbers):
            write_provenance(path, self.record)
        return [picture, numbers]
