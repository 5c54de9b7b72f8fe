"""COPY and ADD: what lands where, whose it is, and that no symlink leads out of the image."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from pier.errors import Corrupt, NotFound, PierError, SyntaxProblem, Unsupported
from unit.build.workbench import Bench


def test_a_directorys_contents_are_copied_not_itself(bench: Bench) -> None:
    bench.write("app/a")
    bench.write("app/sub/b")
    image = bench.build("FROM scratch\nCOPY app /srv\n")
    assert bench.files(image) == {"srv/", "srv/a", "srv/sub/", "srv/sub/b"}


def test_a_trailing_slash_makes_the_destination_a_directory(bench: Bench) -> None:
    bench.write("a", "x")
    image = bench.build("FROM scratch\nWORKDIR /w\nCOPY a d/\nCOPY a e\nCOPY a .\n")
    assert bench.files(image) == {"w/", "w/d/", "w/d/a", "w/e", "w/a"}


def test_an_existing_directory_needs_no_slash(bench: Bench) -> None:
    bench.write("a", "x")
    image = bench.build("FROM scratch\nWORKDIR /w\nCOPY a /w\n")
    assert bench.path(image, "w/a").read_text() == "x"


def test_modes_and_times_are_kept_and_owners_are_roots(bench: Bench) -> None:
    script = bench.write("run.sh", "x", mode=0o751)
    os.chown(script, 1234, 1234)
    os.utime(script, (1_600_000_000, 1_600_000_000))
    status = bench.path(bench.build("FROM scratch\nCOPY run.sh /\n"), "run.sh").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime, status.st_uid, status.st_gid) == (0o751, 1_600_000_000, 0, 0)


def test_chown_takes_names_from_the_image_and_chmod_wins(bench: Bench) -> None:
    bench.write("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:101:102::/:/bin/sh\n")
    bench.write("etc/group", "app:x:102:\nweb:x:33:\n")
    bench.write("a")
    image = bench.build(
        "FROM scratch\nCOPY etc /etc\nCOPY --chown=app --chmod=600 a /x/a\n"
        "COPY --chown=app:web a /b\nCOPY --chown=7 a /c\n"
    )
    owners = {name: (bench.path(image, name).stat().st_uid, bench.path(image, name).stat().st_gid) for name in "bc"}
    assert owners == {"b": (101, 33), "c": (7, 7)}
    made = bench.path(image, "x/a").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (101, 102, 0o600)
    assert bench.path(image, "x").stat().st_uid == 101


def test_an_unknown_owner_names_the_line(bench: Bench) -> None:
    bench.write("a")
    with pytest.raises(SyntaxProblem, match="unable to find user nobody") as caught:
        bench.build("FROM scratch\nCOPY --chown=nobody a /\n")
    assert (caught.value.line, caught.value.text) == (2, "COPY --chown=nobody a /")


def test_a_symlink_of_the_image_leads_inside_the_image_only(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    bench.write("a", "x")
    (bench.context / "absolute").symlink_to(outside)
    (bench.context / "climbing").symlink_to("../../../../../.." + str(outside))
    image = bench.build("FROM scratch\nCOPY . /links/\nCOPY a /links/absolute/\nCOPY a /links/climbing/b\n")
    assert list(outside.iterdir()) == []
    assert bench.path(image, str(outside).strip("/") + "/a").read_text() == "x"
    assert bench.path(image, str(outside).strip("/") + "/b").read_text() == "x"


def test_a_symlinked_directory_is_written_through_and_stays(bench: Bench) -> None:
    bench.write("root/usr/lib/x")
    (bench.context / "root/lib").symlink_to("usr/lib")
    bench.write("more/lib/y")
    image = bench.build("FROM scratch\nCOPY root /\nCOPY more /\n")
    assert bench.path(image, "lib").is_symlink()
    assert "usr/lib/y" in bench.files(image)


def test_a_symlink_of_the_context_resolves_inside_the_context(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    (bench.context / "leak").symlink_to(tmp_path / "secret")
    with pytest.raises(SyntaxProblem, match="leak: not found"):
        bench.build("FROM scratch\nCOPY leak /\n")
    bench.write("real", "inside")
    (bench.context / "link").symlink_to("/real")
    assert bench.path(bench.build("FROM scratch\nCOPY link /\n"), "link").read_text() == "inside"


def test_wildcards_match_and_an_empty_match_only_warns(bench: Bench) -> None:
    for name in ("a.txt", "b.txt", "c.md", "sub/d.txt"):
        bench.write(name)
    image = bench.build("FROM scratch\nCOPY *.txt s?b/*.txt no*thing /d/\n")
    assert bench.files(image) == {"d/", "d/a.txt", "d/b.txt", "d/d.txt"}
    assert [event.text for event in bench.events if event.kind == "warning"] == ["no*thing matches no file"]


def test_several_matches_need_a_directory(bench: Bench) -> None:
    bench.write("a.txt")
    bench.write("b.txt")
    with pytest.raises(SyntaxProblem, match="2 files match") as caught:
        bench.build("FROM scratch\nCOPY *.txt /d\n")
    assert caught.value.hint.endswith("/d/")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("requirments.txt", ("requirments.txt: not found", "did you mean requirements.txt?")),
        ("src/mian.py", ("did you mean src/main.py?",)),
        ("../other", ("lies outside",)),
        ("secret.log", ("line 2 of .dockerignore hides it: *.log",)),
    ],
)
def test_a_missing_source_says_why_and_names_a_close_one(bench: Bench, source: str, words: tuple[str, ...]) -> None:
    for name in ("requirements.txt", "src/main.py", "secret.log"):
        bench.write(name)
    bench.write(".dockerignore", "# logs\n*.log\n")
    with pytest.raises(SyntaxProblem) as caught:
        bench.build(f"FROM scratch\nCOPY {source} /x/\n")
    assert caught.value.line == 2
    for word in words:
        assert word in f"{caught.value.message} {caught.value.why} {caught.value.hint}"


def test_what_dockerignore_hides_is_not_there_and_exclude_leaves_out_more(bench: Bench) -> None:
    for name in ("a", "b.md", "node_modules/x", "keep/y.md", "keep/z"):
        bench.write(name)
    bench.write(".dockerignore", "node_modules\n.dockerignore\nkeep\n!keep/z\n")
    image = bench.build("FROM scratch\nCOPY --exclude=*.md . /\n")
    assert bench.files(image) == {"a", "keep/", "keep/z"}


def test_the_dockerfiles_own_ignore_file_goes_first(bench: Bench) -> None:
    bench.write("a")
    bench.write("b")
    bench.write(".dockerignore", "a\n")
    bench.write("app.Dockerfile", "FROM scratch\nCOPY . /\n")
    bench.write("app.Dockerfile.dockerignore", "b\n*Dockerfile*\n.dockerignore\n")
    image = bench.build("", dockerfile_text=None, dockerfile="app.Dockerfile")
    assert bench.files(image) == {"a"}


def test_a_file_cannot_replace_a_directory_nor_lie_in_a_file(bench: Bench) -> None:
    bench.write("a")
    bench.write("d/x")
    with pytest.raises(SyntaxProblem, match="cannot copy to non-directory: /a"):
        bench.build("FROM scratch\nCOPY a /a\nCOPY d /a\n")
    with pytest.raises(SyntaxProblem, match="cannot replace the directory /t/x"):
        bench.build("FROM scratch\nCOPY d /t/x/\nCOPY d /t/\n")


def test_a_whiteout_name_cannot_be_copied(bench: Bench) -> None:
    bench.write(".wh.passwd")
    with pytest.raises(SyntaxProblem, match=r"cannot copy \.wh\.passwd"):
        bench.build("FROM scratch\nCOPY . /etc/\n")


def test_a_stages_files_keep_their_owners_and_hard_links(bench: Bench) -> None:
    first = bench.write("one", "x")
    os.link(first, bench.context / "two")
    image = bench.build("FROM scratch AS a\nCOPY --chown=5:6 . /f/\nFROM scratch\nCOPY --from=a /f /g\n")
    status = bench.path(image, "g/one").stat()
    assert (status.st_uid, status.st_gid) == (5, 6)


def test_heredocs_become_files(bench: Bench) -> None:
    image = bench.build('FROM scratch\nENV A=1\nCOPY <<one <<"two" /d/\n$A "x"\none\n$A\ntwo\n')
    assert bench.path(image, "d/one").read_text() == '1 "x"\n'
    assert bench.path(image, "d/two").read_text() == "$A\n"


def archive(path: Path, *members: tuple[str, bytes | str], mode: str = "w:gz") -> None:
    """Members: a name with content, or with a string that a symlink points to."""
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.uid, info.mode, info.mtime = 42, 0o640, 1_500_000_000
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_add_unpacks_archives_with_their_owners_and_copy_does_not(bench: Bench, mode: str) -> None:
    archive(bench.context / "x.tar", ("dir/file", b"hello"), mode=mode)
    image = bench.build("FROM scratch\nADD x.tar /in\nCOPY x.tar /as-is\n")
    status = bench.path(image, "in/dir/file").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode), status.st_mtime) == (42, 0o640, 1_500_000_000)
    assert bench.path(image, "as-is").is_file()


def test_a_hostile_archive_stays_inside(bench: Bench, tmp_path: Path) -> None:
    archive(
        bench.context / "x.tgz",
        ("../../../../../../escaped", b"1"),
        ("out", str(tmp_path)),
        ("out/planted", b"2"),
    )
    image = bench.build("FROM scratch\nADD x.tgz /in/\n")
    assert not (tmp_path / "planted").exists()
    assert "in/escaped" in bench.files(image)


def test_a_truncated_archive_is_corrupt_and_leaves_nothing(bench: Bench) -> None:
    archive(bench.context / "x.tgz", ("file", os.urandom(100_000)))
    whole = (bench.context / "x.tgz").read_bytes()
    (bench.context / "x.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Corrupt, match=r"Dockerfile:2: cannot unpack x\.tgz"):
        bench.build("FROM scratch\nADD x.tgz /in/\n")
    assert not [name for name in os.listdir(bench.engine.paths.tmp) if name.startswith("scratch-")]


def test_add_copies_what_only_looks_compressed(bench: Bench) -> None:
    import gzip

    (bench.context / "a.gz").write_bytes(gzip.compress(b"no archive"))
    assert bench.files(bench.build("FROM scratch\nADD a.gz /d/\n")) == {"d/", "d/a.gz"}


@pytest.mark.parametrize("source", ["git@host:a/b.git", "https://host/a/b.git#main", "git://host/x"])
def test_git_sources_are_refused_by_name(bench: Bench, source: str) -> None:
    with pytest.raises(Unsupported, match="git repositories"):
        bench.build(f"FROM scratch\nADD {source} /x\n")


def test_a_context_arrives_as_an_archive_or_as_a_lone_dockerfile(bench: Bench) -> None:
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w:gz") as tar:
        for name, text in (("Dockerfile", b"FROM scratch\nCOPY a /\n"), ("a", b"x")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    sent.seek(0)
    image = bench.build("", context="", context_stream=sent, dockerfile_text=None)
    assert bench.files(image) == {"a"}
    lone = io.BytesIO(b"FROM scratch\nENV A=1\n")
    image = bench.build("", context="", context_stream=lone, dockerfile_text=None)
    assert "A=1" in image.config.env


@pytest.mark.parametrize("context", ["https://host/repo.git", "git@host:repo", "https://host/x.tar"])
def test_remote_contexts_are_refused_by_name(bench: Bench, context: str) -> None:
    with pytest.raises(Unsupported, match="remote build contexts"):
        bench.build("FROM scratch\n", context=context)


def test_a_missing_context_and_a_missing_dockerfile_are_named(bench: Bench) -> None:
    with pytest.raises(NotFound, match=r'path "/no/where" not found'):
        bench.build("FROM scratch\n", context="/no/where")
    bench.write("dockerfile")
    with pytest.raises(NotFound, match="failed to read dockerfile") as caught:
        bench.build("", dockerfile_text=None)
    assert "dockerfile?" in caught.value.hint


def test_nothing_is_left_in_the_scratch_folder(bench: Bench) -> None:
    bench.write("a")
    bench.build("FROM scratch\nCOPY a /\n")
    with pytest.raises(PierError):
        bench.build("FROM scratch\nCOPY a /\nCOPY b /\n")
    assert not [name for name in os.listdir(bench.engine.paths.tmp) if name.startswith("scratch-")]


def test_a_working_directory_belongs_to_the_user_only_where_it_was_missing(bench: Bench) -> None:
    image = bench.build("FROM scratch\nWORKDIR /srv\nUSER 5:6\nWORKDIR app/data\n")
    owners = [bench.path(image, name).stat().st_uid for name in ("srv", "srv/app", "srv/app/data")]
    assert owners == [0, 5, 5]
