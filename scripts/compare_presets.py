"""Score the default presets beside the ones that repeat the originals, slip for slip.

The evidence behind docs/deviations.md: real detections, the sequences whose authors' tracks are
known.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from faimtrack.atomic import atomic_file
from faimtrack.eval import EvaluationSettings, Report, evaluate_folders
from faimtrack.motfile import read_mot, read_sequence_info, split_frames, write_tracks
from faimtrack.structures import Frame
from faimtrack.trackers import create_tracker, tracker_entry, tracker_names

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("FAIMTRACK_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
SEQUENCES = {
    "mot17": ("MOT17-05-FRCNN", "MOT17-09-FRCNN", "MOT17-13-FRCNN"),
    "mot20": ("MOT20-01",),
}
PRESETS = {"mot17": ("reference", "default"), "mot20": ("reference-mot20", "mot20")}
METRICS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")


def track_sequence(folder: Path, tracker_name: str, preset: str, split: str, output: Path) -> None:
    """Track one split of one sequence by its own detections."""
    info = read_sequence_info(folder)
    detections = read_mot(info.detections_path, frame_count=info.frame_count)
    config = tracker_entry(tracker_name).config_class.preset(preset)
    tracker = create_tracker(tracker_name, config, frame_rate=info.frame_rate)
    frames = (
        Frame(index, time_s=(index - 1) / info.frame_rate, size=(info.width, info.height))
        for index in split_frames(info.frame_count, split)
    )
    write_tracks(
        output / f"{info.name}.txt",
        (
            (frame.index, tracker.update(detections.detections(frame.index), frame))
            for frame in frames
        ),
    )


def score(dataset: str, tracker_name: str, preset: str, split: str) -> Report:
    """Track and score the sequences of one data set."""
    with tempfile.TemporaryDirectory() as folder:
        for sequence in SEQUENCES[dataset]:
            track_sequence(DATA / dataset / sequence, tracker_name, preset, split, Path(folder))
        return evaluate_folders(DATA / dataset, folder, EvaluationSettings(split=split))


def compare(split: str) -> list[list[str]]:
    """One row a tracker, data set and preset: per cents, and identity switches."""
    rows = []
    for tracker_name in tracker_names(needs_regressor=False):
        for dataset, presets in PRESETS.items():
            for preset in presets:
                summary = score(dataset, tracker_name, preset, split).combined.summary
                cells = [f"{100 * summary[name]:.2f}" for name in METRICS]
                label = f"{dataset} {tracker_name}, `{preset}`"
                rows.append([label, *cells, f"{summary['IDSW']:.0f}"])
    return rows


def main() -> int:
    """Print both tables; keep them with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="keep the tables in this file")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"{DATA}: expected the real data, got no such folder", file=sys.stderr)
        return 1
    columns = ["", *METRICS, "IDSW"]
    tables = {}
    for split in ("val-half", "train-half"):
        tables[split] = {"columns": columns, "rows": compare(split)}
        print(f"\n{split}\n{'':34}" + "".join(f"{name:>8}" for name in columns[1:]))
        for label, *cells in tables[split]["rows"]:
            print(f"{label:34}" + "".join(f"{cell:>8}" for cell in cells))
    if arguments.json:
        with atomic_file(arguments.json) as temporary:
            text = json.dumps({"kind": "table", "tables": tables}, indent=1)
            temporary.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
