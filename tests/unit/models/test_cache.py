"""The cache of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinecli.models.cache import CachedModels, load, nearest, save
from tests.helpers.models import some

# The cache itself


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path)}


def test_what_is_saved_is_loaded(environ: dict[str, str]) -> None:
    cached = CachedModels('http://h/"x"é', 1700000000, some("é\ud83d\u2028", "b"), False)
    save(cached, environ)
    assert load(environ) == cached


JUNK = {
    "empty": b"",
    "no-json": b"models",
    "list": b"[]",
    "cut": b'{"origin":"u","time":1,"complete":true,"models":[{"id":"a"}',
    "missing": b'{"origin":"u","time":1,"models":[{"id":"a"}]}',
    "models": b'{"origin":"u","time":1,"complete":true,"models":{}}',
    "no-models": b'{"origin":"u","time":1,"complete":true,"models":[]}',
    "no-ids": b'{"origin":"u","time":1,"complete":true,"models":[{"id":1},2,null]}',
    "time": b'{"origin":"u","time":"1","complete":true,"models":[{"id":"a"}]}',
    "origin": b'{"origin":1,"time":1,"complete":true,"models":[{"id":"a"}]}',
    "not-utf-8": b'{"origin":"\xff","time":1,"complete":true,"models":[{"id":"a"}]}',
    "deep": b"[" * 100_000,
    **{
        f"time-{name}": b'{"origin":"u","time":%s,"complete":true,"models":[{"id":"a"}]}' % time
        for name, time in {
            "float": b"1.5",
            "bool": b"true",
            "negative": b"-1",
            "late": b"1000000000000",
            "huge": b"9" * 4000,
            "unreadable": b"9" * 5000,
            "infinite": b"Infinity",
        }.items()
    },
}


@pytest.mark.parametrize("content", JUNK.values(), ids=JUNK)
def test_junk_is_no_cache(environ: dict[str, str], tmp_path: Path, content: bytes) -> None:
    assert load(environ) is None
    (tmp_path / "clinecli").mkdir()
    (tmp_path / "clinecli" / "models.json").write_bytes(content)
    assert load(environ) is None


@pytest.mark.parametrize(
    ("age", "complete", "fresh"),
    [(0, True, True), (86399, True, True), (86400, True, False), (-60, True, False),
     (5, False, False)],
)  # fmt: skip
def test_fresh_for_a_day(age: int, complete: bool, fresh: bool) -> None:
    assert CachedModels("u", 1_000_000, [], complete).is_fresh(1_000_000 + age) is fresh


def test_ids_for_shells_hold_nothing_that_a_shell_obeys(
    environ: dict[str, str], tmp_path: Path
) -> None:
    plain = [
        "anthropic/claude-sonnet-4-6",
        "@cf/meta/llama-3.1",
        "v/m:free",
        "hf:o/r~q8",
        "a=b,c+d",
    ]
    evil = [
        "$(reboot)",
        "`id`",
        "a b",
        "a\nb",
        "-rf",
        "a;b",
        "é",
        "a'b",
        'a"b',
        "a\\b",
        "*",
        "~root",
    ]
    save(CachedModels("u", 0, some(*plain, *evil)), environ)
    assert (tmp_path / "clinecli" / "models.txt").read_text().split("\n") == [*plain, ""]


NEAREST = {
    "typo": ("anthropic/claude-sonet-4-6", "anthropic/claude-sonnet-4-6"),
    "no-provider": ("claude-sonnet-4-6", "anthropic/claude-sonnet-4-6"),
    "case": ("OpenAI/GPT-4o", "openai/gpt-4o-mini"),
}


@pytest.mark.parametrize(("asked", "first"), NEAREST.values(), ids=NEAREST)
def test_nearest(environ: dict[str, str], asked: str, first: str) -> None:
    names = [
        "anthropic/claude-opus-4-6",
        "anthropic/claude-sonnet-4-6",
        "openai/gpt-4o-mini",
        "x/y",
    ]
    save(CachedModels("u", 0, some(*names)), environ)
    found = nearest(asked, environ)
    assert found[0] == first
    assert len(found) <= 3


def test_nearest_without_a_cache(environ: dict[str, str], tmp_path: Path) -> None:
    assert nearest("a/b", environ) == []
    (tmp_path / "clinecli" / "models.txt").mkdir(parents=True)
    assert nearest("a/b", environ) == []
    (tmp_path / "clinecli" / "models.txt").rmdir()
    (tmp_path / "clinecli" / "models.txt").write_bytes(b"a/\xff\x1b[31m\na/c\n")
    assert nearest("a/b", environ) == ["a/c"]
