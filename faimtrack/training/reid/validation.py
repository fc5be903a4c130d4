"""How good a re-identification network is: how well it finds people of the validation split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from faimtrack.appearance.loading import open_embedder
from faimtrack.datasets.person_crops import PersonCrops
from faimtrack.eval.reid import evaluate_reid_over_time
from faimtrack.training.recipe import ReidTrainingRecipe

REID_SCORES = ("mAP", "rank1", "rank5")


def validate_reid(recipe: ReidTrainingRecipe, data: Path, weights: Path) -> dict[str, float]:
    """Score weights on the people of the validation split.

    Nothing that trains is touched: an embedder of its own reads the file, as users do.

    Args:
        recipe: Which people, and how they are scored.
        data: The folder of sequences.
        weights: The file.

    Returns:
        `REID_SCORES` by name, ratios from 0 to 1.

    Raises:
        ValueError: A vector is not finite, or nobody can be found again.
        OSError: A file cannot be read.
    """
    crops = open_validation_crops(recipe, data)
    embedder = open_embedder(weights)
    vectors = np.zeros((len(crops), embedder.dimension), np.float32)
    for frame, rows in crops.by_frame():
        vectors[rows] = embedder.embed(frame, crops.boxes[rows])
    scores = evaluate_reid_over_time(
        vectors, crops.identity_indices, crops.sequence_indices, crops.frames, recipe.validation
    )
    found = (scores.mean_average_precision, scores.rank(1), scores.rank(5))
    return dict(zip(REID_SCORES, found, strict=True))


def open_validation_crops(recipe: ReidTrainingRecipe, data: Path) -> PersonCrops:
    """The people of the validation split, and see that somebody can be found again.

    Raises:
        ValueError: Nobody can, a person has fewer views to compare than must be there, or a file
            is wrong.
        OSError: A file is missing or cannot be read.
    """
    config = recipe.validation
    if config.most_images < recipe.data.min_images:
        raise ValueError(
            f"validation.most_images: expected {recipe.data.min_images} (data.min_images) or "
            f"more, got {config.most_images}"
        )
    most = min(config.most_images, recipe.data.max_images)
    chosen = replace(recipe.data, max_images=most)
    crops = PersonCrops.open(data, split=config.split, config=chosen)
    first = np.full(len(crops.identities), np.iinfo(np.int64).max)
    last = np.zeros(len(crops.identities), np.int64)
    np.minimum.at(first, crops.identity_indices, crops.frames)
    np.maximum.at(last, crops.identity_indices, crops.frames)
    longest = int((last - first).max())
    if longest < config.minimum_gap:
        raise ValueError(
            f"{data}: validation.minimum_gap: expected at most {longest}, the most frames of the "
            f"{config.split} split between two views of a person, got {config.minimum_gap}"
        )
    return crops
