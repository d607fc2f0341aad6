"""Filters, order and layout of the list of models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clinecli.models.catalogue import json_array
from clinecli.models.listing import ids, lines, select, table, terminal_json
from clinecli.options.models import ModelsOptions
from tests.helpers.models import merged, model

# Filters and order


MODELS = merged(
    model("v/big", "15", name="The Big One", context_length=200_000,
          architecture={"modality": "text+image->text"}, supported_parameters=["tools"]),
    model("v/small", "0.6", name="small", context_length=8000,
          supported_parameters=["tools", "reasoning"]),
    model("w/zero", "0", name="Nothing", context_length=128_000,
          supported_parameters=["include_reasoning"]),
    model("w/unknown"),
    recommended=[{"id": "v/big"}],
    free=[{"id": "w/unlisted", "name": "Big too"}, {"id": "v/small"}],
)  # fmt: skip
ALL = ["v/big", "v/small", "w/zero", "w/unknown", "w/unlisted"]

SELECTIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, ALL),
    "word-in-id": ({"words": ["V/"]}, ["v/big", "v/small"]),
    "word-in-name": ({"words": ["nothing"]}, ["w/zero"]),
    "word-in-either": ({"words": ["big"]}, ["v/big", "w/unlisted"]),
    "every-word": ({"words": ["big", "W/"]}, ["w/unlisted"]),
    "no-word-spans-both": ({"words": ["bigthe"]}, []),
    "no-words": ({"words": []}, ALL),
    "free-by-price-or-unpriced-in-the-list": ({"free": True}, ["w/zero", "w/unlisted"]),
    "recommended": ({"recommended": True}, ["v/big"]),
    "vision": ({"vision": True}, ["v/big"]),
    "tools": ({"tools": True}, ["v/big", "v/small"]),
    "reasoning": ({"reasoning": True}, ["v/small", "w/zero"]),
    "context-at-least": ({"min_context": 128_000}, ["v/big", "w/zero"]),
    "price-at-most": ({"max_price": 0.6}, ["v/small", "w/zero"]),
    "price-zero": ({"max_price": 0.0}, ["w/zero"]),
    "price-any": ({"max_price": float("inf")}, ["v/big", "v/small", "w/zero"]),
    "all-of-them": ({"tools": True, "max_price": 1.0, "words": ["v"]}, ["v/small"]),
    "reverse": ({"reverse": True}, ALL[::-1]),
    "sort-id": ({"sort": "id"}, ["v/big", "v/small", "w/unknown", "w/unlisted", "w/zero"]),
    "sort-price": ({"sort": "price"}, ["w/zero", "v/small", "v/big", "w/unknown", "w/unlisted"]),
    "sort-price-reverse-keeps-unknown-last": (
        {"sort": "price", "reverse": True},
        ["v/big", "v/small", "w/zero", "w/unknown", "w/unlisted"],
    ),
    "sort-context": ({"sort": "context"}, ["v/small", "w/zero", "v/big", *ALL[3:]]),
    "sort-name": ({"sort": "name"}, ["w/unlisted", "w/zero", "v/small", "v/big", "w/unknown"]),
}


@pytest.mark.parametrize(("flags", "expected"), SELECTIONS.values(), ids=SELECTIONS)
def test_select(flags: dict[str, Any], expected: list[str]) -> None:
    assert [model.id for model in select(MODELS, ModelsOptions(**flags))] == expected


# Layout


def test_lines() -> None:
    assert lines(MODELS[:4]) == (
        "v/big\t200000\t7.5\t15\trecommended\n"
        "v/small\t8000\t0.3\t0.6\tfree\n"
        "w/zero\t128000\t0\t0\t\n"
        "w/unknown\t\t\t\t\n"
    )


def test_separators_in_fields_break_no_line() -> None:
    hostile = merged(
        model("a\tb\r\nc\u2028d"), free=[{"id": "a\tb\r\nc\u2028d", "tags": ["x\n,y"]}]
    )
    assert ids(hostile) == "a b c d\n"
    assert lines(hostile) == "a b c d\t\t\t\tfree,x  y\n"


def test_table_at_full_width() -> None:
    assert table(MODELS[:3], 80).splitlines() == [
        "ID       CONTEXT  INPUT $/M  OUTPUT $/M  TAGS",
        "v/big     200000        7.5          15  recommended",
        "v/small     8000        0.3         0.6  free",
        "w/zero    128000          0           0",
    ]


LONG = merged(
    model("provider/a-rather-long-name-of-a-model", "15", context_length=200_000),
    model("供应商/模型-long-long-long-long", "15", context_length=200_000),
    recommended=[{"id": "provider/a-rather-long-name-of-a-model", "tags": ["BEST", "NEW"]}],
)
HEADERS = {
    90: "ID CONTEXT INPUT $/M OUTPUT $/M TAGS",
    80: "ID CONTEXT INPUT $/M OUTPUT $/M TAGS",
    72: "ID CONTEXT INPUT $/M OUTPUT $/M",
    50: "ID CONTEXT INPUT $/M OUTPUT $/M",
    40: "ID CONTEXT INPUT $/M",
    26: "ID CONTEXT",
    20: "ID",
    1: "…",
}


@pytest.mark.parametrize(("width", "header"), HEADERS.items())
def test_table_gives_way_from_the_right(width: int, header: str) -> None:
    rows = table(LONG, width).splitlines()
    assert " ".join(rows[0].split()) == header
    # An ideograph takes two columns.
    assert all(len(row) + sum(c > "\u2e80" for c in row) <= width for row in rows)
    if width >= 80:
        assert LONG[0].id in rows[1]


def test_terminal_gets_no_escape_sequence() -> None:
    evil = merged(model("a\x1b]0;owned\x07b"), model("c\x9b31m\u202ed"))
    shown = table(evil, 80) + terminal_json(json_array(evil))
    assert not set(shown) & set("\x1b\x07\x9b\u202e")
    assert "a^[]0;owned^Gb" in shown
    assert [entry["id"] for entry in json.loads(terminal_json(json_array(evil)))] == [
        each.id for each in evil
    ]
