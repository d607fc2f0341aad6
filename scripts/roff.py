"""Prose to man(7): a little Markdown in, a manual page out.

Understood are headings (`##`, `###`), paragraphs, `code`, *variables*, blocks indented by four
spaces, definitions (a term, and on the next line `: ` with what it means) and lines `@name …`,
which are replaced by what `insert` makes of them.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable

_WIDTH = 90
_INLINE = re.compile(r"`(?P<code>[^`]+)`|\*(?P<variable>\w[^*]*)\*")
# In these, what is typed must come out as it is typed: no hyphen, no curly quote.
_LITERAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)


def literal(text: str) -> str:
    """Text as it is typed."""
    return text.translate(_LITERAL)


def bold(text: str) -> str:
    """Text to be typed as it is."""
    return rf"\fB{_unbroken(text)}\fP"


def italic(text: str) -> str:
    """A name that stands for something."""
    return rf"\fI{_unbroken(text)}\fP"


def _unbroken(text: str) -> str:
    # A hyphen at the end of a line would be taken for part of the word.
    return " ".join(rf"\%{literal(word)}" for word in text.split(" "))


def inline(text: str) -> str:
    """The markup within a paragraph."""
    pieces, end = [], 0
    for match in _INLINE.finditer(text):
        pieces.append(_running(text[end : match.start()]))
        pieces.append(bold(match["code"]) if match["code"] else italic(match["variable"]))
        end = match.end()
    return "".join([*pieces, _running(text[end:])])


def _running(text: str) -> str:
    return text.replace("\\", r"\e")


def lines(text: str) -> list[str]:
    """Wrapped lines, none of which is taken for a macro."""
    wrapped = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_no_macro(line) for line in wrapped]


def _no_macro(line: str) -> str:
    return rf"\&{line}" if line.startswith((".", "'")) else line


def definition(term: str, text: str) -> list[str]:
    """A tagged paragraph; both are roff already."""
    return [".TP", _no_macro(term), *lines(text)]


def blocks(prose: str) -> list[str]:
    """The pieces between blank lines."""
    return re.split(r"\n(?:[ \t]*\n)+", prose.strip("\n"))


def to_roff(prose: str, insert: Callable[[str, list[str]], Iterable[str]]) -> list[str]:
    """The lines of a page, without its first."""
    result: list[str] = []
    for block in blocks(prose):
        first, _, rest = block.partition("\n")
        if first.startswith("@"):
            name, *arguments = block[1:].split()
            result += insert(name, arguments)
        elif first.startswith("### "):
            result.append(f'.SS "{first[4:]}"')
        elif first.startswith("## "):
            result.append(f'.SH "{first[3:]}"')
        elif first.startswith("    "):
            # Without .PP, which would leave two blank lines before it.
            shown = map(_no_macro, literal(textwrap.dedent(block)).split("\n"))
            result += [".IP", ".EX", *shown, ".EE"]
        elif rest.startswith(": "):
            result += definition(inline(first), inline(_joined(rest[2:])))
        else:
            if result and not result[-1].startswith((".SH", ".SS")):
                result.append(".PP")
            result += lines(inline(_joined(block)))
    return result


def _joined(text: str) -> str:
    return " ".join(text.split())
