"""Replies, usage and errors to text or JSON."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from clinecli.jsontext import dumps
from clinecli.text import clean, sanitize

if TYPE_CHECKING:
    from clinecli.chat import ChatRequest, Reply, ToolCall
    from clinecli.settings import Settings


def tool_call_line(call: ToolCall) -> bytes:
    """A tool call as one JSON line, in the shape of the API's `tool_calls` entries."""
    function = {"name": clean(call.name), "arguments": clean(call.arguments)}
    return dumps({"id": clean(call.id), "type": "function", "function": function}) + b"\n"


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
