import subprocess
import sys

import numpy as np

from faimtrack.training.randomness import random_generator, random_key


def test_a_key_is_the_same_in_another_process():
    code = "from faimtrack.training.randomness import random_key; print(random_key(3, 'a', 1))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) == random_key(3, "a", 1)


def test_a_number_and_its_text_are_different_purposes():
    assert random_key(0, 1, "1") != random_key(0, "1", 1)


def test_parts_do_not_run_into_each_other():
    assert random_key(0, "a", "b") != random_key(0, "ab")
    assert random_key(0, 1, 23) != random_key(0, 12, 3)


def test_generators_of_neighbouring_steps_look_independent():
    draws = np.array([random_generator(0, "step", step).random() for step in range(2000)])
    assert abs(draws.mean() - 0.5) < 0.03
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.07
