"""What a schema file may be, and what a reply must be to satisfy it."""

from __future__ import annotations

from typing import Any

import pytest

from clinecli.chat.schema import load_schema, mismatch
from clinecli.errors import Code, UsageError
from clinecli.jsontext import loads_exact

ISSUE = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "labels": {"type": "array", "maxItems": 2}},
    "required": ["title"],
}


@pytest.mark.parametrize("schema", [True, False, {}, ISSUE])
def test_a_schema(schema: Any) -> None:
    assert mismatch(load_schema(schema, "s.json"), '{"title": "x"}') is None or schema is False


NO_SCHEMAS: dict[str, tuple[Any, str]] = {
    "array": ([], "s.json is not a JSON Schema"),
    "text": ("object", "s.json is not a JSON Schema"),
    "null": (None, "s.json is not a JSON Schema"),
    "dialect-that-is-no-text": ({"$schema": 7}, "s.json is not a JSON Schema"),
    "unknown-type": ({"type": "text"}, "s.json is not a JSON Schema: 'text' is not valid"),
}


@pytest.mark.parametrize(("schema", "message"), NO_SCHEMAS.values(), ids=NO_SCHEMAS)
def test_what_is_no_schema(schema: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_schema(schema, "s.json")
    assert caught.value.message.startswith(message)
    assert "json-schema.org" in caught.value.hint


def test_a_long_fault_of_a_schema_is_cut() -> None:
    with pytest.raises(UsageError) as caught:
        load_schema({"type": "x" * 10_000}, "s.json")
    assert len(caught.value.message) < 300


def test_the_draft_that_a_schema_names_is_its_own() -> None:
    # An array of schemas in `items` was for positions, until 2020-12 called that prefixItems.
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert mismatch(load_schema(draft7, "s.json"), "[1]")
    with pytest.raises(UsageError):
        load_schema({"items": [{"type": "string"}]}, "s.json")


@pytest.mark.parametrize("text", ['{"title": "x"}', ' {"title":"","labels":[1,2],"more":1e3}\n'])
def test_a_reply_that_satisfies(text: str) -> None:
    assert mismatch(load_schema(ISSUE, "s.json"), text) is None


@pytest.mark.parametrize("number", ["1.10", "12345678901234567890.5", "1E400"])
def test_numbers_of_a_schema_keep_their_value(number: str) -> None:
    schema = loads_exact(f'{{"maximum": {number}}}')
    assert mismatch(load_schema(schema, "s.json"), "1") is None
    if float(number) < float("inf"):
        assert mismatch(load_schema(schema, "s.json"), "99999999999999999999999")


NOT_JSON = {
    "empty": "",
    "prose": "Here it is: {}",
    "fenced": '```json\n{"title": "x"}\n```',
    "two": "{} {}",
    "nan": '{"title": NaN}',
    "infinity": '{"title": -Infinity}',
    "number-beyond-any": '{"title": 1e999}',
    "nested-too-deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_a_reply_that_is_not_json(text: str) -> None:
    failure = mismatch(load_schema(True, "s.json"), text)
    assert failure
    assert (failure.message, failure.code) == ("the reply is not JSON", Code.SCHEMA_MISMATCH)
    assert "ask for JSON alone" in failure.hint


MISMATCHES = {
    "missing": ("{}", "at $: 'title' is a required property"),
    "type": ('{"title": 1}', "at $.title: 1 is not of type 'string'"),
    "too-many": ('{"title": "x", "labels": [1, 2, 3]}', "at $.labels: [1, 2, 3] is too long"),
}


@pytest.mark.parametrize(("text", "message"), MISMATCHES.values(), ids=MISMATCHES)
def test_a_reply_that_does_not_match(text: str, message: str) -> None:
    failure = mismatch(load_schema(ISSUE, "s.json"), text)
    assert failure
    assert failure.message.startswith(f"the reply does not match the schema {message}")
    assert failure.code is Code.SCHEMA_MISMATCH


def test_a_long_mismatch_is_cut() -> None:
    failure = mismatch(load_schema({"type": "null"}, "s.json"), '"' + "x" * 10_000 + '"')
    assert failure
    assert len(failure.message) < 300


@pytest.mark.parametrize("place", ["https://schema.example/a.json", "#/$defs/no", "other.json"])
def test_a_reference_is_never_fetched(place: str) -> None:
    failure = mismatch(load_schema({"$ref": place}, "s.json"), "{}")
    assert failure
    assert failure.code is Code.SCHEMA_REFERENCE
    assert "which it does not contain" in failure.message
    assert "nothing is fetched" in failure.hint


def test_a_reference_within_the_schema() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}
    validator = load_schema(schema, "s.json")
    assert mismatch(validator, "1") is None
    assert mismatch(validator, '"1"')
