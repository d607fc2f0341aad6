"""Patterns of JSON Schema (ECMA-262, as with its `u` flag) to those of Python."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import groupby
from typing import Any

_TOKEN = re.compile(
    r"\\[pP]\{(?P<property>[^}]*)\}|\\u\{(?P<code>[0-9a-fA-F]{1,6})\}|\\k<(?P<back>\w+)>"
    r"|\(\?<(?P<name>\w+)>|\\?.",
    re.DOTALL,
)
# What is ASCII there, and all of Unicode here; and what Python's `$` is more than the end.
_OUTSIDE = {
    r"\d": "[0-9]",
    r"\D": "[^0-9]",
    r"\w": "[A-Za-z0-9_]",
    r"\W": "[^A-Za-z0-9_]",
    "$": r"\Z",
    r"\/": "/",
}
# A bracket or a doubled sign in a class is what it is; Python warns that it may change.
_INSIDE = {r"\d": "0-9", r"\w": "A-Za-z0-9_", "[": r"\[", "&": r"\&", "|": r"\|", "~": r"\~"}
_LONG_NAMES = {
    "letter": "L",
    "uppercase_letter": "Lu",
    "lowercase_letter": "Ll",
    "titlecase_letter": "Lt",
    "modifier_letter": "Lm",
    "other_letter": "Lo",
    "mark": "M",
    "combining_mark": "M",
    "nonspacing_mark": "Mn",
    "spacing_mark": "Mc",
    "enclosing_mark": "Me",
    "number": "N",
    "decimal_number": "Nd",
    "digit": "Nd",
    "letter_number": "Nl",
    "other_number": "No",
    "punctuation": "P",
    "punct": "P",
    "symbol": "S",
    "math_symbol": "Sm",
    "currency_symbol": "Sc",
    "modifier_symbol": "Sk",
    "other_symbol": "So",
    "separator": "Z",
    "space_separator": "Zs",
    "other": "C",
    "control": "Cc",
    "format": "Cf",
}
_HIGHEST = 0x10FFFF


class Pattern(str):
    """A pattern as Python writes it, which is shown as it was written."""

    __slots__ = ("original",)

    def __new__(cls, original: str) -> Pattern:
        pattern = super().__new__(cls, to_python(original))
        pattern.original = original
        return pattern

    original: str

    def __repr__(self) -> str:
        return repr(self.original)


def to_python(pattern: str) -> str:
    """The pattern as Python writes it. Raises `ValueError` for a property that is not known."""
    written, in_class = [], False
    for match in _TOKEN.finditer(pattern):
        part = match[0]
        if match["property"] is not None:
            ranges = _ranges(match["property"], negative=part[1] == "P")
            written.append(ranges if in_class else f"[{ranges}]")
        elif match["code"]:
            written.append(f"\\U{int(match['code'], 16):08x}")
        elif match["back"]:
            written.append(f"(?P={match['back']})")
        elif match["name"] and not in_class:
            written.append(f"(?P<{match['name']}>")
        elif in_class:
            written.append(_INSIDE.get(part, part))
            in_class = part != "]"
        else:
            written.append(_OUTSIDE.get(part, part))
            in_class = part == "["
    return "".join(written)


def _ranges(name: str, *, negative: bool) -> str:
    """What stands between the brackets of a class for a general category."""
    bare = name.partition("=")[2] if name.startswith(("gc=", "General_Category=")) else name
    category = _LONG_NAMES.get(bare.lower(), bare)
    if not re.fullmatch(r"[LMNPSZC][a-z]?", category):
        raise ValueError(f"\\p{{{name[:50]}}} is not supported: only general categories are")
    return _spans(category, negative)


@cache
def _spans(category: str, negative: bool) -> str:
    spans = []
    codes = range(_HIGHEST + 1)
    for found, group in groupby(codes, lambda c: unicodedata.category(chr(c)).startswith(category)):
        if found != negative:
            first = last = next(group)
            for last in group:  # noqa: B007
                pass
            spans.append(f"\\U{first:08x}-\\U{last:08x}")
    return "".join(spans)


# Keywords whose value is data, and those whose value has a schema under each name.
_DATA = {"const", "enum", "default", "examples"}
_MAPS = {"properties", "$defs", "definitions", "dependentSchemas"}


def with_patterns(schema: Any) -> Any:
    """A schema with its patterns as Python writes them. Raises `ValueError`."""
    if isinstance(schema, list):
        return [with_patterns(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _keyword(name, value) for name, value in schema.items()}


def _keyword(name: str, value: Any) -> Any:
    if name in _DATA:
        return value
    if name == "pattern" and isinstance(value, str):
        return Pattern(value)
    if name == "patternProperties" and isinstance(value, dict):
        return {Pattern(key): with_patterns(item) for key, item in value.items()}
    if name in _MAPS and isinstance(value, dict):
        return {key: with_patterns(item) for key, item in value.items()}
    return with_patterns(value)
