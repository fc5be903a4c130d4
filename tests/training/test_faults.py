"""What stops a training, and what stays then."""

import errno
import subprocess
import sys

import drawn_samples
import pytest
import torch
from lightning.pytorch import Callback

from faimtrack.training import checkpoints as checkpoint_module
from faimtrack.training.checkpoints import PlainCheckpointIO, checkpoints, remove_parts
from faimtrack.training.fit import fit
from faimtrack.training.identity import Identity, identity_of
from faimtrack.training.learners.learner import Answer
from faimtrack.training.recipe import resolve_training_recipe


def run(folder, learner=None, *, schedule=None, **arguments):
    return fit(
        learner or drawn_samples.small_learner(),
        drawn_samples.DrawnSamples(),
        drawn_samples.small_schedule(**schedule or {"steps": 4}),
        folder,
        **arguments,
    )


def test_a_full_disk_stops_the_run_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    def save(content, file):
        if content["global_step"] == 4:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        torch_save(content, file)

    torch_save = torch.save
    monkeypatch.setattr(checkpoint_module.torch, "save", save)
    with pytest.raises(OSError, match="No space left on device") as caught:
        run(tmp_path)
    assert caught.value.filename == str(tmp_path / "step-00000004.ckpt")
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002.ckpt"]
    assert PlainCheckpointIO().load_checkpoint(tmp_path / "step-00000002.ckpt")["global_step"] == 2


FULL = """
import resource, signal, sys
from pathlib import Path
import torch
from faimtrack.training.checkpoints import PlainCheckpointIO
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    PlainCheckpointIO().save_checkpoint({f"{n}": torch.zeros(9000) for n in range(9)}, sys.argv[1])
except OSError as error:
    print(error.errno, error.filename)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of files")
def test_a_file_that_may_not_grow_is_told_by_the_error_of_the_system(tmp_path):
    path = tmp_path / "step-00000002.ckpt"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == [str(errno.EFBIG), str(path)], done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_training_is_refused_and_says_what_differs(tmp_path):
    run(tmp_path, max_steps=2, identity=Identity({"schedule.seed": 0, "input gt": "abc"}))
    last = checkpoints(tmp_path)[-1]
    message = r"got one with schedule.seed 0 \(now 1\), input gt 'abc' \(now 'def'\)$"
    with pytest.raises(ValueError, match=message):
        run(tmp_path, resume_from=last, identity=Identity({"schedule.seed": 1, "input gt": "def"}))
    many = {f"mask_branch.{number}": number for number in range(9)}
    with pytest.raises(ValueError, match=r"mask_branch.5 none \(now 5\) and 5 more$"):
        run(tmp_path, resume_from=last, identity=Identity(many))


def test_a_checkpoint_from_before_there_was_a_setting_counts_as_made_with_its_default():
    mine = Identity({"schedule.seed": 0, "schedule.clip": 1.5}, {"schedule.clip": 1.5})
    assert mine.differences({"schedule.seed": 0}) == ""
    changed = Identity({"schedule.seed": 0, "schedule.clip": 2.0}, {"schedule.clip": 1.5})
    assert changed.differences({"schedule.seed": 0}) == "schedule.clip 1.5 (now 2.0)"


def test_how_a_training_is_validated_logged_and_tracked_is_no_part_of_what_it_is():
    def identity(*overrides):
        recipe = resolve_training_recipe("crowd/bytetrack", overrides=overrides)
        return identity_of(recipe, {"a gt": "0"}, {})

    before = identity().values
    free = ["validation.pictures=0", "log_every=3", "checkpoints_kept=5", "track_threshold=0.7"]
    assert identity(*free).differences(before) == ""
    assert "schedule.epochs" in identity("epochs=3").differences(before)
    assert "augmentation.flip_probability" in identity("flip_probability=0").differences(before)


def test_what_a_killed_run_left_of_a_checkpoint_is_removed(tmp_path):
    left, whole = tmp_path / ".step-00000002.123.partial.ckpt", tmp_path / "step-00000001.ckpt"
    left.write_bytes(b"half")
    whole.write_bytes(b"whole")
    remove_parts(tmp_path)
    assert list(tmp_path.iterdir()) == [whole]


def test_a_file_that_is_cut_off_is_refused_by_its_name(tmp_path):
    path = tmp_path / "step-00000002.ckpt"
    PlainCheckpointIO().save_checkpoint({"weights": torch.zeros(9)}, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"step-00000002.ckpt: expected a checkpoint"):
        PlainCheckpointIO().load_checkpoint(path)


class Poisoned(type(drawn_samples.small_learner())):
    """A learner whose objectness is lost at some step."""

    def forward(self, batch, **arguments):
        answer = super().forward(batch, **arguments)
        if arguments["is_plain"]:
            answer.losses["objectness"] = answer.losses["objectness"] * float("nan")
        return Answer(answer.losses, answer.numbers)


def test_a_loss_that_is_no_number_stops_with_step_part_and_files(tmp_path):
    learner = drawn_samples.small_learner()
    learner.__class__ = Poisoned
    message = (
        r"step 2: expected a finite loss, but objectness is nan; .*made of drawn-\d.jpg, drawn"
    )
    with pytest.raises(ValueError, match=message):
        run(tmp_path, learner, schedule={"steps": 4, "plain_steps": 2})
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000002.ckpt"]


def test_predictions_that_are_no_numbers_stop_with_step_and_files(tmp_path):
    learner = drawn_samples.small_learner()
    torch.nn.init.constant_(learner.network.head.reg_preds[0].bias, float("inf"))
    with pytest.raises(ValueError, match=r"step 0: image 0 of the batch.*made of drawn-\d.jpg"):
        run(tmp_path, learner)


def test_half_precision_needs_a_gpu(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="expected 32 or bf16-mixed on a CPU, got 16-mixed"):
        run(tmp_path, schedule={"precision": "16-mixed"})


class CtrlC(Callback):
    """A person who has seen enough."""

    def on_train_batch_start(self, trainer, module, batch, number):
        if batch.step == 3:
            raise KeyboardInterrupt


def test_ctrl_c_is_told_as_such_and_leaves_the_last_checkpoint(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, callbacks=[CtrlC()])
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000002.ckpt"]
