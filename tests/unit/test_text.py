"""Text on its way out: what a terminal and a pipe get, code blocks, usage, errors, curl."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import UsageError
from clinecli.text import (
    TextRenderer,
    clean,
    decode_text,
    escape_json,
    is_visible,
    sanitize,
    utf8,
)

OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e00ff]"
)
LONE = re.compile("[\ud800-\udfff]")
SPECIAL = "\r\n\t\x00\x1b\x07\x7f\x80\x9b\x9f\xa0\u2029\u202e\u2066\u2069\ufeff\ud83d\ude00aé😀"
TEXTS = st.text(st.sampled_from(SPECIAL) | st.characters(), max_size=12)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"a\xffb", "byte 0xff at offset 1"),
        (b"\xc3", "byte 0xc3 at offset 0"),
        (b"\xed\xa0\x80", "byte 0xed at offset 0"),
        ("é".encode("utf-16"), "byte 0xff at offset 0"),
    ],
    ids=["junk", "cut", "surrogate", "utf-16"],
)
def test_input_that_is_no_utf8(data: bytes, fault: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode_text(data, "notes.txt")
    assert caught.value.message == f"notes.txt is not UTF-8 text: {fault}"
    assert "iconv" in caught.value.hint


@pytest.mark.parametrize("text", ["", "é😀\r\n\0", "\ufeffbom"])
def test_input_is_unchanged(text: str) -> None:
    assert decode_text(text.encode(), "notes.txt") == text


# Neutral on a terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a^Mb"),
        ("a\r", "a^M"),
        ("a\r\r\nb", "a^M\nb"),
        ("\x00\x01\x1a\x1b\x1c\x1f", "^@^A^Z^[^\\^_"),
        ("\x7f", "^?"),
        ("\x80\x85\x9b\x9f", "<U+0080><U+0085><U+009B><U+009F>"),
        ("\u202a\u202e\u2066\u2069", "<U+202A><U+202E><U+2066><U+2069>"),
        # What hides or reorders text without being an escape sequence.
        ("a\u200bb\u200e\u200f\u061c", "a<U+200B>b<U+200E><U+200F><U+061C>"),
        ("a\u2028b\u2029", "a<U+2028>b<U+2029>"),
        ("\xad\ufeff\ufff9\u2060", "<U+00AD><U+FEFF><U+FFF9><U+2060>"),
        ("\U000e0041\U000e007f", "<U+E0041><U+E007F>"),
        ("\u3164\u115f\u180e", "<U+3164><U+115F><U+180E>"),
        # What scripts and emoji are written with.
        ("\xa0\u202f\u3000", "\xa0\u202f\u3000"),
        ("日本 👩‍👩‍👧 ❤\ufe0f e\u0301", "日本 👩‍👩‍👧 ❤\ufe0f e\u0301"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
        ("\U000e0100", "\U000e0100"),
    ],
    ids=ascii,
)
def test_sanitize(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(TEXTS)
def test_sanitize_leaves_nothing_to_obey(text: str) -> None:
    shown = sanitize(text)
    assert not OBEYED.search(shown)
    assert sanitize(shown) == shown
    if not OBEYED.search(text):
        assert shown == text


@given(TEXTS.map(clean))
def test_escaped_json_means_the_same(text: str) -> None:
    line = json.dumps({text: [text]}, ensure_ascii=False).encode() + b"\n"
    shown = escape_json(line)
    assert not OBEYED.search(shown.decode())
    assert json.loads(shown) == {text: [text]}
    if not OBEYED.search(line.decode()):
        assert shown == line


def test_escaped_json_of_a_server_that_escapes_nothing() -> None:
    line = b'{"a":"\x1b[2J\x7f\r"}\n'
    assert escape_json(line) == b'{"a":"\\u001b[2J\\u007f\\u000d"}\n'


@pytest.mark.parametrize("hidden", ["\u200b", "\U000e0041", "\ufeff", "\x9b"], ids=ascii)
def test_escaped_json_of_what_hides(hidden: str) -> None:
    shown = escape_json(json.dumps(hidden, ensure_ascii=False).encode())
    assert shown.isascii()
    assert json.loads(shown) == hidden


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        (" \t\r\n\v\f\x1c\x85\xa0\u2003\u2028\u3000", False),
        ("\x00\x1b\x07\x7f\x9b", False),
        ("\u200b\u200c\u200d\u2060\ufeff", False),
        ("\xad\u200e\u202e\u2066\u034f\u180e", False),
        ("\ufe0f\U000e0041\U000e0100\u2800\u3164", False),
        ("a", True),
        (" \u200b.", True),
        ("\u0301", True),
        ("\ud83d", True),
        ("👩\u200d", True),
    ],
    ids=ascii,
)
def test_is_visible(text: str, expected: bool) -> None:
    assert is_visible(text) is expected
    assert is_visible(text * 1000) is expected


def test_escaped_json_takes_bytes_that_are_no_text() -> None:
    assert escape_json(b'"\xff"\n') == '"\ufffd"\n'.encode()


# UTF-8


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("é", b"\xc3\xa9"),
        ("😀", b"\xf0\x9f\x98\x80"),
        ("\ud83d\ude00", b"\xf0\x9f\x98\x80"),
        ("\ud83d", b"\xef\xbf\xbd"),
        ("\ud83dX", b"\xef\xbf\xbdX"),
        ("X\ude00", b"X\xef\xbf\xbd"),
        ("\ude00\ud83d", b"\xef\xbf\xbd\xef\xbf\xbd"),
        ("\ud83d\ud83d\ude00", b"\xef\xbf\xbd\xf0\x9f\x98\x80"),
        ("é\ud83dé", b"\xc3\xa9\xef\xbf\xbd\xc3\xa9"),
    ],
    ids=ascii,
)
def test_utf8(text: str, data: bytes) -> None:
    assert utf8(text) == data
    assert clean(text) == data.decode()


@given(TEXTS)
def test_utf8_touches_surrogates_alone(text: str) -> None:
    assert not LONE.search(clean(text))
    if not LONE.search(text):
        assert utf8(text) == text.encode()
        assert clean(text) == text


# Pieces


def rendered(pieces: list[str], *, terminal: bool) -> bytes:
    renderer = TextRenderer(terminal=terminal)
    return b"".join([*(renderer.render(piece) for piece in pieces), renderer.finish()])


@pytest.mark.parametrize(
    ("pieces", "in_pipe", "on_terminal"),
    [
        ([], b"", b""),
        ([""], b"", b""),
        (["a"], b"a\n", b"a\n"),
        (["a\n"], b"a\n", b"a\n"),
        (["a", "", "\n", ""], b"a\n", b"a\n"),
        (["\n", "a"], b"\na\n", b"\na\n"),
        (["a\r", "\nb"], b"a\r\nb\n", b"a\nb\n"),
        (["a\r\n"], b"a\r\n", b"a\n"),
        (["a\r"], b"a\r\n", b"a^M\n"),
        (["a\r", "", "\n"], b"a\r\n", b"a\n"),
        (["a\r", "\r", "\n"], b"a\r\r\n", b"a^M\n"),
        (["\ud83d", "\ude00"], "😀\n".encode(), "😀\n".encode()),
        (["\ud83d", "", "\ude00\n"], "😀\n".encode(), "😀\n".encode()),
        (["\ud83d", "a"], "\ufffda\n".encode(), "\ufffda\n".encode()),
        (["\ud83d"], "\ufffd\n".encode(), "\ufffd\n".encode()),
        (["\ud83d\r", "\n"], b"\xef\xbf\xbd\r\n", b"\xef\xbf\xbd\n"),
        (["\x1b", "[2J"], b"\x1b[2J\n", b"^[[2J\n"),
    ],
    ids=ascii,
)
def test_pieces(pieces: list[str], in_pipe: bytes, on_terminal: bytes) -> None:
    assert rendered(pieces, terminal=False) == in_pipe
    assert rendered(pieces, terminal=True) == on_terminal


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@given(text=TEXTS)
def test_any_split_gives_the_whole(terminal: bool, text: str) -> None:
    whole = rendered([text], terminal=terminal)
    for cut in range(len(text) + 1):
        assert rendered([text[:cut], text[cut:]], terminal=terminal) == whole
    assert rendered(list(text), terminal=terminal) == whole


@given(TEXTS)
def test_a_pipe_gets_the_very_bytes_and_a_line_end(text: str) -> None:
    data = utf8(text)
    assert rendered([text], terminal=False) == data + (b"" if data[-1:] in b"\n" else b"\n")


@given(TEXTS)
def test_a_terminal_gets_nothing_to_obey(text: str) -> None:
    shown = rendered(list(text), terminal=True).decode()
    assert not OBEYED.search(shown)
    assert not shown or shown.endswith("\n")


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_nothing_waits_that_need_not(terminal: bool) -> None:
    renderer = TextRenderer(terminal=terminal)
    assert [renderer.render(piece) for piece in ("é", "\x1b", "\n", "😀")] == [
        "é".encode(),
        b"^[" if terminal else b"\x1b",
        b"\n",
        "😀".encode(),
    ]
