import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.video.sampling import (
    CausalSampling,
    GlobalSampling,
    LocalSampling,
    MixedSampling,
    make_sampling,
)
from faimtrack.structures import SourceInfo

COUNTS = st.integers(0, 150)
SIZES = st.integers(1, 40)


def all_groups(sampling, frame_count):
    """The groups, after a look at what holds for those of every sampling."""
    groups = list(sampling.groups(frame_count))
    keys = [key for group in groups for key in group.keys]
    assert sorted(keys) == list(range(frame_count))  # each once
    for group in groups:
        frames = [*group.keys, *group.references]
        assert group.keys
        assert len(set(frames)) == len(frames)
        assert set(frames) <= set(range(frame_count))
        assert all(type(frame) is int for frame in frames)
    assert list(sampling.groups(frame_count)) == groups  # the same again
    return groups


@given(COUNTS, SIZES, st.integers(0, 5))
def test_global_groups_are_all_of_one_size_unless_the_video_is_shorter(count, size, seed):
    groups = all_groups(GlobalSampling(size, seed), count)
    assert all(sum(map(len, group)) == min(size, count) for group in groups)
    assert len(groups) == -(-count // size)
    # Only the tail needs frames that are keys elsewhere.
    assert not any(group.references for group in groups[:-1])


def test_global_groups_are_drawn_from_the_seed():
    groups = [list(GlobalSampling(8, seed).groups(100)) for seed in (0, 0, 1)]
    assert groups[0] == groups[1] != groups[2]
    assert groups[0][0].keys != tuple(range(8))
    tail = groups[0][-1]
    assert (len(tail.keys), len(tail.references)) == (4, 4)
    assert tail.references != tuple(itertools.chain(*groups[0]))[:4]


@given(COUNTS, SIZES)
def test_local_windows_are_contiguous_centred_and_of_one_size(count, size):
    for group in all_groups(LocalSampling(size), count):
        window = sorted([*group.keys, *group.references])
        assert len(window) == min(size, count)
        assert window == list(range(window[0], window[-1] + 1))
        for key in group.keys:
            before, after = key - window[0], window[-1] - key
            at_an_end = window[0] == 0 or window[-1] == count - 1
            assert at_an_end or 0 <= before - after <= 1
            # At an end the window reaches as far to it as it can.
            assert before <= size // 2 or window[-1] == count - 1
            assert after <= size // 2 or window[0] == 0


@given(COUNTS, SIZES, st.data())
def test_mixed_groups_hold_the_window_and_others_from_anywhere(count, size, data):
    local = data.draw(st.integers(1, size))
    groups = all_groups(MixedSampling(size, local, 3), count)
    windows = {
        key: {*group.keys, *group.references}
        for group in LocalSampling(local).groups(count)
        for key in group.keys
    }
    for group in groups:
        frames = {*group.keys, *group.references}
        assert len(frames) == min(size, count)
        for key in group.keys:
            assert windows[key] <= frames


def test_mixed_groups_reach_all_of_a_video_and_differ_from_key_to_key():
    groups = list(MixedSampling(16, 4, 0).groups(200))
    drawn = [{*group.references} for group in groups]
    assert set().union(*drawn) == set(range(200))
    assert len({group.references for group in groups}) == len(groups)


@given(st.integers(0, 400), SIZES, st.data())
def test_causal_memory_is_bounded_and_forgets_for_good(count, size, data):
    local = data.draw(st.integers(1, size))
    sampling = CausalSampling(size, local)
    held = set()
    for group in all_groups(sampling, count):
        (frame,) = group.keys
        wanted = set(group.references)
        assert len(wanted) <= size - 1
        assert all(each < frame for each in wanted)
        assert wanted <= held  # nothing that was let go of
        assert set(range(max(0, frame - local + 1), frame)) <= wanted
        held = wanted | {frame}
    assert len(held) <= size


def test_causal_memory_is_spread_evenly_over_all_that_is_past():
    sampling = CausalSampling(32, 16)
    for frame in (100, 1_000, 2_345_678):
        spread = [each for each in sampling.references(frame) if each < frame - 15]
        assert 8 <= len(spread) <= 16
        assert spread[0] == 0
        steps = {after - before for before, after in itertools.pairwise(spread)}
        assert len(steps) == 1
        assert frame - 15 - spread[-1] <= steps.pop()


def test_all_of_a_memory_may_be_the_latest_frames():
    assert CausalSampling(4, 4).references(10) == (7, 8, 9)
    assert CausalSampling(1, 1).references(10) == ()


def test_live_sources_are_looked_at_causally_and_others_globally():
    config = VideoDetectorConfig()
    live, file = SourceInfo(name="camera"), SourceInfo(name="file", frame_count=5)
    assert (config.sampling_of(live), config.sampling_of(file)) == ("causal", "global")
    assert not config.is_offline(live)
    assert config.is_offline(file)
    assert not VideoDetectorConfig(sampling="causal").is_offline(file)
    assert VideoDetectorConfig(sampling="mixed").is_offline(live)


def test_half_of_the_frames_are_local_unless_it_is_said():
    made = make_sampling(VideoDetectorConfig(group_frames=9), "causal")
    assert [frame for frame in made.references(64)][-4:] == [60, 61, 62, 63]
    assert len(made.references(65)) == 8
    made = make_sampling(VideoDetectorConfig(group_frames=10, local_frames=2), "causal")
    assert made.references(64)[-2:] == (56, 63)
    with pytest.raises(
        ValueError, match="local_frames: expected group_frames, 9, at most, got 10"
    ):
        VideoDetectorConfig(group_frames=9, local_frames=10)
