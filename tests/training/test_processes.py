"""Several processes learn what one with all the images would."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import drawn_samples
import numpy as np
import pytest
import torch
from torch import nn

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.masks.mask import Mask
from faimtrack.training.batches import batch_of
from faimtrack.training.learners.yolox import YoloxLearner
from faimtrack.training.module import shared_divisor


def frozen_learner(*, has_masks=False):
    """A learner whose batch norms keep their statistics."""
    learner = drawn_samples.small_learner()
    if has_masks:
        config = MaskBranchConfig(roi_size=4, hidden_channels=8, convolutions=1, norm="none")
        branch = build_mask_branch(config, learner.network)
        learner = YoloxLearner(learner.network, ("person",), (64, 64), mask_branch=branch)
    for module in learner.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True: None
    return learner


def gradients(learner):
    return {
        name: weight.grad.clone()
        for name, weight in learner.named_parameters()
        if weight.grad is not None
    }


def assert_alike(first, second):
    assert first.keys() == second.keys()
    assert len(first) > 100
    largest = max(float(each.abs().max()) for each in first.values())
    differences = {name: float((first[name] - second[name]).abs().max()) for name in first}
    assert max(differences.values()) < 1e-5 * largest


def learn(learner, samples, divide_by):
    """The gradients of one batch, and its positives."""
    counts = []

    def divide(count):
        counts.append(count)
        return divide_by(count)

    learner.zero_grad()
    answer = learner(batch_of(samples), is_plain=True, divide_by=divide)
    sum(answer.losses.values()).backward()
    return gradients(learner), counts[0]


def test_the_mean_of_two_halves_divided_by_the_shared_count_is_the_whole():
    samples = [drawn_samples.DrawnSamples().sample(0, 0, index) for index in range(4)]
    learner = frozen_learner()
    whole, total = learn(learner, samples, lambda count: max(count, 1))
    halves = [learn(learner, part, lambda _: max(total, 1) / 2) for part in
              (samples[0::2], samples[1::2])]  # fmt: skip
    assert sum(count for _, count in halves) == total > 0
    assert halves[0][1] != halves[1][1]
    means = {name: (halves[0][0][name] + halves[1][0][name]) / 2 for name in whole}
    assert_alike(whole, means)
    # With each half divided by its own count it is another.
    own = [learn(learner, part, lambda count: max(count, 1))[0] for part in
           (samples[0::2], samples[1::2])]  # fmt: skip
    name = "network.head.reg_preds.0.weight"
    assert not torch.allclose((own[0][name] + own[1][name]) / 2, whole[name], rtol=1e-3)


def with_masks(sample):
    """The sample with masks of its whole boxes."""
    side = sample.image.shape[-1]
    masks = [Mask.encode_part(np.ones((y2 - y1, x2 - x1), bool), x1, y1, (side, side))
             for x1, y1, x2, y2 in sample.boxes.int().tolist()]  # fmt: skip
    return replace(sample, masks=InstanceMasks.from_masks(masks))


def test_masks_too_are_divided_by_the_count_of_all_processes():
    samples = [drawn_samples.DrawnSamples().sample(0, 0, index) for index in range(4)]
    samples = [with_masks(sample) if row != 2 else sample for row, sample in enumerate(samples)]
    learner = frozen_learner(has_masks=True)
    parts = samples[0::2], samples[1::2]
    totals = []

    def shared(count):
        totals.append(count)
        return max(count, 1)

    whole, _ = learn(learner, samples, shared)
    assert len(totals) == 2
    assert 0 < totals[1] < totals[0]  # one image has no masks
    halves = []
    for part in parts:
        counts = iter(totals)
        halves.append(learn(learner, part, lambda _, counts=counts: next(counts) / 2)[0])
    means = {name: (halves[0][name] + halves[1][name]) / 2 for name in whole}
    assert any(name.startswith("mask_branch.") for name in whole)
    assert_alike(whole, means)


def test_one_process_divides_by_its_own_count():
    assert shared_divisor(7, "cpu") == 7
    assert shared_divisor(0, "cpu") == 1


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import conftest, test_processes, drawn_samples, torch
from pathlib import Path
from lightning.pytorch import Callback
from faimtrack.training.fit import Machines, fit

class Keep(Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        if trainer.is_global_zero:
            torch.save(test_processes.gradients(module.learner), {output!r})

fit(test_processes.frozen_learner(), drawn_samples.DrawnSamples(),
    drawn_samples.small_schedule(steps=1, plain_steps=1, warm_up_steps=0),
    Path({folder!r}), callbacks=[Keep()],
    machines=Machines(devices={devices}, workers=0, accelerator="cpu"))
"""


@pytest.mark.slow
def test_two_processes_over_gloo_give_the_gradients_of_one(tmp_path):
    found = []
    for devices in (1, 2):
        output, script = tmp_path / f"{devices}.pt", tmp_path / f"{devices}.py"
        text = SCRIPT.format(
            here=str(Path(__file__).parent), output=str(output), devices=devices,
            folder=str(tmp_path / f"run-{devices}"),
        )  # fmt: skip
        script.write_text(text)
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, timeout=240,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        found.append(torch.load(output, weights_only=True))
    assert_alike(*found)
