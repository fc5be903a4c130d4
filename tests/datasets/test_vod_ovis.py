import json
import zipfile

import cv2
import numpy as np
import pytest

from faimtrack.datasets.vod.opening import open_videos
from faimtrack.datasets.vod.ovis_results import write_ovis_results
from faimtrack.masks.mask import Mask

JPEG = cv2.imencode(".jpg", np.full((4, 4, 3), 200, np.uint8))[1].tobytes()
CORNER = np.zeros((4, 4), bool)
CORNER[:2, :3] = True


def run_lengths(pixels=CORNER):
    return {"size": [4, 4], "counts": Mask.encode(pixels).counts.decode()}


def a_video(number, name, frames=3):
    names = [f"{name}/img_{k:07d}.jpg" for k in range(1, frames + 1)]
    return {"id": number, "width": 4, "height": 4, "length": frames, "file_names": names}


def a_track(number, video, boxes, segments=None, category=2):
    return {
        "id": number, "video_id": video, "category_id": category, "bboxes": boxes,
        "segmentations": segments or [box and run_lengths() for box in boxes], "iscrowd": 0,
    }  # fmt: skip


CATEGORIES = [{"id": 2, "name": "Bird"}, {"id": 1, "name": "Person"}]


def content(videos=None, annotations=None, categories=CATEGORIES):
    videos = [a_video(5, "one"), a_video(9, "two", 2)] if videos is None else videos
    if annotations is None:
        annotations = [
            a_track(40, 5, [[0, 0, 3, 2], None, [1, 1, 2, 2]]),
            a_track(7, 5, [[1, 0, 2, 4], [0, 0, 2, 2], None], category=1),
        ]
    return {"videos": videos, "categories": categories, "annotations": annotations}


@pytest.fixture
def ovis(tmp_path):
    def write(tree=None, split="train"):
        tree = content() if tree is None else tree
        text = tree if isinstance(tree, str) else json.dumps(tree)
        (tmp_path / f"annotations_{split}.json").write_text(text)
        for video in tree["videos"] if isinstance(tree, dict) else ():
            for name in video["file_names"]:
                path = tmp_path / split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(JPEG)
        return tmp_path

    return write


def test_tracks_are_turned_into_frames_with_boxes_classes_and_ids(ovis):
    videos = open_videos("ovis", ovis(), split="train")
    assert videos.class_names == ("Person", "Bird")
    assert not videos.has_masks
    assert [(videos[k].name, len(videos[k])) for k in range(2)] == [("one", 3), ("two", 2)]
    frames = [videos[0][k] for k in range(3)]
    assert [frame.track_ids.tolist() for frame in frames] == [[7, 40], [7], [40]]
    assert [frame.class_ids.tolist() for frame in frames] == [[0, 1], [0], [1]]
    assert frames[0].boxes.tolist() == [[1, 0, 3, 4], [0, 0, 3, 2]]
    assert frames[0].image().shape == (4, 4, 3)
    assert videos[0].has_tracks
    assert videos[0].frame_numbers.tolist() == [1, 2, 3]
    assert [len(videos[1][k]) for k in range(2)] == [0, 0]


def test_true_masks_are_had_in_either_form_and_none_is_a_gap(ovis):
    boxes = [[0, 0, 3, 2]] * 3
    plain = {"size": [4, 4], "counts": [0, 2, 2, 2, 2, 2, 6]}
    track = a_track(1, 5, boxes, [run_lengths(), None, plain])
    flat = a_track(2, 5, [[0, 0, 0, 2], None, None])
    root = ovis(content(annotations=[track, flat]))
    videos = open_videos("ovis", root, split="train", mask_source="truth")
    assert videos.has_masks
    masks = [videos[0][k].masks() for k in range(3)]
    assert [len(each) for each in masks] == [1, 1, 1]
    assert masks[1] == (None,)
    for mask in (masks[0][0], masks[2][0]):
        assert np.array_equal(mask.decode(), CORNER)
        assert mask.class_id == 1
    assert videos[1][0].masks() == ()
    assert videos.left_out == {"boxes of no area": 1}


def test_masks_whose_runs_do_not_fill_the_frame_are_refused_when_they_are_read(ovis):
    track = a_track(1, 5, [[0, 0, 3, 2], None, None], [{"size": [4, 4], "counts": "63X1"}] * 3)
    root = ovis(content(annotations=[track]))
    videos = open_videos("ovis", root, split="train", mask_source="truth")
    with pytest.raises(ValueError, match=r"annotations_train\.json: one: mask: expected run"):
        videos[0][0].masks()
    track["segmentations"][0] = [[0, 0, 1, 1, 2, 2]]
    with pytest.raises(ValueError, match="expected run lengths of 4 x 4 pixels"):
        open_videos("ovis", ovis(content(annotations=[track])), split="train", mask_source="truth")


def test_published_test_sets_have_videos_but_no_annotated_frames(ovis):
    tree = content()
    del tree["annotations"]
    videos = open_videos("ovis", ovis(tree, split="valid"), split="valid")
    assert [len(videos[k]) for k in range(2)] == [0, 0]
    assert not videos.has_ground_truth
    assert videos[0].source.name == "one"
    with pytest.raises(FileNotFoundError, match=r"annotations_test\.json: expected OVIS's"):
        open_videos("ovis", ovis(), split="test")


def test_the_local_split_parts_training_by_names_alone_about_four_to_one(ovis):
    names = [f"{k:08x}" for k in range(100)]
    tree = content([a_video(k, name, 1) for k, name in enumerate(names)], [])
    tree["annotations"] = [a_track(k, k, [[0, 0, 3, 2]]) for k in range(100)]
    root = ovis(tree)

    def named(split):
        videos = open_videos("ovis", root, split=split)
        return {videos[k].name for k in range(len(videos))}

    train, val = named("train-local"), named("val-local")
    assert train | val == named("train") == set(names)
    assert not train & val
    assert 10 <= len(val) <= 30
    fewer = content([video for video in tree["videos"] if video["id"] % 2], [])
    fewer["annotations"] = [each for each in tree["annotations"] if each["video_id"] % 2]
    ovis(fewer)
    assert named("val-local") == {name for name in val if int(name, 16) % 2}


def test_missing_frames_are_refused_or_left_out(ovis):
    root = ovis()
    (root / "train" / "one" / "img_0000002.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"img_0000002\.jpg: expected the image"):
        open_videos("ovis", root, split="train")
    videos = open_videos("ovis", root, split="train", missing_images="leave-out")
    assert videos[0].frame_numbers.tolist() == [1, 2]
    assert [videos[0][k].path.name for k in range(2)] == ["img_0000001.jpg", "img_0000003.jpg"]
    assert videos[0][1].track_ids.tolist() == [40]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("{", "annotations_train.json, line 1, column 2: expected whole JSON"),
        ("[" * 100_000, "expected annotations, got lists in lists in lists"),
        ('{"videos": NaN}', "expected finite numbers, got NaN"),
        (content(videos=[]), "expected videos, got none"),
        (content(categories=[]), "expected categories, got none"),
        (
            content(categories=[*CATEGORIES, CATEGORIES[0]]),
            "category 3: expected a name and an id",
        ),
        (content([{**a_video(5, "one"), "file_names": ["../x/1.jpg"]}]), "inside of the data's"),
        (content([{**a_video(5, "one"), "file_names": ["/x/1.jpg"]}]), "inside of the data's"),
        (content([{**a_video(5, "one"), "file_names": ["1.jpg"]}]), "file_names in one folder"),
        (
            content([{**a_video(5, "one"), "file_names": ["a/1.jpg", "b/1.jpg"]}]),
            "video 1: expected file_names in one folder, got ['a', 'b']",
        ),
        (
            content([{**a_video(5, "one"), "file_names": ["a/1.jpg"] * 2}]),
            "video 1: expected each frame once, got 1.jpg again",
        ),
        (
            content([{**a_video(5, "one"), "file_names": ["a/2.jpg", "a/1.jpg"]}], []),
            "expected the frames of a in the order of their names",
        ),
        (content([a_video(5, "a"), a_video(5, "b")]), "video 2: expected an id and a folder of"),
        (content([a_video(5, "a"), a_video(6, "a")]), "video 2: expected an id and a folder of"),
        (
            content(annotations=[a_track(1, 77, [])]),
            "annotation 1: expected video_id to be one of",
        ),
        (content(annotations=[a_track(1, 5, [None] * 3)] * 2), "annotation 2: expected an id of"),
        (
            content(annotations=[a_track(1, 5, [None] * 2)]),
            "expected bboxes and segmentations for",
        ),
        (content(annotations=[a_track(1, 5, [None] * 3, category=3)]), "to be one of the categ"),
        (
            content(annotations=[a_track(1, 5, [[1, 2, "3", 4], None, None], [None] * 3)]),
            "annotation 1: bbox 1: expected left, top, width and height, got [1, 2, '3', 4]",
        ),
        (
            content(annotations=[a_track(1, 5, [None, [3, 1, -1, 2], None])]),
            "annotation 1: one/img_0000002.jpg: expected corners x1 <= x2",
        ),
        (content(annotations=[a_track(1, 5, [None] * 3)]), "expected objects in train, got none"),
    ],
)
def test_annotations_that_are_wrong_are_refused_in_one_line(ovis, tmp_path, tree, message):
    if isinstance(tree, dict):
        names = [name for video in tree["videos"] for name in video["file_names"]]
        if any(name.startswith(("/", "..")) for name in names):
            (tmp_path / "annotations_train.json").write_text(json.dumps(tree))
        else:
            ovis(tree)
    else:
        ovis(tree)
    with pytest.raises(ValueError, match=r"annotations_train\.json") as caught:
        open_videos("ovis", tmp_path, split="train")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def detections(folder, name, rows, categories=("Bird", "Person"), frames=3):
    tree = {
        "categories": [{"id": k, "name": each} for k, each in enumerate(categories)],
        "images": [{"id": k} for k in range(1, frames + 1)],
        "annotations": [
            {"image_id": frame, "category_id": kind, "bbox": box, "score": score}
            for frame, kind, box, score in rows
        ],
    }
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(tree))


@pytest.fixture
def found(tmp_path):
    folder = tmp_path / "found"
    rows = [
        (3, 1, [-1, 1, 3, 2.126], 0.75), (1, 0, [0, 0, 2, 2], 0.5), (1, 0, [0, 0, 2, 2], 0.0001),
        (2, 0, [5, 5, 2, 2], 0.9),
    ]  # fmt: skip
    detections(folder, "one", rows)
    detections(folder, "two", [])
    return folder


def test_results_for_the_server_name_frames_by_video_and_number(ovis, found, tmp_path):
    root = ovis(split="valid")
    output = tmp_path / "out" / "results.json"
    made = write_ovis_results(root / "annotations_valid.json", found, output)
    assert (made.videos, made.detections, made.left_out) == (2, 2, 2)
    assert json.loads(output.read_text()) == [
        {"image_id": "5_1", "category_id": 2, "bbox": [0, 0, 2, 2], "score": 0.5},
        {"image_id": "5_3", "category_id": 1, "bbox": [0, 1, 2, 2.13], "score": 0.75},
    ]
    packed = output.with_suffix(".zip")
    write_ovis_results(root / "annotations_valid.json", found, packed)
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["results.json"]
        assert archive.read("results.json") == output.read_bytes()
    first = packed.read_bytes()
    write_ovis_results(root / "annotations_valid.json", found, packed)
    assert packed.read_bytes() == first


def test_results_need_detections_of_every_video_in_its_frames_and_classes(ovis, found, tmp_path):
    file = ovis(split="valid") / "annotations_valid.json"
    output = tmp_path / "results.json"
    (found / "two.json").unlink()
    with pytest.raises(FileNotFoundError, match="expected the detections of two, got no such"):
        write_ovis_results(file, found, output)
    detections(found, "two", [(1, 0, [0, 0, 1, 1], 0.5)], categories=("Dragon",))
    with pytest.raises(ValueError, match=r"classes of annotations_valid\.json, got 'Dragon'"):
        write_ovis_results(file, found, output)
    detections(found, "two", [(3, 0, [0, 0, 1, 1], 0.5)])
    with pytest.raises(ValueError, match=r"two\.json"):
        write_ovis_results(file, found, output)
    with pytest.raises(ValueError, match=r"expected a name with \.json or \.zip"):
        write_ovis_results(file, found, tmp_path / "results.txt")
    assert not output.exists()
