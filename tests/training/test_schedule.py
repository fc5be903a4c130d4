"""Rates, the plain end and the average's decay as functions of the step."""

import math

import pytest

from faimtrack.training.config import ScheduleConfig
from faimtrack.training.schedule import Schedule


def schedule(image_count=100, **values):
    return Schedule(config=ScheduleConfig(**values), image_count=image_count)


YOLOX = schedule(
    image_count=640, epochs=20, batch_size=64, learning_rate_per_image=0.01 / 64,
    warm_up_epochs=1, plain_epochs=5, lowest_rate=0.05,
)  # fmt: skip


def test_an_epoch_shows_each_image_and_all_epochs_make_the_run():
    assert YOLOX.steps_per_epoch == 10
    assert YOLOX.total_steps == 200
    assert schedule(image_count=65, batch_size=64).steps_per_epoch == 2
    assert schedule(image_count=3, batch_size=64, steps=7).total_steps == 7


def test_yolox_rises_as_a_square_falls_as_a_cosine_and_stands_still():
    assert YOLOX.rate_at(0) == 0
    assert YOLOX.rate_at(5) == pytest.approx(0.01 / 4)
    assert YOLOX.rate_at(10) == pytest.approx(0.01)
    middle = 10 + (150 - 10) // 2
    assert YOLOX.rate_at(middle) == pytest.approx(0.01 * (0.05 + 0.95 / 2))
    assert YOLOX.rate_at(149) > YOLOX.rate_at(150)
    assert [YOLOX.rate_at(step) for step in range(150, 200)] == [pytest.approx(0.0005)] * 50


def test_strong_augmentation_ends_where_the_rate_stands_still():
    assert YOLOX.is_strong(149)
    assert not YOLOX.is_strong(150)


def test_tracktor_rises_in_a_line_and_falls_in_steps():
    mmtracking = Schedule(config=ScheduleConfig.preset("mmdetection"), image_count=1600)
    assert mmtracking.total_steps == 800
    assert mmtracking.rate_at(0) == pytest.approx(0.02 * 0.01)
    assert mmtracking.rate_at(50) == pytest.approx(0.02 * (0.01 + 0.99 / 2))
    assert mmtracking.rate_at(100) == pytest.approx(0.02)
    assert mmtracking.rate_at(599) == pytest.approx(0.02)
    assert mmtracking.rate_at(600) == pytest.approx(0.002)
    assert mmtracking.is_strong(799)


def test_the_average_begins_by_following_closely():
    assert YOLOX.averaging_at(1) == pytest.approx(0.9998 * (1 - math.exp(-1 / 2000)))
    assert YOLOX.averaging_at(100_000) == pytest.approx(0.9998)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0.0}, "epochs: expected more than 0"),
        ({"decay": "steps"}, "decay_epochs: expected epochs"),
        ({"momentum": 0.0}, "momentum: expected more than 0 with nesterov"),
        ({"averaging": 1.0}, "averaging: expected less than 1"),
        ({"batch_size": 0}, "batch_size: expected 1 or more"),
        ({"precision": "8"}, "precision: expected 32 or bf16-mixed or 16-mixed"),
    ],
)
def test_impossible_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ScheduleConfig(**values)
