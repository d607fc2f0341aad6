"""Which models are listed, in what order, and as what: lines for pipes, a table for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from clinecli.models.catalogue import Model, plain
from clinecli.options.models import ModelsOptions
from clinecli.text import columns_of, cut_to_columns, escape_json, sanitize, utf8


def _has_words(model: Model, words: Iterable[str]) -> bool:
    text = f"{model.id}\n{model.name}".casefold()
    return all(word.casefold() in text for word in words)


def _within(model: Model, limit: float) -> bool:
    # By way of the spelling: 0.6 in binary is less than a price of 0.6.
    return model.price_output is not None and model.price_output <= Decimal(repr(limit))


# By the names of the options that ask for them.
_FILTERS: dict[str, Callable[[Model, Any], bool]] = {
    "words": _has_words,
    "free": lambda model, _: model.is_free,
    "recommended": lambda model, _: "recommended" in model.tags,
    "vision": lambda model, _: model.vision,
    "tools": lambda model, _: model.tools,
    "reasoning": lambda model, _: model.reasoning,
    "min_context": lambda model, least: (model.context or 0) >= least,
    "max_price": _within,
}

# None is unknown, and comes last in either direction.
_SORT_KEYS: dict[str, Callable[[Model], Any]] = {
    "id": lambda model: model.id,
    "price": lambda model: (
        None if model.price_output is None else (model.price_output, model.price_input or 0)
    ),
    "context": lambda model: model.context,
    "name": lambda model: model.name.casefold() or None,
}


def select(models: Iterable[Model], options: ModelsOptions) -> list[Model]:
    """The models that pass every filter, in the order asked for, which is theirs by default."""
    wanted = [(test, getattr(options, name)) for name, test in _FILTERS.items()]
    tests = [(test, value) for test, value in wanted if value is not None and value is not False]
    found = [model for model in models if all(test(model, value) for test, value in tests)]
    if options.sort is None:
        return found[::-1] if options.reverse else found
    key = _SORT_KEYS[options.sort]
    known = [model for model in found if key(model) is not None]
    unknown = [model for model in found if key(model) is None]
    return sorted(known, key=key, reverse=options.reverse) + unknown


# What ends a line or a field somewhere: str.splitlines knows more of them than \n.
_SEPARATORS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def ids(models: Iterable[Model]) -> str:
    """Ids alone, one a line."""
    return "".join(f"{_field(model.id)}\n" for model in models)


def lines(models: Iterable[Model]) -> str:
    """Id, context length, input and output price in USD per million tokens, and tags, separated
    by tabs; empty where unknown."""
    return "".join("\t".join(_fields(model)) + "\n" for model in models)


def _field(text: str) -> str:
    return _SEPARATORS.sub(" ", text)


def _fields(model: Model) -> tuple[str, ...]:
    return (
        _field(model.id),
        "" if model.context is None else str(model.context),
        plain(model.price_input),
        plain(model.price_output),
        ",".join(_field(tag).replace(",", " ") for tag in model.tags),
    )


_HEADER = ("ID", "CONTEXT", "INPUT $/M", "OUTPUT $/M", "TAGS")
_GAP = "  "
_SHORTEST_ID = 16


def table(models: Iterable[Model], width: int) -> str:
    """The same with a header, in columns, for a terminal of `width` columns.

    Where it is too narrow, first tags are cut, then dropped; then ids are cut, but columns
    give way from the right before fewer than 16 characters of an id are left.
    """
    rows = [_HEADER, *(tuple(map(sanitize, _fields(model))) for model in models)]
    widths = [max(map(columns_of, column)) for column in zip(*rows, strict=True)]
    spare = width - sum(widths[:4]) - 4 * len(_GAP)
    if spare < len(_HEADER[4]):
        widths.pop()
        while len(widths) > 1 and _rest(widths) + min(widths[0], _SHORTEST_ID) > width:
            widths.pop()
        widths[0] = max(1, min(widths[0], width - _rest(widths)))
    else:
        widths[4] = min(widths[4], spare)
    return "".join(_line(row, widths) for row in rows)


def _rest(widths: list[int]) -> int:
    """What all columns but the first take."""
    return sum(widths[1:]) + len(_GAP) * (len(widths) - 1)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = []
    for position, (text, width) in enumerate(zip(row, widths, strict=False)):
        cell = cut_to_columns(text, width)
        space = " " * (width - columns_of(cell))
        cells.append(cell + space if position in {0, 4} else space + cell)
    return _GAP.join(cells).rstrip() + "\n"


def terminal_json(text: str) -> str:
    """The same JSON, with escapes for what a terminal would obey instead of show."""
    return escape_json(utf8(text)).decode()
