import hashlib
import io
import json
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from faimtrack.detectors.yolox.network import Yolox
from faimtrack.weights import WeightsMetadata, registry, write_weights


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def make_checkpoint():
    stream = io.BytesIO()
    torch.save({"model": {"weight": torch.arange(6.0)}}, stream)
    return stream.getvalue()


CONTENT = make_checkpoint()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BUNDLED = "crowd-nano: right\ncrowd-nano-torch: right\ncrowd-objects-nano: right\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Serve the checkpoint as `tiny`, whose hash is known or not."""
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    folder = tmp_path / "published"
    folder.mkdir()
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def put(sha256, file_name="tiny.pth", content=CONTENT, architecture="none"):
            if file_name == "tiny.pth":
                (folder / file_name).write_bytes(content)
            entry = registry.WeightsEntry(
                name="tiny",
                title="a test",
                url=f"http://127.0.0.1:{server.server_port}/{file_name}",
                file_name=file_name,
                sha256=sha256,
                licence="CC0-1.0",
                data="none",
                architecture=architecture,
                kind="detector",
            )
            monkeypatch.setattr(registry, "_ENTRIES", (*registry._ENTRIES, entry))

        yield put
        server.shutdown()
        thread.join()


def test_the_list_shows_every_name_with_its_licence_and_data(faimtrack):
    done = faimtrack("weights", "list")
    assert done.status == 0, done.err
    lines = {line.split()[0]: line for line in done.out.splitlines()}
    for entry in registry.weights_entries():
        assert entry.licence in lines[entry.name]
    assert "to be pinned" in lines["yolox-s-legacy"]
    assert "8 digits" in lines["faster-rcnn-resnet50-fpn"]
    assert max(map(len, done.out.splitlines())) <= 120


def test_the_list_for_programs_has_every_field(faimtrack):
    rows = json.loads(faimtrack("weights", "list", "--json").out)
    (row,) = [row for row in rows if row["name"] == "yolox-x"]
    assert row["url"].endswith("/yolox_x.pth")
    assert row["input_size"] == [640, 640]
    assert row["is_cached"] is False
    assert row["path"] is None


def test_pull_prints_the_path_and_says_that_it_pinned_an_unknown_hash(faimtrack, publish, home):
    publish(None)
    done = faimtrack("weights", "pull", "tiny")
    assert done.status == 0, done.err
    path = home / "weights" / "tiny" / "tiny.pth"
    assert done.out.strip() == str(path)
    assert f"pinned at this first download: {SHA256}" in done.err
    again = faimtrack("weights", "pull", "tiny")
    assert (again.status, again.out, again.err) == (0, done.out, "")
    assert faimtrack("weights", "path", "tiny").out == done.out
    (row,) = [
        row
        for row in json.loads(faimtrack("weights", "list", "--json").out)
        if row["name"] == "tiny"
    ]
    assert row["hash_state"] == "pinned"
    assert row["sha256"] == SHA256
    assert row["path"] == str(path)


def test_pull_of_a_known_hash_says_no_more(faimtrack, publish):
    publish(SHA256[:8])
    done = faimtrack("weights", "pull", "tiny")
    assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize(
    ("sha256", "file_name", "said"),
    [("0" * 64, "tiny.pth", "not accepted and removed"), (None, "gone.pth", "HTTP 404")],
)
def test_a_pull_that_fails_is_one_line(faimtrack, publish, sha256, file_name, said):
    publish(sha256, file_name)
    done = faimtrack("weights", "pull", "tiny")
    assert done.status == 1
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert said in done.err


def test_a_path_that_is_not_there_is_answered_with_the_way_to_it(faimtrack, home):
    done = faimtrack("weights", "path", "yolox-s")
    assert done.status == 1
    assert done.err.startswith("faimtrack: error: yolox-s: not in the cache; `faimtrack weights")
    assert done.err.count("\n") == 1
    assert str(home / "weights" / "yolox-s" / "yolox_s.pth") in done.err
    done = faimtrack("weights", "path", "yolo-s")
    assert done.status == 1
    assert "did you mean yolox-s?" in done.err


def test_own_weights_are_added_listed_and_verified(faimtrack, tmp_path):
    (tmp_path / "best.pth").write_bytes(CONTENT)
    done = faimtrack("weights", "add", "best.pth")
    assert done.status == 1
    assert "--name NAME" in done.err
    done = faimtrack("weights", "add", "best.pth", "--name", "mine")
    assert done.status == 0, done.err
    assert done.out.startswith("mine: ")
    (line,) = [
        line for line in faimtrack("weights", "list").out.splitlines() if line.startswith("mine ")
    ]
    assert line.split()[-1] == "yes"
    done = faimtrack("weights", "verify")
    assert (done.status, done.out) == (0, f"{BUNDLED}mine: right\n")


def test_the_list_shows_what_own_weights_say_of_themselves(faimtrack, tmp_path, home):
    metadata = WeightsMetadata(architecture="yolox-nano", licence="MIT", data="MOT20")
    write_weights(tmp_path / "w.safetensors", {"a": torch.ones(3)}, metadata)
    assert faimtrack("weights", "add", "w.safetensors", "--name", "mine").status == 0
    (line,) = [line for line in faimtrack("weights", "list").out.splitlines() if "mine " in line]
    assert line.split()[:6] == ["mine", "your", "own", "yolox-nano", "MIT", "MOT20"]
    (home / "weights" / "mine" / "mine.safetensors").write_bytes(b"\x10" + bytes(7) + b"{")
    assert faimtrack("weights", "list").status == 0


def test_verify_ends_with_status_1_if_anything_is_wrong(faimtrack, tmp_path, home):
    (tmp_path / "best.pth").write_bytes(CONTENT)
    for name in ("a", "b"):
        assert faimtrack("weights", "add", "best.pth", "--name", name).status == 0
    (home / "weights" / "b" / "b.pth").write_bytes(CONTENT.replace(b"weight", b"height"))
    done = faimtrack("weights", "verify")
    assert done.status == 1
    assert done.out == f"a: right\nb: WRONG\n{BUNDLED}"
    assert done.err.count("\n") == 1
    assert "expected SHA-256" in done.err
    assert faimtrack("weights", "verify", "a").status == 0


def test_of_an_empty_cache_only_what_comes_along_is_verified(faimtrack, home):
    done = faimtrack("weights", "verify")
    assert (done.status, done.out) == (0, BUNDLED)


@pytest.mark.parametrize(
    "arguments", [("fetch",), ("pull",), ("add",), ("path",), ("list", "--yaml")]
)
def test_a_command_that_makes_no_sense_is_status_2(faimtrack, arguments):
    done = faimtrack("weights", *arguments)
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "--help" in done.err


def test_help_shows_the_verbs_below(faimtrack):
    for arguments in ((), ("--help",), ("-h",)):
        done = faimtrack("weights", *arguments)
        assert done.status == 0
        assert all(
            f"\n  {verb} " in done.out for verb in ("list", "pull", "add", "verify", "path")
        )
        assert "..." not in done.out.partition("Commands:")[2]


def test_ctrl_c_in_a_pull_says_that_it_goes_on(faimtrack, publish, monkeypatch):
    publish(None)

    def interrupt(name, report):
        # What runs in the background of a script ignores it, and this test may.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.signal(signal.SIGINT, before)

    monkeypatch.setattr("faimtrack.cli.weights.pull_weights", interrupt)
    done = faimtrack("weights", "pull", "tiny")
    assert done.status == 130
    assert done.err == "faimtrack: error: interrupted; the same command goes on from there\n"


def test_a_detector_that_is_not_in_the_cache_is_fetched_once_and_said_so(
    faimtrack, publish, make_sequence, tmp_path
):
    stream = io.BytesIO()
    torch.save({"model": Yolox("nano", 1).state_dict()}, stream)
    publish(None, content=stream.getvalue(), architecture="yolox-nano")
    sequence = make_sequence(frames=3, images=True)
    arguments = ["--detector", "tiny", "--set", "input_height=64", "--set", "input_width=64"]
    done = faimtrack("detect", sequence, *arguments, "--output", "found")
    assert done.status == 0, done.err
    assert "fetching tiny, which is not in the cache" in done.err
    assert "pinned at this first download" in done.err
    again = faimtrack("detect", sequence, *arguments, "--output", "again")
    assert again.status == 0, again.err
    assert "fetching" not in again.err
    assert (tmp_path / "found" / "walk.txt").read_bytes() == (
        tmp_path / "again" / "walk.txt"
    ).read_bytes()
