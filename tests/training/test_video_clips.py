"""Which frames of a video are learnt together, and that a clip changes as a whole."""

from collections import Counter

import drawn_videos
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.batches import BatchPlan, make_loader
from faimtrack.training.config import ScheduleConfig
from faimtrack.training.schedule import Schedule
from faimtrack.training.video.clips import ClipPlan, VideoClips, clip_plan
from faimtrack.training.video.config import ClipsConfig

SAMPLINGS = ("global", "local", "mixed")


def plan_of(counts, seed=0, **config):
    return ClipPlan(seed=seed, frame_counts=tuple(counts), config=ClipsConfig(**config))


def clips_of(plan, epoch=0):
    return [plan.frames(epoch, index) for index in range(plan.clip_count)]


@given(
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(1, 9),
    st.sampled_from(SAMPLINGS),
    st.integers(0, 3),
)
def test_clips_are_full_and_made_of_frames_of_one_video(counts, length, sampling, epoch):
    plan = plan_of(counts, group_frames=length, sampling=sampling)
    clips = clips_of(plan, epoch)
    assert len(clips) == sum(max(1, count // length) for count in counts if count)
    for video, places in clips:
        assert len(places) == min(length, counts[video])
        assert len(set(places.tolist())) == len(places)
        assert 0 <= places.min() <= places.max() < counts[video]
    by_video = Counter(video for video, _ in clips)
    assert all(by_video[video] == max(1, count // length) for video, count in enumerate(counts)
               if count)  # fmt: skip


@pytest.mark.parametrize("sampling", ["global", "local"])
def test_a_frame_is_in_one_clip_of_an_epoch_at_most(sampling):
    plan = plan_of([50], group_frames=8, sampling=sampling)
    places = np.concatenate([places for _, places in clips_of(plan)])
    assert len(places) == len(set(places.tolist())) == 48


def test_local_clips_follow_each_other_and_mixed_ones_are_half_so():
    for sampling, wanted in (("global", 0), ("local", 7), ("mixed", 3)):
        plan = plan_of([200], group_frames=8, sampling=sampling)
        for _, places in clips_of(plan):
            neighbours = int((np.diff(places) == 1).sum())
            assert neighbours >= wanted
            if sampling == "local":
                assert neighbours == 7
            if sampling == "global":
                assert neighbours < 4
            if sampling == "mixed":
                assert np.ptp(places) > 8


def test_what_fills_no_clip_is_another_rest_in_each_epoch():
    for sampling in SAMPLINGS:
        plan = plan_of([15], group_frames=8, sampling=sampling)
        left = {
            frozenset(set(range(15)) - set(clips_of(plan, epoch)[0][1].tolist()))
            for epoch in range(8)
        }
        assert len(left) > 2


def test_clips_depend_on_seed_epoch_and_index_alone():
    counts = [40, 17, 3]
    first, again = (plan_of(counts, group_frames=4) for _ in range(2))
    for epoch in (3, 0):
        for index in (5, 2, 11):
            video, places = first.frames(epoch, index)
            assert video == again.frames(epoch, index)[0]
            assert np.array_equal(places, again.frames(epoch, index)[1])
    others = clips_of(plan_of(counts, seed=1, group_frames=4))
    assert any(not np.array_equal(one[1], other[1]) for one, other in
               zip(clips_of(first), others, strict=True))  # fmt: skip


def test_of_too_many_clips_each_epoch_chooses_others():
    plan = plan_of([80, 80], group_frames=8, epoch_groups=5)
    assert plan.clip_count == 5
    chosen = [
        frozenset((video, tuple(places.tolist())) for video, places in clips_of(plan, epoch))
        for epoch in range(6)
    ]
    assert all(len(each) == 5 for each in chosen)
    assert len(set(chosen)) == 6
    assert {video for each in chosen for video, _ in each} == {0, 1}


def test_videos_without_frames_have_no_clips():
    assert plan_of([]).clip_count == 0
    plan = plan_of([0, 1, 0])
    assert [(video, places.tolist()) for video, places in clips_of(plan)] == [(1, [0])]


def source_of(videos, augmentation=None, **config):
    schedule = Schedule(config=ScheduleConfig(), image_count=4)
    return VideoClips(
        videos=videos,
        config=ClipsConfig(**{"group_frames": 4} | config),
        augmentation=augmentation or AugmentationConfig(),
        schedule=schedule,
        base_size=(64, 96),
    )


CALM = {"hue_gain": 0, "saturation_gain": 0, "value_gain": 0, "flip_probability": 0.0}


def test_a_clip_is_mirrored_as_a_whole_and_so_are_its_masks(tmp_path):
    videos = drawn_videos.drawn_videos(tmp_path, [8])
    plain = source_of(videos, AugmentationConfig(**CALM))
    mirrored = source_of(videos, AugmentationConfig(**CALM | {"flip_probability": 1.0}))
    some = source_of(videos, AugmentationConfig(**CALM | {"flip_probability": 0.5}))
    kinds = set()
    for epoch in range(8):
        clips = [each.sample(0, epoch, 1) for each in (plain, mirrored, some)]
        assert [frame.names for frame in clips[0]] == [frame.names for frame in clips[1]]
        for one, other in zip(*clips[:2], strict=True):
            # The picture fills the left 64 columns of the input.
            assert torch.equal(one.image[:, :, :64].flip(2), other.image[:, :, :64])
            assert one.boxes[0, 0] == 64 - other.boxes[0, 2]
            assert torch.equal(one.masks.dense(64, 96)[..., :64].flip(-1),
                               other.masks.dense(64, 96)[..., :64])  # fmt: skip
        alike = [
            [torch.equal(frame.image, like.image) for frame, like in zip(clip, clips[2],
                                                                        strict=True)]
            for clip in clips[:2]
        ]  # fmt: skip
        assert sorted(map(tuple, alike)) == [(False,) * 4, (True,) * 4]
        kinds.add(alike[0][0])
    assert kinds == {True, False}


def test_colours_of_all_frames_change_alike(tmp_path):
    videos = drawn_videos.drawn_videos(tmp_path, [8])
    calm = source_of(videos, AugmentationConfig(**CALM))
    bright = source_of(videos, AugmentationConfig(**CALM | {"value_gain": 60}))
    shifts = []
    for epoch in range(6):
        clips = [each.sample(0, epoch, 0) for each in (calm, bright)]
        changes = [
            float(other.image[:, :, :64].float().mean() - one.image[:, :, :64].float().mean())
            for one, other in zip(*clips, strict=True)
        ]
        assert np.ptp(changes) < 3
        shifts.append(changes[0])
    assert np.ptp(shifts) > 10


def test_pictures_of_changing_size_come_in_one_and_that_of_the_step(tmp_path):
    videos = drawn_videos.drawn_videos(tmp_path, [6], grows=True)
    scales = AugmentationConfig(smallest_input=1, largest_input=3, input_interval=10)
    source = source_of(videos, scales, group_frames=6)
    sizes = set()
    for step in (0, 9, 10, 20, 30, 40):
        clip = source.sample(step, 0, 0)
        shapes = {tuple(frame.image.shape) for frame in clip}
        assert len(shapes) == 1
        (shape,) = shapes
        assert shape[1] % 32 == shape[2] % 32 == 0
        sizes.add(shape)
        for frame in clip:
            shared = frame.boxes[0] / shape[1]
            assert 0 <= shared.min() <= shared.max() <= 1
    assert len(sizes) > 1
    assert source.sample(0, 0, 0)[0].image.shape == source.sample(9, 0, 0)[0].image.shape


def test_every_so_many_th_frame_is_taken(tmp_path):
    videos = drawn_videos.drawn_videos(tmp_path, [9])
    source = source_of(videos, group_frames=5, stride=2)
    names = [int(frame.names[0].rpartition("/")[2]) for frame in source.sample(0, 0, 0)]
    assert sorted(names) == [0, 2, 4, 6, 8]
    assert clip_plan(videos, ClipsConfig(stride=20), 0).frame_counts == (1,)


def test_clips_of_all_lengths_make_a_batch_whoever_loads_it(tmp_path):
    videos = drawn_videos.drawn_videos(tmp_path, [9, 1, 3], empty=(2,))
    source = source_of(videos)
    assert source.image_count == 4
    plan = BatchPlan(seed=0, image_count=4, batch_size=2)
    alone, helped = (
        list(make_loader(source, plan, range(4), workers=workers)) for workers in (0, 2)
    )
    for one, other in zip(alone, helped, strict=True):
        assert all(map(torch.equal, one.parts[0].images, other.parts[0].images))
        assert one.parts[0].clip_lengths == other.parts[0].clip_lengths
    lengths = [batch.parts[0].clip_lengths for batch in alone]
    assert sorted(np.concatenate(lengths).tolist()) == [1, 1, 3, 3, 4, 4, 4, 4]
    for batch in alone:
        part = batch.to("cpu").parts[0]
        assert len(part) == sum(part.clip_lengths) == len(part.masks)
        for names in np.split(np.array(part.names)[:, 0], np.cumsum(part.clip_lengths)[:-1]):
            assert len({name.partition("/")[0] for name in names}) == 1
