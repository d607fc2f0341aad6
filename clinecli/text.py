"""Text on its way in and out: UTF-8, and nothing that a terminal would obey."""

from __future__ import annotations

import re
from functools import cache

from clinecli.errors import UsageError

# What a terminal obeys instead of showing it: C0 and C1 controls, of which the latter reach it as
# escape sequences of one character.
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
# What nobody sees, and what can hide text or change its order (CVE-2021-42574): overrides and marks
# of direction, blanks without width, invisible operators, fillers, line separators, interlinear
# annotations, and the tag characters in which whole sentences can hide.
_HIDDEN = (
    *(0xAD, 0x61C, 0x115F, 0x1160, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029),
    *(*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, 0xFEFF, 0xFFA0),
    *(*range(0xFFF0, 0xFFFC), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)),
    *range(0xE0000, 0xE0100),
)


@cache
def _neutral() -> dict[int, str]:
    """How what is obeyed or hidden is shown: C0 and DEL as `cat -v` does, the rest by number.

    What joins or varies the characters around it stays, since scripts and emoji are written with
    it: U+200C, U+200D, U+034F and variation selectors.
    """
    numbers = {code: f"<U+{code:04X}>" for code in (*_CONTROLS, *_HIDDEN)}
    carets = {code: f"^{chr(code ^ 0x40)}" for code in (*range(0x20), 0x7F)}
    return numbers | carets | {ord("\n"): "\n", ord("\t"): "\t"}


@cache
def _json_escapes() -> dict[int, str]:
    def escape(code: int) -> str:
        if code > 0xFFFF:
            code -= 0x10000
            return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
        return f"\\u{code:04x}"

    return {code: escape(code) for code in _neutral() if chr(code) not in "\n\t"}


@cache
def _unseen() -> re.Pattern[str]:
    """What leaves no mark: white space, controls, what is hidden or joins, the blank of braille."""
    listed = re.escape("".join(map(chr, (*_CONTROLS, *_HIDDEN))))
    return re.compile(rf"[\s{listed}\u034f\u200c\u200d\u2800\ufe00-\ufe0f\U000e0100-\U000e01ef]*+")


def counted(number: int, noun: str) -> str:
    """A number with what it counts: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def is_visible(text: str) -> bool:
    """Whether any character of a text leaves a mark."""
    return _unseen().fullmatch(text) is None


def sanitize(text: str) -> str:
    """`text` with everything neutralised that a terminal would obey instead of show, and all that
    could hide in it."""
    return text.replace("\r\n", "\n").translate(_neutral())


def escape_json(data: bytes) -> bytes:
    """JSON text with everything escaped that a terminal would obey or hide: the same value,
    harmless."""
    return data.decode("utf-8", "replace").translate(_json_escapes()).encode()


# What GitHub's runner obeys in a log: `##[command]` anywhere in a line, and `::command::` at its
# start, after white space (actions/runner, ActionCommand.cs).
_COMMAND = re.compile(r"(?:(?<=[\r\n])|^)[^\S\r\n]*:(?=:)|#(?=#\[)")


def defuse_commands(text: str) -> str:
    """Lines of text in which GitHub's runner finds no command: a blank breaks those up."""
    return _COMMAND.sub(lambda found: f"{found[0]} ", text)


def defuse_json_commands(data: bytes) -> bytes:
    """The same for JSON, which begins with no colon: the same value, with an escape."""
    return data.replace(b"##[", b"##\\u005b")


class TextRenderer:
    """Pieces of text to UTF-8 bytes, as they come.

    A surrogate pair (two JSON escapes) or, on a terminal, a CRLF may be split between two
    pieces: its first half waits for the second. A lone surrogate becomes U+FFFD.
    """

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self._held = ""
        self._ends_line = True

    def render(self, text: str) -> bytes:
        """The bytes for one piece; empty when all of it waits."""
        if self._held:
            text, self._held = self._held + text, ""
        splits_pair = "\ud800" <= text[-1:] <= "\udbff"
        if splits_pair or (self._terminal and text[-1:] == "\r"):
            text, self._held = text[:-1], text[-1:]
        return self._encode(text)

    def finish(self) -> bytes:
        """What is left, and a newline if the text lacks one."""
        text, self._held = self._held, ""
        return self._encode(text) + (b"" if self._ends_line else b"\n")

    def _encode(self, text: str) -> bytes:
        if not text:
            return b""
        if self._terminal:
            text = sanitize(text)
        self._ends_line = text[-1] == "\n"
        return utf8(text)


def utf8(text: str) -> bytes:
    """UTF-8, with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        utf16 = text.encode("utf-16-le", "surrogatepass")
        return utf16.decode("utf-16-le", "replace").encode()


def clean(text: str) -> str:
    """`text` without lone surrogates, which no UTF-8 output can take."""
    return utf8(text).decode()


def decode_text(data: bytes, name: str) -> str:
    """`data` as text, unchanged. Raises `UsageError` naming the first byte that is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start}",
            hint="convert it first (iconv -t UTF-8), or attach an image with --image",
        ) from None


def columns_of(text: str) -> int:
    """How many columns a terminal gives to a text (Unicode Standard Annex 11)."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut_to_columns(text: str, columns: int) -> str:
    """`text` in at most `columns` columns, with an ellipsis where it was cut."""
    if columns_of(text) <= columns:
        return text
    kept, taken = "", 0
    for character in text:
        taken += _columns(character)
        if taken >= columns:
            break
        kept += character
    return f"{kept}…" if columns > 0 else ""


def _columns(character: str) -> int:
    import unicodedata

    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def argument(text: str, name: str) -> str:
    """An argument as text: bytes that the locale cannot read reach Python as lone surrogates
    (PEP 383). Raises `UsageError` when they are not UTF-8 either."""
    return decode_text(text.encode("utf-8", "surrogateescape"), name)
