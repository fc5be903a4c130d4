"""Re-identification: which crops are learnt from together, and whole runs on small crowds."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from faimtrack.appearance.loading import open_embedder
from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.datasets.person_crops import PersonCrops
from faimtrack.motfile import split_frames
from faimtrack.provenance import read_provenance
from faimtrack.training.batches import BatchPlan, make_loader
from faimtrack.training.dry_run import dry_run
from faimtrack.training.fit import Machines, fit
from faimtrack.training.prepare import prepare_training
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.reid.config import ReidAugmentationConfig, ReidDataConfig
from faimtrack.training.reid.groups import CropGroups, scaled_crop
from faimtrack.training.reid.validation import REID_SCORES, validate_reid
from faimtrack.training.run import TrainingRun, train
from faimtrack.training.samples import DataPlaces
from faimtrack.training.sanity import check_sanity
from faimtrack.training.schedule import Schedule
from faimtrack.video import images as image_module
from faimtrack.weights.files import read_checkpoint

FRAMES = 24
SMALL = [
    "network.name=reid-mobilenet-v3-small", "input_height=64", "input_width=32",
    "hidden_channels=16", "dimension=8", "identities=3", "images_per_identity=2", "min_images=3",
    "minimum_width=2", "minimum_height=4",
    "query_interval=5", "minimum_gap=5", "warm_up_steps=0", "checkpoint_every=2", "log_every=1",
]  # fmt: skip
ALONE = Machines(devices=1, workers=0, accelerator="cpu")


@pytest.fixture(scope="module")
def crowds(tmp_path_factory):
    """Two small crowds."""
    folder = tmp_path_factory.mktemp("crowds")
    for seed in (1, 2):
        name = f"street-{seed}"
        config = CrowdConfig(frames=FRAMES, width=160, height=96, people=5, seed=seed, name=name)
        write_crowd(simulate_crowd(config), folder / f"street-{seed}")
    return folder


def recipe_of(*settings, name="crowd/reid"):
    return resolve_training_recipe(name, overrides=[*SMALL, *settings])


def run_of(data, output, *settings, **arguments):
    return TrainingRun(
        recipe=recipe_of(*settings),
        places=DataPlaces(data=data),
        output=output,
        machines=ALONE,
        **arguments,
    )


@dataclasses.dataclass
class Painted:
    """Crops of people, each of one colour that says which crop it is."""

    counts: tuple = (5, 1, 3, 2, 4)
    split: str = "train-half"

    def __post_init__(self):
        self.identity_indices = np.repeat(np.arange(len(self.counts)), self.counts)
        np.random.default_rng(0).shuffle(self.identity_indices)
        self.identities = [f"street/{number}" for number in range(len(self.counts))]
        self.frames = np.arange(len(self.identity_indices)) + 1
        self.reads = []

    def __len__(self):
        return len(self.identity_indices)

    def image(self, index):
        self.reads.append(index)
        image = np.full((20, 10, 3), 10 * index, np.uint8)
        image[:, :5, 0] = 255
        return image


def groups_of(crops=None, *, memory_mib=0, seed=0, augmentation=None, **data):
    values = {"identities": 3, "images_per_identity": 2, "memory_mib": memory_mib, **data}
    return CropGroups(
        crops=crops or Painted(),
        data=ReidDataConfig(**values),
        augmentation=augmentation or ReidAugmentationConfig(),
        seed=seed,
        size=(8, 4),
    )


# Groups


def test_a_group_has_so_many_views_of_so_many_people_and_begins_with_its_own():
    groups = groups_of()
    people = groups.crops.identity_indices
    for epoch in range(3):
        for index in range(len(people)):
            rows = groups.rows(epoch, index).reshape(3, 2)
            assert rows[0, 0] == index
            assert (people[rows] == people[rows][:, :1]).all()
            assert len(set(people[rows][:, 0])) == 3
            for first, second in rows:
                assert first != second or groups.crops.counts[people[first]] == 1


def test_every_person_meets_every_other_one_and_every_view_is_shown():
    groups = groups_of()
    people = groups.crops.identity_indices
    rows = [groups.rows(epoch, index) for epoch in range(20) for index in range(len(people))]
    met = {(people[each[0]], other) for each in rows for other in people[each[2:]]}
    assert met == {(a, b) for a in range(5) for b in range(5) if a != b}
    assert set(np.concatenate(rows)) == set(range(len(people)))


def test_a_group_is_a_function_of_seed_epoch_and_crop_alone():
    first, second = groups_of().sample(0, 2, 3), groups_of(memory_mib=9).sample(7, 2, 3)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.identities, second.identities)
    assert first.names == second.names
    others = [groups_of(seed=1).rows(2, 3), groups_of().rows(1, 3)]
    assert all(tuple(each) != tuple(groups_of().rows(2, 3)) for each in others)


def test_crops_and_their_people_belong_together():
    groups = groups_of(augmentation=ReidAugmentationConfig(flip_probability=0.0))
    group = groups.sample(0, 0, 4)
    rows = groups.rows(0, 4)
    assert group.images.shape == (6, 3, 8, 4)
    assert group.images.dtype == torch.uint8
    assert group.images[:, 2, 0, 3].tolist() == (10 * rows).tolist()
    assert group.images[:, 0, 0, 0].tolist() == [255] * 6
    assert group.identities.tolist() == groups.crops.identity_indices[rows].tolist()
    assert group.names[0] == f"street/{group.identities[0]} in frame 5"
    batch = groups.join([group, groups.sample(0, 0, 1)])
    assert len(batch) == len(batch.images) == len(batch.names) == 12


def test_half_of_the_crops_are_mirrored_and_some_painted_over():
    def left_is_red(groups):
        images = torch.cat([groups.sample(0, epoch, 0).images for epoch in range(40)])
        return float((images[:, 0, 0, 0] == 255).float().mean())

    assert left_is_red(groups_of()) == pytest.approx(0.5, abs=0.1)
    always = ReidAugmentationConfig(flip_probability=1.0)
    assert left_is_red(groups_of(augmentation=always)) == 0
    config = ReidAugmentationConfig(flip_probability=0, erasing_probability=1, largest_erasing=0.2)
    plain = ReidAugmentationConfig(flip_probability=0)
    painted, whole = (
        groups_of(augmentation=each, memory_mib=1).sample(0, 0, 0).images
        for each in (config, plain)
    )
    changed = (painted != whole).any(1).float().mean(dim=(1, 2))
    assert 0 < float(changed.mean()) < 0.3
    grey = painted.permute(0, 2, 3, 1)[(painted != whole).any(1)]
    assert (grey == torch.tensor([124, 116, 104])).all()
    again = groups_of(augmentation=plain, memory_mib=1)
    again.sample(0, 0, 0)
    assert torch.equal(again.sample(0, 0, 0).images, whole)  # what is kept is not painted over


def test_crops_that_fit_are_read_once_and_others_whenever_they_are_asked_for():
    kept, read = Painted(), Painted()
    for crops, memory in ((kept, 1), (read, 0)):
        groups = groups_of(crops, memory_mib=memory)
        for index in range(3):
            groups.sample(0, 0, index)
    assert kept.reads == list(range(len(kept)))
    assert len(read.reads) == 18


def test_too_few_people_are_told_with_their_number():
    message = "data.identities: expected at most 5, the people with 8 or more views in the train-"
    with pytest.raises(ValueError, match=message):
        groups_of(identities=6)
    with pytest.raises(ValueError, match=r"expected at most 1, .* got 2"):
        groups_of(Painted(counts=(4,)), identities=2)
    for name in ("identities", "images_per_identity"):
        with pytest.raises(ValueError, match=f"{name}: expected 2 or more, got 1"):
            ReidDataConfig(**{name: 1})


def test_processes_share_whole_groups():
    groups = groups_of()

    def identities(world, rank):
        plan = BatchPlan(
            seed=0, image_count=groups.image_count, batch_size=4, world=world, rank=rank
        )
        batches = make_loader(groups, plan, range(3))
        return [batch.parts[0].identities.reshape(-1, 6).tolist() for batch in batches]

    whole, first, second = identities(1, 0), identities(2, 0), identities(2, 1)
    for together, one, other in zip(whole, first, second, strict=True):
        assert [one[0], other[0], one[1], other[1]] == together


# Recipes


def test_the_published_settings_stand_in_the_recipe():
    recipe = resolve_training_recipe("mot20-half/reid")
    network, schedule, data = recipe.network, recipe.schedule, recipe.data
    assert network.name == "reid-resnet50"
    assert (network.input_height, network.input_width) == (256, 128)
    assert (network.hidden_channels, network.dimension) == (1024, 128)
    assert recipe.losses.margin == 0.3
    assert (recipe.losses.identity_weight, recipe.losses.triplet_weight) == (1, 1)
    assert (data.identities, data.images_per_identity) == (8, 4)
    assert (data.minimum_visibility, data.min_images, data.max_images) == (0.3, 8, 1000)
    assert data.split == "train-half"
    assert schedule.learning_rate_per_image * schedule.batch_size == pytest.approx(0.1)
    assert (schedule.epochs, schedule.decay_epochs, schedule.warm_up_steps) == (6, (5,), 1000)
    assert (schedule.momentum, schedule.weight_decay, schedule.nesterov) == (0.9, 1e-4, False)
    rates = Schedule(config=schedule, image_count=80_000)
    assert rates.total_steps == 60_000
    assert rates.rate_at(0) == pytest.approx(0.0001)
    assert [rates.rate_at(step) for step in (1000, 49_999, 50_000)] == pytest.approx(
        [0.1, 0.1, 0.01]
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("network.name=reid-resnet", "the nearest is reid-resnet"),
        ("losses.margins=3", r"losses.margins: unknown key; the nearest is losses\.margin"),
        ("mask_branch.source=sam", "mask_branch.source: unknown key"),
        ("data.crowd_human=true", "data.crowd_human: unknown key"),
        ("validation.choose_by=HOTA", "expected 'mAP' or 'rank1', got 'HOTA'"),
        ("data.max_images=3", "data.max_images: expected 8 .min_images. or more, got 3"),
        ("smallest_erasing=0.5", "augmentation.smallest_erasing: expected at most 0.4"),
    ],
)
def test_faulty_settings_are_refused(override, message):
    with pytest.raises(ValueError, match=message):
        resolve_training_recipe("crowd/reid", overrides=[override])


# Runs


def test_a_run_leaves_weights_that_embed_and_scores(crowds, tmp_path):
    result = train(run_of(crowds, tmp_path / "run", "steps=2", "every_steps=1"))
    assert (result.step, result.total) == (2, 2)
    found = read_checkpoint(result.weights)
    assert found.metadata.architecture == "reid-mobilenet-v3-small"
    assert found.metadata.recipe == "crowd/reid"
    assert not any("classifier" in key for key in found.tensors)
    assert open_embedder(result.weights).dimension == 8
    record = read_provenance(result.weights)
    assert record.split == "train-half"
    assert set(record.inputs) == {
        f"street-{seed} {what}" for seed in (1, 2) for what in ("gt", "seqinfo")
    }
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "1", "2", "2"]
    assert float(rows[0]["loss"]) == pytest.approx(
        float(rows[0]["identity"]) + float(rows[0]["triplet"])
    )
    scores = json.loads((tmp_path / "run" / "validation" / "scores.json").read_text())
    assert set(scores) == {"1", "2"}
    assert all(0 <= scores["2"][name] <= 1 for name in REID_SCORES)
    again = validate_reid(recipe_of(), crowds, result.weights)
    assert again == scores["2"]
    assert result.best is not None
    tree = resolve_training_recipe(tmp_path / "run" / "recipe.yaml").tree()
    assert tree == recipe_of("steps=2", "every_steps=1").tree()


@pytest.mark.parametrize("memory", [0, 100])
def test_a_run_that_goes_on_ends_with_the_same_bits(crowds, tmp_path, memory):
    settings = ["steps=4", "every_steps=0", "at_end=false", "accumulate=2", "batch_size=2",
                "erasing_probability=0.5"]  # fmt: skip
    whole = train(run_of(crowds, tmp_path / "whole", *settings))
    cut = [*settings, f"memory_mib={memory}"]
    train(run_of(crowds, tmp_path / "cut", *cut, max_steps=2))
    went_on = train(run_of(crowds, tmp_path / "cut", *cut, existing="resume"))
    expected, found = (read_checkpoint(each.weights).tensors for each in (whole, went_on))
    assert [key for key in expected if not torch.equal(expected[key], found[key])] == []
    other = run_of(crowds, tmp_path / "cut", *cut, "margin=0.5", existing="resume")
    with pytest.raises(ValueError, match=r"losses.margin 0.3 \(now 0.5\)"):
        train(other)


@pytest.fixture
def opened(monkeypatch):
    """The images that are read."""
    paths = []
    read = image_module.read_image

    def remember(path, *arguments, **keywords):
        paths.append(path)
        return read(path, *arguments, **keywords)

    monkeypatch.setattr("faimtrack.datasets.annotated.read_image", remember)
    return paths


@pytest.mark.parametrize("memory", [0, 100])
def test_learning_opens_no_frame_of_the_second_half(crowds, tmp_path, opened, memory):
    settings = ["steps=2", "every_steps=0", "at_end=false", f"memory_mib={memory}"]
    train(run_of(crowds, tmp_path / "run", *settings))
    first = split_frames(FRAMES, "train-half")
    assert opened
    assert {int(path.stem) for path in opened} <= set(first)
    assert first.stop <= FRAMES


def test_who_lives_in_both_halves_is_learnt_from_the_first_alone(crowds, tmp_path):
    prepared = prepare_training(recipe_of(), DataPlaces(data=crowds))
    later = PersonCrops.open(crowds, split="val-half", config=recipe_of().data)
    learnt = prepared.samples.crops
    assert set(learnt.identities) & set(later.identities)
    assert learnt.frames.max() == split_frames(FRAMES, "train-half").stop - 1
    assert later.frames.min() == split_frames(FRAMES, "val-half").start
    # What the second half says of them changes nothing: it is taken out of the ground truth.
    shutil.copytree(crowds, tmp_path / "cut")
    for path in (tmp_path / "cut").glob("*/gt/gt.txt"):
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if int(line.split(",")[0]) <= learnt.frames.max()]
        assert len(kept) < len(lines)
        path.write_text("".join(kept))
    for path in (tmp_path / "cut").glob("*/img1/*"):
        if int(path.stem) > learnt.frames.max():
            path.unlink()
    alone = prepare_training(
        recipe_of("every_steps=0", "at_end=false"), DataPlaces(data=tmp_path / "cut")
    ).samples
    assert alone.crops.identities == learnt.identities
    for index in (0, len(learnt) - 1):
        one, other = (each.sample(0, 0, index) for each in (alone, prepared.samples))
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.identities, other.identities)


def test_a_few_crops_are_learnt_by_heart(crowds, tmp_path):
    settings = ["steps=40", "learning_rate_per_image=0.01", "flip_probability=0", "averaging=0"]
    prepared = prepare_training(recipe_of(*settings), DataPlaces(data=crowds))
    group = prepared.samples.sample(0, 0, 0)

    class Fixed(CropGroups):
        def sample(self, step, epoch, index):
            return group

    values = {each.name: getattr(prepared.samples, each.name)
              for each in dataclasses.fields(CropGroups)}  # fmt: skip
    module = fit(
        prepared.learner, Fixed(**values), prepared.schedule, tmp_path, machines=ALONE,
        keeps_checkpoints=False,
    )  # fmt: skip
    after = module.result.values()
    assert after["accuracy"] == 1
    assert after["triplet"] < 0.01
    assert after["identity"] < 1.2


def test_one_step_at_full_size_is_tried_with_one_group_on_a_cpu(crowds):
    recipe = recipe_of("batch_size=4")
    done = dry_run(recipe, DataPlaces(data=crowds), ALONE)
    assert (done.images, done.size) == (6, (64, 32))
    assert set(done.values) == {"loss", "identity", "triplet", "accuracy"}
    assert "8 people" in done.remarks[0]


@pytest.mark.slow
def test_one_step_of_the_published_recipe_at_its_full_size(tmp_path):
    config = CrowdConfig(frames=20, width=320, height=240, people=12, seed=4)
    write_crowd(simulate_crowd(config), tmp_path / "crowd")
    recipe = resolve_training_recipe("mot20-half/reid", overrides=["minimum_gap=5"])
    done = dry_run(recipe, DataPlaces(data=tmp_path), ALONE)
    assert (done.images, done.size) == (32, (256, 128))
    assert done.parameters > 25e6


def test_weights_to_start_from_are_taken_from_our_files_and_from_bare_backbones(crowds, tmp_path):
    result = train(run_of(crowds, tmp_path / "run", "steps=1", "every_steps=0", "at_end=false"))
    file = f"initial_weights={result.weights}"
    started = prepare_training(recipe_of(file, "seed=7"), DataPlaces(data=crowds))
    tensors = read_checkpoint(result.weights).tensors
    own = started.learner.network.state_dict()
    assert all(torch.equal(own[key], tensors[key]) for key in tensors)
    bare = {
        key.removeprefix("backbone."): value + 1
        for key, value in tensors.items()
        if key.startswith("backbone.")
    }
    torch.save(bare, tmp_path / "bare.pth")
    recipe = recipe_of(f"initial_weights={tmp_path / 'bare.pth'}")
    started = prepare_training(recipe, DataPlaces(data=crowds))
    own = started.learner.network.state_dict()
    assert all(torch.equal(own[f"backbone.{key}"], value) for key, value in bare.items())
    assert "random: hidden.weight, hidden.bias, hidden_norm.weight and" in started.remarks[1]


# What is wrong with data


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["min_images=14"], r"people with 14 or more views in the train-half"),
        (
            ["min_images=6", "most_images=5"],
            r"validation.most_images: expected 6 \(data.min_images\) or more, got 5",
        ),
        (["identities=9"], "data.identities: expected at most 8, the people with 3 or more"),
        (["minimum_gap=11"], "validation.minimum_gap: expected at most 10, the most frames"),
    ],
)
def test_data_that_cannot_be_learnt_from_are_refused_in_a_line(crowds, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        prepare_training(recipe_of(*settings), DataPlaces(data=crowds))
    assert "\n" not in str(caught.value)


def test_one_person_alone_is_refused(tmp_path):
    config = CrowdConfig(frames=FRAMES, width=192, height=128, people=1, seed=3)
    write_crowd(simulate_crowd(config), tmp_path / "crowd")
    with pytest.raises(ValueError, match=r"data.identities: expected at most 1, .* got 3"):
        prepare_training(
            recipe_of("every_steps=0", "at_end=false"), DataPlaces(data=tmp_path / "crowd")
        )


def test_a_picture_that_does_not_open_is_named(crowds, tmp_path):
    shutil.copytree(crowds / "street-1", tmp_path / "street-1")
    (tmp_path / "street-1" / "img1" / "000003.jpg").write_bytes(b"no picture")
    for memory in (0, 100):
        run = run_of(tmp_path, tmp_path / f"run-{memory}", f"memory_mib={memory}", "steps=60",
                     "every_steps=0", "at_end=false")  # fmt: skip
        with pytest.raises(ValueError, match=r"000003\.jpg"):
            train(run)


def test_what_only_detectors_have_is_refused(crowds):
    with pytest.raises(ValueError, match="expected neither with a re-identification network"):
        prepare_training(recipe_of(), DataPlaces(data=crowds, crowd_human=crowds))
    with pytest.raises(ValueError, match="sanity: expected the recipe of a detector"):
        check_sanity(recipe_of(), DataPlaces(data=crowds), ALONE)


def test_crops_are_scaled_each_side_by_itself():
    image = np.zeros((4, 2, 3), np.uint8)
    image[2:] = 200
    assert scaled_crop(image, (8, 6)).shape == (8, 6, 3)
    assert scaled_crop(image, (2, 1))[:, 0, 0].tolist() == [0, 200]
