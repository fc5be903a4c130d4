import re
import shutil

import numpy as np
import pytest

from faimtrack.datasets.check import CheckSettings, check_sequences
from faimtrack.datasets.crowd import (
    OBJECT_CLASS_NAMES,
    CrowdConfig,
    Renderer,
    exact_masks,
    simulate_crowd,
    write_crowd,
)
from faimtrack.datasets.crowd_videos import CrowdVideos
from faimtrack.datasets.half_split import HalfSplit
from faimtrack.datasets.videos import VideoFrames
from faimtrack.masks import MaskConfig, make_masks, plan_masks, score_masks
from faimtrack.masks.grabcut import GrabCutConfig
from faimtrack.video import open_source

OBJECTS = [
    CrowdConfig(
        name=f"objects-{seed}", seed=seed, frames=6, width=160, height=128, scene="objects"
    )
    for seed in (2, 7)
]
PEOPLE = CrowdConfig(name="people", seed=3, frames=5, width=160, height=96, people=6)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Folders of two scenes of objects and of a crowd of people; not to be changed."""
    root = tmp_path_factory.mktemp("videos")
    for config in OBJECTS:
        write_crowd(simulate_crowd(config), root / "objects" / config.name, workers=1)
    write_crowd(simulate_crowd(PEOPLE), root / "people" / PEOPLE.name, workers=1)
    return root


@pytest.fixture
def objects(written, tmp_path):
    """A copy of the scenes of objects that a test may change."""
    return shutil.copytree(written / "objects", tmp_path / "objects")


def test_videos_are_the_sequences_with_what_was_simulated(written):
    videos = CrowdVideos.open(written / "objects")
    assert len(videos) == 2
    assert videos.class_names == OBJECT_CLASS_NAMES
    assert not videos.has_masks
    for number, config in enumerate(OBJECTS):
        video, table = videos[number], simulate_crowd(config).annotations
        assert (video.name, video.source) == (config.name, written / "objects" / config.name)
        assert video.frame_numbers.tolist() == [1, 2, 3, 4, 5, 6]
        assert video.has_tracks
        for place in range(6):
            image, rows = video[place], table.rows_of(place + 1)
            assert image.name == f"{config.name}/{place + 1:06d}"
            order = np.argsort(image.track_ids)
            assert (image.track_ids[order] == table.track_ids[rows]).all()
            assert (image.class_ids[order] == table.class_ids[rows]).all()
            boxes = image.boxes[order]
            assert (boxes[:, :2] == table.boxes_xywh[rows, :2]).all()
            assert (boxes[:, 2:] - boxes[:, :2] == table.boxes_xywh[rows, 2:]).all()
            assert image.masks() == (None,) * len(image)


def test_frames_of_a_video_are_those_that_its_source_gives(written):
    video = CrowdVideos.open(written / "objects")[1]
    frames = list(open_source(video.source))
    assert [frame.index for frame in frames] == video.frame_numbers.tolist()
    assert (frames[3].image == video[3].image()).all()


def test_exact_masks_are_read_by_the_name_truth(written):
    video = CrowdVideos.open(written / "objects", mask_source="truth")[0]
    crowd = simulate_crowd(OBJECTS[0])
    image = video[4]
    expected = exact_masks(Renderer(crowd).render(5), crowd.annotations)
    found = dict(zip(image.track_ids.tolist(), image.masks(), strict=True))
    assert any(found.values())
    for track, mask in found.items():
        assert (mask is None) == (track not in expected)
        if mask is not None:
            assert (mask.decode() == expected[track].decode()).all()


def test_masks_are_made_read_and_scored_as_those_of_people_are(objects, tmp_path):
    classes = tuple(range(101, 109))
    with pytest.raises(FileNotFoundError, match="`faimtrack masks make --method grabcut` makes"):
        CrowdVideos.open(objects, mask_source="grabcut", masks_root=tmp_path / "masks")
    tasks = plan_masks(objects, "grabcut", GrabCutConfig(classes=classes), root=tmp_path / "masks")
    for task in tasks:
        make_masks(task)
    videos = CrowdVideos.open(objects, mask_source="grabcut", masks_root=tmp_path / "masks")
    assert videos.has_masks
    images = VideoFrames(videos)
    found = [mask for place in range(len(images)) for mask in images[place].masks()]
    assert np.mean([mask is not None for mask in found]) > 0.9
    assert {mask.method for mask in found if mask is not None} == {"grabcut"}
    scores = score_masks(tasks[0].sequence, tasks[0].output)
    assert len(scores.ious) > 0
    assert scores.mean_iou > 0.1


def test_crowd_of_people_has_the_rows_of_the_half_split(written):
    videos = CrowdVideos.open(written / "people", mask_source="truth")
    images = HalfSplit.open(written / "people", split="full", mask_source="truth")
    assert videos.class_names == images.class_names == ("person",)
    assert len(videos) == 1
    assert len(videos[0]) == len(images) == 5
    for place in range(5):
        own, other = videos[0][place], images[place]
        assert (own.name, own.path, own.size) == (other.name, other.path, other.size)
        for name in ("boxes", "class_ids", "track_ids", "visibilities"):
            assert (getattr(own, name) == getattr(other, name)).all(), name
        assert own.masks() == other.masks()


def ground_truth(folder, number=0):
    return folder / OBJECTS[number].name / "gt" / "gt.txt"


def test_rows_that_do_not_count_and_boxes_of_no_area_are_left_out(objects, caplog):
    path = ground_truth(objects)
    rows = ["1,1,5,5,10,10,1,101,1", "1,2,5,5,10,10,0,102,1", "1,3,5,5,0,10,1,102,1"]
    path.write_text("\n".join(rows) + "\n")
    image = CrowdVideos.open(objects)[0][0]
    assert image.track_ids.tolist() == [1]
    assert image.boxes.tolist() == [[5, 5, 15, 15]]
    assert f"{path}: left out 1 boxes of no area" in caplog.text


def test_video_without_objects_is_one_of_the_set_and_needs_no_masks(objects):
    ground_truth(objects).write_text("")
    (objects / OBJECTS[0].name / "gt" / "masks.parquet").unlink()
    videos = CrowdVideos.open(objects, mask_source="truth")
    assert len(videos[0]) == 6
    assert len(videos[0][2]) == 0
    assert videos[0][2].masks() == ()
    ground_truth(objects, 1).write_text("")
    with pytest.raises(ValueError, match="expected objects in the sequences, got none"):
        CrowdVideos.open(objects)


def test_masks_of_other_boxes_are_refused(objects, tmp_path):
    config = MaskConfig(classes=tuple(range(101, 109)))
    for task in plan_masks(objects, "box", config, root=tmp_path / "masks"):
        make_masks(task)
    path = ground_truth(objects)
    path.write_text(path.read_text() + "6,9,1,1,5,5,1,101,1\n")
    with pytest.raises(ValueError, match="got masks for another ground truth"):
        CrowdVideos.open(objects, mask_source="box", masks_root=tmp_path / "masks")


def test_people_beside_objects_are_refused(written, objects):
    shutil.copytree(written / "people" / "people", objects / "people")
    shutil.copy(written / "people" / "people.json", objects / "people.json")
    with pytest.raises(ValueError, match=r"people/gt/gt\.txt: expected the classes of the sequ"):
        CrowdVideos.open(objects)


def test_other_classes_among_those_of_objects_are_refused(objects):
    path = ground_truth(objects)
    path.write_text(path.read_text() + "6,9,1,1,5,5,1,7,1\n")
    with pytest.raises(ValueError, match=r"expected classes 101 to 108 alone, .* got \[7\] too"):
        CrowdVideos.open(objects)


def test_two_videos_of_one_name_are_refused(objects):
    shutil.copytree(objects / OBJECTS[0].name, objects / "twin")
    with pytest.raises(ValueError, match=r"twin: expected a name of its own in seqinfo\.ini"):
        CrowdVideos.open(objects)


@pytest.mark.parametrize("lost", ["gt/gt.txt", "img1/000004.jpg"])
def test_missing_files_are_named(objects, lost):
    path = objects / OBJECTS[1].name / lost
    path.unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(f"{path}: expected the ")):
        CrowdVideos.open(objects)


@pytest.mark.parametrize("index", [-1, 2])
def test_video_that_is_not_there_is_refused(written, index):
    with pytest.raises(IndexError, match="expected a number from 0 to 1"):
        CrowdVideos.open(written / "objects")[index]


def test_scenes_of_objects_pass_the_look_before_training(written):
    report = check_sequences(written / "objects", CheckSettings(mask_source="truth"))
    assert report.error_count == 0, [part.findings for part in report.parts]
    videos = CrowdVideos.open(written / "objects")
    for number, part in enumerate(report.parts):
        video = videos[number]
        assert (part.name, part.images) == (video.name, len(video))
        assert part.objects == sum(len(video[place]) for place in range(len(video)))


def test_a_person_among_objects_is_an_error_of_the_look_as_of_the_opening(objects):
    path = ground_truth(objects)
    lines = path.read_text().splitlines()
    cells = lines[0].split(",")
    path.write_text("\n".join([",".join([*cells[:7], "1", *cells[8:]]), *lines[1:]]) + "\n")
    with pytest.raises(ValueError, match="101 to 108 alone"):
        CrowdVideos.open(objects)
    report = check_sequences(objects).parts[0]
    assert "classes that scenes of objects do not have" in report.findings
