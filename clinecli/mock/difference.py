"""How one JSON value differs from another, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

_SHOWN = 3
_WIDTH = 60
# How much of what two texts share is shown before the place where they part.
_SHARED = 20
_DEEPEST = 50
# How much of two texts is looked at to tell how alike they are.
_COMPARED = 300
_MISSING = object()


class Difference(NamedTuple):
    """One place where two values differ; a side that has nothing there is `_MISSING`."""

    path: str
    there: Any
    here: Any

    def __str__(self) -> str:
        there, here = _sides(self.there, self.here)
        return f"{self.path or 'the body'} is {there} there and {here} here"


def differences(there: Any, here: Any, path: str = "", depth: int = 0) -> Iterator[Difference]:
    """Every place where two values differ, the deepest ones that can be named."""
    if depth < _DEEPEST and isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(key for key in here if key not in there)]:
            name = f"{path}.{key}" if path else key
            sides = there.get(key, _MISSING), here.get(key, _MISSING)
            yield from differences(*sides, name, depth + 1)
    elif depth < _DEEPEST and isinstance(there, list) and isinstance(here, list):
        for index, (a, b) in enumerate(zip_longest(there, here, fillvalue=_MISSING)):
            yield from differences(a, b, f"{path}[{index}]", depth + 1)
    elif there != here or isinstance(there, bool) != isinstance(here, bool):
        yield Difference(path, there, here)


def distance(found: list[Difference]) -> tuple[int, float]:
    """How far two values are apart: by the number of differences, then by how alike the texts
    are that differ first."""
    from difflib import SequenceMatcher

    if found and isinstance(found[0].there, str) and isinstance(found[0].here, str):
        there, here = found[0].there[:_COMPARED], found[0].here[:_COMPARED]
        return len(found), -SequenceMatcher(None, there, here).ratio()
    return len(found), 0.0


def describe(found: list[Difference]) -> str:
    """The first differences as a clause, and how many more there are."""
    shown = ", ".join(map(str, found[:_SHOWN]))
    more = len(found) - _SHOWN
    return f"{shown}, and {more} more" if more > 0 else shown


def _sides(there: Any, here: Any) -> tuple[str, str]:
    """Both values, cut to what tells them apart."""
    start = 0
    if isinstance(there, str) and isinstance(here, str):
        pairs = zip(there, here, strict=False)
        parting = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(there), len(here)))
        start = parting - _SHARED if parting > 2 * _SHARED else 0
    return _shown(there, start), _shown(here, start)


def _shown(value: Any, start: int) -> str:
    if value is _MISSING:
        return "missing"
    if isinstance(value, str):
        end = start + _WIDTH
        value = ("…" if start else "") + value[start:end] + ("…" if value[end:] else "")
    # Half a surrogate pair is legal JSON, but can be written only as an escape.
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if isinstance(value, str) or len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
