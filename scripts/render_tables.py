"""Write the tables in the documentation from stored results, or check that they agree.

A page holds a table between two comments, the first of which names its source in `docs/`::

    <!-- table: results/tracker-speed.json tracker=bytetrack -->
    <!-- end of table -->

A result file says of which `kind` it is; words after its name are handed to that kind's renderer.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
_TABLE = re.compile(
    r"(?P<head><!-- table: (?P<source>\S+)(?P<options>[^>]*?) -->\n)"
    r"(?P<body>.*?)(?P<foot><!-- end of table -->)",
    re.DOTALL,
)

NAMES = {
    "faimtrack": "**faimtrack**, `reference`",
    "faimtrack-default": "**faimtrack**, `default`",
    "authors": "the authors' own",
}


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def render_table(result: dict[str, Any], options: dict[str, str]) -> str:
    """Kind `table`: columns and rows as they are; `name` chooses among several `tables`."""
    table = result["tables"][options["name"]] if "name" in options else result
    return markdown(table["columns"], [[str(cell) for cell in row] for row in table["rows"]])


def render_tracker_speed(result: dict[str, Any], options: dict[str, str]) -> str:
    """Kind `tracker-speed`: one row a contestant, its time as a multiple of ours."""
    timings = [entry for entry in result["timings"] if entry["tracker"] == options["tracker"]]
    contestants = list(dict.fromkeys(entry["contestant"] for entry in timings))
    scenarios = [scenario["name"] for scenario in result["scenarios"]]
    detections = {entry["name"]: entry["mean_detections"] for entry in result["scenarios"]}
    found = {(entry["contestant"], entry["scenario"]): entry for entry in timings}
    rows = []
    for contestant in contestants:
        versions = [entry["version"] for entry in timings if entry["contestant"] == contestant]
        cells = [NAMES.get(contestant, f"{contestant} {versions[0]}")]
        for scenario in scenarios:
            entry = found.get((contestant, scenario))
            ratio = None if entry is None else entry["median_ratio"]
            shown = "–" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"
            cells.append("–" if entry is None else f"{shown} ({entry['median_ms']:.2f} ms)")
        rows.append(cells)
    columns = ["", *(f"{name} ({detections[name]:g} detections)" for name in scenarios)]
    return markdown(columns, rows)


def render_tracker_memory(result: dict[str, Any], options: dict[str, str]) -> str:
    """Kind `tracker-memory`: what a tracker holds early and late in a long run."""
    rows = [
        [
            entry["tracker"],
            str(entry["frames"]),
            f"{entry['held_bytes'][0] / 1024:.0f}",
            f"{entry['held_bytes'][-1] / 1024:.0f}",
            f"{round(entry['grown_bytes'] / 1024):+d}",
        ]
        for entry in result["memory"]
    ]
    columns = ["tracker", "frames", "KiB after a tenth", "KiB at the end", "grown by KiB"]
    return markdown(columns, rows)


RENDERERS: dict[str, Callable[[dict[str, Any], dict[str, str]], str]] = {
    "table": render_table,
    "tracker-speed": render_tracker_speed,
    "tracker-memory": render_tracker_memory,
}


def render(source: Path, words: str) -> str:
    """The table of one result file.

    Raises:
        ValueError: The file is of an unknown kind, or a word is not `name=value`.
    """
    result = json.loads(source.read_text(encoding="utf-8"))
    kind = result.get("kind")
    if kind not in RENDERERS:
        raise ValueError(f"{source}: expected kind {', '.join(RENDERERS)}, got {kind!r}")
    pairs = [word.partition("=") for word in words.split()]
    if any(not sign for _, sign, _ in pairs):
        raise ValueError(f"{source}: expected words like name=value, got {words!r}")
    return RENDERERS[kind](result, {name: value for name, _, value in pairs})


def rendered(page: Path, documents: Path) -> str:
    """A page's text with all of its tables made anew."""

    def replace(match: re.Match[str]) -> str:
        table = render(documents / match["source"], match["options"])
        return f"{match['head']}{table}{match['foot']}"

    return _TABLE.sub(replace, page.read_text(encoding="utf-8"))


def pages(root: Path) -> Iterator[Path]:
    """The pages that may hold tables."""
    yield from sorted((root / "docs").glob("*.md"))
    if (root / "README.md").is_file():
        yield root / "README.md"


def main() -> int:
    """Write or check; the status says whether a table differed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail on difference")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="the repository")
    arguments = parser.parse_args()
    differing = []
    for page in pages(arguments.root):
        text = rendered(page, arguments.root / "docs")
        if text == page.read_text(encoding="utf-8"):
            continue
        differing.append(page)
        if not arguments.check:
            page.write_text(text, encoding="utf-8")
        print(f"{page.relative_to(arguments.root)}: {'differs' if arguments.check else 'written'}")
    return 1 if differing and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
