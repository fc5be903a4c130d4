import dataclasses

import pytest

from faimtrack.trackers import tracker_entry, tracker_names


def test_every_parameter_is_listed_with_default_unit_and_meaning(faimtrack, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = faimtrack("trackers")
    assert (done.status, done.err) == (0, "")
    sections = done.out.split("\n\n")
    assert len(sections) == len(tracker_names())
    for name, section in zip(tracker_names(), sections, strict=True):
        entry = tracker_entry(name)
        assert section.splitlines()[0] == f"{name} {entry.title}, {entry.paper}"
        lines = {line.split()[0]: line for line in section.splitlines() if line.strip()}
        for field in dataclasses.fields(entry.config_class):
            assert field.metadata["help"] in lines[field.name]
            assert field.metadata["unit"] in lines[field.name]
            default = str(field.default).lower()
            assert lines[field.name].split()[1] == default
        for preset in entry.config_class.preset_names():
            assert preset == "default" or f"preset={preset}:" in section


def test_a_preset_is_shown_as_what_it_changes_and_can_be_typed_back(faimtrack, monkeypatch):
    from faimtrack.recipes import resolve_recipe

    monkeypatch.setenv("COLUMNS", "300")
    for name in tracker_names():
        for line in faimtrack("trackers", name).out.splitlines():
            if not line.startswith("preset="):
                continue
            preset, _, changes = line.removeprefix("preset=").partition(": ")
            overrides = [] if changes == "as default" else changes.split(", ")
            typed = resolve_recipe(tracker=name, overrides=overrides)
            assert typed.tracker == tracker_entry(name).config_class.preset(preset)


def test_one_tracker_can_be_asked_for(faimtrack):
    done = faimtrack("trackers", "sort")
    assert done.out.startswith("sort SORT")
    assert "ByteTrack" not in done.out.splitlines()[0]


def test_an_unknown_tracker_is_one_line(faimtrack, complaint):
    done = faimtrack("trackers", "srot")
    assert done.status == 1
    assert "got 'srot'" in complaint(done.err)


@pytest.mark.parametrize("width", ["60", "80"])
def test_a_narrow_terminal_folds_lines_instead_of_cutting_them(faimtrack, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    out = faimtrack("trackers", "bytetrack").out
    assert max(map(len, out.splitlines())) <= int(width)
    assert "…" not in out
    assert "lost_buffer_frames" in out
