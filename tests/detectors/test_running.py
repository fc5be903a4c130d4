import logging

import pytest
import torch
from torch import nn

from faimtrack.detectors.config import TorchConfig
from faimtrack.detectors.running import BatchRunner, choose_device, prepare


class SmallMemory:
    """Answers batches that fit; keeps the sizes that were tried."""

    def __init__(self, fits):
        self.fits = fits
        self.tried = []

    def __call__(self, batch):
        self.tried.append(len(batch))
        if len(batch) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [2 * item for item in batch]


def test_batches_that_do_not_fit_are_halved_and_said_so(caplog):
    memory = SmallMemory(fits=2)
    run = BatchRunner(memory)
    with caplog.at_level(logging.WARNING):
        assert run(range(10), 8) == [2 * item for item in range(10)]
    assert memory.tried == [8, 4, 2, 2, 2, 2, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "8 frames do not fit the GPU's memory: trying 4",
        "4 frames do not fit the GPU's memory: trying 2",
    ]


def test_what_fitted_is_remembered():
    memory = SmallMemory(fits=2)
    run = BatchRunner(memory)
    run(range(8), 8)
    memory.tried.clear()
    assert run(range(3), 8) == [0, 2, 4]
    assert memory.tried == [2, 1]


def test_one_frame_that_does_not_fit_is_an_error_that_says_what_helps():
    with pytest.raises(MemoryError, match="device=cpu"):
        BatchRunner(SmallMemory(fits=0))([1], 8)


def test_no_frames_are_no_call():
    memory = SmallMemory(fits=1)
    assert BatchRunner(memory)([], 8) == []
    assert memory.tried == []


def test_other_errors_of_a_network_come_through():
    def fail(batch):
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        BatchRunner(fail)([1], 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_in_one_line():
    with pytest.raises(ValueError, match="expected auto or cpu, got cuda"):
        choose_device("cuda")
    assert choose_device("auto").type in {"cpu", "mps"}


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is Metal")
def test_metal_that_is_not_there_is_said_in_one_line():
    with pytest.raises(ValueError, match="got mps"):
        choose_device("mps")


def test_half_precision_on_a_cpu_is_refused():
    with pytest.raises(ValueError, match="expected full on a CPU, got half"):
        prepare(nn.Conv2d(3, 4, 3), TorchConfig(device="cpu", precision="half"))


@pytest.mark.parametrize(
    ("asked", "got"), [(None, torch.channels_last), (True, torch.channels_last),
                       (False, torch.contiguous_format)],
)  # fmt: skip
def test_a_prepared_network_evaluates_without_gradients_in_the_layout_asked_for(asked, got):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ready = prepare(network, TorchConfig(device="cpu", channels_last=asked))
    assert not ready.training
    assert not any(weight.requires_grad for weight in ready.parameters())
    assert ready[0].weight.is_contiguous(memory_format=got)
