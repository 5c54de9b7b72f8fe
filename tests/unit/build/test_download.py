"""ADD of an address: the file, its name, mode and time, and what a server can say instead."""

from __future__ import annotations

import hashlib
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pier.errors import Corrupt, Denied, SyntaxProblem, Unavailable
from unit.build.workbench import Bench

CONTENT = b"fetched"


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code = {"/missing": 404, "/private": 403}.get(self.path, 200)
        self.send_response(code)
        if code == 200:
            self.send_header("Last-Modified", "Sun, 13 Sep 2020 12:26:40 GMT")
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if code == 200 else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_a_fetched_file_takes_the_addresss_name_and_the_servers_time(bench: Bench, server: str) -> None:
    image = bench.build(f"FROM scratch\nADD {server}/a%20b.txt?x=1 /d/\nADD {server}/y /named\n")
    status = bench.path(image, "d/a b.txt").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o600, 1_600_000_000)
    assert bench.path(image, "named").read_bytes() == CONTENT


def test_an_unchanged_address_is_cached(bench: Bench, server: str) -> None:
    bench.build(f"FROM scratch\nADD {server}/y /named\n")
    bench.build(f"FROM scratch\nADD {server}/y /named\n")
    assert bench.kinds() == ["cached"]


def test_a_checksum_is_held_to(bench: Bench, server: str) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    bench.build(f"FROM scratch\nADD --checksum=sha256:{right} --chmod=644 {server}/y /named\n")
    with pytest.raises(Corrupt, match="Dockerfile:2: .*checksum"):
        bench.build(f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {server}/y /named\n")


def test_an_address_without_a_name_needs_a_destination(bench: Bench, server: str) -> None:
    with pytest.raises(SyntaxProblem, match="file name"):
        bench.build(f"FROM scratch\nADD {server}/ /d/\n")


def test_what_the_server_refuses_is_told_with_the_line(bench: Bench, server: str) -> None:
    with pytest.raises(SyntaxProblem, match="404"):
        bench.build(f"FROM scratch\nADD {server}/missing /x\n")
    with pytest.raises(Denied, match="Dockerfile:2: .*403"):
        bench.build(f"FROM scratch\nADD {server}/private /x\n")
    with pytest.raises(Unavailable, match="Dockerfile:2: cannot fetch"):
        bench.build("FROM scratch\nADD http://127.0.0.1:1/x /x\n")
