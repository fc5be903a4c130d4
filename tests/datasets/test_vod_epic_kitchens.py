import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.datasets.vod.epic_kitchens import LOCAL_UNSEEN_KITCHENS
from faimtrack.datasets.vod.epic_labels import parse_boxes
from faimtrack.datasets.vod.opening import open_videos

JPEG = cv2.imencode(".jpg", np.full((1080, 1920, 3), 200, np.uint8))[1].tobytes()
SMALL = cv2.imencode(".jpg", np.full((256, 456, 3), 200, np.uint8))[1].tobytes()
NOUNS = (
    "noun_id,class_key,nouns\n0,Nothing,['Nothing']\n1,pan,['pan']\n2,tap,['tap']\n3,egg,['a']\n"
)
HEADER = "noun_class,noun,participant_id,video_id,frame,bounding_boxes\n"


def a_row(noun, frame, boxes, video="P01_01"):
    return f'{noun},x,{video.partition("_")[0]},{video},{frame},"{boxes}"\n'


ROWS = [
    a_row(3, 61, [(10, 20, 30, 40), (0, 0, 5, 6)]),
    a_row(1, 61, [(1, 2, 3, 4)]),
    a_row(1, 1, []),
    a_row(2, 31, []),
    a_row(3, 121, [(76, 1260, 462, 186)]),
]


@pytest.fixture
def epic(tmp_path):
    def write(rows=ROWS, *, nouns=NOUNS, images=JPEG, header=HEADER, layout="usual"):
        (tmp_path / "EPIC_noun_classes.csv").write_text(nouns)
        (tmp_path / "EPIC_train_object_labels.csv").write_text(header + "".join(rows))
        for row in rows:
            cells = row.split(",")
            if len(cells) < 5 or not cells[4].isdigit():
                continue
            folder = tmp_path / "object_detection_images" / "train" / cells[2] / cells[3]
            if layout == "downloader":
                folder = tmp_path / cells[2] / "object_detection_images" / cells[3]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{int(cells[4]):010d}.jpg").write_bytes(images)
        return tmp_path

    return write


@pytest.mark.parametrize("layout", ["usual", "downloader"])
def test_nouns_become_classes_and_rows_of_a_frame_are_put_together(epic, layout):
    videos = open_videos("epic", epic(layout=layout), split="train")
    assert videos.class_names == ("pan", "egg")  # nobody has drawn a tap
    video = videos[0]
    assert (video.name, len(video), video.has_tracks) == ("P01_01", 4, False)
    assert video.frame_numbers.tolist() == [1, 2, 3, 4]
    assert [len(video[k]) for k in range(4)] == [0, 0, 3, 1]
    frame = video[2]
    assert frame.boxes.tolist() == [[20, 10, 60, 40], [0, 0, 6, 5], [2, 1, 6, 4]]
    assert frame.class_ids.tolist() == [1, 1, 0]
    assert frame.track_ids.tolist() == [-1, -1, -1]
    assert frame.path.name == "0000000061.jpg"
    assert video[3].boxes.tolist() == [[1260, 76, 1446, 538]]


def test_boxes_are_scaled_to_images_that_are_smaller_than_the_videos(epic):
    frame = open_videos("epic", epic(images=SMALL), split="train")[0][3]
    expected = np.array([1260, 76, 1446, 538]) * np.tile([456 / 1920, 256 / 1080], 2)
    assert np.allclose(frame.boxes, [expected], rtol=0, atol=1e-9)
    assert (frame.size, frame.image().shape) == ((256, 456), (256, 456, 3))
    other = open_videos("epic", epic([a_row(1, 1, [(72, 128, 72, 128)], "P12_01")]), split="train")
    assert np.allclose(other[0][0].boxes, [[192, 108, 384, 216]])


def test_the_local_split_keeps_whole_kitchens_unseen_and_parts_of_the_others(epic):
    kitchens = [f"P{k:02d}" for k in range(1, 32) if k not in (9, 11, 18)]
    rows = [
        a_row(1, 1, [(1, 2, 3, 4)], f"{kitchen}_{k:02d}") for kitchen in kitchens for k in range(5)
    ]
    root = epic(rows, images=SMALL)

    def named(split):
        videos = open_videos("epic", root, split=split)
        return {videos[k].name for k in range(len(videos))}

    parts = [named(f"{part}-local") for part in ("train", "S1", "S2")]
    assert set.union(*parts) == named("train")
    assert sum(map(len, parts)) == len(rows)
    seen = [{name[:3] for name in part} for part in parts]
    assert seen[2] == set(LOCAL_UNSEEN_KITCHENS)
    assert not seen[2] & (seen[0] | seen[1])
    assert 0.15 < len(parts[1]) / len(parts[0] | parts[1]) < 0.35


def test_published_test_sets_have_videos_but_no_objects(epic):
    root = epic()
    with pytest.raises(FileNotFoundError, match="its objects are not public; S1-local is a part"):
        open_videos("epic", root, split="S1")
    (root / "EPIC_test_s1_object_video_list.csv").write_text(
        "video_id,participant_id\nP01_11,P01\n"
    )
    videos = open_videos("epic", root, split="S1")
    assert videos.class_names == ("pan", "egg")
    assert (len(videos), videos[0].name, len(videos[0])) == (1, "P01_11", 0)
    assert not videos.has_ground_truth


def test_missing_images_are_refused_or_left_out(epic):
    root = epic()
    (root / "object_detection_images/train/P01/P01_01/0000000061.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"0000000061\.jpg: expected the image"):
        open_videos("epic", root, split="train")
    video = open_videos("epic", root, split="train", missing_images="leave-out")[0]
    assert video.frame_numbers.tolist() == [1, 2, 3]
    assert [len(video[k]) for k in range(3)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"header": "noun_class,noun\n", "rows": []},
            "expected a column participant_id, got none",
        ),
        ({"rows": ["1,x,P01\n"]}, "line 2: expected 6 columns, got another number"),
        ({"rows": [a_row("a", 1, [])]}, "line 2: expected a whole number as noun_class, got 'a'"),
        ({"rows": [a_row(9, 1, [])]}, "line 2: expected a noun_class of EPIC_noun_classes.csv"),
        ({"rows": [a_row(1, -1, [])]}, "line 2: expected a whole number as frame, got '-1'"),
        ({"rows": [a_row(1, 1, [], "P01_../..")]}, "expected a video_id such as P01_01"),
        ({"rows": ["1,x,P02,P01_01,1,[]\n"]}, "expected a video_id such as P01_01 of participant"),
        ({"rows": [a_row(1, 1, "__import__('os')")]}, "expected bounding_boxes as [(top, left"),
        ({"rows": [a_row(1, 1, [(1, 2, 3)])]}, "expected bounding_boxes as [(top, left"),
        ({"rows": [a_row(1, 1, [(5, 5, -3, 4)])]}, "line 2: expected corners x1 <= x2 and y1 <="),
        ({"rows": [a_row(1, 1, [])]}, "expected objects in train, got none"),
        ({"nouns": "noun_id,class_key\n1,pan\n1,tap\n"}, "line 3: expected a noun_id and a class"),
        ({"nouns": "noun_id,class_key\n"}, "expected classes of nouns, got none"),
    ],
)
def test_tables_that_are_wrong_are_refused_in_one_line_that_names_the_line(epic, change, message):
    root = epic(**change)
    with pytest.raises(ValueError, match=r"\.csv") as caught:
        open_videos("epic", root, split="train")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"EPIC_noun_classes\.csv: expected EPIC"):
        open_videos("epic", tmp_path, split="train")


@given(st.lists(st.tuples(*[st.integers(-999_999_999, 999_999_999)] * 4), max_size=5))
def test_boxes_are_read_as_python_writes_them(boxes):
    assert parse_boxes(str(boxes)) == boxes


@given(st.text(alphabet="[](),0123456789- b\n", max_size=40) | st.text(max_size=40))
def test_what_is_no_list_of_boxes_is_a_value_error(text):
    try:
        boxes = parse_boxes(text)
    except ValueError as error:
        assert "expected bounding_boxes as" in str(error)  # noqa: PT017
    else:
        assert text.strip().startswith("[")
        assert all(len(box) == 4 for box in boxes)


def test_more_text_than_a_frame_can_have_boxes_is_refused():
    with pytest.raises(ValueError, match="expected bounding_boxes as"):
        parse_boxes(str([(1, 2, 3, 4)] * 10_000))
