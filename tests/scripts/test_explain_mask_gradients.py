"""What masks ask of a network: lengths and directions of gradients, and a whole table."""

import json
import sys

import pytest
import torch

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.run import TrainingRun, train
from faimtrack.training.samples import DataPlaces

SETTINGS = [
    "network.input_height=96", "network.input_width=160", "augmentation.smallest_input=3",
    "augmentation.largest_input=4", "schedule.steps=3", "schedule.batch_size=2",
    "schedule.plain_steps=0", "schedule.warm_up_steps=1",
]  # fmt: skip


@pytest.fixture
def script(load_script):
    return load_script("explain_mask_gradients")


def test_parts_of_both_detectors(script):
    names = [
        "backbone.backbone.stem.conv.conv.weight", "backbone.lateral_conv0.conv.weight",
        "head.cls_convs.0.0.conv.weight", "head.cls_preds.0.weight",
        "backbone.body.layer1.0.conv1.weight", "backbone.fpn.inner_blocks.0.0.weight",
    ]  # fmt: skip
    assert [script.part_of(name) for name in names] == [
        "backbone", "pyramid", "classification tower", None, "backbone", "pyramid"
    ]  # fmt: skip


def test_lengths_and_directions_are_those_of_all_batches_together(script):
    first, second = torch.tensor([2.0, 0.0]), torch.tensor([2.0, 3.0])
    boxes = [{"stems": first, "backbone": first}, {"stems": second, "backbone": -first / 2}]
    masks = [{"stems": -first, "backbone": 0 * first}, {"stems": -second, "backbone": 0 * first}]
    found = script.pulls(masks, boxes)
    assert list(found) == ["backbone", "stems"]
    assert found["backbone"] == script.Pull(share=0.0, cosine=0.0, same=-1.0)
    assert found["stems"].share == pytest.approx(1)
    assert found["stems"].cosine == pytest.approx(-1)
    assert found["stems"].same == pytest.approx(2 / 13**0.5)


def test_a_run_from_start_to_end(script, load_script, tmp_path, monkeypatch, capsys):
    comparison = load_script("compare_mask_learning")
    config = CrowdConfig(name="c", frames=4, width=192, height=128, people=4)
    data = tmp_path / "work" / script.BENCH / "train"
    write_crowd(simulate_crowd(config), data / "c")
    scores = dict.fromkeys(comparison.METRICS, 1.0)
    weights = {}
    for arm in ("none", "truth", "truth,weight=2.0"):
        result = comparison.RunResult(
            run={"recipe": "crowd/bench", "overrides": SETTINGS}, arm=arm, seed=0,
            sequences={"c": scores}, combined=scores, track_threshold=0.5,
        )  # fmt: skip
        weights[arm] = tmp_path / "work" / comparison.write_result(tmp_path / "r", result).stem
    changes = [*SETTINGS, "mask_branch.source=truth"]
    recipe = resolve_training_recipe("crowd/bench-mask", overrides=changes)
    # Both masked arms leave the same weights, so that λ alone tells their gradients apart.
    for arm in ("truth", "truth,weight=2.0"):
        train(TrainingRun(recipe=recipe, places=DataPlaces(data=data), output=weights[arm]))
    arguments = [tmp_path / "r", "--work", tmp_path / "work", "--batches", 2]
    arguments += ["--json", tmp_path / "t.json"]
    monkeypatch.setattr(sys, "argv", ["explain", *map(str, arguments)])
    assert script.main() == 0, capsys.readouterr().err
    table = json.loads((tmp_path / "t.json").read_text())["tables"]["all runs"]
    assert table["columns"] == ["masks", "seed", "weights", *script.PARTS]
    lines = {(row[0], row[2]): row[3:] for row in table["rows"]}
    assert [*lines] == [
        (arm, when) for arm in ("truth", "truth,weight=2.0") for when in ("start", "end")
    ]
    shares = {key: [float(cell.split()[0]) for cell in cells] for key, cells in lines.items()}
    for key, cells in lines.items():
        # The last part is the boxes' own tower: masks are made of the other one.
        assert cells[-1].startswith("0.00 (+0.00, ")
        assert min(shares[key][:-1]) > 0
    for when in ("start", "end"):
        doubled = [2 * share for share in shares["truth", when]]
        assert shares["truth,weight=2.0", when] == pytest.approx(doubled, rel=0.02, abs=0.02)
    assert lines["truth", "start"] != lines["truth", "end"]
    monkeypatch.setattr(sys, "argv", ["explain", str(tmp_path / "r"), "--batches", "1"])
    with pytest.raises(SystemExit):
        script.main()
    assert "expected 2 or more" in capsys.readouterr().err
