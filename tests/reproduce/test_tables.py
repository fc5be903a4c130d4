"""Tables as data: against the paper's own text, against the recipes, and against themselves."""

import os
import re
from pathlib import Path

import pytest

from faimtrack.recipes import recipe_names
from faimtrack.reproduce.catalogue import ABSENT, EXPERIMENTS, experiment
from faimtrack.reproduce.costs import cost_lines, trainings_of
from faimtrack.reproduce.experiments import COLUMNS, Figure, Table
from faimtrack.reproduce.suites import CROWD_OBJECTS, DATASETS, VID, networks_of, suite_of

TABLES = [each for each in EXPERIMENTS.values() if isinstance(each, Table)]


@pytest.fixture(scope="module")
def paper():
    """The lines of the paper's text; tests are skipped where it is not here."""
    usual = Path(__file__).resolve().parents[3] / "shared" / "paper"
    folder = Path(os.environ.get("FAIMTRACK_TEST_PAPER", usual))
    texts = sorted(folder.glob("*.txt")) if folder.is_dir() else []
    if not texts:
        pytest.skip("the paper's text is not here (set FAIMTRACK_TEST_PAPER to its folder)")
    return texts[0].read_text(encoding="utf-8").splitlines()


def cells_of(line):
    """A line's cells, without citations, and without gains in braces."""
    return [re.sub(r"\[\d+\]|[_^]\{.*?\}|\^.*$|[₊⁺⁻].*$|\$.*?\$|\*", "", cell).strip()
            for cell in line.split("\t")]  # fmt: skip


def rows_between(paper, head, foot):
    start = next(place for place, line in enumerate(paper) if line.startswith(head))
    end = next(place for place in range(start, len(paper)) if paper[place].startswith(foot))
    return [cells_of(line) for line in paper[start + 1 : end] if "\t" in line]


def numbers_of(cells):
    return [float(cell) for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?", cell)]


def by_label(rows):
    return {cells[0]: numbers_of(cells[1:]) for cells in rows}


def test_table_1_has_the_papers_numbers(paper):
    rows = rows_between(paper, "Method\tSource\tBackbone\tmAP", "Table 1.")
    place = next(number for number, cells in enumerate(rows) if "Post-processing" in cells[0])
    table = experiment("table-1")
    plain = by_label(rows[:place])
    for label in ("SELSA", "TransVODLite", "YOLOV-S", "YOLOV-X", "FAIM-S", "FAIM-L", "FAIM-X"):
        row = table.row(label)
        came = [row.paper["map"], row.paper["ms"]]
        printed = [number for number in plain[label] if number in came]
        assert printed == came, label
    for cells in rows[place + 1 :]:
        row = table.row(f"{cells[0]}, linked")
        ms, link_ms = (float(part) for part in cells[-1].split("+"))
        assert (row.paper["ms"], row.paper["link_ms"]) == (ms, link_ms)
        assert row.paper["map"] == numbers_of(cells)[0]
    assert len(rows[place + 1 :]) == 6


def test_table_2_has_the_papers_numbers(paper):
    rows = rows_between(paper, "Method\tIFEM\tTICAM", "Table 2.")
    ours = [list(row.paper.values())[::-1] for row in experiment("table-2").rows]
    assert [numbers_of(cells) for cells in rows] == ours


@pytest.mark.parametrize(
    ("name", "head", "foot"),
    [("table-3", "$m_g", "Table 3."), ("table-4", "$n ", "Table 4.")],
)
def test_tables_3_and_4_have_the_papers_numbers(paper, name, head, foot):
    start = next(place for place, line in enumerate(paper) if line.startswith(head))
    end = next(place for place in range(start, len(paper)) if paper[place].startswith(foot))
    lines = [cells_of(line) for line in paper[start:end] if "\t" in line]
    printed = [number for cells in lines if cells[0] == "mAP" for number in numbers_of(cells)]
    counts = [number for cells in lines if not cells[0] or "rightarrow" in cells[0]
              for number in numbers_of(cells[1:])]  # fmt: skip
    table = experiment(name)
    assert [row.paper["map"] for row in table.rows] == printed
    assert [float(row.label.rpartition(" ")[2]) for row in table.rows] == counts
    times = [number for cells in lines if cells[0].startswith("Time") for number in
             numbers_of(cells)]  # fmt: skip
    assert [row.paper["ms"] for row in table.rows if "ms" in row.paper] == times


def test_table_5_has_the_papers_numbers(paper):
    place = next(place for place, line in enumerate(paper) if line.startswith("Scale →"))
    cells = cells_of(paper[place + 1])
    for name in ("table-5a", "table-5b", "table-5c", "table-5d"):
        for row in experiment(name).rows:
            shown = f"{row.paper['map']:.1f}"
            assert shown in cells, f"{name}: {row.label}"


def test_tables_i_iii_and_vii_have_the_papers_numbers(paper):
    rows = rows_between(paper, "Model\tMask Source", "Table I.")
    for cells in rows:
        label = cells[0] if cells[1] == "-" else f"{cells[0]}, {cells[1]}"
        assert experiment("table-i").row(label).paper["map"] == numbers_of(cells)[0]
    for name, head in (
        ("table-iii", "Methods\tBackbone\tSlow"),
        ("table-vii", "Method\tAP ₅₀"),
    ):
        foot = f"Table {name.partition('-')[2].upper()}."
        rows = rows_between(paper, head, foot)
        assert len(rows) == len(experiment(name).rows)
        for cells in rows:
            assert list(experiment(name).row(cells[0]).paper.values()) == numbers_of(cells[1:])


@pytest.mark.parametrize(("name", "foot"), [("table-9", "Table VIII."), ("table-ii", "Table II.")])
def test_tables_of_trackers_have_the_papers_numbers(paper, name, foot):
    end = next(place for place, line in enumerate(paper) if line.startswith(foot))
    rows = [cells_of(line) for line in paper[end - 6 : end] if "\t" in line][-4:]
    for cells, row in zip(rows, experiment(name).rows, strict=True):
        assert list(row.paper.values()) == numbers_of(cells[1:])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_sound(table):
    labels = [row.label for row in table.rows]
    assert len(set(labels)) == len(labels)
    assert set(table.columns) <= COLUMNS.keys()
    assert table.measure in table.columns
    assert set(table.datasets) <= set(DATASETS)
    for row in table.rows:
        assert row.paper.keys() <= set(table.columns), row.label
        assert not row.compared_with or row.compared_with in labels
        assert not row.linking or "link_ms" in table.columns


@pytest.mark.parametrize("each", EXPERIMENTS.values(), ids=EXPERIMENTS.keys())
def test_every_network_of_the_papers_data_has_a_recipe(each):
    suite = suite_of(each)
    wanted = set(each.networks) if isinstance(each, Figure) else {
        row.network for row in each.rows if row.network is not None
    }  # fmt: skip
    assert wanted <= suite.recipes.keys()
    for dataset in each.datasets:
        of_data = suite_of(each, dataset)
        assert set(of_data.recipes.values()) <= set(recipe_names())
        assert networks_of(each, of_data) or not wanted, "something is left on crowds"


def test_gains_are_the_papers_own_numbers_not_its_text():
    faim = experiment("table-2").row("FAIM-S")
    assert experiment("table-2").paper_gain(faim) == pytest.approx(8.7)
    first = experiment("table-1")
    assert first.paper_gain(first.row("FAIM-X")) == pytest.approx(0.6)
    slow = experiment("table-iii")
    assert slow.paper_gain(slow.row("FAIM-X")) == pytest.approx(-1.4)


def test_unknown_experiments_and_data_are_refused():
    assert experiment("table-viii") is experiment("table-9")
    with pytest.raises(ValueError, match="got 'table-55'; the nearest is table-5"):
        experiment("table-55")
    with pytest.raises(ValueError, match="expected vid or crowd for table-2, got 'ovis'"):
        suite_of(experiment("table-2"), "ovis")


def test_what_is_not_made_says_why():
    with pytest.raises(ValueError, match="got 'table-6': it is of two-stage detectors"):
        experiment("table-6")
    assert not ABSENT.keys() & EXPERIMENTS.keys()


def test_every_table_and_figure_of_the_paper_is_made_or_says_why_not(paper):
    captions = [re.match(r"(Table|Figure) (\d|[IV]+)\. ", line) for line in paper]
    names = {f"{found[1]}-{found[2]}".lower() for found in captions if found}
    assert {"table-1", "table-viii", "figure-4", "figure-iv"} <= names
    for name in names - ABSENT.keys():
        assert experiment(name).name == name.replace("viii", "9")


def test_what_is_shared_is_counted_once():
    assert trainings_of(experiment("table-4"), VID) == [("yolox-s", ()), ("faim-s", ())]
    lines = list(cost_lines(experiment("table-4")))
    assert "2 trainings a seed (vid/yolox-s, vid/faim-s), 6 detections" in lines[0]
    assert "crowd, --data crowd" in lines[1]


def test_a_base_detector_that_comes_along_is_not_trained():
    assert trainings_of(experiment("table-4"), CROWD_OBJECTS) == [("faim-s", ())]
    assert [name for name, _ in trainings_of(experiment("table-2"), CROWD_OBJECTS)] == [
        "yolov-s", "yolov-ifem-s", "faim-s",
    ]  # fmt: skip
    lines = list(cost_lines(experiment("table-4")))
    assert "1 training a seed (crowd/faim) beside crowd-objects-nano, which comes al" in lines[1]
    assert "comes along" not in lines[0]
    (people,) = [line for line in cost_lines(experiment("table-9")) if "--data crowd" in line]
    assert "comes along" not in people


def test_bases_of_networks():
    assert CROWD_OBJECTS.base_of("yolov-ifem-s") == "yolox-s"
    assert CROWD_OBJECTS.base_of("faim-x") == "yolox-x"
    assert CROWD_OBJECTS.base_of("yolox-s") is None
    assert CROWD_OBJECTS.base_of("tracktor-mask") is None
