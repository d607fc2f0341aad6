"""Paths that mean an open file, and paths that mean one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clinecli.streams.output import is_descriptor, is_same_file, own_descriptor

PROC = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@PROC
@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/dev/stdout", 1),
        ("/dev/stderr", 2),
        ("/dev/fd/0", 0),
        ("/dev/fd/7", 7),
        ("/dev/../dev/fd/7", 7),
        ("/proc/self/fd/1", 1),
        ("/proc/thread-self/fd/1", 1),
        ("/proc/PID/fd/1", 1),
        ("/proc/PID/task/PID/fd/1", 1),
        ("/proc/1/fd/1", None),
        ("/dev/fd/x", None),
        ("/dev/fd/-1", None),
        (f"/dev/fd/{'9' * 30}", None),
        ("/dev/null", None),
        ("out.txt", None),
        ("", None),
    ],
)
def test_own_descriptor(path: str, own: int | None) -> None:
    path = path.replace("PID", str(os.getpid()))
    assert own_descriptor(path) == own
    assert is_descriptor(path) == (own is not None or path == "/proc/1/fd/1")


@PROC
def test_links_lead_to_open_files(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("/dev/stdout")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "loop").symlink_to("loop")
    assert own_descriptor(str(tmp_path / "two")) == 1
    assert own_descriptor(str(tmp_path / "loop")) is None


def test_one_file_under_two_names(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert is_same_file(str(file), f"{tmp_path}/./file")
    assert not is_same_file(str(file), f"{file}2")
    file.touch()
    (tmp_path / "link").symlink_to("file")
    os.link(file, tmp_path / "hard")
    assert is_same_file(str(file), str(tmp_path / "link"))
    assert is_same_file(str(file), str(tmp_path / "hard"))
