"""Small sequences, and the command line run as a user runs it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

RUN = [sys.executable, "-c", "import sys; from faimtrack.cli.main import run; run(sys.argv[1:])"]
FRAMES = 20


@pytest.fixture
def faimtrack(tmp_path, capfd, monkeypatch):
    """Run the command in this process, in `tmp_path`; faster than a new one by its imports."""
    from faimtrack.cli.main import run

    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return SimpleNamespace(status=ended.value.code, out=out, err=err)

    return call


@pytest.fixture
def start(tmp_path):
    """Start the command in a process of its own, in `tmp_path`."""

    def begin(*arguments, code=None, **keywords):
        command = RUN if code is None else [sys.executable, "-c", code]
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **keywords,
        )

    return begin


def detection_rows(frames=FRAMES, first=1):
    """Two people who walk towards each other."""
    rows = []
    for index in range(first, first + frames):
        rows.append(f"{index},-1,{2 * index},10,12,30,0.9,-1,-1,-1")
        rows.append(f"{index},-1,{100 - 2 * index},12,12,30,0.85,-1,-1,-1")
    return rows


@pytest.fixture
def make_sequence(tmp_path):
    """A MOTChallenge sequence folder; `detections` None leaves the file out."""

    def make(
        name="walk", *, frames=FRAMES, detections="good", images=False, folder="data"
    ) -> Path:
        sequence = tmp_path / folder / name
        (sequence / "det").mkdir(parents=True)
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nimDir=img1\nframeRate=25\nseqLength={frames}\n"
            "imWidth=128\nimHeight=64\nimExt=.jpg\n"
        )
        if detections == "good":
            detections = "\n".join(detection_rows(frames)) + "\n"
        if detections is not None:
            (sequence / "det" / "det.txt").write_text(detections)
        if images:
            (sequence / "img1").mkdir()
            for index in range(1, frames + 1):
                picture = np.full((64, 128, 3), 40 + 8 * (index % 20), np.uint8)
                cv2.imwrite(str(sequence / "img1" / f"{index:06d}.jpg"), picture)
        return sequence

    return make


def one_line(err):
    """The only complaint in what went to stderr."""
    (line,) = [line for line in err.splitlines() if line.startswith("faimtrack: error: ")]
    return line.removeprefix("faimtrack: error: ")


@pytest.fixture
def complaint():
    return one_line
