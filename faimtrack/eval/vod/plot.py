"""Curves of precision over recall, and bars of average precision by class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from faimtrack.atomic import atomic_file
from faimtrack.eval.report import check_plot_path
from faimtrack.eval.vod.average_precision import RECALLS
from faimtrack.eval.vod.report import TITLES
from faimtrack.eval.vod.scores import MOTION_GROUPS, ClassScores, VodScores

MOST_BARS = 30  # as many classes as ImageNet VID has
_MOST_LABELLED = 10
_WIDTH, _LEAST_HEIGHT, _BAR_HEIGHT, _GAP_HEIGHT = 11.0, 3.6, 0.13, 0.08  # inches
# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
_LINES = ("-", "--", ":", "-.")


def write_plot(results: Mapping[str, VodScores], path: str | os.PathLike[str]) -> None:
    """Draw the VID protocol's curves, its areas by class and, where there are, by motion group.

    Of many classes those with the most ground truth have bars. The suffix of `path` chooses the
    format: png, pdf or svg.

    Raises:
        ValueError: There is no result, or no such format.
        OSError: The file cannot be written.
    """
    # Half a second to import, and the pyplot state machine stays out.
    from matplotlib.figure import Figure

    check_plot_path(path)
    if not results:
        raise ValueError(f"{path}: expected at least one result to plot, got none")
    shown = _classes_with_bars(results)
    has_groups = all(scores.no_groups_because is None for scores in results.values())
    bars = 1.2 + (_BAR_HEIGHT * len(results) + _GAP_HEIGHT) * len(shown)
    height = max(_LEAST_HEIGHT * (2 if has_groups else 1), bars)
    rows = 2 if has_groups or height > 2 * _LEAST_HEIGHT else 1
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    grid = figure.add_gridspec(rows, 2)
    _draw_curves(figure.add_subplot(grid[0, 0]), results)
    _draw_bars(figure.add_subplot(grid[:, 1]), results, shown)
    if has_groups:
        _draw_groups(figure.add_subplot(grid[1, 0]), results)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _classes_with_bars(results: Mapping[str, VodScores]) -> list[int]:
    """Places of the classes as bars from below, the best of the first result last."""
    first = next(iter(results.values())).classes
    known = [number for number, each in enumerate(first) if each.truths]
    most = sorted(known, key=lambda number: -first[number].truths)[:MOST_BARS]
    return sorted(most, key=lambda number: first[number].values["vid"] or 0.0)


def _draw_curves(axes: Any, results: Mapping[str, VodScores]) -> None:
    """Each result's mean, and with a single result its classes."""
    if len(results) == 1:
        (scores,) = results.values()
        scored = [each for each in scores.classes if each.precisions is not None]
        is_few = len(scored) <= _MOST_LABELLED
        for place, each in enumerate(scored if len(scored) > 1 else []):
            colour = _COLOURS[place % len(_COLOURS)] if is_few else "0.8"
            line = _LINES[place // len(_COLOURS)] if is_few else "-"
            label = each.name if is_few else None
            axes.plot(RECALLS, each.precisions, line, color=colour, linewidth=1.0, label=label)
    for place, (name, scores) in enumerate(results.items()):
        curves = [each.precisions for each in scores.classes if each.precisions is not None]
        colour = "black" if len(results) == 1 else _COLOURS[place % len(_COLOURS)]
        label = "mean" if len(results) == 1 else name
        axes.plot(
            RECALLS, np.mean(curves, axis=0), _LINES[place % len(_LINES)], color=colour,
            linewidth=2.0, label=f"{label} ({_percent(scores.mean['vid'])})",
        )  # fmt: skip
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title("VID protocol, all objects")
    axes.legend(fontsize="small")
    axes.grid(color="0.9")


def _draw_bars(axes: Any, results: Mapping[str, VodScores], shown: list[int]) -> None:
    first = next(iter(results.values())).classes
    thickness = 0.8 / len(results)
    for place, (name, scores) in enumerate(results.items()):
        heights = [100 * (scores.classes[number].values["vid"] or 0.0) for number in shown]
        # The first result on top.
        offset = thickness * ((len(results) - 1) / 2 - place)
        axes.barh(
            np.arange(len(shown)) + offset, heights, thickness,
            color=_COLOURS[place % len(_COLOURS)], label=name,
        )  # fmt: skip
    axes.set_yticks(np.arange(len(shown)), [_bar_label(first[number]) for number in shown])
    axes.tick_params(axis="y", labelsize="small")
    axes.set(xlabel="VID AP, %", xlim=(0, 100), ylim=(-0.6, len(shown) - 0.4))
    known = sum(1 for each in first if each.truths)
    axes.set_title("by class" + (f", {len(shown)} of {known}" if len(shown) < known else ""))
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    if len(results) > 1:
        axes.legend(fontsize="small", loc="lower right")


def _draw_groups(axes: Any, results: Mapping[str, VodScores]) -> None:
    names = ("vid", *MOTION_GROUPS)
    thickness = 0.8 / len(results)
    for place, (name, scores) in enumerate(results.items()):
        values = [scores.mean[metric] for metric in names]
        where = np.arange(len(names)) + thickness * (place - (len(results) - 1) / 2)
        bars = axes.bar(
            where, [100 * (value or 0.0) for value in values], thickness,
            color=_COLOURS[place % len(_COLOURS)], label=name,
        )  # fmt: skip
        axes.bar_label(bars, [_percent(value) for value in values], fontsize="x-small")
    axes.set_xticks(np.arange(len(names)), ["all", *(TITLES[name] for name in MOTION_GROUPS)])
    axes.set(ylabel="VID AP, mean over classes, %", ylim=(0, 105))
    axes.set_title("by motion")
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)


def _bar_label(scores: ClassScores) -> str:
    return f"{scores.name} ({scores.truths:,})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
