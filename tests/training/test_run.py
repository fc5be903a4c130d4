"""Whole runs on a small crowd: files, going on, validation that leaves no trace."""

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from faimtrack.detectors.loading import open_detector
from faimtrack.provenance import read_provenance
from faimtrack.recipes import recipe_names
from faimtrack.training.dry_run import dry_run
from faimtrack.training.fit import Machines
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.run import TrainingRun, train
from faimtrack.training.samples import DataPlaces
from faimtrack.training.sanity import check_sanity
from faimtrack.weights.files import read_checkpoint

SMALL = {
    "bytetrack": ["input_height=96", "input_width=160", "smallest_input=2", "largest_input=4"],
    "tracktor": [
        "network.name=faster-rcnn-mobilenet-v3-large-320-fpn", "short_side=96", "long_side=160",
    ],
}  # fmt: skip


def run_of(name, data, output, *settings, **arguments):
    masks = ["mask_branch.source=truth", "mask_branch.hidden_channels=16"]
    overrides = [
        *SMALL[name.removesuffix("-mask")],
        *(masks if name.endswith("-mask") else ()),
        "batch_size=2", "checkpoint_every=2", "log_every=1",
        *settings,
    ]  # fmt: skip
    return TrainingRun(
        recipe=resolve_training_recipe(f"crowd/{name}", overrides=overrides),
        places=DataPlaces(data=data),
        output=output,
        machines=Machines(devices=1, workers=0, accelerator="cpu"),
        **arguments,
    )


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_weights_that_detect_and_all_that_belongs_to_them(small_crowd, tmp_path):
    settings = ["steps=2", "every_steps=0", "pictures=1"]
    result = train(run_of("bytetrack-mask", small_crowd, tmp_path / "run", *settings))
    folder = tmp_path / "run"
    assert (result.step, result.total) == (2, 2)
    assert {path.name for path in folder.iterdir()} == {
        "weights.safetensors", "weights.safetensors.json", "best.safetensors",
        "best.safetensors.json", "checkpoints", "metrics.csv", "tensorboard", "pictures",
        "validation", "recipe.yaml",
    }  # fmt: skip
    found = read_checkpoint(result.weights)
    assert found.metadata.architecture == "yolox-nano"
    assert found.metadata.recipe == "crowd/bytetrack-mask"
    assert found.metadata.settings["input_size"] == [96, 160]
    assert found.metadata.settings["mask_branch"]["source"] == "truth"
    assert any(key.startswith("mask_branch.") for key in found.tensors)
    assert open_detector(result.weights).class_names == ("person",)
    record = read_provenance(result.weights)
    assert record.kind == "weights"
    assert set(record.inputs) == {"crowd gt", "crowd seqinfo", "crowd masks"}
    rows = rows_of(folder)
    assert [row["step"] for row in rows] == ["1", "2", "2"]
    assert float(rows[1]["masks"]) > 0
    assert 0 <= float(rows[2]["HOTA"]) <= 1
    assert len(list((folder / "pictures").iterdir())) == 2
    assert resolve_training_recipe(folder / "recipe.yaml").tree()["schedule"]["steps"] == 2
    with pytest.raises(FileExistsError, match="--resume goes on with it, --overwrite"):
        train(run_of("bytetrack-mask", small_crowd, folder, *settings))


HOLDER = """
import sys
from faimtrack.atomic import claimed
with claimed(sys.argv[1] + "/.claim", across_forks=False):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no claims")
def test_two_do_not_train_into_one_folder(small_crowd, tmp_path):
    quiet = ["steps=2", "every_steps=0", "pictures=0"]
    folder = tmp_path / "run"
    train(run_of("bytetrack", small_crowd, folder, *quiet, max_steps=1))
    before = rows_of(folder)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    for existing in ("resume", "overwrite"):
        with pytest.raises(BlockingIOError, match="run: another run trains into it now"):
            train(run_of("bytetrack", small_crowd, folder, *quiet, existing=existing))
    assert rows_of(folder) == before
    holder.communicate(timeout=30)
    result = train(run_of("bytetrack", small_crowd, folder, *quiet, existing="resume"))
    assert result.step == 2
    assert not (folder / ".claim").exists()


def test_a_run_that_cannot_begin_leaves_no_folder(small_crowd, tmp_path):
    run = run_of("bytetrack", small_crowd, tmp_path / "run", "pictures=0")
    faulty = dataclasses.replace(run, places=DataPlaces(data=tmp_path / "nothing"))
    with pytest.raises(OSError, match="nothing"):
        train(faulty)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_seed_is_refused(small_crowd, tmp_path):
    quiet = ["steps=2", "every_steps=0", "pictures=0"]
    train(run_of("bytetrack", small_crowd, tmp_path, *quiet, max_steps=1))
    other = run_of("bytetrack", small_crowd, tmp_path, *quiet, "seed=1", existing="resume")
    with pytest.raises(ValueError, match=r"got one with schedule.seed 0 \(now 1\)"):
        train(other)


def test_a_run_that_another_recipe_cannot_go_on_with_stays_as_it_is(small_crowd, tmp_path):
    quiet = ["steps=2", "every_steps=0", "pictures=0"]
    train(run_of("bytetrack", small_crowd, tmp_path, *quiet, max_steps=1))
    names = ("recipe.yaml", "metrics.csv")
    before = [(tmp_path / name).read_bytes() for name in names]
    other = run_of("bytetrack-mask", small_crowd, tmp_path, *quiet, existing="resume")
    with pytest.raises(ValueError, match="got one with mask_branch"):
        train(other)
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_steps_that_are_done_already_are_not_taken_back(small_crowd, tmp_path):
    quiet = ["steps=3", "every_steps=0", "pictures=0"]
    train(run_of("bytetrack", small_crowd, tmp_path, *quiet, max_steps=2))
    back = run_of("bytetrack", small_crowd, tmp_path, *quiet, max_steps=1, existing="resume")
    with pytest.raises(ValueError, match=r"max_steps: expected 2 or more, .*ckpt, got 1$"):
        train(back)


def test_crowd_human_is_named_where_it_is_wanted_and_only_there(small_crowd, tmp_path):
    run = run_of("bytetrack", small_crowd, tmp_path, "data.crowd_human=true")
    with pytest.raises(ValueError, match="--crowd-human: expected with a recipe"):
        train(run)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bytetrack-mask", "tracktor-mask"])
def test_a_run_that_went_on_ends_as_a_whole_one_with_or_without_validation(
    name, small_crowd, tmp_path
):
    settings = ["steps=5", "pictures=1"]
    every = [*settings, "every_steps=2"]
    whole = train(run_of(name, small_crowd, tmp_path / "whole", *every))
    train(run_of(name, small_crowd, tmp_path / "cut", *every, max_steps=3))
    cut = train(run_of(name, small_crowd, tmp_path / "cut", *every, existing="resume"))
    expected, found = (read_checkpoint(each.weights).tensors for each in (whole, cut))
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    scores = [json.loads((tmp_path / each / "validation" / "scores.json").read_text())
              for each in ("whole", "cut")]  # fmt: skip
    assert scores[0] == scores[1]
    steps = [[row["step"] for row in rows_of(tmp_path / each)] for each in ("whole", "cut")]
    assert steps[0] == steps[1] == ["1", "2", "2", "3", "4", "4", "5", "5"]
    quiet = train(run_of(name, small_crowd, tmp_path / "quiet", *settings, "every_steps=0"))
    unseen = read_checkpoint(quiet.weights).tensors
    assert all(torch.equal(expected[key], unseen[key]) for key in expected)


@pytest.mark.slow
def test_one_batch_is_learnt_by_heart_and_the_data_are_called_sound(small_crowd):
    run = run_of("bytetrack-mask", small_crowd, None, "input_height=160", "input_width=256")
    findings = check_sanity(run.recipe, run.places, run.machines)
    assert [finding.sentence for finding in findings if not finding.is_good] == []
    assert len(findings) == 6


@pytest.fixture
def crowd_human(small_crowd, tmp_path):
    """Three pictures as CrowdHuman lays them out."""
    lines = []
    for number in range(1, 4):
        picture = tmp_path / "Images" / f"{number}.jpg"
        picture.parent.mkdir(exist_ok=True)
        shutil.copyfile(small_crowd / "img1" / f"{number:06d}.jpg", picture)
        person = {"tag": "person", "fbox": [20, 30, 20, 60], "extra": {}}
        lines.append(json.dumps({"ID": str(number), "gtboxes": [person]}))
    (tmp_path / "annotation_train.odgt").write_text("\n".join(lines) + "\n")
    return tmp_path


MOT20 = [
    name for name in recipe_names() if name.startswith("mot20-half/") and not name.endswith("reid")
]


@pytest.mark.slow
@pytest.mark.parametrize("name", MOT20)
def test_one_step_of_each_of_the_papers_rows_at_its_full_size(name, small_crowd, crowd_human):
    overrides = ["mask_branch.source=truth"] if "-mask" in name else []
    recipe = resolve_training_recipe(name, overrides=overrides)
    wants = recipe.data.crowd_human
    places = DataPlaces(data=small_crowd, crowd_human=crowd_human if wants else None)
    done = dry_run(recipe, places, Machines(devices=1, workers=0, accelerator="cpu"))
    if "bytetrack" in name:
        assert done.size == (1152, 2048)
        assert done.parameters > 98e6
    else:
        assert max(done.size) > 800
        assert done.parameters > 40e6
    assert done.seconds > 0
    assert ("masks" in done.values) == ("-mask" in name)


FLAT = """
import sys
sys.path.insert(0, {here!r})
import conftest, drawn_samples
from pathlib import Path
from lightning.pytorch import Callback
from faimtrack.training.fit import Machines, fit

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096

class Watch(Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        if batch.step in (199, 999):
            print(resident())

fit(drawn_samples.small_learner(), drawn_samples.DrawnSamples(sides=(64,)),
    drawn_samples.small_schedule(steps=1000, batch_size=2, checkpoint_every=100),
    Path({folder!r}), callbacks=[Watch()], machines=Machines(devices=1, workers=1,
    accelerator="cpu"))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="not Linux")  # noqa: PTH110
def test_memory_is_flat_over_a_thousand_steps(tmp_path):
    text = FLAT.format(here=os.path.dirname(__file__), folder=str(tmp_path))  # noqa: PTH120
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=900,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    early, late = map(int, done.stdout.split())
    assert late - early < 20e6
