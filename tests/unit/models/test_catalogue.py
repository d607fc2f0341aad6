"""Lists of models: merged, read, filtered, sorted and laid out. No I/O."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import ClinecliError, IncompleteError
from clinecli.jsontext import InvalidJson
from clinecli.models.catalogue import Model, json_array, merge, parse
from clinecli.models.listing import ids, lines, select
from clinecli.options.models import ModelsOptions
from tests.helpers.models import encoded, entry, merged


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
    "anthropic": ({"max_input_tokens": 1_000_000}, 1_000_000),
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


@pytest.mark.parametrize(
    "odd", ["1" * 5000, "[" * 2000 + "]" * 2000], ids=["5,000 digits", "2,000 deep"]
)
def test_what_parsers_refuse_costs_no_list(odd: str) -> None:
    listed = f'[{{"id":"a","x":{odd},"context_length":7}},{{"id":"b"}}]'
    models = merge(listed.encode())
    assert [model.id for model in models] == ["a", "b"]
    assert models[0].context == 7
    assert f'"x":{odd}' in models[0].raw


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


@pytest.mark.parametrize("text", ["", "[", "{}", "[1,2", "[{}", "[" * 100_000])
def test_broken_merged_list_is_refused(text: str) -> None:
    with pytest.raises(InvalidJson):
        parse(text)


# Filters and order
