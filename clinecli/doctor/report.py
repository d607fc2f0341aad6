"""Results to text for people: a line for each check, then cause, remedy and status. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from clinecli.doctor.check import Result, Status, Verdict
from clinecli.errors import ExitStatus

# What a check says that could do more with --live.
NOT_LIVE = "--live sends a real one"


class Style(NamedTuple):
    """What the output can show. `columns` is the width of the terminal, 0 for no limit; `width`
    the longest name of a check."""

    unicode: bool = True
    color: bool = False
    verbose: bool = False
    columns: int = 0
    width: int = 10


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


def style_for(
    environ: Mapping[str, str],
    *,
    terminal: bool,
    verbose: bool,
    columns: int = 0,
    width: int = 10,
) -> Style:
    """What stdout can take, by locale and terminal.

    The locale counts in a pipe too. Colour is for terminals only, and NO_COLOR (no-color.org: set
    and not empty) and TERM=dumb turn it off.
    """
    term = environ.get("TERM", "")
    dumb = terminal and term in {"", "dumb"}
    color = terminal and not dumb and not environ.get("NO_COLOR")
    unicode = _is_utf8(environ) and not dumb
    return Style(unicode, color, verbose, columns if terminal else 0, width)


def _is_utf8(environ: Mapping[str, str]) -> bool:
    # In the C locale, Python itself sets LC_CTYPE to this (PEP 538): it says nothing.
    ctype = environ.get("LC_CTYPE", "")
    names = (environ.get("LC_ALL"), "" if ctype == "C.UTF-8" else ctype, environ.get("LANG"))
    name = next((name for name in names if name), "")
    return name.lower().replace("-", "").endswith("utf8")


def check_text(result: Result, style: Style) -> str:
    """The lines of one check, each with its end. What only waits for a failed check has none: see
    `ending`."""
    if result.blocked_by:
        return ""
    symbol = _SYMBOLS[result.status]
    mark = symbol.unicode if style.unicode else symbol.ascii
    took = f" ({result.duration_ms:.0f} ms)" if style.verbose and result.duration_ms >= 1 else ""
    indent = len(mark) + style.width + 3
    if style.color:
        mark = f"\x1b[{symbol.color}m{mark}\x1b[0m"
    first, *rest = _wrapped(f"{result.summary}{took}", style, indent)
    lines = [f"{mark} {result.id:<{style.width}}  {first}", *rest]
    if result.has_failed or result.status == "warn" or style.verbose:
        for detail in result.details:
            first, *rest = _wrapped(detail, style, indent)
            lines += [f"{' ' * indent}{first}", *rest]
    if result.remedy and not result.has_failed:
        # That of a failure stands at the end.
        first, *rest = _wrapped(f"→ {result.remedy}", style, indent)
        lines += [f"{' ' * indent}{first}", *rest]
    return _encodable("\n".join(lines) + "\n", style)


def _wrapped(text: str, style: Style, indent: int) -> list[str]:
    """Lines that fit the terminal; all but the first have the indent."""
    room = style.columns - indent - 1
    if not style.columns or room < 20 or len(text) <= room:
        return [text]
    import textwrap

    first, *rest = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return [first, *(f"{' ' * indent}{line}" for line in rest)]


def _encodable(text: str, style: Style) -> str:
    if style.unicode:
        return text
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def ending(
    results: Sequence[Result], verdict: Verdict, style: Style, wanted: Sequence[str] = ()
) -> str:
    """What the report ends with: what was not checked, cause, remedy, status. `wanted` are the
    checks that were named."""
    lines = [*_waiting(results, style), "", *_conclusion(results, verdict, style, wanted)]
    return _encodable("\n".join(lines) + "\n", style)


def _waiting(results: Sequence[Result], style: Style) -> Iterator[str]:
    """Checks that wait for a failed one, in one line."""
    symbol = _SYMBOLS["skip"]
    mark = symbol.unicode if style.unicode else symbol.ascii
    causes = dict.fromkeys(result.blocked_by for result in results if result.blocked_by)
    for cause in causes:
        names = [result.id for result in results if result.blocked_by == cause]
        text = f"not checked, for want of {cause}: {', '.join(names)}"
        first, *rest = _wrapped(text, style, len(mark) + 1)
        shown = f"\x1b[{symbol.color}m{mark}\x1b[0m" if style.color else mark
        yield from [f"{shown} {first}", *rest]


def _conclusion(
    results: Sequence[Result], verdict: Verdict, style: Style, wanted: Sequence[str]
) -> Iterator[str]:
    status, root = verdict
    if not root:
        yield _all_well(results, wanted)
        return
    yield from _wrapped(f"root cause: {root.id}: {root.summary}", style, 2)
    if root.has_failed and root.remedy:
        yield from _wrapped(f"→ {root.remedy}", style, 2)
    for other in results:
        if other.has_failed and other is not root:
            yield from _wrapped(f"also failed: {other.id}: {other.summary}", style, 2)
            yield from _wrapped(f"→ {other.remedy}", style, 2)
    if root.status == "warn":
        yield f"exit status {int(status)}: a warning counts as a failure (--strict)"
    else:
        yield f"exit status {int(status)} ({status.label})"


def _all_well(results: Sequence[Result], wanted: Sequence[str]) -> str:
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
    live = "; --live also asks for real" if unasked else ""
    return f"{passed} (exit status {int(ExitStatus.OK)}){live}"


def markdown(results: Sequence[Result], verdict: Verdict) -> str:
    """The report to paste into a ticket: a table, then cause and remedy."""
    lines = ["| check | status | what |", "|---|---|---|"]
    for result in results:
        said = "<br>".join(map(_cell, (result.summary, *result.details)))
        lines.append(f"| `{result.id}` | {result.status} | {said} |")
    conclusion = _conclusion(results, verdict, Style(), ())
    return "\n".join([*lines, "", *(f"{_cell(line)}  " for line in conclusion)]) + "\n"


def _cell(text: str) -> str:
    # A server's text is no HTML, link or image where it is pasted.
    return re.sub(r"([\\|`<&\[\]!])", r"\\\1", text)


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


def tame(text: str) -> str:
    """Text of a server that no CI takes for a command: `##[` counts anywhere in a line, `::` at
    its beginning, also after spaces."""
    text = text.replace("##[", "# #[")
    return f": :{text.lstrip()[2:]}" if text.lstrip().startswith("::") else text
