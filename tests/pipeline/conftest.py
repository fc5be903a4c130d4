"""Small sequences of mere text."""

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
