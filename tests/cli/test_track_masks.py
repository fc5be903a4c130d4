"""`faimtrack track --masks` with masks that come from a file of detections."""

import json

import numpy as np
import pytest

from faimtrack.masks import Mask
from faimtrack.motfile import read_mots

FRAMES, HEIGHT, WIDTH = 3, 48, 64


@pytest.fixture
def sequence(tmp_path):
    folder = tmp_path / "street"
    folder.mkdir()
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname=street\nseqLength={FRAMES}\nimWidth={WIDTH}\nimHeight={HEIGHT}\n"
    )
    return folder


def write_detections(path, height=HEIGHT, width=WIDTH):
    """Two people who overlap, with masks that fill their boxes."""
    results = []
    for frame in range(1, FRAMES + 1):
        for left in (10, 18):
            pixels = np.zeros((height, width), dtype=bool)
            pixels[5:25, left : left + 12] = True
            counts = Mask.encode(pixels).counts.decode()
            results.append(
                {
                    "image_id": frame, "category_id": 1, "bbox": [left, 5, 12, 20],
                    "score": 0.5 + left / 50,
                    "segmentation": {"size": [height, width], "counts": counts},
                }
            )  # fmt: skip
    path.write_text(json.dumps(results))


def test_masks_of_tracks_share_no_pixel(faimtrack, sequence, tmp_path):
    write_detections(tmp_path / "street.json")
    done = faimtrack(
        "track", sequence, "--detections", "street.json", "--masks", "--output", "results"
    )
    assert done.status == 0, done.err
    table = read_mots(tmp_path / "results" / "street.mots.txt", frame_count=FRAMES)
    assert len(table) == 2 * FRAMES


def test_masks_of_another_image_size_are_refused(faimtrack, sequence, tmp_path, complaint):
    write_detections(tmp_path / "street.json", 2 * HEIGHT, 2 * WIDTH)
    done = faimtrack(
        "track", sequence, "--detections", "street.json", "--masks", "--output", "results"
    )
    assert done.status == 1
    assert "street.json: expected masks of 64 x 48 pixels, got some of 128 x 96" in complaint(
        done.err
    )
