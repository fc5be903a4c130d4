import dataclasses

import pytest

from faimtrack.datasets.crowd import CrowdConfig
from faimtrack.provenance import read_provenance

CROWD = CrowdConfig(name="little", frames=2, width=64, height=48, people=2)


def test_what_is_there_is_kept_and_what_was_drawn_otherwise_is_replaced(load_script, tmp_path):
    draw_crowds = load_script("drawn_crowds").draw_crowds
    image = draw_crowds([CROWD], tmp_path) / "little" / "img1" / "000001.jpg"
    image.write_bytes(b"kept")
    draw_crowds([CROWD], tmp_path)
    assert image.read_bytes() == b"kept"
    draw_crowds([dataclasses.replace(CROWD, seed=5)], tmp_path)
    assert image.read_bytes() != b"kept"
    assert read_provenance(tmp_path / "little").seed == 5


def test_other_sequences_are_not_used_without_a_word(load_script, tmp_path):
    draw_crowds = load_script("drawn_crowds").draw_crowds
    draw_crowds([CROWD], tmp_path)
    with pytest.raises(ValueError, match=r"expected no other sequences.*little"):
        draw_crowds([dataclasses.replace(CROWD, name="other")], tmp_path)
