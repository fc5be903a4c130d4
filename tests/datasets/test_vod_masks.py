import json

import cv2
import numpy as np
import pytest

from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.mask_tasks import videos_with_objects
from faimtrack.datasets.vod.opening import open_tables, open_videos
from faimtrack.masks import make_masks, plan_video_masks

CLASSES = [{"id": 0, "name": "zebra"}, {"id": 1, "name": "dog"}]
SIZE = (24, 32)


def a_tree(objects, frames=3, videos=("one",)):
    images = [
        {"id": 10 * v + k, "file_name": f"{name}/{k:06d}.JPEG", "height": 24, "width": 32}
        for v, name in enumerate(videos)
        for k in range(frames)
    ]
    keys = ("image_id", "category_id", "bbox", "track_id")
    annotations = [dict(zip(keys, each, strict=False)) for each in objects]
    return {"categories": CLASSES, "images": images, "annotations": annotations}


TRACKED = [(0, 0, [2, 3, 10, 12], 8), (0, 1, [14, 3, 8, 6], 3), (2, 1, [13, 4, 8, 6], 3)]
UNTRACKED = [each[:3] for each in TRACKED]


@pytest.fixture
def data(tmp_path):
    """Frames of ImageNet VID; each object is a patch of another colour."""

    def write(tree):
        for image in tree["images"]:
            pixels = np.full((*SIZE, 3), 30, np.uint8)
            for each in tree["annotations"]:
                if each["image_id"] == image["id"]:
                    left, top, width, height = each["bbox"]
                    pixels[top : top + height, left : left + width] = (40, 200, 90)
            path = tmp_path / "vid" / image["file_name"]
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])
        (tmp_path / "vid" / "annotations.json").write_text(json.dumps(tree))
        return tmp_path / "vid"

    return write


def make(folder, method="box", **options):
    videos = videos_with_objects(open_tables("vid", folder, "val", Faults()))
    return [make_masks(task) for task in plan_video_masks(videos, method, **options)]


@pytest.mark.parametrize(
    ("objects", "keys"), [(TRACKED, [[3, 8], [3]]), (UNTRACKED, [[1, 2], [1]])]
)
def test_objects_rise_by_their_tracks_or_are_counted_from_1_in_each_frame(data, objects, keys):
    folder = data(a_tree(objects))
    found = videos_with_objects(open_tables("vid", folder, "val", Faults()))[0][2].objects
    assert [found.track_ids[found.rows_of(frame)].tolist() for frame in (1, 3)] == keys
    assert found.size == SIZE
    small = [14, 3, 22, 9]
    assert found.windows[found.rows_of(1)].tolist().index(small) == (keys[0] == [1, 2])
    assert found.class_names[found.class_ids[-1]] == "dog"


@pytest.mark.parametrize("objects", [TRACKED, UNTRACKED])
@pytest.mark.parametrize("method", ["box", "grabcut"])
def test_masks_of_videos_are_made_and_found_again_with_tracks_or_without(
    data, tmp_path, objects, method
):
    folder = data(a_tree(objects))
    summary = make(folder, method, root=tmp_path / "masks")[0]
    assert (summary.counts["kept"], summary.frames) == (3, 2)
    store = tmp_path / "masks" / "one" / f"{method}.parquet"
    assert store.is_file()
    options = {"mask_source": method, "masks_root": tmp_path / "masks"}
    videos = open_videos("vid", folder, split="val", **options)
    assert videos.has_masks
    for place in range(3):
        frame = videos[0][place]
        masks = frame.masks()
        assert len(masks) == len(frame)
        for mask, box, kind in zip(masks, frame.boxes, frame.class_ids, strict=True):
            assert mask.class_id == kind
            assert mask.method == method
            left, top, width, height = mask.box_xywh
            assert np.abs(np.array([left, top, left + width, top + height]) - box).max() <= 2


def test_masks_lie_beside_the_images_and_do_not_disturb_their_numbers(data):
    folder = data(a_tree(TRACKED))
    make(folder)
    assert (folder / "one" / "masks" / "box.parquet").is_file()
    video = open_videos("vid", folder, split="val", mask_source="box")[0]
    assert video.frame_numbers.tolist() == [1, 2, 3]
    assert [mask.area for mask in video[0].masks()] == [120, 48]


def test_masks_of_other_objects_are_refused_and_made_again_by_resume(data):
    folder = data(a_tree(TRACKED))
    make(folder)
    with pytest.raises(FileExistsError, match=r"box\.parquet: already there"):
        make(folder)
    assert make(folder, existing="resume")[0].seconds is None
    data(a_tree([*TRACKED[:2], (2, 1, [12, 4, 8, 6], 3)]))
    with pytest.raises(ValueError, match=r"box\.parquet: expected masks that were made for the"):
        open_videos("vid", folder, split="val", mask_source="box")
    again = make(folder, existing="resume")[0]
    assert again.notes == ("made again: it was made with another inputs.ground_truth",)
    assert open_videos("vid", folder, split="val", mask_source="box").has_masks


def test_a_video_without_objects_needs_no_masks_and_others_do(data):
    folder = data(a_tree(TRACKED, videos=("one", "two")))
    assert len(make(folder)) == 1
    videos = open_videos("vid", folder, split="val", mask_source="box")
    assert videos[1][0].masks() == ()
    with pytest.raises(FileNotFoundError, match="masks make --method sam"):
        open_videos("vid", folder, split="val", mask_source="sam")


def test_frames_of_several_sizes_have_no_masks(data):
    tree = a_tree(TRACKED)
    folder = data(tree)
    tree["images"][1]["width"] = 30
    (folder / "annotations.json").write_text(json.dumps(tree))
    with pytest.raises(ValueError, match="expected frames of one size, got 30 x 24 and 32 x 24"):
        make(folder)


def test_shuffled_masks_come_from_those_of_the_video(data):
    folder = data(a_tree(TRACKED))
    with pytest.raises(FileNotFoundError, match="expected masks to shuffle"):
        make(folder, "shuffled")
    make(folder, "grabcut")
    assert make(folder, "shuffled")[0].counts["kept"] == 3
