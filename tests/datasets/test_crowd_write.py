import json

import cv2
import numpy as np
import pytest

from faimtrack.cli.crowd import crowd as crowd_command
from faimtrack.datasets.crowd import (
    CLASS_NAMES,
    MASK_FILE,
    CrowdConfig,
    Renderer,
    bench,
    bench_sequences,
    sequence_texts,
    simulate_crowd,
    write_bench,
    write_crowd,
)
from faimtrack.datasets.crowd import write as write_module
from faimtrack.masks.store import MaskStore
from faimtrack.motfile import read_mot, read_sequence_info


@pytest.fixture
def small():
    return simulate_crowd(
        CrowdConfig(name="small", frames=5, people=6, width=161, height=97, camera="moving")
    )


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folder_has_the_layout_of_mot20(tmp_path, small):
    folder = write_crowd(small, tmp_path / "small")
    assert everything_in(folder) == [
        "camera_motion.txt",
        "det/det.txt",
        "gt/gt.txt",
        MASK_FILE,
        *[f"img1/{frame:06d}.jpg" for frame in range(1, 6)],
        "seqinfo.ini",
    ]
    for name, content in sequence_texts(small).items():
        assert (folder / name).read_bytes() == content
    assert read_sequence_info(folder).frame_count == 5
    assert len(read_mot(folder / "gt" / "gt.txt", "ground truth")) == len(small.annotations)


def test_pictures_on_disk_are_those_that_were_drawn(tmp_path, small):
    folder = write_crowd(small, tmp_path / "small", masks=False)
    drawn = Renderer(small).render(4).image
    stored = cv2.imread(str(folder / "img1" / "000004.jpg"))[..., ::-1]
    assert stored.shape == drawn.shape
    assert np.abs(stored.astype(int) - drawn).mean() < 6
    assert np.abs(stored.astype(int) - drawn[..., ::-1]).mean() > 6


def test_masks_on_disk_are_exact(tmp_path, small):
    folder = write_crowd(small, tmp_path / "small")
    store = MaskStore.open(folder / MASK_FILE)
    assert store.metadata["class_names"] == list(CLASS_NAMES)
    renderer = Renderer(small)
    for frame in range(1, 6):
        ids = renderer.render(frame).ids
        masks = store.frame(frame)
        assert set(masks) == set(np.unique(ids).tolist()) - {0}
        for track, mask in masks.items():
            assert (mask.decode() == (ids == track)).all()
            assert (mask.method, mask.quality) == ("simulator", 1.0)


def test_text_alone_can_be_written(tmp_path, small):
    folder = write_crowd(small, tmp_path / "small", images=False, masks=False)
    assert everything_in(folder) == [
        "camera_motion.txt",
        "det/det.txt",
        "gt/gt.txt",
        "seqinfo.ini",
    ]


def test_provenance_tells_how_to_make_it_again(tmp_path, small):
    folder = write_crowd(small, tmp_path / "small", images=False, masks=False)
    record = json.loads((tmp_path / "small.json").read_text())
    told = record["configuration"]
    assert told.pop("generator_version") == 1
    assert not told.pop("images")
    assert not told.pop("masks")
    again = simulate_crowd(CrowdConfig(**told))
    assert (folder / "gt" / "gt.txt").read_bytes() == sequence_texts(again)["gt/gt.txt"]


def test_folder_that_is_there_is_kept_unless_told(tmp_path, small):
    target = tmp_path / "small"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="already there"):
        write_crowd(small, target, images=False, masks=False)
    assert (target / "mine.txt").read_text() == "mine"


def test_a_crowd_is_replaced_if_told_but_never_somebody_elses_files(tmp_path, small):
    target = write_crowd(small, tmp_path / "small", images=False, masks=False)
    (target / "det" / "det.txt").unlink()
    write_crowd(small, target, images=False, masks=False, overwrite=True)
    assert (target / "det" / "det.txt").exists()
    (tmp_path / "small.json").unlink()  # such as a real sequence, which has no sidecar
    with pytest.raises(FileExistsError, match="or that of an earlier crowd, got something else"):
        write_crowd(small, target, images=False, masks=False, overwrite=True)
    assert (target / "gt" / "gt.txt").exists()
    (tmp_path / "empty").mkdir()
    write_crowd(small, tmp_path / "empty", images=False, masks=False, overwrite=True)
    assert (tmp_path / "empty" / "gt" / "gt.txt").exists()


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_killed_write_leaves_nothing_behind(tmp_path, small, monkeypatch, failure):
    real = write_module._write_jpeg

    def fail_late(path, drawn):
        if drawn.index == 4:
            raise failure
        real(path, drawn)

    monkeypatch.setattr(write_module, "_write_jpeg", fail_late)
    with pytest.raises(type(failure)):
        write_crowd(small, tmp_path / "small")
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_frame(tmp_path, small):
    told = []
    write_crowd(
        small,
        tmp_path / "s",
        images=False,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(frame, 5) for frame in range(1, 6)]


def test_bench_is_written_into_train_and_test(tmp_path, monkeypatch):
    chosen = [bench_sequences("crowd-bench-v1")[row] for row in (0, 10)]
    monkeypatch.setattr(bench, "bench_sequences", lambda name: tuple(chosen))
    folder = write_bench("crowd-bench-v1", tmp_path / "bench", images=False, masks=False)
    assert [each.split for each in chosen] == ["train", "test"]
    for each in chosen:
        assert (folder / each.split / each.config.name / "gt" / "gt.txt").is_file()
    write_bench("crowd-bench-v1", folder, images=False, masks=False, overwrite=True)
    for foreign in ("train/weights.pt", "notes.txt"):
        (folder / foreign).write_text("mine")
        with pytest.raises(FileExistsError, match="earlier bench, got something else"):
            write_bench("crowd-bench-v1", folder, images=False, masks=False, overwrite=True)
        (folder / foreign).unlink()


def test_bench_whose_text_changed_is_not_written(tmp_path, monkeypatch):
    first = bench_sequences("crowd-bench-v1")[0]
    broken = bench.BenchSequence(
        split="train", config=first.config, sha256=first.sha256 | {"det/det.txt": "0" * 64}
    )
    monkeypatch.setattr(bench, "bench_sequences", lambda name: (broken,))
    with pytest.raises(ValueError, match=r"det/det\.txt: expected SHA-256 0000"):
        write_bench("crowd-bench-v1", tmp_path / "bench", images=False, masks=False)
    assert list(tmp_path.iterdir()) == []


def test_command_writes_what_its_options_say(tmp_path, capsys):
    target = tmp_path / "scene"
    crowd_command(
        target, seed=4, frames=3, size="160x90", density="sparse", camera="moving", images=False
    )
    info = read_sequence_info(target)
    assert (info.name, info.frame_count, info.width, info.height) == ("scene", 3, 160, 90)
    config = CrowdConfig(
        name="scene", seed=4, frames=3, width=160, height=90, density="sparse", camera="moving"
    )
    for name, content in sequence_texts(simulate_crowd(config)).items():
        assert (target / name).read_bytes() == content
    assert not (target / MASK_FILE).exists()
    assert capsys.readouterr().out == f"crowd: {target}\n"


def test_command_refuses_a_folder_that_is_there(tmp_path):
    with pytest.raises(FileExistsError, match="--overwrite replaces it"):
        crowd_command(tmp_path, frames=2)


@pytest.mark.parametrize("size", ["640", "640x", "640x360x3", "-1x5", "axb"])
def test_command_refuses_a_size_that_is_none(tmp_path, size):
    with pytest.raises(ValueError, match="--size: expected width x height"):
        crowd_command(tmp_path / "out", size=size)
    assert list(tmp_path.iterdir()) == []


def test_command_refuses_settings_beside_a_bench(tmp_path):
    with pytest.raises(ValueError, match="--bench: expected no --seed"):
        crowd_command(tmp_path / "out", seed=1, bench="crowd-bench-v1")


def test_command_refuses_an_unknown_bench(tmp_path):
    with pytest.raises(ValueError, match="crowd-bench-v1, objects-v1, objects-v2, got 'v9'"):
        crowd_command(tmp_path / "out", bench="v9")
    assert list(tmp_path.iterdir()) == []
