"""Replies, usage and errors to text or JSON, and untrusted text made safe for a terminal."""

from __future__ import annotations

import re
import shlex
from typing import Any

from clinecli.chat import ChatRequest, Reply, ToolCall
from clinecli.errors import ClinecliError
from clinecli.jsontext import dumps
from clinecli.settings import Settings

_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
# As `cat -v` shows them: C0 as ^X, DEL as ^?. C1 controls reach a terminal as escape sequences
# of one character, and bidirectional overrides (CVE-2021-42574) reorder what is read.
_NEUTRAL = (
    {code: f"^{chr(code ^ 0x40)}" for code in (*range(0x20), 0x7F)}
    | {code: f"<U+{code:04X}>" for code in (*range(0x80, 0xA0), *_BIDI)}
    | {ord("\n"): "\n", ord("\t"): "\t"}
)


def sanitize(text: str) -> str:
    """`text` with everything neutralised that a terminal would obey instead of show."""
    return text.replace("\r\n", "\n").translate(_NEUTRAL)


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


def tool_call_line(call: ToolCall) -> bytes:
    """A tool call as one JSON line, in the shape of the API's `tool_calls` entries."""
    function = {"name": _clean(call.name), "arguments": _clean(call.arguments)}
    return dumps({"id": _clean(call.id), "type": "function", "function": function}) + b"\n"


def _clean(text: str) -> str:
    return utf8(text).decode()


_FENCE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})[^\n`]*\n(?P<code>.*?)^ {0,3}(?P=fence)[`~]*[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


def first_code_block(text: str) -> str | None:
    """What stands inside the first fenced code block (CommonMark 4.5); None without one."""
    match = _FENCE.search(text.replace("\r\n", "\n"))
    return match["code"] if match else None


def usage_report(reply: Reply, seconds: float) -> dict[str, Any]:
    """What `--usage --json` prints. `cost` is in USD; the API's own fields are kept."""
    usage = reply.usage or {}
    return {"usage": usage, "model": reply.model, "id": reply.id, "seconds": round(seconds, 3)}


def usage_line(reply: Reply, seconds: float) -> str:
    """What `--usage` prints: tokens, cost, model, id and seconds, as far as they are known."""
    usage = reply.usage or {}
    parts = [
        f"{usage[key]} {name} tokens"
        for key, name in (("prompt_tokens", "prompt"), ("completion_tokens", "completion"))
        if usage.get(key) is not None
    ]
    cost = usage.get("cost")
    if isinstance(cost, int | float):
        parts.append(f"${cost:.6f}")
    parts += [str(value) for value in (reply.model, reply.id) if value]
    return sanitize(", ".join([*parts, f"{seconds:.1f} s"])).replace("\n", " ")


def error_text(error: ClinecliError) -> str:
    """The one or two lines on stderr."""
    hint = f"\nclinecli: hint: {error.hint}" if error.hint else ""
    return f"clinecli: error: {error.message}{hint}"


def error_json(error: ClinecliError) -> bytes:
    """The JSON object on stderr."""
    fields = error.as_dict()
    fields.update({key: _clean(value) for key, value in fields.items() if isinstance(value, str)})
    return dumps({"error": fields})


def curl_command(
    request: ChatRequest, body: bytes, settings: Settings, headers: dict[str, str]
) -> str:
    """The curl command for the same request. The key stays in the shell's environment."""
    words = ["curl", "--silent", "--show-error"]
    words += ["--no-buffer"] if b'"stream":true' in body else []
    words += ["--connect-timeout", f"{settings.connect_timeout:g}"]
    words += ["--max-time", f"{settings.timeout:g}"]
    words += ["--cacert", settings.ca_file] if settings.ca_file else []
    quoted = [shlex.quote(word) for word in words]
    quoted += ["--header", '"Authorization: Bearer $CLINE_API_KEY"']
    for name, value in (*headers.items(), *request.headers):
        quoted += ["--header", shlex.quote(f"{name}: {value}")]
    quoted += ["--data-binary", shlex.quote(body.decode())]
    quoted.append(shlex.quote(f"{settings.base_url}/chat/completions"))
    return " ".join(quoted)
