import numpy as np
import pytest

from faimtrack.drawing import EVENT_COLOURS, EVENT_KINDS, EventBoxes, EventPanels, draw_events

BOX = [40.0, 30.0, 80.0, 110.0]


@pytest.fixture
def grey():
    return np.full((120, 160, 3), 128, np.uint8)


def marks_of(*kinds, boxes=None, labels=None):
    return EventBoxes(
        boxes=np.array(boxes or [BOX] * len(kinds)).reshape(-1, 4),
        kinds=kinds,
        switch_labels=tuple(labels or [""] * len(kinds)),
    )


def where(image, kind):
    return (image == EVENT_COLOURS[kind]).all(axis=2)


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_kind_is_drawn_in_its_colour_and_the_input_stays(grey, kind):
    drawn = draw_events(grey, marks_of(kind))
    assert where(drawn, kind).sum() > 20
    assert (grey == 128).all()
    others = [other for other in EVENT_KINDS if other != kind]
    assert not any(where(drawn, other).any() for other in others)


def test_kinds_differ_in_their_lines_not_only_in_colour(grey):
    shapes = {(draw_events(grey, marks_of(kind)) != grey).any(axis=2).tobytes()
              for kind in EVENT_KINDS}  # fmt: skip
    assert len(shapes) == len(EVENT_KINDS)


def with_colour_vision(colours, missing):
    """Colours as somebody without one kind of cone sees them (Viénot 1999), linear RGB."""
    linear = (np.array(colours) / 255.0) ** 2.2
    to_cones = np.array([[17.88, 43.52, 4.12], [3.456, 27.16, 3.867], [0.02996, 0.1843, 1.467]])
    see = {
        "red": [[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]],
        "green": [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
    }[missing]
    return linear @ to_cones.T @ np.array(see).T @ np.linalg.inv(to_cones).T


@pytest.mark.parametrize("missing", ["red", "green"])
def test_colours_differ_for_those_who_do_not_see_red_or_green(missing):
    seen = with_colour_vision(list(EVENT_COLOURS.values()), missing)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert apart[np.triu_indices(len(seen), 1)].min() > 0.1


def test_faults_lie_over_hits_whatever_the_order_of_rows(grey):
    first = draw_events(grey, marks_of("miss", "hit"))
    second = draw_events(grey, marks_of("hit", "miss"))
    assert np.array_equal(first, second)
    assert where(first, "miss").any()


def test_label_of_a_switch_is_in_the_colour_of_switches_also_on_a_hit(grey):
    drawn = draw_events(grey, marks_of("hit", labels=["7>12"]))
    assert where(drawn, "identity switch").sum() > 20


@pytest.mark.parametrize("kind", EVENT_KINDS)
@pytest.mark.parametrize("box", [[-1e9, -1e9, 1e9, 1e9], [500, 500, 600, 600], [50, 50, 50, 50]])
def test_box_at_or_beyond_the_border_is_no_error(grey, kind, box):
    assert draw_events(grey, marks_of(kind, boxes=[box])).shape == grey.shape


def test_as_many_kinds_as_boxes():
    with pytest.raises(ValueError, match="expected \\(N, 4\\) boxes, N kinds and N labels, got"):
        EventBoxes(boxes=np.zeros((2, 4)), kinds=("hit",), switch_labels=("",))


def panels_of(width, totals=None):
    return EventPanels(["one", "two"], [totals or {}] * 2, width)


def test_panels_have_one_size_whatever_the_counts(grey):
    totals = {"hit": 123456, "miss": 23456, "false alarm": 3456, "identity switch": 456}
    panels = panels_of(160, totals)
    marks = [marks_of("hit"), marks_of("miss")]
    early = panels.draw(grey, marks, [{}, {}], "frame 1")
    late = panels.draw(grey, marks, [totals, totals], "frame 9999")
    assert early.shape == late.shape
    assert not np.array_equal(early, late)


def test_panels_are_scaled_with_their_boxes(grey):
    drawn = panels_of(320).draw(grey, [marks_of("hit"), marks_of("miss")], [{}, {}])
    head = drawn.shape[0] - 240
    left, right = drawn[head:, :320], drawn[head:, -320:]
    ys, xs = np.nonzero(where(left, "hit"))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == pytest.approx((80, 60, 160, 220), abs=1)
    assert where(right, "miss").any()
    assert not where(right, "hit").any()


def test_what_never_comes_is_not_in_the_legend_if_it_counts_as_nothing(grey):
    marks = [marks_of(), marks_of()]
    without = panels_of(1000).draw(grey, marks, [{}, {}])
    with_it = panels_of(1000, {"not counted": 1}).draw(grey, marks, [{}, {}])
    # Letters have a few pixels of the same grey at their edges.
    greys = [where(drawn[:60], "not counted").sum() for drawn in (without, with_it)]
    assert greys[1] > greys[0] + 50


def test_long_title_is_cut_and_impossible_layouts_are_refused(grey):
    marks = [marks_of()]
    totals = [{}]
    long = EventPanels(["x" * 500], totals, 160).draw(grey, marks, totals, "frame 1")
    assert long.shape[1] == 160
    with pytest.raises(ValueError, match="width: expected at least 64 pixels, got 10"):
        EventPanels(["x"], totals, 10)
    with pytest.raises(ValueError, match="titles: expected 2, one a panel, got 1"):
        EventPanels(["x"], [{}, {}], 100)
