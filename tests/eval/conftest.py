"""Small tables and sequence folders for the tests of scoring."""

from pathlib import Path

import numpy as np
import pytest

from faimtrack.motfile import MotTable


def table_of(rows, path="memory.txt"):
    """A table of rows `frame, id, left, top, width, height[, confidence[, class]]`."""
    filled = [list(row) + [1, -1][len(row) - 6 :] for row in rows]
    values = np.array(filled, dtype=float).reshape(-1, 8)
    values = values[np.argsort(values[:, 0], kind="stable")]
    return MotTable(
        Path(path),
        values[:, 0].astype(np.int64),
        values[:, 1].astype(np.int64),
        values[:, 2:6].copy(),
        values[:, 6].copy(),
        values[:, 7].astype(np.int64),
        np.full(len(values), -1.0),
    )


def random_crowd(seed, *, frame_count=12, object_count=6, classes=(1,)):
    """Rows of drifting boxes and of a poor tracker that misses, swaps and invents some.

    Returns ground-truth rows with confidence and class, and result rows.
    """
    random = np.random.default_rng(seed)
    starts = random.uniform(0, 120, (object_count, 2))
    speeds = random.uniform(-4, 4, (object_count, 2))
    kinds = random.choice(classes, object_count)
    kinds[0] = 1
    truth, found = [], []
    names = np.arange(1, object_count + 1)
    for frame in range(1, frame_count + 1):
        if random.random() < 0.15:
            random.shuffle(names)
        for number in range(object_count):
            left, top = starts[number] + frame * speeds[number]
            if random.random() < 0.9:
                kind = int(kinds[number])
                mark = int(kind == 1 and random.random() < 0.9)
                truth.append([frame, number + 1, round(left), round(top), 40, 60, mark, kind])
            if random.random() < 0.8:
                shift = random.normal(0, 6, 2)
                box = [round(left + shift[0], 2), round(top + shift[1], 2), 40, 60]
                found.append([frame, int(names[number]), *box, 0.9, 1])
        if random.random() < 0.3:
            found.append([frame, 50 + frame, 400, 400, 30, 30, 0.5, 1])
    return truth, found


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def make_table():
    return table_of


@pytest.fixture(scope="session")
def make_crowd():
    return random_crowd


@pytest.fixture(scope="session")
def write_mot():
    return write_rows


@pytest.fixture
def make_sequence(tmp_path):
    """Write a sequence folder `data/<name>` and perhaps its file `results/<name>.txt`."""

    def make(name, truth, found=None, frame_count=12):
        folder = tmp_path / "data" / name
        write_rows(folder / "gt" / "gt.txt", truth)
        (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength={frame_count}\n")
        (tmp_path / "results").mkdir(exist_ok=True)
        if found is not None:
            write_rows(tmp_path / "results" / f"{name}.txt", found)
        return folder

    return make
