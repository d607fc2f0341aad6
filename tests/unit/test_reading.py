"""Files within limits of size and time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from clinecli.reading import TooLarge, read_file


@pytest.mark.parametrize("size", [0, 1, 1023, 1024])
def test_a_file_within_the_limit(size: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert read_file(str(tmp_path / "file"), limit=1024, seconds=60) == b"x" * size


@pytest.mark.parametrize("size", [1025, 5 * 1024 * 1024])
def test_a_file_above_the_limit(size: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    with pytest.raises(TooLarge):
        read_file(str(tmp_path / "file"), limit=1024, seconds=60)


@pytest.mark.parametrize(
    ("name", "error"),
    [("missing", FileNotFoundError), (".", IsADirectoryError), ("a\0b", ValueError)],
    ids=["missing", "directory", "NUL"],
)
def test_a_file_that_cannot_be_read(name: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        read_file(f"{tmp_path}/{name}", limit=1024, seconds=60)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.05])
def test_a_pipe_that_nobody_writes(seconds: float, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError):
        read_file(str(tmp_path / "pipe"), limit=1024, seconds=seconds)


@pytest.mark.parametrize("seconds", [60.0, float("inf")])
def test_a_pipe_that_comes_in_pieces(seconds: float, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
            for _ in range(3):
                pipe.write(b"piece")

    writer = threading.Thread(target=write)
    writer.start()
    assert read_file(str(tmp_path / "pipe"), limit=1024, seconds=seconds) == b"piece" * 3
    writer.join()


def test_without_a_thread_it_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert read_file(str(tmp_path / "file"), limit=1024, seconds=60) == b"x"
