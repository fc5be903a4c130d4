"""Which jobs stand behind a number, and which are the same."""

import dataclasses

import pytest

from faimtrack.reproduce import job_settings, mask_jobs
from faimtrack.reproduce.catalogue import experiment
from faimtrack.reproduce.jobs import in_order
from faimtrack.reproduce.networks import WEIGHTS
from faimtrack.reproduce.plan import Planner
from faimtrack.reproduce.suites import CROWD_PEOPLE


@pytest.fixture
def jobs_of(make_networks):
    def plan(name, seeds=(0,), **changes):
        networks = make_networks(**changes)
        planned = Planner(networks, seeds).plan(experiment(name))
        return planned, list(in_order(planned.jobs(seeds)))

    return plan


def count(jobs, kind):
    return sum(job.kind == kind for job in jobs)


def test_table_2_trains_each_network_once_beside_one_base(jobs_of):
    _, jobs = jobs_of("table-2")
    trained = [job for job in jobs if job.kind == "training"]
    assert [job.title.partition(" ")[0] for job in trained] == [
        "yolox-s", "yolov-s", "yolov-ifem-s", "faim-s",
    ]  # fmt: skip
    base = trained[0]
    for job in trained[1:]:
        assert job.needs == (base,) or job.needs[0].key == base.key
        weights = job.task.recipe.network.initial_weights
        assert weights.endswith(f"{base.key}/{WEIGHTS}")


@pytest.mark.parametrize(("name", "detections"), [("table-3", 12), ("table-4", 6)])
def test_tables_3_and_4_train_one_network(jobs_of, name, detections):
    _, jobs = jobs_of(name)
    assert count(jobs, "training") == 2
    assert count(jobs, "detection") == detections
    frames = {job.task.recipe.tracking.detector.group_frames for job in jobs
              if job.kind == "detection"}  # fmt: skip
    assert frames == ({4, 8, 16, 24, 32, 40} if name == "table-3" else {32})


def test_tables_share_what_they_have_in_common(make_networks):
    networks = make_networks()
    keys = {}
    for name in ("table-1", "table-2", "table-3", "table-4", "table-iii", "table-vii"):
        planned = Planner(networks, (0,)).plan(experiment(name))
        jobs = in_order(planned.jobs((0,)))
        keys[name] = {job.key for job in jobs if job.kind == "training"}
    assert set.union(*keys.values()) == keys["table-2"]
    assert keys["table-3"] == keys["table-4"] < keys["table-1"] < keys["table-2"]


def test_an_ablation_at_its_default_is_the_default(jobs_of):
    _, default = jobs_of("table-3")
    _, jobs = jobs_of("table-5c")
    faim = {job.key for job in default if job.kind == "training"}
    assert len({job.key for job in jobs if job.kind == "training"} - faim) == 1


def test_seeds_settings_and_bases_tell_trainings_apart(jobs_of, tmp_path):
    weights = tmp_path / "base.safetensors"
    weights.write_bytes(b"weights")
    trained = [
        {job.key for job in jobs_of("table-4", **changes)[1] if job.kind == "training"}
        for changes in (
            {}, {"seeds": (1,)}, {"overrides": ("schedule.steps=7",)}, {"base": weights},
        )
    ]  # fmt: skip
    assert [len(each) for each in trained] == [2, 2, 2, 1]
    assert len(set.union(*trained)) == 7


def test_a_base_that_is_given_is_not_trained(jobs_of, tmp_path):
    weights = tmp_path / "base.safetensors"
    weights.write_bytes(b"weights")
    _, jobs = jobs_of("table-2", base=weights)
    assert not [job for job in jobs if job.title.startswith("yolox-s trained")]
    found = next(job for job in jobs if job.title.startswith("yolox-s detects"))
    assert found.task.weights == weights
    assert found.needs == ()


def test_a_base_is_known_by_its_bytes_and_not_by_its_name(jobs_of, tmp_path):
    keys = []
    for name, content in (("one", b"same"), ("two", b"same"), ("three", b"other")):
        weights = tmp_path / f"{name}.safetensors"
        weights.write_bytes(content)
        _, jobs = jobs_of("table-4", base=weights)
        keys.append([job.key for job in jobs if job.kind == "training"])
    assert keys[0] == keys[1] != keys[2]


def test_what_a_base_begins_from_is_known_by_its_bytes_or_by_its_registered_name(
    jobs_of, tmp_path
):
    def begun(weights):
        _, jobs = jobs_of("table-4", overrides=(f"network.initial_weights={weights}",))
        base = next(job for job in jobs if job.title.startswith("yolox-s trained"))
        return base.settings["recipe"]["network"]["initial_weights"], base.key

    files = []
    for name, content in (("one", b"same"), ("two", b"same"), ("three", b"other")):
        path = tmp_path / name / "base.safetensors"
        path.parent.mkdir()
        path.write_bytes(content)
        files.append(begun(path))
    assert files[0] == files[1]
    assert files[0][1] != files[2][1]
    assert begun("yolox-nano")[0] == "yolox-nano"


def test_settings_go_to_whom_they_belong(jobs_of):
    _, jobs = jobs_of("table-2", overrides=("mask_branch.weight=2.5", "schedule.steps=9"))
    recipes = {job.title.partition(" ")[0]: job.task.recipe for job in jobs
               if job.kind == "training"}  # fmt: skip
    assert {recipe.schedule.steps for recipe in recipes.values()} == {9}
    assert recipes["faim-s"].mask_branch.weight == 2.5
    assert recipes["yolov-s"].mask_branch is None


def test_settings_that_nobody_knows_or_that_do_not_fit_are_refused(jobs_of):
    with pytest.raises(ValueError, match=r"schedule\.stepz: unknown key; the nearest is"):
        jobs_of("table-2", overrides=("schedule.stepz=9",))
    with pytest.raises(ValueError, match=r"schedule\.steps"):
        jobs_of("table-2", overrides=("schedule.steps=many",))


def test_rows_without_a_recipe_are_left_out_and_named(jobs_of):
    planned, _ = jobs_of("table-vii")
    assert planned.left_out == ("YOLOV-L", "YOLOV-X", "FAIM-L", "FAIM-X")
    assert [row.row.label for row in planned.rows] == ["YOLOV-S", "FAIM-S"]


def test_times_are_taken_with_the_first_seed_alone_and_of_one_device(jobs_of):
    _, jobs = jobs_of("table-2", seeds=(0, 1, 2))
    timed = [job for job in jobs if job.kind == "time"]
    assert len(timed) == 4
    assert {job.settings["device"] for job in timed} == {"an abacus"}
    assert {job.settings["device"] for job in jobs_of("table-2", device="a GPU")[1]
            if job.kind == "time"} == {"a GPU"}  # fmt: skip


def test_linked_detections_are_those_of_the_plain_row(jobs_of):
    _, jobs = jobs_of("table-1")
    assert count(jobs, "detection") == 2
    assert count(jobs, "scores") == 4
    assert count(jobs, "link-time") == 2


def test_masks_that_can_be_made_are_made_before(jobs_of):
    _, jobs = jobs_of("table-i")
    masks = [job for job in jobs if job.kind == "masks"]
    assert [job.settings["method"] for job in masks] == ["grabcut"]
    learning = [job for job in jobs if masks[0].key in {need.key for need in job.needs}]
    assert {job.kind for job in learning} == {"training", "cost"}
    assert all(job.task.places.masks_root == masks[0].task.root for job in learning)


def test_what_is_set_for_all_does_not_change_what_a_row_is_about(jobs_of):
    overrides = ("detector.proposals=7", "schedule.seed=5", "detector.score_threshold=0.1",
                 "network.initial_weights=other.safetensors")  # fmt: skip
    _, jobs = jobs_of("table-4", seeds=(0, 1), overrides=overrides)
    found = [job.task.recipe.tracking.detector for job in jobs if job.kind == "detection"]
    assert {each.proposals for each in found} == {10, 20, 30, 50, 75, 100}
    assert {each.score_threshold for each in found} == {0.1}
    trained = [job.task.recipe for job in jobs if job.kind == "training"]
    assert {recipe.schedule.seed for recipe in trained} == {0, 1}
    begun_from = {recipe.family: recipe.network.initial_weights for recipe in trained}
    assert begun_from["yolox"] == "other.safetensors"
    assert begun_from["video"].endswith(f"/{WEIGHTS}")


def test_masks_of_other_settings_are_others_and_so_are_trainings_with_them(jobs_of, monkeypatch):
    def keys(kind):
        return {job.key for job in jobs_of("table-i")[1] if job.kind == kind}

    masks, trainings = keys("masks"), keys("training")
    config = dataclasses.make_dataclass("Other", ["classes"], frozen=True)
    monkeypatch.setattr(mask_jobs, "CONFIG_CLASSES", {"grabcut": config})
    assert not masks & keys("masks")
    assert len(trainings - keys("training")) == 1, "that which learns them"


def test_scores_of_linked_detections_depend_on_the_coefficients_that_come_along(
    jobs_of, monkeypatch
):
    def keys():
        return {job.key: job.task.linking for job in jobs_of("table-1")[1] if job.kind == "scores"}

    before = keys()
    monkeypatch.setattr(job_settings, "file_sha256", lambda path: "others")
    changed = [linking for key, linking in before.items() if key not in keys()]
    assert len(changed) == 2
    assert None not in changed


def test_trackers_are_compared_with_a_threshold_that_suits_them(jobs_of):
    _, jobs = jobs_of("table-9", suite=CROWD_PEOPLE)
    tracked = {job.title.partition(" ")[0]: job.task for job in jobs if job.kind == "tracking"}
    assert tracked.keys() == {"tracktor", "tracktor-mask", "bytetrack", "bytetrack-mask"}
    assert tracked["bytetrack-mask"].recipe.tracking.tracker.track_threshold == 0.5
    assert tracked["bytetrack"].split == "full"
    assert tracked["tracktor"].recipe.tracking.tracker_name == "tracktor"


def test_checkpoints_come_often_and_change_nothing(jobs_of):
    _, jobs = jobs_of("table-4")
    _, others = jobs_of("table-4", overrides=("schedule.checkpoint_every=3",))
    keys = [[job.key for job in each if job.kind == "training"] for each in (jobs, others)]
    assert keys[0] == keys[1]
    steps = [job.task.recipe.schedule.checkpoint_every for job in others if
             job.kind == "training"]  # fmt: skip
    assert steps == [3, 3]
    assert all(job.task.recipe.schedule.checkpoint_every <= 100 for job in jobs
               if job.kind == "training")  # fmt: skip
