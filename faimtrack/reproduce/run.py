"""An experiment from its name to its files: what `faimtrack reproduce` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faimtrack.atomic import check_writable
from faimtrack.reproduce.budget import Budget
from faimtrack.reproduce.comparison import compare
from faimtrack.reproduce.data import draw_data, locate_data
from faimtrack.reproduce.data_hashes import NoHashes
from faimtrack.reproduce.engine import Engine, Outcomes, Worker
from faimtrack.reproduce.experiments import Experiment, Figure, Table
from faimtrack.reproduce.figures.figure import Drawing
from faimtrack.reproduce.jobs import Job
from faimtrack.reproduce.networks import NetworkJobs
from faimtrack.reproduce.plan import Planner
from faimtrack.reproduce.request import Request
from faimtrack.reproduce.suites import Suite, suite_of
from faimtrack.reproduce.writing import Report, write_report
from faimtrack.weights import find_weights

RESULTS = "results"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants of an experiment.

    Attributes:
        experiment: Which.
        data: A folder, or `crowd`.
        output: The folder of everything; experiments that share it share trainings.
        dataset: Which data set it is; None: crowds if they are made, else the paper's.
        seeds: Of the trainings.
        budget_minutes: How long; None for as long as it takes.
        overrides: ``key=value`` for all that are trained and know the key.
        base: Trained weights of the base detector, in place of those that come along or are
            trained.
        masks_root: Where pseudo masks lie if not with their videos.
    """

    experiment: Experiment
    data: str
    output: Path
    dataset: str | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    budget_minutes: float | None = None
    overrides: tuple[str, ...] = ()
    base: Path | None = None
    masks_root: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What came of an experiment.

    Attributes:
        files: That were written.
        report: Of a table; None of a figure.
        drawing: Of a figure; None of a table, or if it could not be drawn.
        missing: Why something is missing, a line each; empty if nothing is.
        ran_out_of_time: Whether the same command goes on.
    """

    files: tuple[Path, ...] = ()
    report: Report | None = None
    drawing: Drawing | None = None
    missing: tuple[str, ...] = ()
    ran_out_of_time: bool = False


@dataclass(frozen=True, kw_only=True)
class _Workshop:
    """What both kinds of experiments work with."""

    wish: Wish
    suite: Suite
    networks: NetworkJobs
    engine: Engine
    budget: Budget
    device: str
    request: Request = field(repr=False)


def reproduce(
    wish: Wish, worker: Worker, *, device: str, say: Callable[[str], None] = lambda line: None
) -> Reproduction:
    """Do what is missing of an experiment as long as there is time, and write what there is.

    Args:
        wish: What is wanted.
        worker: Who trains, detects and scores.
        device: What times are taken on, in words.
        say: Takes lines for people.

    Raises:
        ValueError: The experiment is not made on such data, data are wrong, or something that was
            to be set is known to no recipe; the last is seen before anything is drawn or read.
        OSError: Data cannot be read, or files not be written.
    """
    dataset = wish.dataset or ("crowd" if wish.data == "crowd" else None)
    suite = suite_of(wish.experiment, dataset)
    budget = Budget(wish.budget_minutes)
    data = locate_data(suite, wish.data, wish.output, masks_root=wish.masks_root)
    request = Request(
        suite=suite,
        data=data,
        output=wish.output,
        seeds=wish.seeds,
        overrides=wish.overrides,
        base=_base(wish, suite),
        device=device,
    )
    _check_settings(wish.experiment, request)
    check_writable(wish.output / wish.experiment.name)
    draw_data(data, say)
    shop = _Workshop(
        wish=wish,
        suite=suite,
        networks=NetworkJobs(request),
        engine=Engine(wish.output / RESULTS, worker, budget, say),
        budget=budget,
        device=device,
        request=request,
    )
    if isinstance(wish.experiment, Figure):
        return _figure(wish.experiment, shop)
    return _table(wish.experiment, shop)


def _base(wish: Wish, suite: Suite) -> Path | None:
    """The file of the base detector; None if it is to be trained, or there is none.

    Raises:
        ValueError: One was named, and no network begins from it.
        OSError: The one that comes along is not there.
    """
    if wish.base is not None and not any(map(suite.base_of, suite.recipes)):
        raise ValueError(
            f"base: expected none, for no network on {suite.title} has a base detector, got "
            f"{wish.base}"
        )
    if wish.base is not None or suite.base is None:
        return wish.base
    return find_weights(suite.base)


def _check_settings(experiment: Experiment, request: Request) -> None:
    """See whether everything that was set is known and fits, without looking at data."""
    networks = NetworkJobs(request, NoHashes())
    if isinstance(experiment, Figure):
        _figure_jobs(experiment, networks, request.seeds)
    else:
        Planner(networks, request.seeds).plan(experiment)


def _table(table: Table, shop: _Workshop) -> Reproduction:
    seeds = shop.wish.seeds
    plan = Planner(shop.networks, seeds).plan(table)
    outcomes = shop.engine.run(plan.jobs(seeds))
    report = Report(
        comparison=compare(plan, outcomes, seeds),
        outcomes=outcomes,
        suite=shop.suite.title,
        dataset=shop.suite.name,
        device=shop.device,
        overrides=shop.wish.overrides,
        base=shop.request.base,
    )
    files = write_report(report, shop.wish.output)
    return Reproduction(
        files=tuple(files),
        report=report,
        missing=_reasons(outcomes),
        ran_out_of_time=shop.budget.is_over and bool(outcomes.missing),
    )


def _figure(figure: Figure, shop: _Workshop) -> Reproduction:
    from faimtrack.reproduce.figures.draw import draw_figure

    jobs = _figure_jobs(figure, shop.networks, shop.wish.seeds)
    outcomes = shop.engine.run(jobs)
    if outcomes.missing:
        is_over = shop.budget.is_over
        return Reproduction(missing=_reasons(outcomes), ran_out_of_time=is_over)
    drawing = draw_figure(figure, jobs, shop.request)
    files = drawing.write(shop.wish.output)
    return Reproduction(files=tuple(files), drawing=drawing)


def _figure_jobs(figure: Figure, networks: NetworkJobs, seeds: Sequence[int]) -> list[Job]:
    from faimtrack.reproduce.figures.draw import figure_jobs

    jobs = figure_jobs(figure, networks, seeds[0])
    networks.overrides.require_all_known()
    return jobs


def _reasons(outcomes: Outcomes) -> tuple[str, ...]:
    return tuple(dict.fromkeys(outcomes.missing.values()))
