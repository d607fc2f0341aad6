"""Replies, usage and errors to text or JSON."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clinecli.jsontext import dumps
from clinecli.text import clean, sanitize

if TYPE_CHECKING:
    from clinecli.chat.reply import ChatRequest, Reply, ToolCall
    from clinecli.config.settings import Settings


def tool_call_entry(call: ToolCall) -> dict[str, Any]:
    """A tool call in the shape of the API's `tool_calls` entries."""
    function = {"name": clean(call.name), "arguments": clean(call.arguments)}
    return {"id": clean(call.id), "type": "function", "function": function}


def tool_call_line(call: ToolCall) -> bytes:
    """A tool call as one JSON line."""
    return dumps(tool_call_entry(call)) + b"\n"


_LIST_ITEM = re.compile(r" *(?:[-*+]|[0-9]{1,9}[.)])(?: |$)")
_FENCE = re.compile(r"(?: *(?:[-*+]|[0-9]{1,9}[.)])(?= ))* *(?P<marks>`{3,}(?!.*`)|~{3,})")


def first_code_block(text: str) -> str | None:
    """What stands inside the first fenced code block (CommonMark 4.5), its indentation removed.

    None without one; a block without its closing fence is taken as cut off and does not count.
    In a list, a fence may be indented at will: items that have paragraphs are not followed.
    """
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    in_list = False
    for line in lines:
        in_list = bool(_LIST_ITEM.match(line)) or (in_list and line[:1] in {"", " "})
        fence = _FENCE.match(line)
        if fence and (in_list or fence.start("marks") <= 3):
            return _until_fence(lines, fence["marks"], fence.start("marks"), in_list=in_list)
    return None


def _until_fence(lines: Iterator[str], marks: str, indent: int, *, in_list: bool) -> str | None:
    widest = indent + 3 if in_list else 3
    end = re.compile(f" {{0,{widest}}}{marks}{marks[0]}*[ \t]*")
    code: list[str] = []
    for line in lines:
        if end.fullmatch(line):
            return "".join(code)
        code.append(f"{line[:indent].lstrip(' ')}{line[indent:]}\n")
    return None


def usage_json(reply: Reply, seconds: float) -> bytes:
    """What `--usage --json` prints. `cost` is in USD; the API's own fields are kept."""
    usage = reply.usage or {}
    report = {"usage": usage, "model": reply.model, "id": reply.id, "seconds": round(seconds, 3)}
    try:
        return dumps(report)
    except ValueError:
        # What the parser forgives: lone surrogates, integers of more than 64 bits.
        return json.dumps(report).encode()


def usage_line(reply: Reply, seconds: float) -> str:
    """What `--usage` prints: tokens, cost, model, id and seconds, as far as they are known."""
    usage = reply.usage or {}
    parts = [
        f"{usage[key]} {name} tokens"
        for key, name in (("prompt_tokens", "prompt"), ("completion_tokens", "completion"))
        if usage.get(key) is not None
    ]
    cost = usage.get("cost")
    # Whatever is sent as a cost is shown; what no float can hold is no cost.
    if isinstance(cost, int | float) and abs(cost) < 1e12:
        parts.append(f"${cost:.6f}")
    parts += [str(value) for value in (reply.model, reply.id) if value]
    return clean(sanitize(", ".join([*parts, f"{seconds:.1f} s"])).replace("\n", " "))


# Linux takes 128 KiB in one argument; what is longer goes through stdin.
_ARGUMENT_BYTES = 100_000
_END = "END-OF-REQUEST"


def curl_command(
    request: ChatRequest,
    body: bytes,
    settings: Settings,
    headers: dict[str, str],
    *,
    stream: bool,
) -> str:
    """The curl command for the same request. The key stays in the shell's environment."""
    words = ["curl", "--silent", "--show-error"]
    words += ["--no-buffer"] if stream else []
    words += ["--connect-timeout", f"{settings.connect_timeout:g}"]
    words += ["--max-time", f"{settings.timeout:g}"]
    words += ["--cacert", settings.ca_file] if settings.ca_file else []
    # Without its credentials, which belong into no command line: see curl's --proxy-user.
    words += ["--proxy", re.sub(r"^(\w+://)?.*@", r"\1", settings.proxy)] if settings.proxy else []
    quoted = [shlex.quote(word) for word in words]
    quoted += ["--header", '"Authorization: Bearer $CLINE_API_KEY"']
    for name, value in (*headers.items(), *request.headers):
        quoted += ["--header", shlex.quote(f"{name}: {value}")]
    url = shlex.quote(f"{settings.base_url}/chat/completions")
    if len(body) <= _ARGUMENT_BYTES:
        return " ".join([*quoted, "--data-binary", shlex.quote(body.decode()), url])
    document = f"<<'{_END}'\n{body.decode()}\n{_END}"
    return " ".join([*quoted, "--data-binary", "@-", url, document])
