"""A download is what was promised or nothing, and is kept for the next base."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pier.errors import Corrupt, NotFound, Unavailable, Unsupported
from pier.recipes.debian.aptconf import AptSettings
from pier.recipes.debian.download import Downloader, Wanted


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        return


class Mirror:
    """A server of one folder, which counts nothing and knows nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def put(self, name: str, data: bytes) -> Wanted:
        (self.folder / name).write_bytes(data)
        return Wanted(url=f"{self.url}/{name}", sha256=hashlib.sha256(data).hexdigest(), size=len(data))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    (tmp_path / "mirror").mkdir()
    found = Mirror(tmp_path / "mirror")
    yield found
    found.close()


@pytest.fixture
def downloader(tmp_path: Path) -> Iterator[Downloader]:
    with Downloader(str(tmp_path / "cache"), AptSettings(), {}) as found:
        yield found


def test_files_arrive_in_parallel_and_are_kept(mirror: Mirror, downloader: Downloader) -> None:
    wanted = [mirror.put(f"f{number}", b"%d" % number * 1000) for number in range(20)]
    first = dict(downloader.each(wanted, lambda item, data: (item.url, data)))
    assert [first[item.url] for item in wanted] == [b"%d" % number * 1000 for number in range(20)]
    mirror.close()
    assert dict(downloader.each(wanted, lambda item, data: (item.url, data))) == first


def test_other_bytes_than_promised_are_refused_and_not_kept(
    mirror: Mirror, downloader: Downloader, tmp_path: Path
) -> None:
    wanted = mirror.put("f", b"good")
    mirror.put("f", b"evil")
    with pytest.raises(Corrupt, match="not what the archive's index promises"):
        downloader.cached(wanted)
    assert os.listdir(tmp_path / "cache") == []


def test_one_bad_file_stops_the_rest(mirror: Mirror, downloader: Downloader) -> None:
    wanted = [mirror.put(f"f{number}", b"x%d" % number) for number in range(30)]
    mirror.put("f3", b"changed")
    with pytest.raises(Corrupt):
        list(downloader.each(wanted, lambda item, data: data))


def test_a_caller_that_stops_early_leaves_no_thread(mirror: Mirror, downloader: Downloader) -> None:
    wanted = [mirror.put(f"f{number}", b"x%d" % number) for number in range(30)]
    before = threading.active_count()
    results = downloader.each(wanted, lambda item, data: data)
    next(results)
    results.close()
    names = [thread.name for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]
    assert names == [] or threading.active_count() <= before


def test_missing_and_silent_mirrors_are_told_apart(mirror: Mirror, downloader: Downloader) -> None:
    with pytest.raises(NotFound):
        downloader.get(mirror.url + "/absent")
    mirror.close()
    with pytest.raises(Unavailable):
        downloader.get(mirror.url + "/absent")


def test_a_mirror_can_be_a_folder(downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert downloader.get(f"file://{tmp_path}/file") == b"x"
    assert downloader.get(f"file:{tmp_path}/file") == b"x"
    with pytest.raises(NotFound):
        downloader.get(f"file:{tmp_path}/none")


def test_an_unknown_transport_is_refused(downloader: Downloader) -> None:
    with pytest.raises(Unsupported, match="tor"):
        downloader.get("tor+http://m.example/debian")


def test_a_password_in_the_mirror_is_not_shown(downloader: Downloader, mirror: Mirror) -> None:
    url = mirror.url.replace("http://", "http://user:secret@")
    with pytest.raises(NotFound) as caught:
        downloader.get(url + "/absent")
    assert "secret" not in caught.value.message
