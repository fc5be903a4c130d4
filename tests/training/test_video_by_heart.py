"""What single frames cannot tell is learnt from the other frames of a clip."""

import drawn_videos
import pytest

from faimtrack.training import samples
from faimtrack.training.fit import Machines
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.run import TrainingRun, train
from faimtrack.training.samples import DataPlaces
from faimtrack.training.video import data as video_data
from faimtrack.training.video.validation import validate_on_videos

COMMON = [
    "input_height=64", "input_width=64", "hue_gain=0", "saturation_gain=0", "value_gain=0",
    "checkpoint_every=1000", "warm_up_steps=10", "learning_rate_per_image=0.0003",
    "averaging=0.98", "averaging_warm_up=20", "batch_size=1",
]  # fmt: skip


def trained(name, folder, *settings):
    recipe = resolve_training_recipe(f"crowd/{name}", overrides=[*COMMON, *settings])
    places = DataPlaces(data=folder)
    machines = Machines(devices=1, workers=0, accelerator="cpu")
    run = TrainingRun(recipe=recipe, places=places, output=folder / name, machines=machines)
    result = train(run)
    return result.weights, validate_on_videos(recipe, places, result.weights)


@pytest.mark.slow
def test_faim_learns_by_heart_what_its_base_detector_cannot(tmp_path, monkeypatch):
    videos = drawn_videos.drawn_videos(tmp_path / "drawn", [8] * 4, is_ambiguous=True)
    for module in (video_data, samples):
        monkeypatch.setattr(module, "open_videos", lambda *_, **__: videos)
    base, alone = trained(
        "yolox-objects", tmp_path, "batch_size=8", "steps=300", "plain_steps=60",
        "smallest_input=2", "largest_input=2",
    )  # fmt: skip
    clips = ["data.group_frames=8", "detector.group_frames=8", f"initial_weights={base}"]
    masks = ["mask_branch.roi_size=7", "mask_branch.hidden_channels=16"]
    _, together = trained("faim", tmp_path, *clips, *masks, "steps=250", "plain_steps=50")
    assert alone["AP50"] < 0.8
    assert together["AP50"] > 0.9
    assert together["VID"] > alone["VID"] + 0.1
