"""Lab 3 and 4: build the API's image, run it with a published port, stop it."""

from __future__ import annotations

import time
from pathlib import Path

from harness import CHECKOUT, Pier, http_get, http_wait, wait_until

DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /app
COPY app.py .
RUN pip install --no-cache-dir fastapi uvicorn
CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]
"""
APP = """\
from fastapi import FastAPI

PLACES = ("R", "U")

app = FastAPI()


@app.get("/health")
def health():
    return {"status": "ok"}
"""


def _context(folder: Path) -> Path:
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "app.py").write_text(APP)
    return folder


def test_the_lab_image_builds_with_steps_and_is_cached_the_second_time(pier: Pier, tmp_path: Path) -> None:
    context = _context(tmp_path)
    first = pier("build", "-t", "lab-3", ".", cwd=context, timeout=300)
    for step in ("FROM", "WORKDIR /app", "COPY app.py", "RUN pip install"):
        assert step in first.err
    begun = time.monotonic()
    second = pier("build", "-t", "lab-3", ".", cwd=context)
    assert time.monotonic() - begun < 10
    assert second.err.count("CACHED") >= 3
    (row,) = pier("images", "--format", "json", "lab-3").rows()
    assert (row["Repository"], row["Tag"]) == ("lab-3", "latest")
    pier("rmi", "lab-3")
    assert pier("images", "-q", "lab-3").out == ""


def test_a_changed_file_builds_again_from_its_copy_step_on(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine\nRUN echo one > /one\nCOPY word /word\nRUN cat /word > /two\n")
    (tmp_path / "word").write_text("first")
    pier("build", "-t", "changed", ".", cwd=tmp_path)
    (tmp_path / "word").write_text("second")
    again = pier("build", "-t", "changed", ".", cwd=tmp_path)
    assert again.err.count("CACHED") == 1
    assert pier("run", "--rm", "changed", "cat", "/two").out == "second"
    pier("rmi", "changed")
    pier("image", "prune", "-f")


def test_a_published_port_answers_and_ps_shows_it(pier: Pier, simple_api: str, free_port: int) -> None:
    running = pier.start("run", "--name", "api", "-p", f"{free_port}:8000", simple_api)
    assert http_wait(f"http://localhost:{free_port}/health") == '{"status":"ok"}'
    (row,) = pier("ps", "--format", "json").rows()
    assert (row["Names"], row["Image"]) == ("api", simple_api)
    assert f"0.0.0.0:{free_port}->8000/tcp" in row["Ports"]
    assert row["Status"].startswith("Up ")
    assert "NAMES" in pier("ps").lines[0]
    pier("stop", "api")
    out, err = running.communicate(timeout=20)
    assert "GET /health" in out + err
    assert pier.names() == []
    assert pier.names(all=True) == ["api"]
    assert _refused(f"http://localhost:{free_port}/health")


def _refused(url: str) -> bool:
    try:
        http_get(url, timeout=2)
    except OSError:
        return True
    return False


def test_stop_sends_sigterm_and_keeps_the_exit_code(pier: Pier) -> None:
    script = "trap 'echo got TERM; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    pier("run", "-d", "--name", "polite", "alpine", "sh", "-c", script)
    wait_until(lambda: "ready" in pier("logs", "polite").out, what="the trap is set")
    assert pier("stop", "polite").words == "polite"
    assert "got TERM" in pier("logs", "polite").out
    assert pier.state("polite")["ExitCode"] == 5


def test_stop_sends_sigkill_after_the_grace_time(pier: Pier) -> None:
    pier("run", "-d", "--name", "deaf", "alpine", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    wait_until(lambda: "ready" in pier("logs", "deaf").out, what="the trap is set")
    begun = time.monotonic()
    pier("stop", "-t", "1", "deaf")
    assert 0.9 < time.monotonic() - begun < 6
    assert pier.state("deaf")["ExitCode"] == 137


def test_a_stopped_container_starts_again_with_its_files(pier: Pier) -> None:
    pier("run", "--name", "keeper", "alpine", "sh", "-c", "echo line >> /kept; cat /kept")
    assert pier("start", "-a", "keeper").out == "line\nline\n"


def test_the_example_stands_where_the_readme_says() -> None:
    assert {"app.py", "Dockerfile", "compose.yaml"} <= {
        path.name for path in (CHECKOUT / "examples/simple-api").iterdir()
    }
