"""What an experiment needs, in words: data, trainings, and about how long they take."""

from __future__ import annotations

from collections.abc import Iterator

from faimtrack.reproduce.experiments import COLUMNS, Experiment, Table
from faimtrack.reproduce.suites import Suite, networks_of, suite_of


def cost_lines(experiment: Experiment) -> Iterator[str]:
    """A line for each kind of data that an experiment can be made on."""
    for dataset in experiment.datasets:
        suite = suite_of(experiment, dataset)
        trainings = trainings_of(experiment, suite)
        made = ", --data crowd" if suite.bench is not None else ""
        if not trainings:
            yield f"{suite.name}{made}: {suite.title}; nothing is trained"
            continue
        names = ", ".join(dict.fromkeys(suite.recipes[network] for network, _ in trainings))
        yield (
            f"{suite.name}{made}: {suite.title}; {_count(len(trainings), 'training')} a seed "
            f"({names}){_beside(suite)}{_measured(experiment, suite)}{_minutes(trainings, suite)}"
        )


def trainings_of(experiment: Experiment, suite: Suite) -> list[tuple[str, tuple[str, ...]]]:
    """Networks and changes of all trainings of one seed, those of base detectors first.

    Base detectors that come along are not trained.
    """
    wanted: list[tuple[str, tuple[str, ...]]] = []
    if isinstance(experiment, Table):
        for row in experiment.rows:
            network = suite.network_of(row)
            if network in suite.recipes and network is not None:
                wanted.append((network, suite.changes_of(row)))
                if row.added_to in suite.recipes:
                    wanted.append((row.added_to, ()))
    else:
        wanted = [(network, ()) for network in networks_of(experiment, suite)]
    if suite.base is not None:
        return list(dict.fromkeys(each for each in wanted if suite.base_of(each[0]) is not None))
    bases = [suite.base_of(network) for network, _ in wanted]
    return list(dict.fromkeys([*((base, ()) for base in bases if base is not None), *wanted]))


def _beside(suite: Suite) -> str:
    return "" if suite.base is None else f" beside {suite.base}, which comes along"


def _measured(experiment: Experiment, suite: Suite) -> str:
    if not isinstance(experiment, Table):
        return ""
    kinds = [COLUMNS[name].kind for name in experiment.columns]
    rows = [row for row in experiment.rows if suite.network_of(row) in suite.recipes]
    ways = {(suite.network_of(row), suite.changes_of(row), row.detection) for row in rows}
    parts = [_count(len(ways), "detection")] if "scores" in kinds else []
    parts += ["times are taken"] if "time" in kinds else []
    return "".join(f", {part}" for part in parts)


def _minutes(trainings: list[tuple[str, tuple[str, ...]]], suite: Suite) -> str:
    known = [suite.minutes.get(network) for network, _ in trainings]
    if any(minutes is None for minutes in known):
        return ""
    total = sum(minutes for minutes in known if minutes is not None)
    return f"; about {total:.0f} minutes a seed on two cores"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
