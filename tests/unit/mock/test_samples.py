"""JSON that the mock makes up for a schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.schema import load_schema, mismatch
from clinecli.jsontext import dumps
from clinecli.mock.samples import sample

NODE = {
    "type": "object",
    "properties": {"next": {"$ref": "#/$defs/Node"}, "name": {"type": "string"}},
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"properties": {"ok": {"type": "boolean"}, "level": {"enum": ["low", "high"]}}},
            {"ok": False, "level": "low"},
        ),
        ({"type": "array", "items": {"const": 3}, "minItems": 2}, [3, 3]),
        ({"type": "array", "items": {"type": "null"}, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}]}, [None, 1]),
        ({"type": "string", "minLength": 6}, "mock.."),
        ({"type": "string", "maxLength": 2}, "mo"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer", "minimum": 8, "multipleOf": 7}, 14),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": ["null", "string"]}, "mock"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        (
            {
                "allOf": [
                    {"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]},
                ]
            },
            {"a": 1, "b": 2},
        ),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": "x"}}}, "x"),
    ],
    ids=[
        "properties", "array", "empty-array", "tuple", "long", "short", "format", "multiple",
        "negative", "between", "nullable", "any-of", "all-of", "reference",
    ],
)  # fmt: skip
def test_sample(schema: dict[str, Any], expected: Any) -> None:
    assert sample(schema) == expected
    assert mismatch(load_schema(schema, "s"), dumps(expected).decode()) is None


def test_schema_that_contains_itself() -> None:
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}
    assert mismatch(load_schema(schema, "s"), dumps(sample(schema)).decode()) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}] * 20},
        {"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]},
        {"$ref": "#/$defs/gone"},
        {"$ref": 3, "type": 4, "properties": [], "required": 5, "enum": {}},
        {"type": "string", "minLength": 10**12},
        {"type": "array", "minItems": 10**12},
        None,
        True,
        [],
    ],
)
def test_no_schema_is_too_odd(schema: Any) -> None:
    assert len(dumps(sample(schema))) < 100_000


LEAVES = (
    st.fixed_dictionaries({"type": st.sampled_from(["string", "boolean", "null", "integer"])})
    | st.fixed_dictionaries({"enum": st.lists(st.integers(-99, 99) | st.text(), min_size=1)})
    | st.fixed_dictionaries(
        {"type": st.just("number"), "minimum": st.integers(-9, 9), "maximum": st.integers(10, 20)}
    )
    | st.fixed_dictionaries(
        {"type": st.just("string"), "minLength": st.integers(0, 9), "maxLength": st.integers(9, 20)}
    )
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from("abcd"), inner),
                "required": st.lists(st.sampled_from("abcd"), unique=True),
                "additionalProperties": st.just(True),
            }
        )
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_sample_satisfies_its_schema(schema: dict[str, Any]) -> None:
    assert mismatch(load_schema(schema, "s"), dumps(sample(schema)).decode()) is None
