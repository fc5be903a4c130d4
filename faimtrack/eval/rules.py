"""Which rows a benchmark evaluates, and which results it takes away before it counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from faimtrack.motfile import MotTable
from faimtrack.provenance import read_provenance

PEDESTRIAN = 1
_MOT_CLASSES = tuple(range(1, 14))


@dataclass(frozen=True, kw_only=True)
class EvaluationRules:
    """What counts as an object, and what a result may cover unpunished.

    Attributes:
        name: As `--benchmark` takes it.
        class_ids: Classes that are evaluated, one after the other; None if the ground truth has
            no classes: every row counts, and column 8 of both files is not read.
        distractor_ids: Classes whose rows are not evaluated; a result that matches one of them
            is taken away instead of counting as a false positive.
        known_ids: Classes that the ground truth may have; empty if anything goes.
        results_have_classes: Whether rows of the results are chosen by their class. If not, all
            of them are results for the one class that is evaluated.
    """

    name: str
    class_ids: tuple[int, ...] | None = (PEDESTRIAN,)
    distractor_ids: tuple[int, ...] = ()
    known_ids: tuple[int, ...] = ()
    results_have_classes: bool = False


# Classes of MOT16, 17 and 20: 2 person on vehicle, 6 non-motorised vehicle, 7 static person,
# 8 distractor, 12 reflection.
BENCHMARKS: Mapping[str, EvaluationRules] = MappingProxyType(
    {
        "mot15": EvaluationRules(name="mot15", class_ids=None),
        "mot16": EvaluationRules(
            name="mot16", distractor_ids=(2, 7, 8, 12), known_ids=_MOT_CLASSES
        ),
        "mot17": EvaluationRules(
            name="mot17", distractor_ids=(2, 7, 8, 12), known_ids=_MOT_CLASSES
        ),
        "mot20": EvaluationRules(
            name="mot20", distractor_ids=(2, 6, 7, 8, 12), known_ids=_MOT_CLASSES
        ),
        "dancetrack": EvaluationRules(name="dancetrack", class_ids=None),
    }
)

_NAME_PATTERNS = (
    (re.compile(r"mot(15|16|17|20)($|[-_/ ])", re.IGNORECASE), "mot{0}"),
    (re.compile(r"(dancetrack)", re.IGNORECASE), "dancetrack"),
)
_MOT15_SCENES = {
    "adl-rundle": "1 3 6 8",
    "avg": "towncentre",
    "eth": "bahnhof crossing jelmoli linthescher pedcross2 sunnyday",
    "kitti": "13 16 17 19",
    "pets09": "s2l1 s2l2",
    "tud": "campus crossing stadtmitte",
    "venice": "1 2",
}
_MOT15_SEQUENCES = frozenset(
    f"{place}-{scene}" for place, scenes in _MOT15_SCENES.items() for scene in scenes.split()
)
_FOLDERS_LOOKED_AT = 4


def benchmark_rules(name: str) -> EvaluationRules:
    """The rules of a benchmark by its name.

    Raises:
        ValueError: There is none of that name.
    """
    try:
        return BENCHMARKS[name.lower()]
    except KeyError:
        raise ValueError(f"benchmark: expected {', '.join(BENCHMARKS)}, got {name!r}") from None


def class_rules(
    class_ids: Iterable[int], *, distractor_ids: Iterable[int] = ()
) -> EvaluationRules:
    """Rules for data with classes of one's own, in column 8 of ground truth and results.

    Each class is evaluated by itself. Results of one class only are never taken for another.

    Raises:
        ValueError: No class, one twice, or one that is evaluated and a distractor.
    """
    evaluated, distractors = tuple(class_ids), tuple(distractor_ids)
    if not evaluated or len({*evaluated, *distractors}) != len(evaluated) + len(distractors):
        raise ValueError(
            "classes: expected at least one, and each once among classes and distractors, got "
            f"classes {list(evaluated)} and distractors {list(distractors)}"
        )
    return EvaluationRules(
        name="classes " + ",".join(map(str, evaluated)),
        class_ids=evaluated,
        distractor_ids=distractors,
        results_have_classes=True,
    )


def choose_rules(name: str, ground_truth: MotTable) -> tuple[EvaluationRules, str]:
    """Find the rules that a sequence was made for, and say why.

    A synthetic crowd is known by its sidecar and follows MOT20. Else the sequence's name decides,
    then the folders above its ground truth, then what stands in the ground truth.

    Returns:
        The rules, and the reason in a few words for the reader of the scores.

    Raises:
        ValueError: Nothing tells. Guessing would drop the user's classes or count distractors.
    """
    folders = Path(ground_truth.path).resolve().parents[:_FOLDERS_LOOKED_AT]
    if any(_is_crowd(folder) for folder in folders):
        return BENCHMARKS["mot20"], "a crowd that faimtrack made"
    chosen = _rules_by_name(name)
    if chosen is not None:
        return chosen, f"from the name {name}"
    for folder in folders:
        chosen = _rules_by_name(folder.name)
        if chosen is not None:
            return chosen, f"from the folder {folder.name}"
    return _rules_by_content(ground_truth)


def _is_crowd(folder: Path) -> bool:
    """Whether the folder's sidecar says that `faimtrack crowd` made it."""
    try:
        return read_provenance(folder).kind == "crowd"
    except (OSError, ValueError):
        return False


def _rules_by_name(name: str) -> EvaluationRules | None:
    for pattern, benchmark in _NAME_PATTERNS:
        match = pattern.match(name)
        if match:
            return BENCHMARKS[benchmark.format(match.group(1))]
    return BENCHMARKS["mot15"] if name.lower() in _MOT15_SEQUENCES else None


def _rules_by_content(ground_truth: MotTable) -> tuple[EvaluationRules, str]:
    classes = ground_truth.class_ids
    visibilities = ground_truth.visibilities
    if (classes <= 0).all():
        return BENCHMARKS["mot15"], "the ground truth has no classes"
    if ((visibilities > 1.0) | ((visibilities < 0.0) & (visibilities != -1.0))).any():
        return BENCHMARKS["mot15"], "the ground truth has world coordinates, no classes"
    if (classes == PEDESTRIAN).all():
        return BENCHMARKS["mot17"], "the ground truth has class 1 only, as all benchmarks agree"
    counted = classes[np.trunc(ground_truth.confidences) != 0]
    if (counted == PEDESTRIAN).all() and np.isin(classes, _MOT_CLASSES).all():
        reason = "the ground truth evaluates class 1 and marks others 0"
        if (classes == 6).any():
            reason += "; class 6 is a distractor in mot20 only"
        return BENCHMARKS["mot17"], reason
    raise ValueError(
        f"{ground_truth.path}: expected --benchmark or --classes, because neither the name nor "
        f"the folder tells a benchmark, got classes {np.unique(classes).tolist()}"
    )
