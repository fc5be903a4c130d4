"""Break named lines of the trackers and the scorer one at a time; the suite must catch each.

Works in a temporary copy of the repository. A mutation that the tests do not notice is a line
that nobody guards: the status is then 1. One whose line is no longer found must be renewed here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TRACKER_TESTS = ("tests/trackers",)
EVAL_TESTS = ("tests/eval",)
FILE_TESTS = (
    "faimtrack/motfile/sequence.py",
    "tests/test_motfile.py",
    "tests/eval",
    "tests/pipeline",
)
_NO_TESTS_COLLECTED = 5


@dataclass(frozen=True)
class Mutation:
    """One change of one line.

    Attributes:
        name: What is broken, in words.
        path: The file, from the repository's root.
        before: Text that occurs in it exactly once.
        after: What it becomes.
        tests: The part of the suite that should notice.
    """

    name: str
    path: str
    before: str
    after: str
    tests: tuple[str, ...]


def _tracker(name: str, module: str, before: str, after: str) -> Mutation:
    return Mutation(name, f"faimtrack/trackers/{module}.py", before, after, TRACKER_TESTS)


MUTATIONS = (
    _tracker(
        "ByteTrack: IoU without the +1 of whole pixels",
        "bytetrack",
        "pixel_offset=self.config.pixel_offset)",
        "pixel_offset=0.0)",
    ),
    _tracker(
        "ByteTrack: lost tracks go on growing",
        "bytetrack",
        'pool["mean"][tracked_count:, 1, 3] = 0.0',
        'pool["mean"][len(pool):, 1, 3] = 0.0',
    ),
    _tracker(
        "ByteTrack: a score of exactly the threshold starts no track",
        "bytetrack",
        "candidates.scores >= self.config.new_track_threshold",
        "candidates.scores > self.config.new_track_threshold",
    ),
    _tracker(
        "ByteTrack: scores are fused in the second round too",
        "bytetrack",
        "weak, config.low_match_threshold)",
        "weak, config.low_match_threshold, fuse_score=config.fuse_score)",
    ),
    _tracker(
        "ByteTrack: lost tracks end a frame early",
        "bytetrack",
        'lost["expired"] = self._clock.now - lost["last"] > self._buffer_frames',
        'lost["expired"] = self._clock.now - lost["last"] >= self._buffer_frames',
    ),
    _tracker(
        "ByteTrack: of two duplicates the younger stays",
        "bytetrack",
        "tracked_wins = age[rows] > lost_age[columns]",
        "tracked_wins = age[rows] < lost_age[columns]",
    ),
    _tracker(
        "SORT: a track is shown one match later",
        "sort",
        'shown &= self._tracks["streak"] >= self.config.min_hits',
        'shown &= self._tracks["streak"] > self.config.min_hits',
    ),
    _tracker(
        "SORT: tracks die a frame early",
        "sort",
        "out_of_sight <= self._buffer_frames",
        "out_of_sight < self._buffer_frames",
    ),
    _tracker(
        "OC-SORT: a track found again keeps its stale filter (no re-update)",
        "ocsort",
        "if lost.any():",
        "if lost.all() and not lost.size:",
    ),
    _tracker(
        "OC-SORT: momentum is not weighted by the score",
        "ocsort",
        "agreement *= candidates.scores",
        "agreement *= 1.0",
    ),
    _tracker(
        "OC-SORT: recovery looks at the prediction, not at the last observation",
        "ocsort",
        'np.where(matched[:, None], self._tracks["observation"][missed], -1.0)',
        "predicted[missed]",
    ),
    _tracker(
        "OC-SORT: answers with the filter's box",
        "ocsort",
        'self._answer(shown, shown["observation"].copy())',
        "self._answer(shown, XYSR.boxes(shown))",
    ),
    _tracker(
        "Kalman filter: velocities stay as uncertain as they were",
        "motion",
        "covariance[:, 2] -= gain[:, 1] * cross",
        "covariance[:, 2] -= 0.0 * cross",
    ),
    _tracker(
        "Kalman filter: a box's shape is measured ten times too exactly",
        "motion",
        "absolute=(0, 0, 1e-1, 0)",
        "absolute=(0, 0, 1e-2, 0)",
    ),
    _tracker(
        "Assignment: gating with a huge cost instead of the limit",
        "assignment",
        "gated = np.full(shape, limit)",
        "gated = np.full(shape, 1e5)",
    ),
    Mutation(
        "Half split: validation starts a frame early",
        "faimtrack/motfile/sequence.py",
        "min(frame_count // 2 + 1, frame_count)",
        "min(frame_count // 2, frame_count)",
        FILE_TESTS,
    ),
    Mutation(
        "Numbering: rows that count from 1 are shifted one frame too far",
        "faimtrack/motfile/sequence.py",
        'shift = frames.start - 1 if numbering == "from-1" else 0',
        'shift = frames.start if numbering == "from-1" else 0',
        FILE_TESTS,
    ),
    Mutation(
        "Scoring: results on distractors count as false positives",
        "faimtrack/eval/matching_input.py",
        "taken = (gated[rows, columns] > _EPSILON) & distractors[rows]",
        "taken = (gated[rows, columns] > 2.0) & distractors[rows]",
        EVAL_TESTS,
    ),
    Mutation(
        "Scoring: what is marked as not evaluated is evaluated",
        "faimtrack/eval/matching_input.py",
        "counted = np.trunc(ground_truth.confidences) != 0",
        "counted = np.trunc(ground_truth.confidences) >= 0",
        EVAL_TESTS,
    ),
    Mutation(
        "Scoring: MOT20 without its extra distractor class",
        "faimtrack/eval/rules.py",
        'name="mot20", distractor_ids=(2, 6, 7, 8, 12)',
        'name="mot20", distractor_ids=(2, 7, 8, 12)',
        EVAL_TESTS,
    ),
)


def copy_repository(target: Path) -> None:
    """Copy what git tracks, and what it would track, as it stands in the work tree."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        source = REPOSITORY / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / name)


def run_tests(root: Path, tests: tuple[str, ...], data: Path | None) -> tuple[int, str]:
    """The status of pytest in a copy, and the test that failed (or the last line)."""
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FAIMTRACK_TEST_DATA": str(data or root / "no-data"),
    }
    present = [test for test in tests if (root / test).exists()]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *present]
    command += ["-m", "not slow"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, failed[1] if failed else lines[-1] if lines else "no output"


def check_copy(root: Path) -> None:
    """Make sure that tests in the copy import the copy."""
    command = [sys.executable, "-c", "import faimtrack; print(faimtrack.__file__)"]
    found = subprocess.run(
        command,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if not Path(found).resolve().is_relative_to(root.resolve()):
        raise SystemExit(f"expected faimtrack from the copy {root}, got {found}")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def check_lines(root: Path, chosen: tuple[Mutation, ...]) -> None:
    """Refuse mutations whose line has changed since they were written."""
    lost = [
        f"{mutation.path}: expected {mutation.before!r} once ({mutation.name})"
        for mutation in chosen
        if _text(root / mutation.path).count(mutation.before) != 1
    ]
    if lost:
        raise SystemExit("\n".join([*lost, "these mutations must be renewed"]))


def check_baseline(root: Path, chosen: tuple[Mutation, ...], data: list[Path | None]) -> None:
    """Without a mutation everything must pass, or being caught would mean nothing."""
    for tests in dict.fromkeys(mutation.tests for mutation in chosen):
        for folder in data:
            status, last = run_tests(root, tests, folder)
            if status:
                kind = "no tests" if status == _NO_TESTS_COLLECTED else "a failure"
                raise SystemExit(f"{' '.join(tests)}: expected all to pass, got {kind}: {last}")


def try_mutation(root: Path, mutation: Mutation, data: list[Path | None]) -> str | None:
    """Apply one mutation, run its tests, take it back; says which test noticed."""
    path = root / mutation.path
    original = path.read_text(encoding="utf-8")
    path.write_text(original.replace(mutation.before, mutation.after), encoding="utf-8")
    try:
        for folder in data:
            status, test = run_tests(root, mutation.tests, folder)
            if status:
                return f"{test}{' (with real data)' if folder else ''}"
        return None
    finally:
        path.write_text(original, encoding="utf-8")


def main() -> int:
    """Try each mutation and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help="mutations whose name contains this")
    parser.add_argument("--without-data", action="store_true", help="never use the real data")
    arguments = parser.parse_args()
    default_data = REPOSITORY.parent / "shared" / "data"
    real = Path(os.environ.get("FAIMTRACK_TEST_DATA", default_data)).resolve()
    data: list[Path | None] = [None]
    if real.is_dir() and not arguments.without_data:
        data.append(real)
    chosen = tuple(m for m in MUTATIONS if (arguments.only or "").lower() in m.name.lower())
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "copy"
        copy_repository(root)
        check_copy(root)
        check_lines(root, chosen)
        check_baseline(root, chosen, data)
        for mutation in chosen:
            start = time.monotonic()
            test = try_mutation(root, mutation, data)
            survivors += test is None
            verdict = "SURVIVED" if test is None else "caught"
            print(f"{verdict:<9}{mutation.name} [{time.monotonic() - start:.0f} s]", flush=True)
            print(f"{'':<9}{test or 'no test noticed'}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
