import numpy as np
import pytest

from faimtrack.testing import crossing_sequence
from faimtrack.trackers import (
    ByteTrack,
    OcSort,
    create_tracker,
    load_state,
    load_tracker,
    save_state,
    tracker_names,
)


def stopped(tracker, frames=25):
    for detections, frame in crossing_sequence()[:frames]:
        tracker.update(detections, frame)
    return tracker


@pytest.mark.parametrize("name", tracker_names(needs_regressor=False))
def test_a_state_survives_the_disk_unchanged(tmp_path, name):
    state = stopped(create_tracker(name)).state()
    save_state(tmp_path / "tracker.npz", state)
    loaded = load_state(tmp_path / "tracker.npz")
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        np.testing.assert_array_equal(loaded[key], value)


@pytest.mark.parametrize("name", tracker_names(needs_regressor=False))
def test_a_saved_tracker_is_read_again_without_naming_its_class(tmp_path, name):
    tracker = stopped(create_tracker(name, frame_rate=25))
    save_state(tmp_path / "tracker.npz", tracker.state())
    restored = load_tracker(tmp_path / "tracker.npz")
    assert type(restored) is type(tracker)
    assert restored.config == tracker.config
    detections, frame = crossing_sequence()[25]
    assert restored.update(detections, frame) == tracker.update(detections, frame)


def test_a_state_is_flat_and_holds_arrays_and_json_only():
    for key, value in stopped(OcSort()).state().items():
        assert isinstance(key, str)
        assert isinstance(value, (np.ndarray, str, int, float, bool)) or value is None
        if isinstance(value, np.ndarray):
            assert value.dtype != object


def test_a_state_is_a_copy():
    tracker = stopped(ByteTrack())
    state = tracker.state()
    state["tracked.mean"][:] = 0
    assert tracker.state()["tracked.mean"].any()


def test_the_state_of_another_tracker_is_refused():
    with pytest.raises(ValueError, match="state: expected bytetrack, format 1, got ocsort"):
        ByteTrack.from_state(OcSort().state())


def test_a_state_of_another_format_is_refused():
    with pytest.raises(ValueError, match="expected bytetrack, format 1, got bytetrack, format 99"):
        ByteTrack.from_state(ByteTrack().state() | {"format_version": 99})


def test_a_state_that_lacks_something_is_refused():
    state = ByteTrack().state()
    del state["lost.mean"]
    with pytest.raises(ValueError, match=r"expected an entry 'lost\.mean', got none"):
        ByteTrack.from_state(state)


def test_a_state_with_parameters_that_are_not_the_trackers_is_refused():
    state = ByteTrack().state() | {"config": '{"patience": 3}'}
    with pytest.raises(ValueError, match="state: expected values of bytetrack, got others: "):
        ByteTrack.from_state(state)


@pytest.mark.parametrize("content", [b"", b"not a state", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_state_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.npz: expected a tracker state"):
        load_tracker(path)


def test_a_pickle_is_not_opened(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"evil\.npz: expected a tracker state"):
        load_state(path)


def test_a_cut_off_file_is_refused_by_name(tmp_path):
    path = tmp_path / "cut.npz"
    save_state(path, stopped(ByteTrack()).state())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cut\.npz: expected a tracker state"):
        load_tracker(path)
