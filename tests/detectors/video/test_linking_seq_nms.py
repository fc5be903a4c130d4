"""Seq-NMS against a literal version, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.boxes import box_iou
from faimtrack.detectors.video.linking import SeqNmsConfig, link
from faimtrack.structures import Detections

NAMES = ("cat", "dog")


def boxes_at(*lefts, top=0.0, width=10.0, height=10.0):
    return [[left, top, left + width, top + height] for left in lefts]


def frame(boxes, scores, kinds=None, **more):
    return Detections(boxes, scores, kinds, NAMES, **more)


def literal(frames, config, numbers):
    """The method as one reads it: all sums again after each path."""
    nodes = [(place, row) for place, each in enumerate(frames) for row in range(len(each))]
    there = set(nodes)
    score = {(place, row): float(frames[place].scores[row]) for place, row in nodes}
    final, gone = dict(score), set()

    def alike(one, other, least):
        first, second = frames[one[0]], frames[other[0]]
        iou = box_iou(first.boxes[[one[1]]], second.boxes[[other[1]]])[0, 0]
        return first.class_ids[one[1]] == second.class_ids[other[1]] and iou >= least

    def before(node):
        place = node[0] - 1
        if place < 0 or numbers[place + 1] - numbers[place] > config.max_step_frames:
            return []
        rows = [(place, row) for row in range(len(frames[place]))]
        return [each for each in rows if alike(each, node, config.link_iou)]

    links = {node: before(node) for node in nodes}
    while True:
        sums, via = {}, {}
        best = None
        for node in nodes:
            if node not in there:
                continue
            ways = [each for each in links[node] if each in there]
            sums[node] = score[node]
            if not ways:
                continue
            way = max(ways, key=lambda each: (sums[each], -each[1]))
            total = score[node] + sums[way]
            if best is None or total > best[0]:
                best = total, node, way
            if sums[way] >= 0:
                sums[node], via[node] = total, way
        if best is None:
            break
        path = [best[1], best[2]]
        while path[-1] in via:
            path.append(via[path[-1]])
        values = np.array([score[node] for node in path[::-1]])
        value = values.mean() if config.rescore == "average" else values.max()
        for node in path:
            final[node] = value
        for node in path:
            for row in range(len(frames[node[0]])):
                other = node[0], row
                is_rival = other in there and other not in path
                if is_rival and alike(node, other, config.suppress_iou):
                    gone.add(other)
                    there.discard(other)
        there -= set(path)
    return [
        [(row, final[place, row]) for row in range(len(each)) if (place, row) not in gone]
        for place, each in enumerate(frames)
    ]


SCORES = st.one_of(
    st.sampled_from([-0.5, 0.0, 0.1, 0.2, 0.3, 0.5, 0.9]), st.floats(0, 1, width=16)
)
ROW = st.tuples(st.integers(0, 8), st.integers(0, 2), st.integers(3, 6), SCORES, st.integers(0, 1))


@st.composite
def videos(draw):
    frames = []
    for rows in draw(st.lists(st.lists(ROW, max_size=6), max_size=7)):
        boxes = [[x, y, x + size, y + 5] for x, y, size, _, _ in rows]
        frames.append(frame(boxes, [row[3] for row in rows], [row[4] for row in rows]))
    return frames


@settings(deadline=None, max_examples=200)
@given(
    videos(),
    st.sampled_from(["average", "maximum"]),
    st.sampled_from([0.2, 0.5]),
    st.sampled_from([0.3, 0.6, 1.0]),
    st.randoms(use_true_random=False),
)
def test_it_equals_the_literal_version(frames, rescore, link_iou, suppress_iou, random):
    config = SeqNmsConfig(rescore=rescore, link_iou=link_iou, suppress_iou=suppress_iou)
    numbers = np.cumsum([random.choice([1, 1, 1, 2]) for _ in frames]).tolist()
    expected = literal(frames, config, numbers)
    found = link(frames, config, numbers)
    for given_frame, kept, answer in zip(frames, expected, found, strict=True):
        rows = [row for row, _ in kept]
        assert answer.boxes.tolist() == given_frame.boxes[rows].tolist()
        assert answer.class_ids.tolist() == given_frame.class_ids[rows].tolist()
        assert answer.scores.tolist() == [score for _, score in kept]


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_the_literal_version_on_longer_videos(seed):
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(20):
        corners = random.integers(0, 30, (12, 2))
        boxes = np.concatenate([corners, corners + random.integers(12, 24, (12, 2))], axis=1)
        frames.append(frame(boxes, random.random(12), random.integers(0, 2, 12)))
    config = SeqNmsConfig(link_iou=0.3, suppress_iou=0.6)
    expected = literal(frames, config, range(1, 21))
    found = link(frames, config)
    assert [each.scores.tolist() for each in found] == [
        [score for _, score in kept] for kept in expected
    ]
    assert sum(map(len, found)) < sum(map(len, frames))


@pytest.mark.parametrize(("rescore", "score"), [("average", 0.5), ("maximum", 0.8)])
def test_a_path_gets_the_average_or_the_maximum_of_its_scores(rescore, score):
    frames = [frame(boxes_at(left), [value]) for left, value in ((0, 0.2), (1, 0.8), (2, 0.5))]
    found = link(frames, SeqNmsConfig(rescore=rescore))
    assert [each.scores.tolist() for each in found] == [pytest.approx([score])] * 3


def test_boxes_that_overlap_a_path_go_and_others_stay():
    frames = [
        frame(boxes_at(0, 3, 6, 50), [0.9, 0.8, 0.7, 0.3]),
        frame(boxes_at(0, 3, 6), [0.9, 0.1, 0.7]),
    ]
    first, second = link(frames, SeqNmsConfig(link_iou=0.9, suppress_iou=0.5))
    assert first.boxes[:, 0].tolist() == [0, 6, 50]  # 3 overlaps 0 by 7/13
    assert second.boxes[:, 0].tolist() == [0, 6]
    assert first.scores.tolist() == [0.9, 0.7, 0.3]


def test_a_single_box_suppresses_nothing():
    frames = [frame(boxes_at(0, 1), [0.9, 0.8])]
    assert link(frames, SeqNmsConfig())[0] == frames[0]


def test_boxes_of_two_classes_are_neither_linked_nor_suppressed():
    frames = [frame(boxes_at(0, 0), [0.9, 0.5], [0, 1]), frame(boxes_at(0), [0.3], [0])]
    first, second = link(frames, SeqNmsConfig())
    assert first.scores.tolist() == [0.6, 0.5]
    assert second.scores.tolist() == [0.6]


@pytest.mark.parametrize(
    ("last", "step", "is_linked"), [(5, 1, False), (5, 2, True), (4, 1, True)]
)
def test_a_gap_in_the_frame_numbers_ends_links(last, step, is_linked):
    frames = [frame(boxes_at(0), [0.2]), frame(boxes_at(0), [0.8])]
    found = link(frames, SeqNmsConfig(max_step_frames=step), [3, last])
    scores = [each.scores.tolist() for each in found]
    assert scores == ([[0.5], [0.5]] if is_linked else [[0.2], [0.8]])


def test_an_empty_frame_ends_links():
    frames = [frame(boxes_at(0), [0.2]), Detections.empty(), frame(boxes_at(0), [0.8])]
    assert link(frames, SeqNmsConfig()) == frames


def test_of_equal_paths_the_one_that_ends_first_goes_first():
    # Row 0 and row 1 of each frame are linked with each other and across: all sums tie.
    frames = [frame(boxes_at(0, 1), [0.5, 0.5])] * 2
    first, second = link(frames, SeqNmsConfig())
    assert first.boxes[:, 0].tolist() == [0]
    assert second.boxes[:, 0].tolist() == [0]


def test_embeddings_and_masks_stay_with_their_boxes():
    masks = tuple({"size": [20, 20], "counts": bytes([48 + row])} for row in range(3))
    frames = [
        frame(
            boxes_at(50, 1, 0),
            [0.1, 0.2, 0.9],
            embeddings=np.eye(3, dtype=np.float32),
            embedding_name="x",
            masks=masks,
        ),
        frame(boxes_at(0), [0.9]),
    ]
    found = link(frames, SeqNmsConfig())[0]
    assert found.embeddings.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert found.masks == (masks[0], masks[2])
