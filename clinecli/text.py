"""Text on its way in and out: UTF-8, and nothing that a terminal would obey."""

from __future__ import annotations

from clinecli.errors import UsageError

_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
# As `cat -v` shows them: C0 as ^X, DEL as ^?. C1 controls reach a terminal as escape sequences
# of one character, and bidirectional overrides (CVE-2021-42574) reorder what is read.
_NEUTRAL = (
    {code: f"^{chr(code ^ 0x40)}" for code in (*range(0x20), 0x7F)}
    | {code: f"<U+{code:04X}>" for code in (*range(0x80, 0xA0), *_BIDI)}
    | {ord("\n"): "\n", ord("\t"): "\t"}
)


_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _NEUTRAL if chr(code) not in "\n\t"}


def sanitize(text: str) -> str:
    """`text` with everything neutralised that a terminal would obey instead of show."""
    return text.replace("\r\n", "\n").translate(_NEUTRAL)


def escape_json(data: bytes) -> bytes:
    """JSON text with everything escaped that a terminal would obey: the same value, harmless."""
    return data.decode("utf-8", "replace").translate(_JSON_ESCAPES).encode()


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
