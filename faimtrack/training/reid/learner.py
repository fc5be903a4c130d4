"""How a re-identification network learns: it names the people, and pulls their views together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from faimtrack.appearance.checkpoint import describe_reid_network
from faimtrack.appearance.conventions import ARCHITECTURE_PREFIX
from faimtrack.appearance.network import ReidNetwork, init_last, normalise_crops
from faimtrack.training.learners.build import seeded
from faimtrack.training.learners.learner import Answer, DivideBy, Learner, file_tensors
from faimtrack.training.recipe import ReidTrainingRecipe
from faimtrack.training.reid.config import ReidLossConfig
from faimtrack.training.reid.groups import CropBatch
from faimtrack.training.reid.losses import batch_hard_triplet_loss
from faimtrack.weights.files import WeightsMetadata


class ReidLearner(Learner):
    """A re-identification network and, for training alone, a classifier of the people.

    As in MMTracking's `LinearReIDHead`: the triplet loss is about the network's vectors as they
    are, and the classifier sees them through a batch norm. Both losses are means over crops.
    """

    network: ReidNetwork

    def __init__(
        self, network: ReidNetwork, identity_count: int, group_size: int, losses: ReidLossConfig
    ) -> None:
        """Put the parts together.

        Args:
            network: What learns.
            identity_count: People to tell apart.
            group_size: Crops among which triplets are looked for.
            losses: What is to fall.
        """
        super().__init__()
        self.network = network
        self.mask_branch = None
        self.class_names = ()
        self.loss_names = ("identity", "triplet")
        self.number_names = ("accuracy",)
        self.norm = nn.BatchNorm1d(network.dimension)
        self.classifier = nn.Linear(network.dimension, identity_count)
        init_last(self.classifier)
        self._group_size = group_size
        self._losses = losses
        self.to(memory_format=torch.channels_last)

    def forward(self, batch: CropBatch, *, is_plain: bool, divide_by: DivideBy) -> Answer:
        """Losses on a batch of whole groups."""
        images = normalise_crops(batch.images).contiguous(memory_format=torch.channels_last)
        embeddings = self.network(images).float()
        scores = self.classifier(self.norm(embeddings)).float()
        config, groups = self._losses, (-1, self._group_size)
        identity = nn.functional.cross_entropy(
            scores, batch.identities, label_smoothing=config.label_smoothing
        )
        triplet = batch_hard_triplet_loss(
            embeddings.unflatten(0, groups), batch.identities.unflatten(0, groups), config.margin
        )
        losses = {
            "identity": config.identity_weight * identity,
            "triplet": config.triplet_weight * triplet,
        }
        accuracy = (scores.detach().argmax(1) == batch.identities).float().mean()
        return Answer(losses, {"accuracy": accuracy})

    def metadata(self, **texts: str) -> WeightsMetadata:
        """What a file of these weights has to say."""
        return describe_reid_network(self.network, **texts)

    def file_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The network's alone: who the people were is of no use to others."""
        own = {key: value for key, value in tensors.items() if key.startswith("network.")}
        return file_tensors(own)


def build_reid_learner(recipe: ReidTrainingRecipe, identity_count: int) -> ReidLearner:
    """A learner with random weights, drawn from the recipe's seed alone.

    Args:
        recipe: What to build.
        identity_count: People to tell apart.
    """
    config, seed = recipe.network, recipe.schedule.seed
    backbone: Any = config.name.removeprefix(ARCHITECTURE_PREFIX)
    network = seeded(
        seed,
        "network",
        lambda: ReidNetwork(
            backbone,
            input_size=(config.input_height, config.input_width),
            hidden_channels=config.hidden_channels,
            dimension=config.dimension,
        ),
    )
    return seeded(
        seed,
        "classifier",
        lambda: ReidLearner(network, identity_count, recipe.data.group_size, recipe.losses),
    )
