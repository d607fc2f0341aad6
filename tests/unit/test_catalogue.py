"""Lists of models: merged, read, filtered, sorted and laid out. No I/O."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import ClinecliError, IncompleteError, UsageError
from clinecli.jsontext import InvalidJson, compact, unwrap
from clinecli.models.catalogue import Model, json_array, merge, parse
from clinecli.models.listing import check, ids, lines, select, table, terminal_json
from clinecli.options.models import ModelsOptions


def encoded(value: Any) -> bytes:
    """As `Client.get` gives it."""
    return unwrap(compact(json.dumps(value).encode()))


def merged(*entries: dict[str, Any], **lists: Any) -> list[Model]:
    return merge(encoded({"data": list(entries)}), encoded(lists))


def entry(**fields: Any) -> dict[str, Any]:
    return {"id": "v/m"} | fields


def only(models: list[Model]) -> Model:
    (model,) = models
    return model


# Lists

BARE = b'[{"id":"a"},{"id":"b"}]'
SHAPES = {
    "unwrapped": BARE,
    "openai": b'{"object":"list","data":%b}' % BARE,
    "data-first": b'{"data":%b,"object":"list","has_more":false}' % BARE,
    "entries-that-are-none": b'[1,null,{"id":"a"},[],{"id":7},{"id":" "},{"name":"x"},{"id":"b"}]',
}


@pytest.mark.parametrize("models", SHAPES.values(), ids=SHAPES)
def test_list_is_found_whatever_is_around(models: bytes) -> None:
    assert [model.id for model in merge(models)] == ["a", "b"]


@pytest.mark.parametrize(
    "models", [b"[]", b'{"object":"list","data":[]}', b'{"object":"list","data":null}', b"null"]
)
def test_empty_list_has_no_models(models: bytes) -> None:
    assert merge(models) == []


@pytest.mark.parametrize(
    "models",
    [b"", b"{}", b"7", b'"x"', b'{"models":[]}', b'{"data":{}}', b"[1,2]", b"[{}]", b"[", b"\xff"],
)
def test_what_is_no_list_is_told(models: bytes) -> None:
    with pytest.raises(IncompleteError, match="not from the API"):
        merge(models)


HINTS: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "each-list-has-its-tag": (
        {"recommended": [{"id": "a"}], "free": [{"id": "b"}], "clinePass": [{"id": "c"}]},
        {"a": ["recommended"], "b": ["free"], "c": ["cline-pass"]},
    ),
    "own-tags-come-after": (
        {"recommended": [{"id": "a", "tags": ["NEW", "BEST"]}]},
        {"a": ["recommended", "NEW", "BEST"], "b": []},
    ),
    "in-two-lists": (
        {"free": [{"id": "b", "tags": ["x"]}], "recommended": [{"id": "b", "tags": ["x"]}]},
        {"a": [], "b": ["recommended", "free", "x"]},
    ),
    "only-recommended": (
        {"recommended": [{"id": "z"}, {"id": "b"}]},
        {"a": [], "b": ["recommended"], "z": ["recommended"]},
    ),
    "one-list-is-junk": (
        {"recommended": 7, "free": {"id": "a"}, "clinePass": [None, {"id": "a"}]},
        {"a": ["cline-pass"], "b": []},
    ),
    "tags-are-junk": ({"free": [{"id": "a", "tags": "x"}, {"id": "b", "tags": [1, "y"]}]},
                      {"a": ["free"], "b": ["free", "y"]}),
    "unknown-list": ({"new": [{"id": "a"}]}, {"a": [], "b": []}),
}  # fmt: skip


@pytest.mark.parametrize(("lists", "tags"), HINTS.values(), ids=HINTS)
def test_recommended_lists_tag(lists: dict[str, Any], tags: dict[str, list[str]]) -> None:
    models = merged({"id": "a"}, {"id": "b"}, **lists)
    assert {model.id: list(model.tags) for model in models}.items() >= tags.items()
    assert [model.id for model in models][:2] == ["a", "b"]


@pytest.mark.parametrize("recommended", [b"[]", b"null", b"", b"\xff", b'{"free":[{"id":"a"}'])
def test_recommended_junk_tags_nothing(recommended: bytes) -> None:
    assert [model.tags for model in merge(BARE, recommended)] == [(), ()]


def test_list_wins_over_the_recommended_lists_and_loses_nothing() -> None:
    hint = {"id": "a", "name": "from the hint", "badge": "new", "tags": ["x"]}
    model = only(merged({"id": "a", "tags": ["own"], "name": "listed"}, free=[hint]))
    assert json.loads(model.raw) == {
        "id": "a",
        "name": "listed",
        "badge": "new",
        "tags": ["free", "x", "own"],
        "price_input_per_million": None,
        "price_output_per_million": None,
    }


# Fields

PRICES = {
    "exact": ("0.000003", "3"),
    "no-float-noise": ("0.00000015", "0.15"),
    "trailing-zeros": ("0.0000100", "10"),
    "exponent": ("2.5e-6", "2.5"),
    "all-digits": ("0.0000001234567890123456789012345678901", "0.1234567890123456789012345678901"),
    "zero": ("0", "0"),
    "zeros": ("0.000", "0"),
    "zero-exponent": ("0e10", "0"),
    "large": ("1", "1000000"),
    "number": (3e-06, "3"),
    "integer": (0, "0"),
    "router-without-a-price": ("-1", ""),
    "negative-number": (-1, ""),
    "no-number": ("free", ""),
    "empty": ("", ""),
    "null": (None, ""),
    "true": (True, ""),
    "object": ({}, ""),
    "nan": ("NaN", ""),
    "signalling": ("sNaN", ""),
    "infinite": ("Infinity", ""),
    "huge": ("1e999999", ""),
    "huge-exponent": ("1e99999999999999999999", ""),
    "tiny": ("1e-999999", ""),
    "endless": ("9" * 5000, ""),
}


@pytest.mark.parametrize(("spelling", "printed"), PRICES.values(), ids=PRICES)
def test_price_per_million(spelling: Any, printed: str) -> None:
    model = only(merged(entry(pricing={"prompt": spelling, "completion": spelling})))
    assert lines([model]) == f"v/m\t\t{printed}\t{printed}\t\n"
    ours = json.loads(model.raw, parse_float=Decimal)
    expected = Decimal(printed) if printed else None
    assert ours["price_input_per_million"] == ours["price_output_per_million"] == expected


@pytest.mark.parametrize("pricing", [None, [], "0", 3])
def test_pricing_that_is_no_object_is_unknown(pricing: Any) -> None:
    assert only(merged(entry(pricing=pricing))).price_output is None


CONTEXTS: dict[str, tuple[dict[str, Any], int | None]] = {
    "cline": ({"context_length": 200000}, 200000),
    "groq": ({"context_window": 8192}, 8192),
    "vllm": ({"max_model_len": 4096}, 4096),
    "provider": ({"context_length": None, "top_provider": {"context_length": 1000}}, 1000),
    "float": ({"context_length": 128000.0}, 128000),
    "none": ({}, None),
    "zero": ({"context_length": 0}, None),
    "negative": ({"context_length": -1}, None),
    "text": ({"context_length": "many", "top_provider": 7}, None),
    "true": ({"context_length": True}, None),
    "endless": ({"context_length": 10**400}, None),
}


@pytest.mark.parametrize(("fields", "context"), CONTEXTS.values(), ids=CONTEXTS)
def test_context(fields: dict[str, Any], context: int | None) -> None:
    assert only(merged(entry(**fields))).context == context


VISION = {
    "modality": ({"modality": "text+image->text"}, True),
    "inputs": ({"modality": None, "input_modalities": ["text", "image"]}, True),
    "text": ({"modality": "text->text", "input_modalities": ["text"]}, False),
    "draws": ({"modality": "text->text+image"}, False),
    "imagery": ({"modality": "text+imagery->text"}, False),
    "junk": ({"modality": ["image"], "input_modalities": "image"}, False),
    "none": (None, False),
}


@pytest.mark.parametrize(("architecture", "sees"), VISION.values(), ids=VISION)
def test_vision(architecture: Any, sees: bool) -> None:
    assert only(merged(entry(architecture=architecture))).vision is sees


# What passes through: number spellings, key order, escapes, doubled keys, NaN

VERBATIM = (
    '{"z":1.10,"id":"v/m","big":123456789012345678901234567890,"exp":1E-07,"neg":-0,"nan":NaN,'
    '"esc":"\\u00e9\\ud83d\\/","a":{"b":[1.0,{"c":2e+3}],"b":"again"},"é":"ü"'
)


def test_every_member_is_kept_as_spelled() -> None:
    model = only(merge(f"[{VERBATIM}}}]".encode()))
    ours = '"tags":[],"price_input_per_million":null,"price_output_per_million":null'
    assert json_array([model]) == f"[{VERBATIM},{ours}}}]"


def test_members_with_our_names_are_replaced() -> None:
    taken = entry(tags=["own"], price_input_per_million="taken", pricing={"prompt": "0.000001"})
    model = only(merged(taken))
    assert model.raw.count('"tags"') == model.raw.count('"price_input_per_million"') == 1
    assert model.tags == ("own",)
    assert model.price_input == 1


# Junk

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_NAMES = st.sampled_from(
    ["id", "name", "tags", "pricing", "prompt", "completion", "architecture", "modality",
     "input_modalities", "supported_parameters", "context_length", "top_provider", "data",
     "success", "recommended", "free", "clinePass"]
)  # fmt: skip
_JUNK = st.recursive(
    _SCALARS | st.sampled_from(["image", "-1", "0.1", "a/b", "1e9999"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_NAMES | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=20,
)
_ENTRY = st.dictionaries(_NAMES, _JUNK, max_size=8).map(lambda fields: {"id": "a"} | fields)


@given(_JUNK | st.lists(_ENTRY, max_size=3), _JUNK | st.dictionaries(_NAMES, st.lists(_ENTRY)))
def test_junk_is_a_list_or_our_error(models: Any, recommended: Any) -> None:
    with contextlib.suppress(ClinecliError):
        found = merge(encoded(models), encoded(recommended))
        assert parse(json_array(found)) == found
        json.loads(json_array(found))
        assert len(lines(found).splitlines()) == len(ids(found).splitlines()) == len(found)
        for name in ("id", "price", "context", "name"):
            assert len(select(found, ModelsOptions(sort=name))) == len(found)


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:1aid\\', max_size=30).map(str.encode))
def test_bytes_are_a_list_or_our_error(data: bytes) -> None:
    with contextlib.suppress(ClinecliError):
        merge(data, data)
    with contextlib.suppress(InvalidJson):
        parse(data.decode("utf-8", "replace"))


@pytest.mark.parametrize("text", ["", "[", "{}", "[1,2", "[{}", "[" * 100_000 + "]" * 100_000])
def test_broken_merged_list_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson):
        parse(text)


# Filters and order


def model(model_id: str, usd: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """An entry with an output price per million tokens, and half of it for input."""
    if usd is not None:
        price = Decimal(usd) / 1_000_000
        fields["pricing"] = {"prompt": f"{price / 2:f}", "completion": f"{price:f}"}
    return {"id": model_id} | fields


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


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "sort": ({"sort": "size"}, "id, price, context, name"),
    "nan": ({"max_price": float("nan")}, "0.5"),
    "ids-and-json": ({"ids": True, "json": True}, "one of them"),
    "refresh-and-offline": ({"refresh": True, "offline": True}, "one of them"),
}


@pytest.mark.parametrize(("flags", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_options_that_mean_nothing(flags: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(ModelsOptions(**flags))
    assert hint in caught.value.hint


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
