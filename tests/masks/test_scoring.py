import numpy as np
import pytest

from faimtrack.masks import (
    Mask,
    MaskStore,
    MaskStoreWriter,
    joined_scores,
    make_masks,
    mask_file,
    mask_sheet,
    plan_masks,
    score_masks,
)
from faimtrack.masks.scoring import BANDS


@pytest.fixture
def made(crowd):
    def make(method, **settings):
        (task,) = plan_masks(crowd, method, **settings)
        make_masks(task)
        return task.output

    return make


def test_truth_scores_one_and_grabcut_beats_the_controls(crowd, made):
    scores = {
        method: score_masks(crowd, made(method))
        for method in ("truth", "grabcut", "box", "shuffled")
    }
    assert scores["truth"].mean_iou == scores["truth"].coverage == 1
    assert scores["grabcut"].mean_iou > scores["box"].mean_iou + 0.1
    assert scores["grabcut"].mean_iou > scores["shuffled"].mean_iou + 0.1
    assert scores["box"].hidden_with_mask == scores["box"].hidden == scores["truth"].hidden
    assert scores["truth"].hidden_with_mask == 0


def test_scores_are_right_by_hand(crowd):
    """Half of everyone's pixels: IoU 1/2; some have no mask."""
    path = mask_file(crowd, "grabcut")
    path.parent.mkdir()
    expected, missing = [], 0
    people = {
        (int(row[0]), int(row[1]))
        for row in (line.split(",") for line in (crowd / "gt" / "gt.txt").read_text().split())
        if row[6] == row[7] == "1"
    }
    with (
        MaskStore.open(crowd / "gt" / "masks.parquet") as exact,
        MaskStoreWriter(path) as writer,
    ):
        for frame, masks in exact:
            kept = {}
            for number, (track, mask) in enumerate(masks.items()):
                if (frame, track) not in people:
                    continue
                if number % 3 == 0:
                    missing += 1
                    expected.append(0)
                    continue
                pixels = mask.decode()
                rows, columns = np.nonzero(pixels)
                half = len(rows) // 2
                pixels[rows[half:], columns[half:]] = False
                if half:
                    kept[track] = Mask.encode(pixels)
                    expected.append(half / len(rows))
                else:
                    missing += 1
                    expected.append(0)
            writer.write(frame, kept)
    scores = score_masks(crowd, path)
    assert sorted(scores.ious) == pytest.approx(sorted(expected))
    assert scores.coverage == pytest.approx(1 - missing / len(expected))
    assert scores.mean_iou == pytest.approx(np.mean(expected))
    assert scores.mean_iou_of_masks == pytest.approx(np.mean([each for each in expected if each]))
    tree = scores.to_tree()
    assert sum(band["objects"] for band in tree["bands"]) == len(expected)
    twice = joined_scores([scores, scores])
    assert len(twice.ious) == 2 * len(expected)
    assert twice.mean_iou == pytest.approx(scores.mean_iou)


def test_bands_hold_everyone_once(crowd, made):
    scores = score_masks(crowd, made("box"))
    assert sum(len(scores.band(low, high)) for low, high in BANDS) == len(scores.ious)


def test_masks_of_a_half_are_scored_on_it(crowd, made):
    whole = score_masks(crowd, made("box"))
    half = score_masks(crowd, made("box", split="train-half", existing="overwrite"))
    assert half.coverage == 1
    assert 0 < len(half.ious) < len(whole.ious)


def test_masks_of_other_boxes_are_refused(crowd, made):
    path = made("box")
    truth = crowd / "gt" / "gt.txt"
    truth.write_text(truth.read_text() + "6,999,1,1,9,9,1,1,1\n")
    with pytest.raises(ValueError, match=r"box\.parquet: expected masks that were made for .*gt"):
        score_masks(crowd, path)
    with pytest.raises(ValueError, match="`faimtrack masks make` makes them again"):
        mask_sheet(crowd, [path])


def test_real_sequence_cannot_be_scored(crowd, made):
    path = made("box")
    (crowd / "gt" / "masks.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"masks\.parquet: expected a crowd's exact masks"):
        score_masks(crowd, path)


def test_sheet_paints_masks_where_they_are(crowd, made):
    box, truth = made("box"), made("truth")
    sheet = mask_sheet(crowd, [box], count=6, columns=3)
    other = mask_sheet(crowd, [truth], count=6, columns=3)
    both = mask_sheet(crowd, [box, truth], count=6, columns=3)
    assert sheet.shape == other.shape
    assert (sheet != other).any()
    assert both.shape[0] > sheet.shape[0]
    assert both.dtype == np.uint8


@pytest.mark.parametrize(("stores", "count"), [(0, 5), (1, 0)])
def test_sheet_of_nothing_is_refused(crowd, made, stores, count):
    with pytest.raises(ValueError, match="expected stores and a count from 1"):
        mask_sheet(crowd, [made("box")] * stores, count=count)


def test_sheet_of_masks_of_another_image_size_is_refused(crowd, made):
    ini = crowd / "seqinfo.ini"
    text = ini.read_text()
    ini.write_text(text.replace("imWidth=192", "imWidth=384"))
    store = made("box")
    ini.write_text(text)
    with pytest.raises(ValueError, match=r"expected masks of 192 x 128 pixels, got 384 x 128"):
        mask_sheet(crowd, [store])
