"""What a schema file may be, and what a reply must be to satisfy it."""

from __future__ import annotations

from typing import Any

import pytest

from clinecli.chat.schema import Checker, answer, load_schema, mismatch
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
    text = '"' + "x" * 10_000 + '"'
    raw = mismatch(load_schema({"type": "null"}, "s.json"), text)
    shown = Checker({"type": "null"}, "s.json", here, 10).mismatch(text, 10, str.upper)
    assert raw
    assert shown
    assert len(raw.message) < 4100
    assert len(shown.message) == 400
    # Secrets are taken out before.
    assert shown.message.isupper()


LEADS_NOWHERE: dict[str, Any] = {
    "url": {"$ref": "https://schema.example/a.json"},
    "pointer": {"$ref": "#/$defs/no"},
    "file": {"$ref": "other.json"},
    "anchor": {"$ref": "#no"},
    "dynamic": {"$dynamicRef": "#no"},
    "text": {"$ref": "#/title", "title": "x"},
    "number": {"$ref": "#/x", "x": 5},
    "list": {"$ref": "#/required", "required": ["a"]},
    "through-text": {"$ref": "#/title/x", "title": "x"},
    "deep-inside": {"properties": {"a": {"items": {"$ref": "#/$defs/no"}}}},
    "in-a-definition": {"$defs": {"a": {"not": {"$ref": "#/no"}}}},
    "odd-pointer": {"$ref": "#/%zz/~9"},
    "draft-7": {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/no"},
}


@pytest.mark.parametrize("schema", LEADS_NOWHERE.values(), ids=LEADS_NOWHERE)
def test_a_reference_that_leads_to_no_schema(schema: Any) -> None:
    with pytest.raises(UsageError) as caught:
        load_schema(schema, "s.json")
    assert caught.value.code is Code.SCHEMA_REFERENCE
    assert "which is no schema in it" in caught.value.message
    assert "nothing is fetched" in caught.value.hint


LEADS_SOMEWHERE: dict[str, Any] = {
    "itself": {"items": {"$ref": "#"}},
    "definition": {"$ref": "#/$defs/a", "$defs": {"a": {"type": ["array", "object"]}}},
    "anchor": {"$ref": "#a", "$defs": {"a": {"$anchor": "a"}}},
    "identifier": {"$id": "https://ex.org/s", "$ref": "b", "$defs": {"b": {"$id": "b"}}},
    "true": {"$ref": "#/$defs/a", "$defs": {"a": True}},
    "in-data": {"default": {"$ref": "#/no"}, "examples": [{"$ref": "x"}]},
    "in-properties": {"properties": {"$ref": {"type": "string"}}},
    "the-drafts-own": {
        "properties": {"x": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}
    },
}


@pytest.mark.parametrize("schema", LEADS_SOMEWHERE.values(), ids=LEADS_SOMEWHERE)
def test_a_reference_that_leads_somewhere(schema: Any) -> None:
    assert mismatch(load_schema(schema, "s.json"), "{}") is None


def nested(depth: int, keyword: str) -> Any:
    schema: Any = {}
    for _ in range(depth):
        schema = {keyword: schema}
    return schema


# A schema that cannot be used is told before anything is sent.
UNUSABLE: dict[str, Any] = {
    "refers-to-itself": {"$ref": "#"},
    "refers-to-each-other": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#"}},
    },
    "of-itself-in-all-of": {"allOf": [{"$ref": "#"}]},
    "huge-number": loads_exact(f'{{"maximum": {"1" * 5000}}}'),
    "no-pattern": {"pattern": "("},
    "no-property-of-characters": {"pattern": r"\p{Script=Greek}"},
    "pattern-of-a-name": {"patternProperties": {"[": {}}},
    "deep": nested(250, "not"),
}


@pytest.mark.parametrize("schema", UNUSABLE.values(), ids=UNUSABLE)
def test_a_schema_that_cannot_be_used(schema: Any) -> None:
    with pytest.raises(UsageError) as caught:
        load_schema(schema, "s.json")
    assert caught.value.message.startswith("s.json is not a JSON Schema: ")
    assert len(caught.value.message) < 300


FAILS: dict[str, tuple[Any, str]] = {
    "multiple-of-a-huge-number": ({"multipleOf": 0.5}, "1" + "0" * 400),
    "recursion": ({"items": {"$ref": "#"}}, "[" * 400 + "]" * 400),
    "unique-in-depth": ({"uniqueItems": True}, f"[{'[' * 900}{']' * 900}]"),
}


@pytest.mark.parametrize(("schema", "text"), FAILS.values(), ids=FAILS)
def test_a_reply_on_which_the_schema_might_fail(schema: Any, text: str) -> None:
    failure = mismatch(load_schema(schema, "s.json"), text)
    # Either it can be checked after all, or it is no fault of the program.
    assert failure is None or "the reply cannot be checked" in failure.message
    assert failure is None or failure.code is Code.SCHEMA_UNCHECKED


MULTIPLES = [
    ("0.01", "1.13", True),
    ("0.5", "1" + "0" * 400, True),
    ("0.5", "0.3", False),
    ("1", "1e300", True),
    ("3", "10", False),
    ("1e-300", "1", True),
    ("2", "true", True),
]


@pytest.mark.parametrize(("factor", "number", "fits"), MULTIPLES, ids=lambda v: str(v)[:9])
def test_multiples_are_exact(factor: str, number: str, fits: bool) -> None:
    schema = loads_exact(f'{{"multipleOf": {factor}}}')
    assert (mismatch(load_schema(schema, "s.json"), number) is None) == fits


UNIQUE = [
    ("[]", True),
    ("[1,2,1]", False),
    ("[1,1.0]", False),
    ("[1,true]", True),
    ("[0,false]", True),
    ('[1,"1"]', True),
    ('[{"a":1,"b":2},{"b":2,"a":1}]', False),
    ('[{"a":1},{"a":2}]', True),
    ("[[1],[1.0]]", False),
    ("[null,null]", False),
    ("7", True),
]


@pytest.mark.parametrize(("text", "fits"), UNIQUE)
def test_unique_items(text: str, fits: bool) -> None:
    failure = mismatch(load_schema({"uniqueItems": True}, "s.json"), text)
    assert (failure is None) == fits
    assert mismatch(load_schema({"uniqueItems": False}, "s.json"), text) is None


def test_unique_items_of_a_large_array() -> None:
    # With each compared to each, this would be ten thousand million comparisons.
    items = ",".join(f'{{"a":{number}}}' for number in range(100_000))
    assert mismatch(load_schema({"uniqueItems": True}, "s.json"), f"[{items}]") is None


def test_a_pattern_is_shown_as_it_is_written() -> None:
    schema = {"properties": {"a": {"pattern": r"^\d+$"}}, "patternProperties": {r"^\d$": {}}}
    failure = mismatch(load_schema(schema, "s.json"), '{"a":"x"}')
    assert failure
    assert failure.message.endswith(r"'x' does not match '^\\d+$'")


# A checker: the same by way of bytes


def here(request: bytes, _: float) -> bytes:
    return answer(request)


@pytest.mark.parametrize("text", ['{"title": "x"}', "{}", '{"title": 1}', "no", '"\ud83d"', ""])
def test_a_checker_says_the_same(text: str) -> None:
    checker = Checker(ISSUE, "s.json", here, 10)
    expected = mismatch(load_schema(ISSUE, "s.json"), text)
    found = checker.mismatch(text, 10)
    assert (found and found.as_dict()) == (expected and expected.as_dict())


@pytest.mark.parametrize("schema", [*LEADS_NOWHERE.values(), *UNUSABLE.values(), [], "x"], ids=str)
def test_a_checker_refuses_the_same(schema: Any) -> None:
    with pytest.raises(UsageError) as here_and_now:
        load_schema(schema, "s.json")
    with pytest.raises(UsageError) as caught:
        Checker(schema, "s.json", here, 10)
    assert caught.value.as_dict() == here_and_now.value.as_dict()


def test_a_checker_that_has_no_time() -> None:
    def late(request: bytes, seconds: float) -> bytes:
        if b"=" in request.partition(b"\n")[2]:
            raise TimeoutError
        return answer(request)

    def never(request: bytes, seconds: float) -> bytes:
        raise TimeoutError

    failure = Checker({}, "s.json", late, 10).mismatch("{}", 2.5)
    assert failure
    assert failure.code is Code.SCHEMA_UNCHECKED
    assert "takes more than 2.5 s (--timeout)" in failure.message
    with pytest.raises(UsageError, match="takes more than 10 s to read"):
        Checker({}, "s.json", never, 10)


def test_a_checker_whose_process_fails() -> None:
    calls: list[bytes] = []

    def broken(request: bytes, seconds: float) -> bytes:
        calls.append(request)
        if len(calls) == 1:
            return answer(request)
        raise EOFError

    failure = Checker({}, "s.json", broken, 10).mismatch("{}", 1)
    assert failure
    assert "the process that does it has failed" in failure.message


def test_a_checker_without_a_process_works_here() -> None:
    def none(request: bytes, seconds: float) -> bytes:
        raise EOFError

    checker = Checker(ISSUE, "s.json", none, 10)
    assert checker.mismatch('{"title": "x"}', 1) is None
    assert checker.mismatch("{}", 1)


def test_a_reference_within_the_schema() -> None:
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}
    validator = load_schema(schema, "s.json")
    assert mismatch(validator, "1") is None
    assert mismatch(validator, '"1"')
