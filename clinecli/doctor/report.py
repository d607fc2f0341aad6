"""Results to text, JSON or annotations. Pure: nothing in here is printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from clinecli.doctor.check import Result, Status, Verdict
from clinecli.errors import ExitStatus
from clinecli.jsontext import dumps

SCHEMA = 1
# What a check says that could do more with --live.
NOT_LIVE = "--live sends a real one"


class Style(NamedTuple):
    """What the output can show."""

    unicode: bool = True
    color: bool = False
    verbose: bool = False


class _Symbol(NamedTuple):
    unicode: str
    ascii: str
    color: str


_SYMBOLS: dict[Status, _Symbol] = {
    "ok": _Symbol("✓", "ok  ", "32"),
    "warn": _Symbol("!", "warn", "33"),
    "fail": _Symbol("✗", "FAIL", "31"),
    "error": _Symbol("✗", "FAIL", "31"),
    "skip": _Symbol("–", "skip", "2"),
}
_ASCII = str.maketrans({"…": "...", "→": "->", "–": "-", "✓": "ok", "✗": "x"})


def style_for(environ: Mapping[str, str], *, terminal: bool, verbose: bool) -> Style:
    """What stdout can take, by locale and terminal.

    The locale counts in a pipe too. Colour is for terminals only, and NO_COLOR (no-color.org: set
    and not empty) and TERM=dumb turn it off.
    """
    term = environ.get("TERM", "")
    dumb = terminal and term in {"", "dumb"}
    color = terminal and not dumb and not environ.get("NO_COLOR")
    return Style(_is_utf8(environ) and not dumb, color, verbose)


def _is_utf8(environ: Mapping[str, str]) -> bool:
    # In the C locale, Python itself sets LC_CTYPE to this (PEP 538): it says nothing.
    ctype = environ.get("LC_CTYPE", "")
    names = (environ.get("LC_ALL"), "" if ctype == "C.UTF-8" else ctype, environ.get("LANG"))
    name = next((name for name in names if name), "")
    return name.lower().replace("-", "").endswith("utf8")


def text_report(
    results: Sequence[Result], verdict: Verdict, style: Style, wanted: Sequence[str] = ()
) -> str:
    """A line per check, remedies under failures, and the root cause at the end. `wanted` are the
    checks that were named."""
    width = max(len(result.id) for result in results)
    lines = [line for result in results for line in _lines(result, width, style)]
    text = "\n".join([*lines, "", _last_line(results, verdict, wanted)]) + "\n"
    return text if style.unicode else _ascii(text)


def _ascii(text: str) -> str:
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def _lines(result: Result, width: int, style: Style) -> Iterator[str]:
    symbol = _SYMBOLS[result.status]
    mark = symbol.unicode if style.unicode else symbol.ascii
    took = f" ({result.duration_ms:.0f} ms)" if style.verbose and result.duration_ms >= 1 else ""
    if style.color:
        mark = f"\x1b[{symbol.color}m{mark}\x1b[0m"
    yield f"{mark} {result.id:<{width}}  {result.summary}{took}"
    indent = " " * (width + (4 if style.unicode else 7))
    if result.status in {"fail", "error", "warn"} or style.verbose:
        yield from (f"{indent}{detail}" for detail in result.details)
    if result.remedy:
        yield f"{indent}→ {result.remedy}"


def _last_line(results: Sequence[Result], verdict: Verdict, wanted: Sequence[str]) -> str:
    status, root = verdict
    if root:
        cause = f"root cause: {root.id}: {root.summary}"
        if root.status == "warn":
            return f"{cause}; exit status {int(status)}: a warning counts as a failure (--strict)"
        return f"{cause} (exit status {int(status)}, {status.label})"
    skipped = [result.id for result in results if result.id in wanted and result.status == "skip"]
    if skipped and set(skipped) == set(wanted):
        were = "was" if len(skipped) == 1 else "were"
        return (
            f"nothing was checked: {', '.join(skipped)} {were} skipped "
            f"(exit status {int(ExitStatus.OK)})"
        )
    warnings = sum(result.status == "warn" for result in results)
    counted = f"{warnings} warning{'s' if warnings > 1 else ''}"
    passed = f"no check failed, {counted}" if warnings else "all checks passed"
    unasked = any(result.id == "api.chat" and NOT_LIVE in result.summary for result in results)
    live = "; --live also sends a real request" if unasked else ""
    return f"{passed} (exit status {int(ExitStatus.OK)}){live}"


def json_report(results: Sequence[Result], verdict: Verdict) -> bytes:
    """The whole report on one line. Members are only ever added while `schema` stays 1."""
    return dumps(
        {
            "schema": SCHEMA,
            "ok": verdict.exit_status == ExitStatus.OK,
            "exit_status": int(verdict.exit_status),
            "root_cause": verdict.root_cause.id if verdict.root_cause else None,
            "checks": [_as_dict(result) for result in results],
        }
    )


def _as_dict(result: Result) -> dict[str, Any]:
    status = result.exit_status
    return {**result._asdict(), "exit_status": None if status is None else int(status)}


def workflow_commands(results: Sequence[Result], verdict: Verdict) -> str:
    """Failures, and a warning that counts as one, as workflow commands of GitHub Actions, one a
    line."""
    root = verdict.root_cause
    return "".join(_annotation(result) for result in results if result.has_failed or result is root)


def _annotation(result: Result) -> str:
    text = f"clinecli doctor: {result.id}: {result.summary}"
    text += f"\n{result.remedy}" if result.remedy else ""
    # docs.github.com, "Workflow commands for GitHub Actions": what a message escapes.
    for character, escape in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(character, escape)
    return f"::error::{text}\n"
