import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.atomic import atomic_file
from faimtrack.datasets.annotated import joined
from faimtrack.datasets.videos import VideoFrames
from faimtrack.datasets.vod.imagenet_classes import CLASS_NAMES, WORDNET_IDS
from faimtrack.datasets.vod.imagenet_det import ImagenetDet
from faimtrack.datasets.vod.imagenet_xml import parse_annotation
from faimtrack.datasets.vod.opening import open_videos
from faimtrack.video import open_source

JPEG = cv2.imencode(".jpg", np.full((4, 4, 3), 200, np.uint8))[1].tobytes()
ZEBRA, DOG, APPLE = "n02391049", "n02084071", "n07739125"
VAL = "ILSVRC2015_val_00000001"
TRAIN = "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000003"


def an_object(name=ZEBRA, box=(0, 1, 3, 4), track=0):
    corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    marks = "".join(f"<{key}>{value}</{key}>" for key, value in corners)
    tracks = "" if track is None else f"<trackid>{track}</trackid>"
    return (
        f"<object>{tracks}<name>{name}</name><bndbox>{marks}</bndbox>"
        "<occluded>0</occluded><generated>1</generated></object>"
    )


def xml(*objects, size=(4, 4)):
    shape = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>"
    return f"<annotation><folder>f</folder>{shape}{''.join(objects)}</annotation>"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "cache"))


@pytest.fixture
def tree(tmp_path):
    """Writes frames of a video by their stems, and their annotations (None: no file)."""
    root = tmp_path / "ILSVRC2015"

    def write(frames, video=VAL, *, split="val", task="VID", listed=True, images=True):
        annotations = root / "Annotations" / task / split / video
        pictures = root / "Data" / task / split / video
        for folder in (annotations, pictures):
            folder.mkdir(parents=True, exist_ok=True)
        for stem, text in frames.items():
            if text is not None:
                (annotations / f"{stem}.xml").write_text(text)
            if images:
                (pictures / f"{stem}.JPEG").write_bytes(JPEG)
        if listed and split == "val":
            names = "".join(f"{video}/{stem} {k}\n" for k, stem in enumerate(frames, 1))
            (root / "ImageSets" / "VID").mkdir(parents=True, exist_ok=True)
            with (root / "ImageSets" / "VID" / "val.txt").open("a") as file:
                file.write(names)
        return root

    return write


def three_frames():
    return {
        "000000": xml(an_object(track=0), an_object(DOG, (2, 0, 9, 2), track=4)),
        "000001": xml(),
        "000002": xml(an_object(box=(1, 1, 3, 3), track=0)),
    }


def test_the_classes_are_those_that_published_code_has_in_its_order():
    assert len(set(WORDNET_IDS)) == len(set(CLASS_NAMES)) == 30
    assert CLASS_NAMES[0] == "airplane"
    assert WORDNET_IDS[CLASS_NAMES.index("zebra")] == ZEBRA
    assert WORDNET_IDS[CLASS_NAMES.index("dog")] == DOG
    assert list(CLASS_NAMES) == sorted(CLASS_NAMES)


def test_a_video_of_val_has_its_frames_boxes_classes_and_tracks(tree):
    root = tree(three_frames())
    videos = open_videos("vid", root, split="val")
    video = videos[0]
    assert (len(videos), len(video), video.name) == (1, 3, VAL)
    assert video.has_tracks
    assert not videos.has_masks
    assert video.frame_numbers.tolist() == [1, 2, 3]
    first, second, third = (video[k] for k in range(3))
    assert first.boxes.tolist() == [[0, 1, 3, 4], [2, 0, 9, 2]]
    assert [videos.class_names[k] for k in first.class_ids] == ["zebra", "dog"]
    assert first.track_ids.tolist() == [0, 4]
    assert (first.size, first.image().shape) == ((4, 4), (4, 4, 3))
    assert len(second) == 0
    assert second.boxes.shape == (0, 4)
    assert third.track_ids.tolist() == [0]
    assert first.name == f"{VAL}/000000"


def test_frame_numbers_are_those_that_the_source_counts_even_in_a_folder_with_gaps(tree):
    root = tree({stem: xml(an_object()) for stem in ("000002", "000007", "000030")})
    tree({"000005": None}, listed=False)
    video = open_videos("vid", root, split="val")[0]
    frames = list(open_source(video.source))
    assert [frame.index for frame in frames] == [1, 2, 3, 4]
    assert video.frame_numbers.tolist() == [1, 3, 4]


def test_frames_whose_names_have_no_zeros_in_front_are_in_the_order_of_their_numbers(tree):
    texts = {str(k): xml(an_object(box=(0, 0, 1, k))) for k in (9, 10, 100)}
    video = open_videos("vid", tree(texts), split="val")[0]
    assert video.frame_numbers.tolist() == [1, 2, 3]
    assert [video[k].path.stem for k in range(3)] == ["9", "10", "100"]
    assert [video[k].boxes[0, 3] for k in range(3)] == [9, 10, 100]


@pytest.mark.parametrize("lists", ["none", "classes", "frames"])
def test_training_videos_are_found_by_lists_of_either_kind_or_without(tree, lists):
    root = tree({"000000": xml(an_object()), "000001": xml()}, TRAIN, split="train")
    other = "ILSVRC2015_VID_train_0001/ILSVRC2015_train_00000009"
    tree({"000000": xml(an_object(DOG))}, other, split="train")
    sets = root / "ImageSets" / "VID"
    sets.mkdir(parents=True)
    if lists == "classes":
        (sets / "train_1.txt").write_text(f"{TRAIN} 1\n")
        (sets / "train_30.txt").write_text(f"{TRAIN} 1\n{other} 1\n")
    if lists == "frames":
        (sets / "train.txt").write_text(f"{TRAIN}/000000 1\n{TRAIN}/000001 2\n{other}/000000 3\n")
    videos = open_videos("vid", root.parent, split="train")
    assert [(videos[k].name, len(videos[k])) for k in range(2)] == [
        ("ILSVRC2015_train_00000003", 2),
        ("ILSVRC2015_train_00000009", 1),
    ]


def test_the_index_gives_the_same_again_and_reads_only_what_has_changed(tree, monkeypatch):
    root = tree(three_frames())
    other = "ILSVRC2015_val_00000002"
    tree({"000000": xml(an_object(DOG))}, other)
    before = open_videos("vid", root, split="val")
    assert (root / "Annotations" / "VID" / "val.faimtrack.parquet").is_file()
    read = []

    def parse(path, data):
        read.append(path)
        return parse_annotation(path, data)

    monkeypatch.setattr("faimtrack.datasets.vod.imagenet_index.parse_annotation", parse)
    again = open_videos("vid", root, split="val")
    assert read == []
    for k in range(2):
        for place in range(len(before[k])):
            a, b = before[k][place], again[k][place]
            assert a.boxes.tolist() == b.boxes.tolist()
            assert a.class_ids.tolist() == b.class_ids.tolist()
            assert a.track_ids.tolist() == b.track_ids.tolist()
    tree({"000000": xml(an_object(box=(0, 0, 2, 2)))}, other, listed=False)
    changed = open_videos("vid", root, split="val")
    assert [path.endswith(f"{other}/000000.xml") for path in read] == [True]
    assert changed[1][0].boxes.tolist() == [[0, 0, 2, 2]]
    assert changed[0][0].boxes.tolist() == before[0][0].boxes.tolist()


def test_an_index_that_is_damaged_is_made_again(tree, caplog):
    root = tree(three_frames())
    open_videos("vid", root, split="val")
    (root / "Annotations" / "VID" / "val.faimtrack.parquet").write_bytes(b"PAR1 nonsense")
    with caplog.at_level("WARNING"):
        videos = open_videos("vid", root, split="val")
    assert len(videos[0][0]) == 2
    assert "made again" in caplog.text


def test_data_that_cannot_be_written_have_their_index_in_the_cache(tree, tmp_path, monkeypatch):
    root = tree(three_frames())

    def write(path):
        if path.is_relative_to(root):
            raise OSError(30, "Read-only file system", str(path))
        return atomic_file(path)

    monkeypatch.setattr("faimtrack.datasets.vod.imagenet_index.atomic_file", write)
    open_videos("vid", root, split="val")
    assert len(list((tmp_path / "cache" / "datasets").glob("*-val.faimtrack.parquet"))) == 1
    monkeypatch.setattr("faimtrack.datasets.vod.imagenet_index.parse_annotation", None)
    assert len(open_videos("vid", root, split="val")[0]) == 3


def test_where_no_index_can_be_written_data_are_opened_all_the_same(tree, monkeypatch, caplog):
    def refuse(path):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr("faimtrack.datasets.vod.imagenet_index.atomic_file", refuse)
    with caplog.at_level("INFO"):
        assert len(open_videos("vid", tree(three_frames()), split="val")) == 1
    assert caplog.text.count("no index could be written") == 2


def test_missing_images_are_refused_with_the_first_and_their_number_or_left_out(tree, caplog):
    root = tree(three_frames())
    for stem in ("000000", "000002"):
        (root / "Data" / "VID" / "val" / VAL / f"{stem}.JPEG").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        open_videos("vid", root, split="val")
    message = str(caught.value)
    assert "000000.JPEG: expected the image of an annotated frame" in message
    assert "(nor for 1 other frames)" in message
    assert "\n" not in message
    tree({"000000": xml(an_object())}, "ILSVRC2015_val_00000002")
    with caplog.at_level("INFO"):
        videos = open_videos("vid", root, split="val", missing_images="leave-out")
    assert [len(videos[k]) for k in range(2)] == [1, 1]
    assert videos[0].frame_numbers.tolist() == [1]
    assert "2 frames without their images" in caplog.text
    with pytest.raises(ValueError, match="missing_images: expected refuse or leave-out"):
        open_videos("vid", root, split="val", missing_images="ignore")


def test_a_listed_video_of_which_nothing_is_there_counts_as_missing(tree):
    root = tree(three_frames())
    with (root / "ImageSets" / "VID" / "val.txt").open("a") as file:
        file.write("ILSVRC2015_val_00000009/000000 4\n")
    with pytest.raises(FileNotFoundError, match=r"00000009/000000\.JPEG: expected the image"):
        open_videos("vid", root, split="val")
    assert len(open_videos("vid", root, split="val", missing_images="leave-out")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><size>", "expected XML, got: "),
        ("", "expected XML, got: "),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "expected no DOCTYPE"),
        (
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><annotation/>".encode("utf-16"),
            "expected no DOCTYPE",
        ),
        ("<html/>", "expected an annotation with a size, got 'html'"),
        ("<?xml version='1.0' encoding='nonsense'?><annotation/>", "000001.xml: "),
        (xml("<object><name>n02391049</name></object>"), "object 1: expected a name and a bndbox"),
        (xml(an_object(), an_object(box=(0, 1, "x", 4))), "object 2: expected a finite number as"),
        (xml(an_object(box=(0, 1, "nan", 4))), "expected a finite number as xmax, got 'nan'"),
        (xml(an_object(box=(0, 1, "1e99", 4))), "expected a finite number as xmax"),
        (xml(an_object(track="a")), "as trackid, got 'a'"),
        (xml(an_object(track=2**40)), "expected a finite number as trackid"),
        (xml(an_object(track=1.5)), "expected a whole number from 0 as trackid, got 1.5"),
        (xml(an_object(box=(3, 1, 1, 4))), "expected corners x1 <= x2 and y1 <= y2, got 3, 1, 1"),
        (xml(an_object(APPLE)), "one of ImageNet VID's 30 classes, got 'n07739125'"),
        (" " * 2**20 + "<annotation/>", "expected an image's annotation of at most 1048576 bytes"),
        (None, "000001.xml: expected the annotation of a listed frame, got no such file"),
    ],
)
def test_an_annotation_that_is_wrong_is_refused_in_one_line_that_names_it(tree, text, message):
    root = tree({"000000": xml(an_object()), "000001": None})
    if text is not None:
        path = root / "Annotations" / "VID" / "val" / VAL / "000001.xml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"000001\.xml: ") as caught:
        open_videos("vid", root, split="val")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_is_in_a_file_it_is_an_annotation_or_a_value_error(data):
    try:
        made = parse_annotation("x.xml", data)
    except ValueError as error:
        assert str(error).startswith("x.xml: ")  # noqa: PT017
    else:
        assert made.boxes == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (f"{VAL}/000000 1\n{VAL}/000000 2\n", "val.txt, line 2: expected each frame once"),
        ("../../etc/000000 1\n", "line 1: expected a file name inside of the data's folder"),
        ("/etc/000000 1\n", "line 1: expected a file name inside of the data's folder"),
        ("000000 1\n", "line 1: expected a frame as VIDEO/FRAME"),
        (f"{VAL}/000077 1\n", "000077.xml: expected the annotation and image of a listed frame"),
        ("", "val.txt: expected a list of frames, got an empty file"),
        (b"\xff\xfe\x00", "val.txt: expected a list of frames, got a file that is not text"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_line(tree, lines, message):
    root = tree(three_frames())
    path = root / "ImageSets" / "VID" / "val.txt"
    path.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    with pytest.raises(ValueError, match="expected") as caught:
        open_videos("vid", root, split="val")
    assert message in str(caught.value)


def test_boxes_of_no_area_are_left_out_and_twins_lose_their_ids(tree):
    flat = an_object(box=(2, 1, 2, 4), track=1)
    root = tree({"000000": xml(an_object(track=7), flat, an_object(DOG, track=7))})
    videos = open_videos("vid", root, split="val")
    image = videos[0][0]
    assert image.track_ids.tolist() == [7, -1]
    assert videos.left_out == {"boxes of no area": 1, "ids twice in a frame": 1}


def test_annotations_without_tracks_say_so(tree):
    video = open_videos("vid", tree({"000000": xml(an_object(track=None))}), split="val")[0]
    assert not video.has_tracks
    assert video[0].track_ids.tolist() == [-1]


def test_a_folder_without_annotations_or_objects_is_refused(tree, tmp_path):
    with pytest.raises(FileNotFoundError, match="expected ImageNet's annotations, got no such"):
        open_videos("vid", tmp_path, split="val")
    with pytest.raises(ValueError, match="expected objects in val, got none"):
        open_videos("vid", tree({"000000": xml()}), split="val")


def test_det_gives_the_images_of_the_thirty_classes_and_joins_every_tenth_frame(tree):
    root = tree({f"{k:06d}": xml(an_object()) for k in range(12)})
    det = {
        "n1_1": xml(an_object(APPLE, track=None), an_object(DOG, track=None), size=(999, 1)),
        "n1_2": xml(an_object(APPLE, track=None)),
        "n1_3": xml(),
    }
    tree(det, "ILSVRC2013_train/n1", split="train", task="DET")
    images = ImagenetDet.open(root)
    assert len(images) == 1
    assert images.left_out == {"objects of other classes": 2}
    assert [CLASS_NAMES[k] for k in images[0].class_ids] == ["dog"]
    assert images[0].track_ids.tolist() == [-1]
    assert images[0].image().shape == (4, 4, 3)
    with pytest.raises(IndexError):
        images[1]
    frames = VideoFrames(open_videos("vid", root, split="val"), stride=10)
    both = joined([frames, images])
    assert len(both) == 3
    assert both[2].name == "n1/n1_1"


def test_det_refuses_missing_images_and_images_of_other_classes_alone(tree):
    root = tree({"a": xml(an_object(APPLE, track=None))}, "x", split="train", task="DET")
    with pytest.raises(ValueError, match="expected objects of ImageNet VID's classes, got none"):
        ImagenetDet.open(root)
    tree({"b": xml(an_object(track=None))}, "y", split="train", task="DET", images=False)
    with pytest.raises(FileNotFoundError, match=r"b\.JPEG: expected the image"):
        ImagenetDet.open(root)
    third = xml(an_object(DOG, (1, 1, 2, 3), None), an_object(APPLE, track=None))
    tree({"c": third}, "y", split="train", task="DET")
    images = ImagenetDet.open(root, missing_images="leave-out")
    assert len(images) == 1
    assert images[0].boxes.tolist() == [[1, 1, 2, 3]]
    assert [CLASS_NAMES[k] for k in images[0].class_ids] == ["dog"]


def coco(images, annotations, names=CLASS_NAMES):
    return {
        "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
        "images": images,
        "annotations": annotations,
    }


def coco_image(number, stem):
    name = f"ILSVRC2015/Data/VID/val/{VAL}/{stem}.JPEG"
    return {"id": number, "file_name": name, "height": 4, "width": 4}


def coco_object(image, **more):
    return {"image_id": image, "category_id": 29, "bbox": [0, 1, 3, 2], **more}


@pytest.fixture
def yolov(tmp_path):
    def write(tree, stems=("000000", "000001", "000005")):
        folder = tmp_path / "yolov"
        (folder / VAL).mkdir(parents=True, exist_ok=True)
        for stem in stems:
            (folder / VAL / f"{stem}.JPEG").write_bytes(JPEG)
        (folder / "annotations.json").write_text(json.dumps(tree))
        return folder

    return write


def test_annotations_of_yolov_are_read_frames_that_they_name_alone(yolov):
    images = [coco_image(5, "000005"), coco_image(3, "000000")]
    folder = yolov(coco(images, [coco_object(5)]))
    video = open_videos("vid", folder, split="val")[0]
    assert video.frame_numbers.tolist() == [1, 3]
    assert not video.has_tracks
    assert [len(video[k]) for k in range(2)] == [0, 1]
    assert video[1].boxes.tolist() == [[0, 1, 3, 3]]
    assert video[1].class_ids.tolist() == [29]
    again = open_videos("vid", folder / "annotations.json", split="val")
    assert again[0].name == VAL
    with pytest.raises(ValueError, match="image 1: expected an image of train, got ILSVRC2015"):
        open_videos("vid", folder, split="train")


def test_annotations_in_json_may_have_tracks(yolov):
    objects = [coco_object(1, track_id=4), coco_object(1, track_id=4)]
    video = open_videos("vid", yolov(coco([coco_image(1, "000000")], objects)), split="val")[0]
    assert video.has_tracks
    assert video[0].track_ids.tolist() == [4, -1]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([1], "expected a JSON object, got list"),
        ({}, "expected a list of categories, got None"),
        (coco([3], []), "image 1: expected an object, got 3"),
        (coco([coco_image(1, "../../../../x")], []), "inside of the data's folder, got 'ILSVRC"),
        (coco([{**coco_image(1, "a"), "file_name": "/etc/a"}], []), "inside of the data's folder"),
        (coco([coco_image(1, "000000")] * 2, []), "image 2: expected each image once"),
        (
            coco([coco_image(1, "000000"), coco_image(1, "000001")], []),
            "image 2: expected an id of its own, got 1 again",
        ),
        (coco([coco_image("1", "000000")], []), "expected a whole number from 0 as id, got '1'"),
        (coco([coco_image(1, "000000")], [coco_object(2)]), "expected image_id to be one of the"),
        (
            coco([coco_image(1, "000000")], [coco_object(1, category_id=30)]),
            "annotation 1: expected category_id to be one of the categories, got 30",
        ),
        (
            coco([coco_image(1, "000000")], [coco_object(1, bbox=[1, 2, 3])]),
            "annotation 1: bbox: expected left, top, width and height, got [1, 2, 3]",
        ),
        (
            coco([coco_image(1, "000000")], [coco_object(1, bbox=[3, 1, -2, 4])]),
            "annotation 1: expected corners x1 <= x2 and y1 <= y2, got 3, 1, 1, 5",
        ),
        (coco([], [], ["zebra", "apple"]), "category 2: expected the name of one of ImageNet"),
    ],
)
def test_json_that_is_wrong_is_refused_in_one_line(yolov, tree, message):
    with pytest.raises(ValueError, match=r"annotations\.json") as caught:
        open_videos("vid", yolov(tree), split="val")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_real_frames_with_yolovs_annotations_can_be_opened(shared_data):
    if not (shared_data / "vid").is_dir():
        pytest.skip("no frames of ImageNet VID")
    videos = open_videos("vid", shared_data / "vid", split="val")
    video = videos[0]
    assert (video.name, len(video), video.has_tracks) == ("ILSVRC2015_val_00007010", 6, False)
    names = [frame.path.name for frame in (video[k] for k in range(6))]
    assert names[0] == "000001.JPEG"
    assert names[-1] == "000115.JPEG"
    assert video.frame_numbers.tolist()[-1] == 53
    frame = video[5]
    assert frame.image().shape == (720, 1280, 3)
    assert len(frame) == 7
    assert {videos.class_names[k] for k in frame.class_ids} == {"airplane"}
