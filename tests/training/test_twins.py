"""With and without a mask branch the same network learns from the same batches."""

import dataclasses

import numpy as np
import pytest
import torch

from faimtrack.training.batches import BatchPlan, make_loader
from faimtrack.training.learners.build import build_learner
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.samples import AugmentedSamples, DataPlaces, open_images
from faimtrack.training.schedule import Schedule

TWINS = ["crowd/bytetrack", "crowd/tracktor"]
SETTINGS = ["schedule.batch_size=2"]


def recipe_of(name):
    masks = ["mask_branch.source=truth"] if name.endswith("-mask") else []
    if "bytetrack" in name:
        size = ["input_height=96", "input_width=160", "smallest_input=2", "largest_input=4"]
    else:
        size = ["short_side=96", "long_side=160"]
    return resolve_training_recipe(name, overrides=[*SETTINGS, *size, *masks])


@pytest.mark.parametrize("name", TWINS)
def test_their_shared_weights_are_equal_at_the_start(name):
    torch.manual_seed(5)
    plain = build_learner(recipe_of(name), ("person",))
    masked = build_learner(recipe_of(f"{name}-mask"), ("person",))
    assert masked.mask_branch is not None
    ours, theirs = plain.network.state_dict(), masked.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    state = torch.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(state, torch.get_rng_state())


def test_another_seed_gives_another_network():
    first = build_learner(recipe_of("crowd/bytetrack"), ("person",))
    recipe = recipe_of("crowd/bytetrack")
    schedule = dataclasses.replace(recipe.schedule, seed=1)
    second = build_learner(dataclasses.replace(recipe, schedule=schedule), ("person",))
    weights = [each.network.backbone.backbone.stem.conv.conv.weight for each in (first, second)]
    assert not torch.equal(*weights)


def batches(name, crowd):
    recipe = recipe_of(name)
    images = open_images(recipe, DataPlaces(data=crowd))
    schedule = Schedule(config=recipe.schedule, image_count=len(images))
    source = AugmentedSamples(
        images=images, config=recipe.augmentation, schedule=schedule, base_size=(96, 160)
    )
    plan = BatchPlan(seed=0, image_count=len(images), batch_size=2)
    return [batch.parts[0] for batch in make_loader(source, plan, range(10))]


@pytest.mark.parametrize("name", TWINS)
def test_ten_batches_are_equal_and_only_one_twin_has_masks(name, small_crowd):
    plain, masked = batches(name, small_crowd), batches(f"{name}-mask", small_crowd)
    assert len(plain) == 10
    for ours, theirs in zip(plain, masked, strict=True):
        assert ours.names == theirs.names
        for part in ("images", "boxes", "class_ids"):
            assert all(map(torch.equal, getattr(ours, part), getattr(theirs, part)))
        assert not any(bool(each.present.any()) for each in ours.masks)
    assert np.any([bool(each.present.any()) for part in masked for each in part.masks])
