"""Does learning masks help to track? Tables and intervals from one result file a finished run.

A run is one network trained with one seed in one arm (`none`, `truth`, `grabcut`, …), tracked and
scored on crowds that it has not seen. Runs are compared in pairs: same settings, same seed, same
test sequences, another arm.

    python scripts/compare_mask_learning.py docs/results/mask-learning --budget-minutes 60

does runs as long as there is time, then prints the tables; without a budget only the tables.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.atomic import atomic_file

KIND, FORMAT_VERSION = "mask-learning-run", 2
BASELINE = "none"
DRAWS, LEVEL = 10_000, 0.95
METRICS = ("HOTA", "MOTA", "IDF1", "AP", "IDSW", "CLR_FP", "CLR_FN")
COUNTS = frozenset({"IDSW", "CLR_FP", "CLR_FN"})

Scores = Mapping[str, float]
"""By TrackEval's names, and `AP`; ratios are fractions."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One finished run.

    Attributes:
        run: The settings that runs of a pair share, as JSON's types: detector, tracker, length.
        arm: What the masks were; the baseline is `BASELINE`.
        seed: Of the training.
        sequences: Scores of each test sequence.
        combined: Scores over all test sequences together.
        track_threshold: ByteTrack's, which was chosen for the run's weights.
    """

    run: Mapping[str, Any]
    arm: str
    seed: int
    sequences: Mapping[str, Scores]
    combined: Scores
    track_threshold: float


@dataclass(frozen=True, kw_only=True)
class Differences:
    """One metric of an arm less that of the baseline, pair by pair.

    Attributes:
        seeds: `S` seeds that both arms have.
        sequences: `Q` names.
        values: `(S, Q)`; ratios are fractions.
    """

    seeds: tuple[int, ...]
    sequences: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean difference and how sure it is.

    Attributes:
        mean: Over seeds and sequences.
        low: Lower end of the interval.
        high: Upper end.
        seed_count: Pairs of runs.
        sequence_count: Test sequences.
        better_seeds: Pairs whose mean over sequences is above 0.
    """

    mean: float
    low: float
    high: float
    seed_count: int
    sequence_count: int
    better_seeds: int


def result_path(folder: Path, run: Mapping[str, Any], arm: str, seed: int) -> Path:
    """Where the result of a run is kept: the name tells runs of other settings apart."""
    digest = hashlib.sha256(_key(run).encode()).hexdigest()[:8]
    plain_arm = re.sub(r"[^A-Za-z0-9.=_-]+", "-", arm)
    return folder / f"{digest}-{plain_arm}-seed{seed}.json"


def write_result(folder: Path, result: RunResult) -> Path:
    """Keep a finished run; gives its file."""
    path = result_path(folder, result.run, result.arm, result.seed)
    tree = {"kind": KIND, "format_version": FORMAT_VERSION, **asdict(result)}
    with atomic_file(path) as temporary:
        text = json.dumps(tree, indent=1, sort_keys=True, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def read_result(path: Path) -> RunResult:
    """Read one run's file.

    Raises:
        ValueError: It is none, or a score is missing or not a finite number.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path}: expected the result of a run, got no JSON") from None
    if not isinstance(tree, dict) or tree.get("kind") != KIND:
        raise ValueError(f"{path}: expected the result of a run (kind {KIND}), got other JSON")
    if tree.get("format_version") != FORMAT_VERSION:
        came = tree.get("format_version")
        raise ValueError(f"{path}: expected format {FORMAT_VERSION}, got {came!r}")
    missing = set(RunResult.__dataclass_fields__) - tree.keys()
    if missing or not tree["sequences"]:
        lacking = ", ".join(sorted(missing)) or "sequences"
        raise ValueError(f"{path}: expected a whole result, got none of {lacking}")
    for name, scores in [*tree["sequences"].items(), ("all together", tree["combined"])]:
        _check_scores(path, name, scores)
    return RunResult(**{key: tree[key] for key in RunResult.__dataclass_fields__})


def _check_scores(path: Path, name: str, scores: Scores) -> None:
    for metric in METRICS:
        value = scores.get(metric)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{path}: expected a number for {metric} of {name}, got {value!r}")


def read_results(folder: Path) -> list[RunResult]:
    """All runs in a folder, in the order of their arms and seeds.

    Raises:
        ValueError: A file is wrong, or a run is there twice.
        OSError: The folder cannot be read.
    """
    found: dict[tuple[str, str, int], Path] = {}
    results = []
    for path in sorted(folder.glob("*.json")):
        result = read_result(path)
        key = _key(result.run), result.arm, result.seed
        if key in found:
            raise ValueError(f"{path}: expected each run once, got it in {found[key].name} too")
        found[key] = path
        results.append(result)
    return sorted(results, key=lambda each: (_key(each.run), each.arm != BASELINE, each.arm,
                                             each.seed))  # fmt: skip


def _key(run: Mapping[str, Any]) -> str:
    return json.dumps(run, sort_keys=True)


def group_by_settings(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Runs that may be compared with each other, under what their settings have of their own."""
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(_key(result.run), []).append(result)
    runs = [group[0].run for group in groups.values()]
    names = sorted({name for run in runs for name in run})
    telling = [name for name in names if len({_key({"": run.get(name)}) for run in runs}) > 1]
    labels = [", ".join(f"{name} {run.get(name)}" for name in telling) for run in runs]
    return dict(zip([label or "all runs" for label in labels], groups.values(), strict=True))


def paired_differences(
    results: Sequence[RunResult], arm: str, metric: str, *, baseline: str = BASELINE
) -> Differences:
    """An arm less the baseline, where both have the seed.

    Args:
        results: Runs of the same settings.
        arm: Which arm.
        metric: Which score of the single sequences.
        baseline: What it is compared with.

    Raises:
        ValueError: There is no pair, or the runs were tested on different sequences.
    """
    of_arm = {each.seed: each for each in results if each.arm == arm}
    of_baseline = {each.seed: each for each in results if each.arm == baseline}
    seeds = tuple(sorted(of_arm.keys() & of_baseline.keys()))
    if not seeds:
        raise ValueError(f"{arm}: expected a seed that {baseline} has too, got none")
    sequences = tuple(sorted(of_arm[seeds[0]].sequences))
    for seed in seeds:
        for each in (of_arm[seed], of_baseline[seed]):
            if tuple(sorted(each.sequences)) != sequences:
                raise ValueError(
                    f"{each.arm}, seed {seed}: expected the sequences {', '.join(sequences)}, got "
                    f"{', '.join(sorted(each.sequences))}"
                )
    values = [
        [
            of_arm[seed].sequences[name][metric] - of_baseline[seed].sequences[name][metric]
            for name in sequences
        ]
        for seed in seeds
    ]
    return Differences(seeds=seeds, sequences=sequences, values=np.array(values, dtype=float))


def paired_bootstrap(
    differences: Differences, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> Interval:
    """The mean difference with a percentile interval over seeds and sequences.

    Each draw takes as many seeds and as many sequences as there are, with replacement and
    independently (both are samples: of trainings, and of crowds), and averages the differences
    where they meet. With one seed, or one sequence, nothing is known of how others would do, and
    the interval covers only the other kind.

    Args:
        differences: Pair by pair.
        draws: How often.
        level: Share of the draws inside the interval.
        seed: What the draws are drawn from.
    """
    values = differences.values
    random = np.random.default_rng(seed)
    seed_count, sequence_count = values.shape
    # How often each was taken: the mean where they meet is a product of weights.
    seed_weights = random.multinomial(seed_count, np.full(seed_count, 1 / seed_count), draws)
    sequence_weights = random.multinomial(
        sequence_count, np.full(sequence_count, 1 / sequence_count), draws
    )
    means = np.einsum("ds,sq,dq->d", seed_weights, values, sequence_weights, optimize=True)
    low, high = np.quantile(means / values.size, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        mean=float(values.mean()),
        low=float(low),
        high=float(high),
        seed_count=seed_count,
        sequence_count=sequence_count,
        better_seeds=int((values.mean(axis=1) > 0).sum()),
    )


def score_table(results: Sequence[RunResult]) -> dict[str, list[Any]]:
    """Scores over all test sequences, mean ± standard deviation over seeds; a row an arm."""
    rows = []
    for arm in dict.fromkeys(each.arm for each in results):
        runs = [each.combined for each in results if each.arm == arm]
        cells = [_mean_and_deviation([run[metric] for run in runs], metric) for metric in METRICS]
        thresholds = ", ".join(str(each.track_threshold) for each in results if each.arm == arm)
        rows.append([arm, str(len(runs)), *cells, thresholds])
    return {"columns": ["masks", "seeds", *map(_title, METRICS), "thresholds"], "rows": rows}


def difference_table(
    results: Sequence[RunResult], *, baseline: str = BASELINE, draws: int = DRAWS
) -> dict[str, list[Any]]:
    """Mean differences to the baseline with their intervals; a row an arm that has a pair."""
    with_baseline = {each.seed for each in results if each.arm == baseline}
    rows = []
    for arm in dict.fromkeys(each.arm for each in results if each.arm != baseline):
        if not with_baseline & {each.seed for each in results if each.arm == arm}:
            continue
        intervals = [
            paired_bootstrap(
                paired_differences(results, arm, metric, baseline=baseline), draws=draws
            )
            for metric in METRICS
        ]
        cells = [
            interval_text(each, metric) for each, metric in zip(intervals, METRICS, strict=True)
        ]
        rows.append([f"{arm} − {baseline}", str(intervals[0].seed_count), *cells])
    return {"columns": ["difference", "pairs", *map(_title, METRICS)], "rows": rows}


def interval_text(interval: Interval, metric: str) -> str:
    """A difference as tables show it: points of per cent, or counts a sequence."""
    factor = 1 if metric in COUNTS else 100
    mean, low, high = (factor * value for value in (interval.mean, interval.low, interval.high))
    digits = 1 if metric in COUNTS else 2
    return f"{mean:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _title(metric: str) -> str:
    return metric.removeprefix("CLR_")


def _mean_and_deviation(values: Sequence[float], metric: str) -> str:
    factor, digits = (1, 0) if metric in COUNTS else (100, 2)
    mean = f"{factor * statistics.fmean(values):.{digits}f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {factor * statistics.stdev(values):.{digits}f}"


def tables_of(results: Sequence[RunResult]) -> dict[str, Any]:
    """All tables as `scripts/render_tables.py` takes them: kind `table`, two a group of runs."""
    tables = {}
    for label, group in group_by_settings(results).items():
        tables[f"{label}: scores"] = score_table(group)
        differences = difference_table(group)
        if differences["rows"]:
            tables[f"{label}: differences"] = differences
    return {"kind": "table", "tables": tables}


def show_tables(tables: Mapping[str, Any], keep: Path | None) -> None:
    """Print tables in columns; keep them in a file, if one is named.

    Raises:
        OSError: It cannot be written.
    """
    for name, table in tables["tables"].items():
        lines = [table["columns"], *table["rows"]]
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        print(f"\n{name}")
        for line in lines:
            cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
            print("  ".join([line[0].ljust(widths[0]), *cells[1:]]))
    if keep is not None:
        with atomic_file(keep) as temporary:
            text = json.dumps(tables, indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")


def _runs_to_do(arguments: argparse.Namespace) -> list[tuple[int, str]]:
    """Seeds and arms in the order in which pairs get whole."""
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    return [(seed, arm) for seed in seeds for arm in arguments.arms]


def make_runs(arguments: argparse.Namespace) -> None:
    """Do the runs that have no result yet, as long as there is time for another one.

    Raises:
        ValueError: A recipe, an arm or a mask is wrong.
        OSError: Something cannot be read or written.
    """
    # Only who trains waits for torch.
    from mask_learning_runs import Arm, prepare_bench, run_arm, shared_settings

    from faimtrack.training.run import CHECKPOINTS

    started = time.monotonic()
    arms = {text: Arm.parse(text) for text in arguments.arms}
    sources = [arm.source for arm in arms.values() if arm.source is not None]
    prepare_bench(arguments.work, list(dict.fromkeys(sources)))
    run = shared_settings(arguments.recipe, arguments.overrides)
    longest_s = 0.0
    for seed, text in _runs_to_do(arguments):
        arm, path = arms[text], result_path(arguments.results, run, arms[text].name, seed)
        if path.is_file():
            continue
        left_s = 60 * arguments.budget_minutes - (time.monotonic() - started)
        if left_s < longest_s or left_s <= 0:
            print(f"{left_s / 60:.0f} minutes are left, too few for another run")
            return
        began = time.monotonic()
        folder = arguments.work / path.stem
        done = run_arm(arm, arguments.recipe, seed, arguments.overrides, arguments.work, folder)
        result = RunResult(
            run=run,
            arm=arm.name,
            seed=seed,
            sequences={name: _named(each) for name, each in done.test.sequences.items()},
            combined=_named(done.test.combined),
            track_threshold=done.track_threshold,
        )
        write_result(arguments.results, result)
        shutil.rmtree(folder / CHECKPOINTS)
        longest_s = max(longest_s, time.monotonic() - began)
        print(f"{path.name}: HOTA {100 * result.combined['HOTA']:.2f}", flush=True)


def _named(scores: Scores) -> Scores:
    """Scores under TrackEval's names."""
    return {
        {"FP": "CLR_FP", "FN": "CLR_FN"}.get(name, name): each for name, each in scores.items()
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="folder of one JSON file a finished run")
    parser.add_argument("--json", type=Path, help="keep the tables in this file")
    parser.add_argument(
        "--budget-minutes", type=float, default=0.0,
        help="train for so long at most, then make tables of all that is finished; what was "
        "broken off goes on the next time",
    )  # fmt: skip
    parser.add_argument("--work", type=Path, default=Path("out/mask-learning"))
    parser.add_argument("--recipe", default="crowd/bench", help="its -mask twin is the other arm")
    parser.add_argument(
        "--arms", nargs="+", default=[BASELINE, "truth"], metavar="ARM",
        help="none, or a source of masks with changes of the branch: truth,level=p5,weight=0.3",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
        help="a setting of the recipe, for all arms",
    )  # fmt: skip
    return parser


def main() -> int:
    """Do runs if there is time for any, and print the tables of those that are finished."""
    arguments = _parser().parse_args()
    try:
        if arguments.budget_minutes:
            make_runs(arguments)
        results = read_results(arguments.results)
        if not results:
            raise ValueError(f"{arguments.results}: expected results of runs, got none")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    show_tables(tables_of(results), arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
