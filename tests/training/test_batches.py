"""Which images a step learns from."""

import subprocess
import sys
from pathlib import Path

import drawn_samples
import pytest
import torch

from faimtrack.training.batches import BatchPlan, make_loader


def plan(**values):
    return BatchPlan(**{"seed": 3, "image_count": 10, "batch_size": 4} | values)


def test_every_epoch_shows_each_image_once_in_an_order_of_its_own():
    places = [place for step in range(15) for place in plan().places(step)]
    epochs = [[index for epoch, index in places if epoch == number] for number in range(6)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert places != [place for step in range(15) for place in plan(seed=4).places(step)]


def test_processes_share_one_batch():
    for step in range(4):
        whole = plan().places(step)
        shares = [plan(world=2, rank=rank).places(step) for rank in range(2)]
        assert [shares[0][0], shares[1][0], shares[0][1], shares[1][1]] == whole


def test_a_batch_that_cannot_be_shared_out_is_refused():
    with pytest.raises(ValueError, match=r"batch_size: expected a multiple of 6 .*got 4"):
        plan(world=3, accumulate=2)
    with pytest.raises(ValueError, match="expected images to learn from, got none"):
        plan(image_count=0)


def pixels(steps, **values):
    loader = make_loader(drawn_samples.DrawnSamples(), plan(image_count=6), steps, **values)
    return [
        (batch.step, [image for part in batch.parts for image in part.images]) for batch in loader
    ]


WORKERS_AFTER_THREADS = """
import cv2, numpy as np, drawn_samples
from faimtrack.training.batches import BatchPlan, make_loader

cv2.setNumThreads(4)
for _ in range(20):
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (9, 9), 0)
plan = BatchPlan(seed=0, image_count=6, batch_size=2, world=1, rank=0, accumulate=1)
loader = make_loader(drawn_samples.DrawnSamples(), plan, range(3), workers=2)
print(sum(1 for _ in loader))
"""


def test_workers_do_not_wait_for_threads_that_opencv_had_before():
    done = subprocess.run(
        [sys.executable, "-c", WORKERS_AFTER_THREADS],
        capture_output=True, text=True, timeout=100, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    assert done.stdout.strip() == "3", done.stderr


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_that_starts_late_gives_what_one_from_the_start_gives(workers):
    whole = pixels(range(5))
    late = pixels(range(3, 5), workers=workers)
    assert [step for step, _ in late] == [3, 4]
    for (_, expected), (_, images) in zip(whole[3:], late, strict=True):
        assert all(map(torch.equal, expected, images))


class Broken(drawn_samples.DrawnSamples):
    def sample(self, step, epoch, index):
        raise ValueError("000003.jpg: expected an image, got a file that cannot be decoded")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_sample_is_told_without_the_trace_of_the_worker(workers):
    with pytest.raises(ValueError, match=r"^000003\.jpg: expected an image") as caught:
        list(make_loader(Broken(), plan(image_count=6), range(2), workers=workers))
    assert "\n" not in str(caught.value)


def test_a_loader_leaves_torchs_own_generator_alone():
    before = torch.get_rng_state()
    pixels(range(2))
    assert torch.equal(before, torch.get_rng_state())
