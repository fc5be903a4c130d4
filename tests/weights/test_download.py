import errno
import json
import shutil
import socket
import threading
from types import SimpleNamespace

import pytest

from faimtrack.weights import download as module
from faimtrack.weights.download import download, forget_part

CONTENT = bytes(range(256)) * 4096
PATH = "/w.pth"


@pytest.fixture
def part(tmp_path):
    return tmp_path / "w.pth.part"


@pytest.fixture
def url(server):
    server.files[PATH], server.etags[PATH] = CONTENT, '"one"'
    return f"{server.url}{PATH}"


def ranges(server):
    return [headers.get("Range") for _, headers in server.requests]


def test_a_file_comes_whole_and_progress_is_told(url, part):
    told = []
    download(url, part, lambda done, total: told.append((done, total)))
    assert part.read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_a_cut_connection_goes_on_with_what_is_missing(server, url, part):
    server.cuts = [300_000, 200_000]
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=300000-", "bytes=500000-"]
    assert server.requests[1][1]["If-Range"] == '"one"'


def test_a_cut_connection_starts_over_where_the_server_knows_no_ranges(server, url, part):
    server.cuts = [300_000]
    server.knows_ranges = False
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=300000-"]


def test_a_part_that_begins_elsewhere_is_not_put_there(server, url, part):
    server.cuts = [300_000]
    server.range_error = 5
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=300000-", None]


def test_a_bad_line_is_borne_as_long_as_something_comes(server, url, part):
    server.cuts = [100_000] * 10
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert len(server.requests) == 11


def test_what_cannot_be_told_apart_is_fetched_anew(server, url, part):
    server.cuts = [300_000]
    del server.etags[PATH]
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server) == [None, None]


def test_a_file_that_changed_in_between_is_fetched_anew(server, url, part):
    server.cuts = [300_000] + [0] * 3
    with pytest.raises(OSError, match=r"300\.0 kB are kept"):
        download(url, part)
    server.files[PATH], server.etags[PATH] = CONTENT[::-1], '"two"'
    download(url, part)
    assert part.read_bytes() == CONTENT[::-1]
    assert ranges(server)[-1] == "bytes=300000-"


def test_a_weak_name_of_the_content_is_no_reason_to_mix(server, url, part):
    server.cuts = [300_000]
    server.etags[PATH] = 'W/"one"'
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server) == [None, None]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, url, part):
    server.cuts = [100_000] + [0] * 3
    with pytest.raises(OSError, match=r"w\.pth: the connection broke after 100\.0 kB of 1\.0 MB"):
        download(url, part)
    assert part.read_bytes() == CONTENT[:100_000]
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server)[-1] == "bytes=100000-"


def test_what_was_whole_is_not_asked_for_again(server, url, part):
    download(url, part)
    download(url, part)
    assert len(server.requests) == 1


def test_a_part_of_another_address_is_not_gone_on_with(server, url, part):
    part.write_bytes(b"x" * 1000)
    note = {"url": "http://elsewhere/w.pth", "validator": '"one"', "total": None}
    part.with_name(f"{part.name}.json").write_text(json.dumps(note))
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server) == [None]


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(server, url, part):
    part.write_bytes(b"x" * (len(CONTENT) + 5))
    note = {"url": url, "validator": '"one"', "total": None}
    part.with_name(f"{part.name}.json").write_text(json.dumps(note))
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server) == [f"bytes={len(CONTENT) + 5}-", None]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 3}'])
def test_a_broken_note_is_no_obstacle(url, part, note):
    part.write_bytes(b"x" * 1000)
    part.with_name(f"{part.name}.json").write_text(note)
    download(url, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_answer_that_is_no_file_is_told_with_the_address(server, url, part, status):
    server.statuses[PATH] = status
    with pytest.raises(OSError, match=rf"w\.pth: got HTTP {status} ") as caught:
        download(url, part)
    assert "\n" not in str(caught.value)
    assert not part.exists()


def test_a_server_that_is_not_there_is_told(part):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/w.pth"
        with pytest.raises(OSError, match=r"w\.pth: Connection refused"):
            download(url, part)


def test_a_host_that_nobody_knows_is_told(part, monkeypatch):
    def fail(*arguments, **keywords):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OSError, match=r"example\.org/w\.pth: its host is not known here"):
        download("https://example.org/w.pth", part)


def test_a_server_that_falls_silent_is_given_up(part, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/w.pth"
        with pytest.raises(OSError, match="no answer within"):
            download(url, part)


def test_a_redirect_is_followed_and_what_is_missing_asked_for_behind_it(server, url, part):
    server.redirects["/old"] = "/newer"
    server.redirects["/newer"] = url
    server.cuts = [400_000]
    download(f"{server.url}/old", part)
    assert part.read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/old", "/newer", PATH] * 2
    assert ranges(server)[-1] == "bytes=400000-"


def test_a_redirect_in_a_circle_is_refused(server, part):
    server.redirects |= {"/a": "/b", "/b": "/a"}
    with pytest.raises(OSError, match="/a: got HTTP 302") as caught:
        download(f"{server.url}/a", part)
    assert "\n" not in str(caught.value)
    assert len(server.requests) < 15


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_away_from_the_web_is_refused(server, part, target):
    server.redirects["/a"] = target
    with pytest.raises(OSError, match="/a: "):
        download(f"{server.url}/a", part)
    assert not part.exists()


def test_a_redirect_to_an_open_connection_is_refused(part):
    (redirects,) = [
        handler for handler in module._opener().handlers if hasattr(handler, "redirect_request")
    ]
    before = SimpleNamespace(full_url="https://example.org/a")
    with pytest.raises(ValueError, match="refused: it leads on to an open connection"):
        redirects.redirect_request(before, None, 302, "", {}, "http://example.org/a")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "x"])
def test_only_the_web_is_asked(part, url):
    with pytest.raises(ValueError, match="expected an address of http or https"):
        download(url, part)


def test_a_full_disk_is_told_before_anything_is_written(url, part, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"expected 1\.0 MB of free disk, got 1\.0 kB") as caught:
        download(url, part)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(part)
    assert not part.exists()


def test_what_came_before_the_disk_was_full_is_kept_and_gone_on_with(
    server, url, part, monkeypatch
):
    real = module._write

    def fill(file, block, known, done):
        class Full:
            def write(self, block):
                file.write(block[:7])  # as much as fits
                file.flush()
                raise OSError(errno.ENOSPC, "No space left on device")

            flush = file.flush

        real(file if done < 300_000 else Full(), block, known, done)

    monkeypatch.setattr(module, "_write", fill)
    with pytest.raises(OSError, match=r"No space left on device: .* are kept") as caught:
        download(url, part)
    assert caught.value.errno == errno.ENOSPC
    kept = part.read_bytes()
    assert 0 < len(kept) < len(CONTENT)
    assert CONTENT.startswith(kept)
    monkeypatch.setattr(module, "_write", real)
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server)[-1] == f"bytes={len(kept)}-"


def test_a_length_that_nobody_tells_is_not_trusted(server, url, part):
    server.says_length = False
    with pytest.raises(OSError, match="does not say how long"):
        download(url, part)


def test_what_is_forgotten_leaves_nothing(url, part):
    download(url, part)
    forget_part(part)
    assert list(part.parent.iterdir()) == []
    forget_part(part)


def test_an_interrupt_keeps_what_came(server, url, part):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(url, part, stop)
    assert CONTENT.startswith(part.read_bytes())
    download(url, part)
    assert part.read_bytes() == CONTENT
    assert ranges(server)[-1].startswith("bytes=")
    assert threading.active_count() < 10
