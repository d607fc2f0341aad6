"""What a step tells the runner: outputs, log lines, annotations and a summary.

Text of a model or a server is data here. The runner obeys lines that begin with `::` or hold
`##[`, and whatever breaks out of an output's delimiter: none of it gets through. Standard
library alone, since this also reports an installation that failed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

# An output may have 1 MB, which GitHub counts in UTF-16.
MAX_OUTPUT_UNITS = 1024 * 1024 // 2
_MAX_ANNOTATION = 3000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNSAFE = re.compile(r"[^\w./:@+-]")


class Outcome(NamedTuple):
    """How a call ended. `error` is the object of `--json`; `values` are the typed outputs."""

    status: int = 0
    text: str = ""
    error: Mapping[str, Any] = {}
    model: str = ""
    request_id: str = ""
    usage: Mapping[str, Any] = {}
    seconds: float | None = None
    values: Mapping[str, bool | int | float | str] = {}

    @property
    def kind(self) -> str:
        return str(self.error.get("kind", "ok" if self.status == 0 else "signal"))


def record(name: str, value: str) -> str:
    """One output for GITHUB_OUTPUT. Nobody can guess the delimiter, so no value can end it."""
    delimiter = f"clinecli-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def fits_output(text: str) -> bool:
    """Whether an output can hold a text."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 <= MAX_OUTPUT_UNITS


def word(text: object, limit: int = 200) -> str:
    """An id that a server sent, harmless wherever a workflow inserts it."""
    return _UNSAFE.sub("_", str(text or ""))[:limit]


def line(text: object) -> str:
    """Text as one line of a log that the runner does not obey."""
    cleaned = _CONTROL.sub(" ", str(text)).replace("\n", " ").replace("##[", "## [")
    return re.sub(r"^\s*::", ": :", cleaned)


def command(name: str, message: object, **properties: str) -> str:
    """A workflow command. What the message holds cannot become another one."""
    given = ",".join(
        f"{key}={_escape(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in properties.items()
    )
    return f"::{name}{' ' if given else ''}{given}::{_escape(str(message))}"


def _escape(text: str) -> str:
    text = _CONTROL.sub(" ", text).replace("##[", "## [")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def code(text: object) -> str:
    """Text as Markdown that shows it and does nothing else: a code span that it cannot end."""
    shown = line(text).strip()
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}"


def numbers(value: Any) -> Any:
    """The numbers of a usage object: names that are words, and no text."""
    if isinstance(value, dict):
        kept = {
            key: numbers(item) for key, item in value.items() if re.fullmatch(r"\w{1,64}", str(key))
        }
        return {key: item for key, item in kept.items() if item is not None}
    return value if isinstance(value, bool | int | float) else None


def cost(usage: Mapping[str, Any]) -> str:
    """The cost in USD as plain digits; empty when unknown."""
    value = usage.get("total_cost", usage.get("cost"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        return ""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def outputs(outcome: Outcome, response_file: str) -> dict[str, str]:
    """Every output but `response`, as text. None holds free text of a model or a server."""
    import json

    usage = numbers(dict(outcome.usage)) or {}
    return {
        "response-file": response_file,
        "exit-status": str(outcome.status),
        "kind": word(outcome.kind),
        "retryable": str(bool(outcome.error.get("retryable", False))).lower(),
        "model": word(outcome.model),
        "request-id": word(outcome.request_id or outcome.error.get("request_id")),
        "usage": json.dumps(usage),
        "cost": cost(usage),
        "values": json.dumps(dict(outcome.values)),
    }


def summary(outcome: Outcome, requested_model: str, policy: str) -> str:
    """The step's summary, as Markdown."""
    usage = numbers(dict(outcome.usage)) or {}
    headline = "answered" if outcome.status == 0 else f"{word(outcome.kind)} ({outcome.status})"
    price = cost(usage)
    cells = {
        "result": headline,
        "model": word(outcome.model or requested_model) or "–",
        "prompt tokens": usage.get("prompt_tokens", "–"),
        "completion tokens": usage.get("completion_tokens", "–"),
        "cost": f"${price}" if price else "–",
        "seconds": "–" if outcome.seconds is None else f"{outcome.seconds:.1f}",
    }
    rows = [list(cells), ["---"] * len(cells), [str(cell) for cell in cells.values()]]
    lines = ["### clinecli", "", *(f"| {' | '.join(row)} |" for row in rows), ""]
    if outcome.error:
        lines += [f"{label}: {code(text)}\n" for label, text in _explanation(outcome)]
        lines += {
            "warn": ["The step goes on without a reply (`on-failure: warn`).\n"],
            "fallback": ["The fallback stands for the reply (`on-failure: fallback`).\n"],
        }.get(policy, [])
    return "\n".join(lines) + "\n"


def _explanation(outcome: Outcome) -> list[tuple[str, str]]:
    pairs = [(key, str(outcome.error.get(name) or "")) for key, name in _EXPLAINED.items()]
    return [(key, text) for key, text in pairs if text]


_EXPLAINED = {"Cause": "message", "Remedy": "hint", "Found by doctor": "doctor"}


def annotation(outcome: Outcome, policy: str) -> str:
    """The annotation of a call that failed: cause, remedy, and what doctor found."""
    level = "error" if policy == "fail" else "warning"
    title = f"clinecli: {word(outcome.kind)} (exit status {outcome.status})"
    text = "\n".join(f"{label}: {text}" for label, text in _explanation(outcome))
    return command(level, text[:_MAX_ANNOTATION], title=title)
