"""Tool calls, code blocks and usage to text or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from clinecli.jsontext import dumps, dumps_any
from clinecli.text import clean, sanitize

if TYPE_CHECKING:
    from clinecli.chat.reply import Reply
    from clinecli.chat.tool_calls import ToolCall


def tool_call_entry(call: ToolCall) -> dict[str, Any]:
    """A tool call in the shape of the API's `tool_calls` entries."""
    function = {"name": clean(call.name), "arguments": clean(call.arguments)}
    return {"id": clean(call.id), "type": "function", "function": function}


def tool_call_line(call: ToolCall) -> bytes:
    """A tool call as one JSON line."""
    return dumps(tool_call_entry(call)) + b"\n"


_LIST_ITEM = re.compile(r" *+(?:[-*+]|[0-9]{1,9}[.)])(?: |$)")
_FENCE = re.compile(
    r"(?: *+(?:[-*+]|[0-9]{1,9}[.)])(?= ))*+ *+(?P<marks>`{3,}+(?!.*`)|~{3,}+)", re.DOTALL
)


def first_code_block(text: str) -> str | None:
    """What stands inside the first fenced code block (CommonMark 4.5), its indentation removed.

    None without one; a block without its closing fence is taken as cut off and does not count.
    In a list, a fence may be indented at will: items that have paragraphs are not followed.
    """
    lines = _lines(text) if _has_fence(text) else iter(())
    in_list = False
    for line in lines:
        in_list = (in_list and line[:1] in {"", " "}) or bool(_LIST_ITEM.match(line))
        fence = _FENCE.match(line) if _has_fence(line) else None
        if fence and (in_list or fence.start("marks") <= 3):
            return _until_fence(lines, fence["marks"], fence.start("marks"), in_list=in_list)
    return None


def _has_fence(text: str) -> bool:
    return "```" in text or "~~~" in text


def _lines(text: str) -> Iterator[str]:
    """The lines of a text, one after the other: a list of them may be much larger than it."""
    start = 0
    while True:
        end = text.find("\n", start)
        line = text[start:] if end < 0 else text[start:end]
        yield line[:-1] if end >= 0 and line[-1:] == "\r" else line
        if end < 0:
            return
        start = end + 1


def _until_fence(lines: Iterator[str], marks: str, indent: int, *, in_list: bool) -> str | None:
    widest = indent + 3 if in_list else 3
    code: list[str] = []
    for line in lines:
        end = line.strip(" ").rstrip("\t ")
        is_end = len(end) >= len(marks) and not end.strip(marks[0])
        if is_end and line.find(marks[0]) <= widest:
            return "".join(code)
        code.append(f"{line[:indent].lstrip(' ')}{line[indent:]}\n")
    return None


# No amount of tokens or dollars.
_TOO_MUCH = 1e12


def usage_json(replies: Sequence[Reply], seconds: float) -> bytes:
    """What `--usage --json` prints: the API's own fields of the last reply. `cost` is in USD.

    Where earlier replies were paid for as well, `attempts` counts them all and `total_cost` adds
    up what they cost.
    """
    reply = replies[-1]
    report: dict[str, Any] = {
        "usage": reply.usage or {},
        "model": reply.model,
        "id": reply.id,
        "seconds": round(seconds, 3),
    }
    if reply.request_id:
        report["request_id"] = reply.request_id
    if len(replies) > 1:
        report |= {"attempts": len(replies), "total_cost": _total(replies, "cost")}
    try:
        return dumps_any(report)
    except ValueError:
        # Nested a thousand deep, or infinite: the numbers that count are none of that.
        usage = {
            name: value
            for name, value in report["usage"].items()
            if isinstance(value, int | float) and abs(value) < _TOO_MUCH
        }
        return dumps_any(report | {"usage": usage})


def usage_line(replies: Sequence[Reply], seconds: float) -> str:
    """What `--usage` prints: tokens, cost, model, id and seconds, as far as they are known; tokens
    and cost of all `replies`, which were paid for one by one."""
    parts = [
        f"{amount} {name} tokens"
        for key, name in (("prompt_tokens", "prompt"), ("completion_tokens", "completion"))
        if (amount := _total(replies, key)) is not None
    ]
    cost = _total(replies, "cost")
    parts += [f"${cost:.6f}"] if cost is not None else []
    parts += [f"{len(replies)} replies"] if len(replies) > 1 else []
    parts += [str(value) for value in (replies[-1].model, replies[-1].id) if value]
    return clean(sanitize(", ".join([*parts, f"{seconds:.1f} s"])).replace("\n", " "))


def _total(replies: Sequence[Reply], key: str) -> float | None:
    """The sum of a number in the usage of replies; None when none of them has it."""
    values = [(reply.usage or {}).get(key) for reply in replies]
    # Whatever is sent as a number is shown; what no float can hold is none.
    numbers = [
        value
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _TOO_MUCH
    ]
    return sum(numbers) if numbers else None
