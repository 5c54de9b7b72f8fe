"""Images assembled without a registry: they work as what they stand in for, and say where they differ."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from harness import Pier, Result, wait_until

ASSEMBLY_SECONDS = 300.0
pytestmark = pytest.mark.slow


@pytest.fixture
def database(pier: Pier, tmp_path: Path) -> str:
    """A running PostgreSQL, initialised with scripts of all three kinds; its name."""
    scripts = tmp_path / "initdb"
    scripts.mkdir()
    (scripts / "10.sql").write_text("CREATE TABLE made (by text); INSERT INTO made VALUES ('sql');")
    (scripts / "20.sh").write_text('psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO made VALUES (\'sh\')"\n')
    (tmp_path / "password").write_text("s'ecret\n")
    mounts = ("-v", f"{scripts}:/docker-entrypoint-initdb.d:ro", "-v", f"{tmp_path}/password:/run/password:ro")
    given = ("-e", "POSTGRES_USER=demo", "-e", "POSTGRES_PASSWORD_FILE=/run/password")
    pier(
        "run", "-d", "--name", "db", "-h", "db", *mounts, "-v", "dbdata:/var/lib/postgresql/data", *given, "postgres:16"
    )
    ready(pier, "db")
    return "db"


def ready(pier: Pier, name: str) -> None:
    wait_until(lambda: pier.run("exec", name, "pg_isready", "-q", "-h", "127.0.0.1").code == 0, what=f"{name} is ready")


def query(pier: Pier, text: str, *options: object) -> str:
    return pier("exec", *options, "db", "psql", "-U", "demo", "-At", "-c", text).words


def test_each_image_says_that_it_comes_from_a_recipe(pier: Pier) -> None:
    for image in ("hello-world", "alpine", "busybox", "debian:bookworm-slim", "python:3.11-slim", "postgres:16"):
        labels = pier("image", "inspect", image).json()[0]["Config"]["Labels"]
        assert labels["dev.pier.recipe"].split(":")[0] == image.split(":")[0]
        assert labels["dev.pier.recipe.note"]


def test_the_greeting_greets(pier: Pier) -> None:
    assert "Hello from pier!" in pier("run", "--rm", "hello-world").out


def test_alpine_is_a_busybox_userland_and_says_so(pier: Pier) -> None:
    result = pier("run", "--rm", "alpine", "sh", "-c", "cat /etc/os-release; uname; ls /etc/passwd; id -un; which env")
    assert "in place of alpine" in result.out
    assert result.lines[-4:] == ["Linux", "/etc/passwd", "root", "/usr/bin/env"]
    refused = pier.fails("run", "--rm", "alpine", "apk", "add", "curl", code=127)
    assert "not Alpine Linux" in refused.err and "debian:bookworm-slim" in refused.err


def test_alpine_makes_users_as_dockerfiles_for_it_do(pier: Pier) -> None:
    script = "addgroup -S app && adduser -S -G app app && adduser -D bob && addgroup bob app && id app && id bob"
    found = pier("run", "--rm", "alpine", "sh", "-c", script + " && su -s /bin/sh bob -c 'touch ~/x'").lines
    assert "(app)" in found[0] and "uid=1000(bob)" in found[1] and "(app)" in found[1]


def test_images_over_one_base_share_its_layer(pier: Pier) -> None:
    layers = {
        image: pier("image", "inspect", image).json()[0]["RootFS"]["Layers"]
        for image in ("debian:bookworm-slim", "python:3.11-slim", "postgres:16")
    }
    base = layers["debian:bookworm-slim"]
    assert len(base) == 1
    assert layers["python:3.11-slim"][:1] == layers["postgres:16"][:1] == base


def test_debian_is_whole_installs_packages_and_starts_no_services(pier: Pier) -> None:
    script = (
        "dpkg --audit && test -z \"$(dpkg-query -W -f '${db:Status-Abbrev}\\n' | grep -v '^ii ')\""
        " && apt-get -qq update && apt-get -qq install -y --no-install-recommends less > /dev/null"
        " && less --version | head -1; /usr/sbin/policy-rc.d; echo policy $?; ls /usr/share/man /usr/share/locale"
    )
    result = pier("run", "--rm", "debian:bookworm-slim", "sh", "-c", script)
    assert result.lines[0].startswith("less ")
    assert "policy 101" in result.out
    assert "LC_MESSAGES" not in result.out


def test_python_and_pip_work_as_in_the_official_image(pier: Pier) -> None:
    script = (
        "which python python3 pip; python --version; pip --version; echo $PYTHON_VERSION $LANG;"
        "python -m venv /v && /v/bin/pip --version; test -f /usr/include/python3.11/Python.h && echo headers;"
        "python -c 'import ssl, sqlite3, distutils, sysconfig; print(sysconfig.get_path(\"purelib\"))'"
    )
    lines = pier("run", "--rm", "python:3.11-slim", "sh", "-c", script).lines
    assert lines[:3] == ["/usr/local/bin/python", "/usr/local/bin/python3", "/usr/local/bin/pip"]
    assert lines[3] == "Python 3.11.2" and "/usr/local/lib" in lines[4]
    assert lines[5] == "3.11.2 C.UTF-8"
    assert "/v/lib" in lines[6] and lines[7] == "headers"
    assert lines[8].startswith("/usr/local/lib/python3.11/")


def test_pip_installs_without_being_told_off(pier: Pier, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.11-slim\nRUN pip install six && python -c 'import six'\n")
    pier("build", "-t", "withsix", ".", cwd=tmp_path)
    shown = pier("run", "--rm", "withsix", "pip", "show", "six").out
    assert "Location: /usr/local/lib/python3.11" in shown
    pier("rmi", "withsix")


def test_postgres_runs_its_scripts_and_steps_down(pier: Pier, database: str) -> None:
    assert query(pier, "SELECT split_part(version(), '.', 1), current_database()") == "PostgreSQL 16|demo"
    assert query(pier, "SELECT string_agg(by, ' ') FROM made") == "sql sh"
    assert query(pier, "SHOW server_encoding") == "UTF8"
    assert pier("exec", database, "stat", "-c", "%U", "/proc/1", "/var/lib/postgresql/data").lines == ["postgres"] * 2
    assert pier("exec", database, "gosu", "postgres", "id", "-un").words == "postgres"


def test_postgres_asks_the_network_for_the_password(pier: Pier, database: str) -> None:
    assert query(pier, "SELECT 1", "-e", "PGPASSWORD=s'ecret", "-e", "PGHOST=db") == "1"
    refused = pier.run(
        "exec", "-e", "PGPASSWORD=no", "-e", "PGHOST=db", database, "psql", "-U", "demo", "-c", "SELECT 1"
    )
    assert refused.code == 2 and "password authentication failed" in refused.err


def test_postgres_keeps_its_data_over_a_restart(pier: Pier, database: str) -> None:
    query(pier, "INSERT INTO made VALUES ('hand')")
    pier("stop", database)
    assert pier.state(database)["ExitCode"] == 0
    pier("rm", database)
    pier(
        "run", "-d", "--name", "db", "-v", "dbdata:/var/lib/postgresql/data", "-e", "POSTGRES_PASSWORD=x", "postgres:16"
    )
    ready(pier, "db")
    assert query(pier, "SELECT count(*) FROM made") == "3"
    assert "Skipping initialization" in pier("logs", "db").out


def test_psql_is_interactive(pier: Pier, database: str) -> None:
    terminal = pier.terminal("exec", "-it", database, "psql", "-U", "demo")
    terminal.expect_exact("demo=#")
    terminal.sendline("SELECT 40 + 2 AS answer;")
    terminal.expect_exact("42")
    terminal.expect_exact("demo=#")
    terminal.send("\x1b[A")
    terminal.expect_exact("answer")
    terminal.send("\r")
    terminal.expect_exact("42")
    terminal.sendline("\\q")
    terminal.wait()
    assert terminal.exitstatus == 0


def test_postgres_without_a_password_says_what_to_give(pier: Pier) -> None:
    refused = pier.fails("run", "--rm", "postgres:16", code=1)
    assert "superuser password is not specified" in refused.err and "POSTGRES_PASSWORD" in refused.err


def test_postgres_refuses_a_variable_given_twice(pier: Pier) -> None:
    given = ("-e", "POSTGRES_PASSWORD=x", "-e", "POSTGRES_PASSWORD_FILE=/y")
    assert "are exclusive" in pier.fails("run", "--rm", *given, "postgres:16", code=1).err


def test_pg_isready_tells_silence_from_readiness(pier: Pier) -> None:
    assert pier.run("run", "--rm", "postgres:16", "pg_isready", "-t", "1").code == 2


def assemble(pier: Pier, image: str, **env: str) -> Result:
    return pier.run("pull", "--recipes", "only", image, env=env, timeout=ASSEMBLY_SECONDS)


def test_two_assemblies_at_once_make_one_image(bare_pier: Pier) -> None:
    both = [bare_pier.start("pull", "--recipes", "only", "busybox") for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=ASSEMBLY_SECONDS)
        assert process.returncode == 0, err
    assert len(bare_pier("images", "-q").lines) == 1


def test_an_interrupted_assembly_leaves_nothing_and_the_next_one_works(bare_pier: Pier) -> None:
    process = bare_pier.start("pull", "--recipes", "only", "debian:bookworm-slim")
    wait_until(lambda: list((bare_pier.root / "tmp").glob("*/rootfs/usr/bin/?*")), what="packages are being unpacked")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    assert os.listdir(bare_pier.root / "tmp") == []
    assert bare_pier("images", "-aq").out == ""
    assert os.listdir(bare_pier.root / "layers") == []
    assert assemble(bare_pier, "debian:bookworm-slim").code == 0


def test_a_killed_assembly_is_cleared_away_by_the_next(bare_pier: Pier) -> None:
    process = bare_pier.start("pull", "--recipes", "only", "debian:bookworm-slim")
    wait_until(lambda: list((bare_pier.root / "tmp").glob("*/configure.log")), what="packages are being configured")
    process.kill()
    process.communicate()
    assert os.listdir(bare_pier.root / "layers") == []
    assert assemble(bare_pier, "debian:bookworm-slim").code == 0
    assert [name for name in os.listdir(bare_pier.root / "tmp") if name.startswith("scratch-")] == []


def test_a_mirror_that_does_not_answer_is_named(bare_pier: Pier) -> None:
    refused = assemble(bare_pier, "debian:bookworm-slim", PIER_DEBIAN_MIRROR="http://127.0.0.1:9/debian")
    assert refused.code != 0 and "Traceback" not in refused.err
    assert "http://127.0.0.1:9/debian/dists/bookworm/InRelease" in refused.err


def test_a_machine_that_knows_no_debian_mirror_is_told_how_to_name_one(bare_pier: Pier, tmp_path: Path) -> None:
    if shutil.which("apt-config"):
        (tmp_path / "apt.conf").write_text(f'Dir::Etc "{tmp_path}/none";\n')
    refused = assemble(bare_pier, "busybox", APT_CONFIG=str(tmp_path / "apt.conf"))
    assert refused.code != 0 and "names no Debian mirror" in refused.err and "PIER_DEBIAN_MIRROR" in refused.err


def test_an_image_without_a_recipe_lists_those_that_have_one(bare_pier: Pier) -> None:
    refused = assemble(bare_pier, "python:3.12")
    assert refused.code != 0 and "python:3.11-slim" in refused.err
