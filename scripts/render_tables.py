"""Write the tables in the documentation from stored results, or check that they agree.

A page holds a table between two comments, the first of which names its source in `docs/`::

    <!-- table: results/tracker-speed.json tracker=bytetrack -->
    <!-- end of table -->

A result file says of which `kind` it is; words after its name are handed to that kind's renderer,
in quotes if they have spaces.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import statistics
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


def render_detector_speed(result: dict[str, Any], options: dict[str, str]) -> str:
    """Kind `detector-speed`: `part` chooses network, path, floors or tracking."""
    runs = [entry for entry in result["results"] if entry["part"] == options["part"]]
    machine = result["machine"]
    where = f"{machine['gpu'] or machine['cpu']}, {machine['cores']} cores, {machine['date']}"
    if options["part"] == "floors":
        return _detector_floors(result["results"], where)
    if options["part"] == "tracking":
        return _detector_tracking(runs, where)
    names = dict.fromkeys(row["contestant"] for run in runs for row in run["timings"])
    rows = []
    for name in names:
        cells = []
        for run in runs:
            found = [row for row in run["timings"] if row["contestant"] == name]
            cells += [f"{row['median_ratio']:.2f} ({row['median_ms']:.1f} ms)" for row in found]
            cells += [] if found else ["–"]
        versions = [
            row["version"] for run in runs for row in run["timings"] if row["contestant"] == name
        ]
        if name.startswith("faimtrack"):
            shown = name.replace("faimtrack", "**faimtrack**")
        else:
            shown = f"{name} {versions[0]}"
        rows.append([shown, *cells])
    return markdown([where, *map(_detector_run, runs)], rows)


def _detector_run(run: dict[str, Any]) -> str:
    """Which network, and how it ran where that is not what is usual on a CPU."""
    words = [run["scenario"]]
    if run["device"] == "cpu":
        words.append(f"{run['threads']} thread{'s' if run['threads'] > 1 else ''}")
    words += ["half precision"] if run["precision"] == "half" else []
    words += [f"batches of {run['batch_size']}"] if run["batch_size"] > 1 else []
    return ", ".join(words)


def _detector_floors(results: list[dict[str, Any]], where: str) -> str:
    """Times of ours as parts of the peers', median and range over the rounds."""
    runs = [run for run in results if run["part"] == "network"]
    columns = list(map(_detector_run, runs))
    rows = []
    for part, ours, theirs, label in (
        ("network", "faimtrack, batch norms apart", "yolox", "network, both with batch norms"),
        ("network", "faimtrack", "yolox", "network as it runs / yolox"),
        ("network", "faimtrack", "yolox, fused", "network as it runs / yolox, fused"),
        ("path", "faimtrack", "yolox", "whole way / yolox"),
        ("network", "faimtrack", "onnxruntime", "network as it runs / onnxruntime"),
        ("path", "faimtrack", "onnxruntime", "whole way / onnxruntime"),
    ):
        found = {_detector_run(run): run["timings"] for run in results if run["part"] == part}
        cells = [_detector_ratio(found.get(column, []), ours, theirs) for column in columns]
        rows.append([label, *cells])
    return markdown([where, *columns], rows)


def _detector_ratio(timings: list[dict[str, Any]], ours: str, theirs: str) -> str:
    rounds = {row["contestant"]: row["rounds_ms"] for row in timings}
    if ours not in rounds or theirs not in rounds:
        return "–"
    ratios = [one / other for one, other in zip(rounds[ours], rounds[theirs], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _detector_tracking(runs: list[dict[str, Any]], where: str) -> str:
    stages = list(runs[0]["stage_cpu_ms"]) if runs else []
    columns = [
        where, "detector alone", "track", "frames/s, track / alone", "processor time",
        *(f"thread of {stage}" for stage in stages), "track / bound",
    ]  # fmt: skip
    rows = [
        [
            run["scenario"],
            f"{run['alone_ms']:.1f} ms",
            f"{run['track_ms']:.1f} ms",
            _detector_spread(run["speed_ratio"]),
            f"{run['track_cpu_ms']:.1f} ms",
            *(f"{run['stage_cpu_ms'][stage]:.2f} ms" for stage in stages),
            _detector_spread(run["bound_ratio"]),
        ]
        for run in runs
    ]
    return markdown(columns, rows)


def _detector_spread(values: list[float]) -> str:
    middle, least, greatest = values
    return f"{middle:.2f} ({least:.2f} to {greatest:.2f})"


RENDERERS: dict[str, Callable[[dict[str, Any], dict[str, str]], str]] = {
    "table": render_table,
    "tracker-speed": render_tracker_speed,
    "tracker-memory": render_tracker_memory,
    "detector-speed": render_detector_speed,
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
    pairs = [word.partition("=") for word in shlex.split(words)]
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
