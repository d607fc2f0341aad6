"""Files that are replaced as a whole, and what is left behind."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from clinecli.streams.atomic import Replacement


def write(replacement: Replacement, data: bytes) -> None:
    os.write(replacement.fd, data)


def hidden(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("earlier", [None, b"earlier"], ids=["new", "there"])
def test_the_old_content_or_the_new(earlier: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "file"
    if earlier:
        file.write_bytes(earlier)
    replacement = Replacement(file)
    write(replacement, b"new")
    assert (file.read_bytes() if file.exists() else None) == earlier
    assert len(hidden(tmp_path)) == 1
    replacement.commit()
    replacement.discard()
    assert file.read_bytes() == b"new"
    assert hidden(tmp_path) == []


def test_discarded(tmp_path: Path) -> None:
    replacement = Replacement(tmp_path / "file")
    write(replacement, b"new")
    replacement.discard()
    replacement.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"earlier")
    (tmp_path / "link").symlink_to("file")
    replacement = Replacement(tmp_path / "link")
    write(replacement, b"new")
    replacement.commit()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("earlier", "private", "mode"),
    [(None, False, 0o644), (None, True, 0o600), (0o751, False, 0o751), (0o644, True, 0o600)],
    ids=["new", "new and private", "there", "there and private"],
)
def test_mode(earlier: int | None, private: bool, mode: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    if earlier:
        file.touch()
        file.chmod(earlier)
    umask = os.umask(0o022)
    try:
        replacement = Replacement(file, private=private)
    finally:
        os.umask(umask)
    replacement.commit()
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.parametrize("kind", ["directory", "pipe", "missing directory"])
def test_a_place_that_is_none(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if kind == "directory":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place /= "file"
    with pytest.raises(OSError):  # noqa: PT011 - of whatever kind
        Replacement(place)
    assert hidden(tmp_path) == []


STALE = ".file.clinecli-0123456789ab.tmp"


def test_what_nobody_has_locked_is_removed(tmp_path: Path) -> None:
    for name in (STALE, ".file.clinecli-0123456789.tmp", ".file.tmp", ".other.clinecli-00.tmp"):
        (tmp_path / name).touch()
    (tmp_path / STALE.replace("0", "1")).mkdir()
    Replacement(tmp_path / "file").discard()
    assert STALE not in hidden(tmp_path)
    assert len(hidden(tmp_path)) == 4


def test_what_is_locked_stays(tmp_path: Path) -> None:
    first = Replacement(tmp_path / "file")
    second = Replacement(tmp_path / "file")
    assert len(hidden(tmp_path)) == 2
    write(first, b"first")
    write(second, b"second")
    first.commit()
    second.commit()
    assert (tmp_path / "file").read_bytes() == b"second"
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("length", [200, 201, 255])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_longest_names(letter: str, length: int, tmp_path: Path) -> None:
    file = tmp_path / (letter * (length // len(letter.encode())))
    replacement = Replacement(file)
    replacement.commit()
    assert file.exists()


def test_signals_are_handled_as_long_as_there_is_something_to_remove(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        replacement = Replacement(tmp_path / "file")
        assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
        replacement.commit()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
