"""The `reference` presets against the tracks of the authors' own code on real detections."""

import gzip

import numpy as np
import pytest

from faimtrack.boxes import box_xyxy_to_xywh
from faimtrack.motfile import read_mot, read_sequence_info, split_frames
from faimtrack.structures import Frame
from faimtrack.trackers import ByteTrack, ByteTrackConfig, OcSort, OcSortConfig

SEQUENCES = {
    "MOT17-05-FRCNN": ("mot17", "reference", 2870, 2526),
    "MOT17-09-FRCNN": ("mot17", "reference", 2415, 2226),
    "MOT17-13-FRCNN": ("mot17", "reference", 2584, 2296),
    "MOT20-01": ("mot20", "reference-mot20", 10194, 9943),
}
TRACKERS = {"byte": (ByteTrack, ByteTrackConfig), "ocsort": (OcSort, OcSortConfig)}
TOLERANCE_PX = 0.0051  # the files are rounded to 0.01


def authors_tracks(path):
    """Rows `id, left, top, width, height` by frame."""
    frames = {}
    with gzip.open(path, "rt", encoding="ascii") as lines:
        for line in lines:
            frame, *row = map(float, line.split(",")[:6])
            frames.setdefault(int(frame), []).append(row)
    return {frame: np.array(rows) for frame, rows in frames.items()}


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("solver", ["lapjv", "scipy"])
def test_reference_preset_repeats_the_authors_tracks(shared_data, tracker, sequence, solver):
    dataset, preset, *row_counts = SEQUENCES[sequence]
    info = read_sequence_info(shared_data / dataset / sequence)
    detections = read_mot(info.detections_path, frame_count=info.frame_count)
    expected = authors_tracks(
        shared_data / "reference" / f"{dataset}-val-half" / tracker / f"{sequence}.txt.gz"
    )
    make, config_class = TRACKERS[tracker]
    config = config_class(**(config_class._presets[preset] | {"solver": solver}))
    running = make(config, frame_rate=info.frame_rate)
    same_identity = set()
    rows_seen = 0
    frames = split_frames(info.frame_count, "val-half")
    for number, index in enumerate(frames, 1):
        frame = Frame(index, time_s=(index - 1) / info.frame_rate)
        tracks = running.update(detections.detections(index), frame)
        rows = expected.get(number, np.zeros((0, 5)))
        assert len(tracks) == len(rows), f"frame {index}"
        if not len(rows):
            continue
        boxes = box_xyxy_to_xywh(tracks.boxes)
        distances = np.abs(boxes[:, None] - rows[None, :, 1:]).max(axis=2)
        nearest = distances.argmin(axis=0)
        assert distances[nearest, np.arange(len(rows))].max() <= TOLERANCE_PX, f"frame {index}"
        same_identity |= set(zip(rows[:, 0], tracks.ids[nearest], strict=True))
        rows_seen += len(rows)
    assert rows_seen == row_counts[list(TRACKERS).index(tracker)]
    theirs, ours = zip(*same_identity, strict=True)
    assert len(same_identity) == len(set(theirs)) == len(set(ours)), "an identity has two names"
