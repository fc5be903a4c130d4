import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.structures import Frame
from faimtrack.trackers.clock import Clock


def test_frames_without_a_time_count_by_their_index():
    clock = Clock(30)
    assert [clock.advance(Frame(index)) for index in (5, 6, 9)] == [1, 1, 3]


def test_time_stamps_count_in_nominal_frames():
    clock = Clock(10)
    steps = [clock.advance(Frame(i + 1, time_s=t)) for i, t in enumerate([0, 0.1, 0.25, 0.75])]
    assert steps == pytest.approx([1, 1, 1.5, 5])


@given(rate=st.sampled_from([10, 14, 23.976, 25, 29.97, 30, 60]), start=st.floats(0, 1e5))
def test_stamps_rounded_to_milliseconds_still_tick_in_whole_frames(rate, start):
    clock = Clock(rate)
    for index in range(1, 50):
        time_s = round(start + (index - 1) / rate, 3)
        assert clock.advance(Frame(index, time_s=time_s)) == 1.0


def test_no_frame_means_the_next_one():
    clock = Clock(30)
    assert [clock.advance(None) for _ in range(3)] == [1, 1, 1]
    assert clock.now == clock.updates == 3


def test_a_time_that_stands_still_is_counted_by_the_index():
    clock = Clock(30)
    assert [clock.advance(Frame(i, time_s=0.0)) for i in (1, 2, 4)] == [1, 1, 2]


def test_a_clock_that_was_set_anew_makes_no_step_that_arithmetic_cannot_bear():
    clock = Clock(30)
    clock.advance(Frame(1, time_s=-1e300))
    assert clock.advance(Frame(2, time_s=0.1)) == 1e9


@pytest.mark.parametrize("index", [3, 2])
def test_frames_out_of_order_are_refused(index):
    clock = Clock(30)
    clock.advance(Frame(3))
    with pytest.raises(ValueError, match=f"expected an index after 3, got {index}"):
        clock.advance(Frame(index))


def test_a_frame_rate_must_be_above_zero():
    with pytest.raises(ValueError, match="frame_rate: expected above 0, got 0"):
        Clock(0)
