import hashlib
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from faimtrack.weights import (
    WeightsMetadata,
    add_weights,
    cache_folder,
    cached_weights,
    find_weights,
    pull_weights,
    read_checkpoint,
    verify_weights,
    weights_entry,
    write_weights,
)
from faimtrack.weights.cache import claim, weights_path


def make_checkpoint(seed=0):
    generator = torch.Generator().manual_seed(seed)
    stream = io.BytesIO()
    torch.save({"model": {"weight": torch.rand(200, 200, generator=generator)}}, stream)
    return stream.getvalue()


CONTENT = make_checkpoint()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
# And nothing wrong with them.
BUNDLED = {"crowd-nano": None, "crowd-nano-torch": None, "crowd-objects-nano": None}


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv("FAIMTRACK_HOME", "")
    assert cache_folder() == tmp_path / "shared" / "faimtrack"
    for nothing in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", nothing)
        assert cache_folder() == Path.home() / ".cache" / "faimtrack"
    monkeypatch.setenv("FAIMTRACK_HOME", "~/weights")
    assert cache_folder() == Path.home() / "weights"


def test_what_is_pulled_is_found_and_read(publish, home):
    publish(CONTENT, sha256=SHA256)
    path = pull_weights("tiny")
    assert path == home / "weights" / "tiny" / "tiny.pth" == find_weights("tiny")
    assert path.read_bytes() == CONTENT
    assert read_checkpoint(path).tensors["weight"].shape == (200, 200)
    assert left_in(path.parent) == [".record.json", "tiny.pth"]


def test_what_is_there_and_right_is_not_fetched_again(publish, server):
    publish(CONTENT, sha256=SHA256[:8])
    assert pull_weights("tiny") == pull_weights("tiny")
    assert len(server.requests) == 1


def test_what_is_there_and_wrong_is_fetched_again(publish, server):
    publish(CONTENT, sha256=SHA256)
    path = pull_weights("tiny")
    path.write_bytes(CONTENT[:-1] + b"x")
    assert pull_weights("tiny") == path
    assert path.read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("digits", [8, 64])
def test_a_wrong_hash_is_not_accepted_and_nothing_stays(publish, home, digits):
    publish(b"\x80" + CONTENT, sha256=SHA256[:digits])
    with pytest.raises(ValueError, match=rf"tiny\.pth: not accepted.*{SHA256[:digits]}.*got "):
        pull_weights("tiny")
    assert left_in(home / "weights" / "tiny") == []
    with pytest.raises(FileNotFoundError):
        find_weights("tiny")


def test_an_unknown_hash_is_pinned_at_the_first_download(publish, caplog):
    publish(CONTENT)
    with caplog.at_level("INFO"):
        path = pull_weights("tiny")
    assert f"pinned at this download: {SHA256}" in caplog.text
    (cached,) = cached_weights()
    assert cached.is_pinned
    assert cached.sha256 == SHA256
    path.unlink()
    publish(make_checkpoint(1), etag='"two"')
    with pytest.raises(ValueError, match="as at the first download"):
        pull_weights("tiny")
    assert not path.exists()
    publish(CONTENT, etag='"three"')
    assert pull_weights("tiny").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><p>Sign in</p>", b"version https://git-lfs", b"PK\x03\x04"]
)
def test_what_is_no_file_of_weights_is_never_pinned(publish, home, content):
    publish(content)
    with pytest.raises(ValueError, match=r"not accepted and removed: .* got "):
        pull_weights("tiny")
    assert left_in(home / "weights" / "tiny") == []


def test_a_download_that_broke_off_goes_on_at_the_next_pull(publish, server, home):
    publish(CONTENT, sha256=SHA256)
    server.cuts = [50_000, 0, 0, 0]
    with pytest.raises(OSError, match=r"are kept.*By hand: fetch http"):
        pull_weights("tiny")
    assert left_in(home / "weights" / "tiny") == ["tiny.pth.part", "tiny.pth.part.json"]
    assert pull_weights("tiny").read_bytes() == CONTENT
    assert server.requests[-1][1]["Range"] == "bytes=50000-"
    assert left_in(home / "weights" / "tiny") == [".record.json", "tiny.pth"]


def test_without_a_net_the_message_says_what_to_fetch_and_where_to_put_it(publish, server, home):
    entry = publish(CONTENT, url=f"{server.url}/gone.pth")
    with pytest.raises(OSError, match="HTTP 404 Not Found") as caught:
        pull_weights("tiny")
    for needed in (entry.url, str(weights_path(entry)), "faimtrack weights add FILE --name tiny"):
        assert needed in str(caught.value)
    with pytest.raises(FileNotFoundError) as caught:
        find_weights("tiny")
    for needed in ("pull tiny", entry.url, str(weights_path(entry)), "add FILE --name tiny"):
        assert needed in str(caught.value)


def test_a_full_disk_leaves_the_cache_as_it_was(publish, home, monkeypatch):
    publish(CONTENT, sha256=SHA256)
    usage = shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="of free disk") as caught:
        pull_weights("tiny")
    assert "By hand" not in str(caught.value)
    assert left_in(home / "weights" / "tiny") == []


def test_a_file_that_was_put_there_by_hand_is_checked_and_found(publish):
    entry = publish(CONTENT, sha256=SHA256)
    path = weights_path(entry)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match="expected SHA-256"):
        find_weights("tiny")
    path.write_bytes(CONTENT)
    assert find_weights("tiny") == path
    assert [each.name for each in cached_weights()] == ["tiny"]


def test_a_cached_file_that_lost_bytes_is_told_when_it_is_found(publish):
    publish(CONTENT, sha256=SHA256)
    path = pull_weights("tiny")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=r"bytes, got .*pull tiny` fetches it again"):
        find_weights("tiny")
    path.unlink()
    with pytest.raises(ValueError, match="got no file"):
        find_weights("tiny")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format_version": 2}', "\x00"])
def test_a_broken_record_is_told(publish, text):
    publish(CONTENT, sha256=SHA256)
    path = pull_weights("tiny")
    path.with_name(".record.json").write_text(text)
    with pytest.raises(ValueError, match=r"record\.json: expected a record of format 1"):
        find_weights("tiny")


def test_a_record_cannot_lead_out_of_its_folder(publish):
    publish(CONTENT, sha256=SHA256)
    record = pull_weights("tiny").with_name(".record.json")
    values = json.loads(record.read_text())
    for name in ("../other/x.pth", "/etc/passwd"):
        record.write_text(json.dumps(values | {"file_name": name}))
        with pytest.raises(ValueError, match="expected a record"):
            find_weights("tiny")


def test_verify_finds_a_flipped_bit_and_passes_what_is_right(publish):
    publish(CONTENT, sha256=SHA256)
    path = pull_weights("tiny")
    assert [check.problem for check in verify_weights()] == [None] * (len(BUNDLED) + 1)
    data = bytearray(CONTENT)
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert find_weights("tiny") == path  # looks at the size only
    (check,) = verify_weights(["tiny"])
    assert check.name == "tiny"
    assert f"expected SHA-256 {SHA256}" in check.problem
    path.unlink()
    (check,) = verify_weights(["tiny"])
    assert check.problem is not None


def test_verify_compares_with_the_pinned_hash_and_wants_known_names(publish):
    publish(CONTENT)
    path = pull_weights("tiny")
    path.write_bytes(make_checkpoint(1))
    (check,) = verify_weights(["tiny"])
    assert f"expected SHA-256 {SHA256}" in check.problem
    with pytest.raises(FileNotFoundError, match="yolox-s: not in the cache"):
        verify_weights(["yolox-s"])
    with pytest.raises(ValueError, match="expected a name"):
        verify_weights(["nonsense"])


def test_of_an_empty_cache_only_what_comes_along_is_verified(home):
    assert {check.name: check.problem for check in verify_weights()} == BUNDLED
    assert cached_weights() == []
    assert not home.exists()


def test_a_published_file_is_added_by_its_hash_whatever_it_is_called(publish, tmp_path):
    publish(CONTENT, sha256=SHA256)
    (tmp_path / "download (3).bin").write_bytes(CONTENT)
    path = add_weights(tmp_path / "download (3).bin")
    assert path == find_weights("tiny")
    assert (tmp_path / "download (3).bin").exists()


def test_a_published_file_without_a_hash_is_added_by_its_file_name_and_pinned(publish, tmp_path):
    publish(CONTENT)
    (tmp_path / "tiny.pth").write_bytes(CONTENT)
    add_weights(tmp_path / "tiny.pth")
    (cached,) = cached_weights()
    assert cached.is_pinned
    (tmp_path / "tiny.pth").write_bytes(make_checkpoint(1))
    with pytest.raises(FileExistsError, match="tiny: expected SHA-256"):
        add_weights(tmp_path / "tiny.pth")
    assert find_weights("tiny").read_bytes() == CONTENT


def test_a_file_name_that_two_entries_share_is_not_guessed(home, tmp_path):
    (tmp_path / "yolox_s.pth").write_bytes(CONTENT)
    with pytest.raises(ValueError, match=r"not known; give `--name yolox-s-legacy` if it is that"):
        add_weights(tmp_path / "yolox_s.pth")
    path = add_weights(tmp_path / "yolox_s.pth", "yolox-s-legacy")
    assert path.name == "yolox_s.pth"
    with pytest.raises(ValueError, match=r"yolox_s\.pth: expected SHA-256 f55ded7181e1"):
        add_weights(tmp_path / "yolox_s.pth", "yolox-s")
    assert weights_entry("yolox-s").name not in [each.name for each in cached_weights()]


@pytest.mark.parametrize("kind", ["pth", "safetensors", "onnx"])
def test_own_weights_are_added_under_an_own_name(home, tmp_path, kind):
    file = tmp_path / f"best.{kind}"
    if kind == "safetensors":
        write_weights(file, {"a": torch.ones(3)}, WeightsMetadata(architecture="yolox-nano"))
    else:
        file.write_bytes(CONTENT if kind == "pth" else b"\x08\x07\x12\x07pytorch")
    with pytest.raises(ValueError, match="a name of your own"):
        add_weights(file)
    path = add_weights(file, "crowd-v1.2")
    assert path == find_weights("crowd-v1.2") == home / "weights/crowd-v1.2" / f"crowd-v1.2.{kind}"
    assert path.read_bytes() == file.read_bytes()
    assert add_weights(file, "crowd-v1.2") == path
    assert {check.name: check.problem for check in verify_weights()} == BUNDLED | {
        "crowd-v1.2": None
    }
    path.write_bytes(b"")
    (check,) = verify_weights(["crowd-v1.2"])
    assert "weights add FILE --name crowd-v1.2" in check.problem


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "", ".", "..", ".hidden", "a b", "-x"])
def test_names_that_would_leave_the_cache_are_refused(home, tmp_path, name):
    (tmp_path / "w.pth").write_bytes(CONTENT)
    for call in (lambda: add_weights(tmp_path / "w.pth", name), lambda: find_weights(name)):
        with pytest.raises(ValueError, match="name: expected letters"):
            call()
    assert not home.exists()


def test_other_content_under_a_name_that_is_taken_is_refused(home, tmp_path):
    (tmp_path / "a.pth").write_bytes(CONTENT)
    (tmp_path / "b.pth").write_bytes(make_checkpoint(1))
    path = add_weights(tmp_path / "a.pth", "mine")
    with pytest.raises(FileExistsError, match="choose another name, or remove"):
        add_weights(tmp_path / "b.pth", "mine")
    assert path.read_bytes() == CONTENT
    assert left_in(path.parent) == [".record.json", "mine.pth"]


def test_what_cannot_be_weights_is_not_added(home, tmp_path):
    for name, content in (("w.pth", b"<html>"), ("w.onnx", b""), ("w.txt", b"1,2,3")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"^{tmp_path}/{name}: expected .*, got "):
            add_weights(tmp_path / name, "mine")
    with pytest.raises(FileNotFoundError, match=r"none\.pth: expected a file of weights"):
        add_weights(tmp_path / "none.pth", "mine")
    with pytest.raises(FileNotFoundError, match="got a folder"):
        add_weights(tmp_path, "mine")
    assert cached_weights() == []


def test_a_file_that_is_in_its_place_already_is_only_recorded(publish):
    entry = publish(CONTENT)
    path = weights_path(entry)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert add_weights(path, "tiny") == path
    assert [each.sha256 for each in cached_weights()] == [SHA256]


def pull_in_another_process(start, answers):
    start.wait()
    answers.put(str(pull_weights("tiny")))


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not copied there")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_two_processes_that_pull_at_once_fetch_it_once(publish, server):
    server.on_request = lambda path: time.sleep(0.3)
    entry = publish(CONTENT, sha256=SHA256)
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    processes = [
        context.Process(target=pull_in_another_process, args=(start, answers)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    start.set()
    found = [answers.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert found == [str(weights_path(entry))] * 2
    assert len(server.requests) == 1
    assert left_in(weights_path(entry).parent) == [".record.json", "tiny.pth"]


def test_who_waits_too_long_is_told(publish, monkeypatch):
    monkeypatch.setattr("faimtrack.weights.cache._PATIENCE_S", 0.0)
    publish(CONTENT)
    with claim("tiny"), pytest.raises(BlockingIOError, match="expected to write it alone"):
        pull_weights("tiny")


def test_a_claim_is_passed_on(home):
    order = []

    def second():
        with claim("x"):
            order.append("second")

    thread = threading.Thread(target=second)
    with claim("x"):
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert left_in(home / "weights" / "x") == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_a_cache_that_may_only_be_read_is_read(publish, home):
    publish(CONTENT, sha256=SHA256)
    path = pull_weights("tiny")
    path.parent.chmod(0o500)
    try:
        assert pull_weights("tiny") == find_weights("tiny") == path
    finally:
        path.parent.chmod(0o700)


def test_listing_and_finding_need_neither_torch_nor_numpy(home):
    code = (
        "import sys; from faimtrack.weights import weights_entries, cached_weights\n"
        "weights_entries(); cached_weights(); print({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
