"""Small sequences."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def make_text_sequence(tmp_path):
    """A MOTChallenge sequence folder without images: one person who walks."""

    def make(name, *, frames=20, folder="data"):
        sequence = tmp_path / folder / name
        (sequence / "det").mkdir(parents=True)
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nseqLength={frames}\nframeRate=25\n"
        )
        rows = [f"{index},-1,{2 * index},10,12,30,0.9\n" for index in range(1, frames + 1)]
        (sequence / "det" / "det.txt").write_text("".join(rows))
        return sequence

    return make


@pytest.fixture
def make_picture_sequence(make_text_sequence):
    """The same with pictures of noise, in which a network finds something or other."""

    def make(name, *, frames=3, folder="data"):
        sequence = make_text_sequence(name, frames=frames, folder=folder)
        (sequence / "img1").mkdir()
        random = np.random.default_rng(len(name) + frames)
        for index in range(1, frames + 1):
            picture = random.integers(0, 256, (96, 128, 3), np.uint8)
            cv2.imwrite(str(sequence / "img1" / f"{index:06d}.jpg"), picture)
        return sequence

    return make
