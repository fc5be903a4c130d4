"""A web server on this machine that can misbehave, and an empty cache."""

import dataclasses
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from faimtrack.weights import registry
from faimtrack.weights.registry import WeightsEntry


class Server:
    """What a test sets and looks at.

    Attributes:
        files: What is under each path.
        etags: What names each content; none for paths that are not in it.
        cuts: After how many bytes of a body each coming request is cut off.
        redirects: Where a path leads to.
        statuses: What a path is answered with in place of its file.
        knows_ranges: Whether a part of a file can be asked for.
        range_error: By how many bytes a part begins too late.
        says_length: Whether the length is said.
        requests: Path and headers of all that came.
    """

    def __init__(self):
        self.files, self.etags, self.redirects, self.statuses = {}, {}, {}, {}
        self.cuts, self.requests = [], []
        self.knows_ranges = self.says_length = True
        self.range_error = 0
        self.on_request = None

    def answer(self, handler):
        path = handler.path
        self.requests.append((path, dict(handler.headers)))
        if self.on_request is not None:
            self.on_request(path)
        if path in self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects[path])
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if path in self.statuses or path not in self.files:
            handler.send_error(self.statuses.get(path, 404))
            return
        self._send(handler, self.files[path], self.etags.get(path))

    def _send(self, handler, content, etag):
        asked, offset = handler.headers.get("Range"), 0
        if asked and self.knows_ranges and handler.headers.get("If-Range") == etag:
            offset = int(asked.removeprefix("bytes=").partition("-")[0])
        offset += self.range_error if offset else 0
        if offset and offset >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if offset else 200)
        if offset:
            end = f"bytes {offset}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", end)
        if self.says_length:
            handler.send_header("Content-Length", str(len(content) - offset))
        if etag is not None:
            handler.send_header("ETag", etag)
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        handler.wfile.write(content[offset:][:cut])
        handler.close_connection = True


@pytest.fixture
def server(monkeypatch):
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            state.answer(self)

        def log_message(self, *arguments):
            pass

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("faimtrack.weights.download._PAUSE_S", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_port}"
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("FAIMTRACK_HOME", str(folder))
    return folder


@pytest.fixture
def publish(server, home, monkeypatch):
    """Put a file on the server and into the registry, under the name `tiny`."""

    def put(content, *, sha256=None, etag='"one"', name="tiny", **changes):
        path = f"/{name}.pth"
        server.files[path], server.etags[path] = content, etag
        if etag is None:
            del server.etags[path]
        entry = WeightsEntry(
            name=name,
            title="a test",
            url=f"{server.url}{path}",
            file_name=f"{name}.pth",
            sha256=sha256,
            licence="CC0-1.0",
            data="none",
            architecture="none",
            kind="detector",
        )
        entry = dataclasses.replace(entry, **changes)
        others = tuple(each for each in registry._ENTRIES if each.name != name)
        monkeypatch.setattr(registry, "_ENTRIES", (*others, entry))
        return entry

    return put
