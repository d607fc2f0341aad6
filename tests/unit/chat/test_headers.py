"""Headers that the user gives, and what they may not touch."""

from __future__ import annotations

import pytest

from clinecli.chat.headers import Header, header_file, log_headers, parse_headers
from clinecli.errors import UsageError

FILES = {"key": " s3cret\n", "all": "X-A: 1\n\n  X-B : two words \r\n"}
ENTRIES: dict[str, tuple[list[str], list[Header]]] = {
    "none": ([], []),
    "one": (["X-Team: docs"], [Header("X-Team", "docs")]),
    "no-space": (["X-Team:docs"], [Header("X-Team", "docs")]),
    "colons": (["X-Url: http://h:1/"], [Header("X-Url", "http://h:1/")]),
    "every-sign-of-a-name": (["!#$%&'*+.^_`|~-9z: x"], [Header("!#$%&'*+.^_`|~-9z", "x")]),
    "not-ascii-value": (["X-Team: Prüfung"], [Header("X-Team", "Prüfung")]),
    "value-of-a-file": (["X-Key: @key"], [Header("X-Key", "s3cret", "key")]),
    "at-within": (["X-Mail: a@b"], [Header("X-Mail", "a@b")]),
    "file": (["@all"], [Header("X-A", "1", "@all"), Header("X-B", "two words", "@all")]),
    "last-counts": (
        ["X-A: 1", "X-C: 3", "x-a: 2"],
        [Header("X-C", "3"), Header("x-a", "2")],
    ),
    "flag-after-file": (["@all", "X-B: 9"], [Header("X-A", "1", "@all"), Header("X-B", "9")]),
}


@pytest.mark.parametrize(("entries", "expected"), ENTRIES.values(), ids=ENTRIES)
def test_headers(entries: list[str], expected: list[Header]) -> None:
    assert parse_headers(entries, FILES) == tuple(expected)


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ("X-A: 1", ""),
        ("X-A: @dir/a b", "dir/a b"),
        ("X-A:@f", "f"),
        ("X-A: b: @f", ""),
        ("@all", "all"),
        ("@a: b", "a: b"),
        ("X-A: @", ""),
        ("X-A", ""),
    ],
)
def test_the_file_of_a_header(entry: str, path: str) -> None:
    assert header_file(entry) == path


REFUSED: dict[str, tuple[str, str, str]] = {
    "no-colon": ("s3cret", "--header is not NAME: VALUE", "write it like"),
    "no-colon-in-file": ("@bad", "a line of bad is not NAME: VALUE", "write it like"),
    "no-name": (": s3cret", "the header name '' is not one", "write it like"),
    "space-in-name": ("X A: s3cret", "the header name 'X A' is not one", "write it like"),
    "not-ascii-name": ("Prüf: s3cret", "is not one", "write it like"),
    "newline-in-name": ("X\nY: s3cret", "is not one", "write it like"),
    "empty": ("X-A:  ", "the header X-A is empty", "write it like"),
    "empty-file": ("X-A: @empty", "the header X-A is empty", "write it like"),
    "newline": ("X-A: s3cret\r\nX-B: 1", "X-A has control characters", "one line"),
    "newline-in-file": ("X-A: @two", "X-A has control characters", "one line"),
    "escape": ("X-A: s3cret\x1b[0m", "X-A has control characters", "one line"),
    "key": ("Authorization: s3cret", "cannot set Authorization", "CLINE_API_KEY"),
    "key-lower": ("authorization: s3cret", "cannot set authorization", "CLINE_API_KEY"),
    "key-in-file": ("@auth", "cannot set AUTHORIZATION", "CLINE_API_KEY"),
    "proxy": ("Proxy-Authorization: s3cret", "cannot set Proxy-Auth", "--proxy"),
    "length": ("Content-Length: 0", "cannot set Content-Length", "clinecli sets it"),
    "chunked": ("Transfer-Encoding: chunked", "cannot set Transfer", "clinecli sets it"),
    "host": ("Host: h", "cannot set Host", "clinecli sets it"),
}
BAD_FILES = {
    "bad": "X-A: 1\ns3cret\n",
    "empty": " \n",
    "two": "s3cret\ns3cret\n",
    "auth": "AUTHORIZATION: s3cret\n",
}


@pytest.mark.parametrize(("entry", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_refused_without_a_word_of_the_value(entry: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_headers([entry], BAD_FILES)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "s3cret" not in caught.value.message + caught.value.hint


def test_a_long_name_is_cut() -> None:
    with pytest.raises(UsageError) as caught:
        parse_headers(["x " * 10_000 + ": 1"], {})
    assert len(caught.value.message) < 200


LOGGED: list[tuple[str | None, str | None, list[Header]]] = [
    (None, None, []),
    ("", " ", []),
    ("http://r", None, [Header("HTTP-Referer", "http://r")]),
    (" r ", "Prüfung", [Header("HTTP-Referer", "r"), Header("X-Title", "Prüfung")]),
]


@pytest.mark.parametrize(("referer", "title", "expected"), LOGGED)
def test_headers_for_logs(referer: str | None, title: str | None, expected: list[Header]) -> None:
    assert log_headers(referer, title) == tuple(expected)


def test_headers_for_logs_are_one_line() -> None:
    with pytest.raises(UsageError, match="the value for X-Title has control") as caught:
        log_headers("http://r", "a\nb")
    assert "one line" in caught.value.hint
