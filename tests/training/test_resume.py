"""A run that is broken off and goes on ends as one that was not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import drawn_samples
import pytest
import torch

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.training.checkpoints import checkpoints
from faimtrack.training.fit import Machines, fit
from faimtrack.training.module import TrainingModule


def trained(folder, **arguments):
    """All that a run ends with, by name."""
    schedule = drawn_samples.small_schedule(**arguments.pop("schedule", {}))
    module = fit(
        drawn_samples.small_learner(),
        drawn_samples.DrawnSamples(),
        schedule,
        folder,
        **arguments,
    )
    return {
        **{f"weights {key}": value for key, value in module.learner.state_dict().items()},
        **{f"average {key}": value for key, value in module.average.tensors.items()},
    }


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.mark.parametrize(("stop", "accumulate"), [(2, 1), (7, 2)])
def test_a_run_that_goes_on_ends_with_the_same_bits(tmp_path, stop, accumulate):
    schedule = {"accumulate": accumulate, "gradient_clip": 5.0}
    whole = trained(tmp_path / "whole", schedule=schedule)
    trained(tmp_path / "cut", schedule=schedule, max_steps=stop)
    last = checkpoints(tmp_path / "cut")[-1]
    assert last.name == f"step-{stop:08d}.ckpt"
    assert_same(trained(tmp_path / "cut", schedule=schedule, resume_from=last), whole)


def test_weights_move_and_their_average_lags_behind(tmp_path):
    before = drawn_samples.small_learner().state_dict()
    after = trained(tmp_path)
    key = "network.head.cls_preds.0.weight"
    moved = (after[f"weights {key}"] - before[key]).norm()
    lagging = (after[f"average {key}"] - before[key]).norm()
    assert 0 < lagging < moved


def test_gradients_are_clipped_all_together(tmp_path):
    sgd = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "warm_up_steps": 0}
    before = dict(drawn_samples.small_learner().named_parameters())

    def distance(clip):
        schedule = drawn_samples.small_schedule(**sgd, gradient_clip=clip)
        module = fit(
            drawn_samples.small_learner(), drawn_samples.DrawnSamples(), schedule,
            tmp_path / str(clip), max_steps=1,
        )  # fmt: skip
        moved = [
            (weight - before[key]).detach().norm()
            for key, weight in module.learner.named_parameters()
        ]
        return float(torch.stack(moved).norm()) / schedule.rate_at(0), module.result.values()

    unclipped, values = distance(0.0)
    assert unclipped > 1
    assert "gradient_norm" not in values
    clipped, values = distance(0.5)
    assert clipped == pytest.approx(0.5, rel=1e-3)
    assert values["gradient_norm"] == pytest.approx(unclipped, rel=1e-3)
    assert distance(2 * unclipped)[0] == pytest.approx(unclipped, rel=1e-6)


def test_the_gradients_of_a_mask_branch_do_not_shorten_the_steps_of_its_network(tmp_path):
    learner = drawn_samples.small_learner()
    config = MaskBranchConfig(roi_size=4, hidden_channels=8, convolutions=1, norm="none")
    learner.mask_branch = build_mask_branch(config, learner.network)
    module = TrainingModule(learner, drawn_samples.small_schedule(gradient_clip=2.0))
    for weight in learner.network.parameters():
        weight.grad = torch.full_like(weight, 1e-6)
    for weight in learner.mask_branch.parameters():
        weight.grad = torch.full_like(weight, 1e6)
    module.on_before_optimizer_step(None)
    assert all(float((w.grad - 1e-6).abs().max()) == 0 for w in learner.network.parameters())
    norms = [weight.grad.norm() for weight in learner.mask_branch.parameters()]
    assert float(torch.stack(norms).norm()) == pytest.approx(2.0, rel=1e-4)


def test_the_last_two_checkpoints_stay(tmp_path):
    trained(tmp_path)
    assert [path.name for path in checkpoints(tmp_path)] == [
        "step-00000010.ckpt",
        "step-00000012.ckpt",
    ]


CHILD = """
import sys
sys.path.insert(0, {here!r})
import os, signal
from pathlib import Path
from lightning.pytorch import Callback
import drawn_samples
from faimtrack.training.fit import Machines, fit

class Death(Callback):
    def on_train_batch_start(self, trainer, module, batch, number):
        if batch.step == {step}:
            os.kill(os.getpid(), signal.SIGKILL)

fit(drawn_samples.small_learner(), drawn_samples.DrawnSamples(), drawn_samples.small_schedule(),
    Path({folder!r}), callbacks=[Death()], machines=Machines(devices=1, workers=1))
"""


@pytest.mark.slow
def test_a_run_that_is_killed_and_goes_on_ends_with_the_same_bits(tmp_path):
    text = CHILD.format(here=str(Path(__file__).parent), folder=str(tmp_path / "cut"), step=5)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=120,
        # Sums over other numbers of threads are rounded otherwise.
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    last = checkpoints(tmp_path / "cut")[-1]
    assert last.name == "step-00000004.ckpt"
    resumed = trained(tmp_path / "cut", resume_from=last, machines=Machines(devices=1, workers=2))
    assert_same(resumed, trained(tmp_path / "whole"))
