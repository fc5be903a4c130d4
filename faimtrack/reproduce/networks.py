"""The jobs of single networks: trained, detecting, scored, timed, tracked with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faimtrack.detectors.video.linking.config import CONFIG_CLASSES as LINK_CONFIG_CLASSES
from faimtrack.detectors.video.linking.config import LinkMethod
from faimtrack.provenance import file_sha256
from faimtrack.reproduce.data_hashes import DataHashes
from faimtrack.reproduce.experiments import JobKind
from faimtrack.reproduce.job_settings import link_settings, training_tree
from faimtrack.reproduce.jobs import Job
from faimtrack.reproduce.mask_jobs import MaskJobs
from faimtrack.reproduce.overrides import Overrides
from faimtrack.reproduce.request import Request
from faimtrack.reproduce.suites import Suite
from faimtrack.reproduce.tasks import (
    DetectionTask,
    ScoredVideos,
    ScoresTask,
    TrackingTask,
    TrainingTask,
)

if TYPE_CHECKING:
    from faimtrack.training.recipe import TrainingRecipe
    from faimtrack.training.samples import DataPlaces

WEIGHTS = "weights.safetensors"
TIMED_FRAMES = 64
_LINK_TIMED_VIDEOS = 5
_STEPS_AT_STAKE = 100
"""Steps from one checkpoint to the next at most: what is lost when the time is over."""
_WITHOUT_VALIDATION = (
    "validation.every_steps=0", "validation.every_epochs=0", "validation.at_end=false",
)  # fmt: skip


class NetworkJobs:
    """Makes jobs, the same one for the same settings.

    Attributes:
        request: What is wanted.
        overrides: What was set for all.
        masks: Makes the jobs that make masks.
    """

    def __init__(self, request: Request, hashes: DataHashes | None = None) -> None:
        """Say what is wanted, and who looks at data; None: somebody who has seen none yet."""
        self.request = request
        self.overrides = Overrides(request.overrides)
        self._hashes = DataHashes() if hashes is None else hashes
        self.masks = MaskJobs(request.data, request.output, self._hashes)
        self._recipes: dict[tuple[str, tuple[str, ...]], TrainingRecipe] = {}

    @property
    def suite(self) -> Suite:
        """What stands for the paper's networks."""
        return self.request.suite

    @cached_property
    def _base_sha256(self) -> str:
        assert self.request.base is not None
        return file_sha256(self.request.base)

    def training(self, network: str, seed: int, changes: Sequence[str] = ()) -> Job | None:
        """The training of a network; None if its weights were given.

        Raises:
            ValueError: Data are wrong, or a change does not fit.
            OSError: Data cannot be read.
        """
        suite, request = self.request.suite, self.request
        base = suite.base_of(network)
        if request.base is not None and network.startswith("yolox"):
            return None
        needs: list[Job] = []
        begun_from: list[str] = []
        settings: dict[str, Any] = {}
        if base is not None:
            base_job = self.training(base, seed)
            settings["base"] = self._base_sha256 if base_job is None else base_job.key
            if base_job is not None:
                needs.append(base_job)
            begun_from.append(f"network.initial_weights={self._weights(base_job)}")
        own = [*changes, f"schedule.seed={seed}", *_WITHOUT_VALIDATION]
        recipe = self.recipe(network, [*own, *begun_from])
        places, masks = self.masks.places(recipe)
        needs += [] if masks is None else [masks]
        # Of a base the job or the hash tells more than where its weights lie.
        begins = None if base else self._hashes.weights(recipe.network.initial_weights)
        settings |= {
            "recipe": training_tree(recipe, initial_weights=begins),
            "data": self._hashes.learnt_from(recipe, places, with_masks=masks is None),
            "masks": None if masks is None else masks.key,
        }
        job = Job(
            kind="training",
            title=self._title(network, changes, seed),
            settings=settings,
            needs=tuple(needs),
        )
        return self._with_training(job, recipe, places)

    def detection(
        self,
        network: str,
        seed: int,
        changes: Sequence[str] = (),
        detecting: Sequence[str] = (),
    ) -> Job:
        """What a trained network finds in the videos that are scored.

        Raises:
            ValueError: As `training`.
            OSError: As `training`.
        """
        training = self.training(network, seed, changes)
        recipe = self.recipe(network, [*changes, *detecting])
        videos = self.scored_videos(recipe)
        job = Job(
            kind="detection",
            title=self._title(network, [*changes, *detecting], seed, "detects"),
            settings={
                "weights": self._base_sha256 if training is None else training.key,
                "detector": dataclasses.asdict(recipe.tracking.detector),
                "data": self._hashes.videos(videos),
            },
            needs=() if training is None else (training,),
        )
        folder = self.request.output / "detections" / job.key
        task = DetectionTask(
            recipe=recipe, weights=self._weights(training), videos=videos, folder=folder
        )
        return dataclasses.replace(job, task=task)

    def recipe(self, network: str, changes: Sequence[str]) -> TrainingRecipe:
        """A network's recipe with what was set for all, and with changes, which come before it.

        Raises:
            ValueError: A change does not fit.
        """
        from faimtrack.training.recipe import TrainingRecipe, resolve_training_recipe

        if (network, tuple(changes)) in self._recipes:
            return self._recipes[network, tuple(changes)]
        suite = self.request.suite
        name = suite.recipes[network]
        known = self.overrides.known_to(name)
        # The changes last: a row is what its label says, whatever was set for all.
        recipe = resolve_training_recipe(
            name, overrides=[*suite.settings.get(network, ()), *known, *changes]
        )
        if not isinstance(recipe, TrainingRecipe):
            raise ValueError(f"{name}: expected the recipe of a detector, got another one")
        every = min(recipe.schedule.checkpoint_every, _STEPS_AT_STAKE)
        made = dataclasses.replace(
            recipe, schedule=dataclasses.replace(recipe.schedule, checkpoint_every=every)
        )
        self._recipes[network, tuple(changes)] = made
        return made

    def scored_videos(self, recipe: TrainingRecipe) -> ScoredVideos:
        """On which videos a recipe is scored."""
        data: Any = recipe.data
        split = self.request.data.split or recipe.validation.split
        return ScoredVideos(dataset=data.dataset, data=self.request.data.test, split=split)

    def scores(
        self,
        network: str,
        seed: int,
        changes: Sequence[str] = (),
        detecting: Sequence[str] = (),
        *,
        linking: LinkMethod | None = None,
        kind: JobKind = "scores",
    ) -> Job:
        """Scores of detections, linked or not; or the time that linking takes (`link-time`).

        Raises:
            ValueError: As `training`.
            OSError: As `training`.
        """
        found = self.detection(network, seed, changes, detecting)
        config = None if linking is None else LINK_CONFIG_CLASSES[linking]()
        settings: dict[str, Any] = {"detections": found.key, "linking": linking}
        settings["link"] = None if config is None else link_settings(config)
        if kind == "link-time":
            settings |= {"videos": _LINK_TIMED_VIDEOS, "device": self.request.device}
        linked = self.request.output / "detections" / f"{found.key}-{linking}"
        task: DetectionTask = found.task
        return Job(
            kind=kind,
            title=self._title(network, [*changes, *detecting], seed, kind),
            settings=settings,
            needs=(found,),
            task=ScoresTask(videos=task.videos, folder=task.folder, linking=config, linked=linked),
        )

    def time(
        self,
        network: str,
        seed: int,
        changes: Sequence[str] = (),
        detecting: Sequence[str] = (),
    ) -> Job:
        """How long a frame takes.

        Raises:
            ValueError: As `training`.
            OSError: As `training`.
        """
        found = self.detection(network, seed, changes, detecting)
        return Job(
            kind="time",
            title=self._title(network, [*changes, *detecting], seed, "timed"),
            settings={**found.settings, "frames": TIMED_FRAMES, "device": self.request.device},
            needs=found.needs,
            task=found.task,
        )

    def cost(self, network: str, seed: int, changes: Sequence[str] = ()) -> Job:
        """What one step of a training takes.

        Raises:
            ValueError: As `training`.
            OSError: As `training`.
        """
        recipe = self.recipe(network, [*changes, f"schedule.seed={seed}", *_WITHOUT_VALIDATION])
        places, masks = self.masks.places(recipe)
        begins = self._hashes.weights(recipe.network.initial_weights)
        job = Job(
            kind="cost",
            title=self._title(network, changes, seed, "one step"),
            settings={
                "recipe": training_tree(recipe, initial_weights=begins),
                "data": self._hashes.learnt_from(recipe, places, with_masks=masks is None),
                "device": self.request.device,
            },
            needs=() if masks is None else (masks,),
        )
        return self._with_training(job, recipe, places)

    def tracking(self, network: str, seed: int, changes: Sequence[str] = ()) -> Job:
        """Scores of tracks.

        Raises:
            ValueError: As `training`.
            OSError: As `training`.
        """
        training = self.training(network, seed, changes)
        assert training is not None
        recipe = self.recipe(network, changes)
        split = self.request.data.split or recipe.validation.split
        tree = {key: value for key, value in recipe.tracking.tree().items() if key != "split"}
        job = Job(
            kind="tracking",
            title=self._title(network, changes, seed, "tracks"),
            settings={"weights": training.key, "tracking": tree, "split": split,
                      "data": self._hashes.sequences(self.request.data.test)},
            needs=(training,),
        )  # fmt: skip
        task = TrackingTask(
            recipe=recipe,
            weights=self._weights(training),
            data=self.request.data.test,
            split=split,
            folder=self.request.output / "tracks" / job.key,
        )
        return dataclasses.replace(job, task=task)

    def _with_training(self, job: Job, recipe: TrainingRecipe, places: DataPlaces) -> Job:
        task = TrainingTask(recipe=recipe, places=places, folder=self._run_folder(job))
        return dataclasses.replace(job, task=task)

    def _weights(self, training: Job | None) -> Path:
        if training is None:
            assert self.request.base is not None
            return self.request.base
        return self._run_folder(training) / WEIGHTS

    def _run_folder(self, job: Job) -> Path:
        return (self.request.output / "runs" / job.key).absolute()

    def _title(
        self, network: str, changes: Sequence[str], seed: int, what: str = "trained"
    ) -> str:
        told = [change.rpartition(".")[2] for change in changes]
        return ", ".join([f"{network} {what}", *told, f"seed {seed}"])
