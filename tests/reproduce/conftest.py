"""Experiments that need no network: jobs that are done by somebody who only pretends."""

from types import SimpleNamespace

import pytest

from faimtrack.reproduce.budget import OutOfTime
from faimtrack.reproduce.data import Data
from faimtrack.reproduce.data_hashes import DataHashes
from faimtrack.reproduce.networks import NetworkJobs
from faimtrack.reproduce.request import Request
from faimtrack.reproduce.suites import CROWD_OBJECTS


class Pretender:
    """Does jobs at once: a score is a number that depends on the job alone."""

    def __init__(self):
        self.done = []
        self.fails = {}
        self.breaks_off = set()
        self.lost = set()

    def perform(self, job, results, budget, say):
        assert all(need.name in results for need in job.needs), "what it needs comes first"
        if job.title in self.breaks_off:
            raise OutOfTime(f"{job.title}: broken off after 3 of 7 steps")
        if job.title in self.fails:
            raise self.fails[job.title]
        self.done.append(job.title)
        self.lost.discard(job.title)
        return {
            "vid": int(job.key[:6], 16) / 2**24,
            "ms": 10.0,
            "weights_sha256": "0" * 64,
            "minutes_per_epoch": 3.0 if "faim" in job.title else 1.0,
            "gib": 2.0 if "faim" in job.title else 0.5,
        }

    def is_intact(self, job, result):
        return job.title not in self.lost


@pytest.fixture
def pretender():
    return Pretender()


@pytest.fixture
def plain_hashes(monkeypatch):
    """Data are told apart by their folders' names: there are none."""

    def learnt_from(self, recipe, places, *, with_masks):
        return {"train": places.data.name}

    monkeypatch.setattr(DataHashes, "learnt_from", learnt_from)
    monkeypatch.setattr(DataHashes, "videos", lambda self, videos: {"v": videos.data.name})
    monkeypatch.setattr(DataHashes, "sequences", lambda self, data: {"s": data.name})


@pytest.fixture
def make_networks(tmp_path, plain_hashes):
    def make(suite=CROWD_OBJECTS, **changes):
        data = Data(
            train=tmp_path / "train", test=tmp_path / "test", split="full", makes_masks=True
        )
        wanted = {"suite": suite, "data": data, "output": tmp_path / "out", "device": "an abacus"}
        return NetworkJobs(Request(**{**wanted, **changes}))

    return make


@pytest.fixture
def wish_for(tmp_path):
    """A wish for a table of crowds whose folders are empty."""
    from faimtrack.reproduce.catalogue import experiment
    from faimtrack.reproduce.run import Wish

    for half in ("train", "test"):
        (tmp_path / "crowds" / half).mkdir(parents=True)

    def make(name, **changes):
        wanted = {
            "experiment": experiment(name),
            "data": str(tmp_path / "crowds"),
            "dataset": "crowd",
            "output": tmp_path / "out",
        }
        return Wish(**{**wanted, **changes})

    return make


@pytest.fixture
def clock():
    """Seconds that a test moves on."""
    return SimpleNamespace(now=0.0)
