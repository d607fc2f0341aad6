"""What error bodies say, shape by shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.error_body import ErrorBody, read_error, tells_error, text_of

RAW = json.dumps({"error": {"message": "too big", "code": "context_length_exceeded"}})
# document, codes, message
SHAPES: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "documented": ({"error": {"code": 401, "message": "no", "metadata": {}}}, ("401",), "no"),
    "gateway-text": ({"success": False, "error": "no"}, (), "no"),
    "gateway-json": ({"success": False, "error": '{"code":"x","message":"no"}'}, ("x",), "no"),
    "gateway-like-json": ({"error": "{no}"}, (), "{no}"),
    "text": ("no", (), "no"),
    "text-that-is-json": ('{"error":"no"}', (), "no"),
    "message": ({"message": "no", "code": 7}, ("7",), "no"),
    "openai": (
        {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "x"}},
        ("x", "invalid_request_error"),
        "no",
    ),
    "anthropic": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        ("overloaded_error",),
        "Overloaded",
    ),
    "vllm": (
        {"object": "error", "message": "no", "type": "BadRequestError", "code": 400},
        ("400", "BadRequestError"),
        "no",
    ),
    "google": (
        [{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}],
        ("429", "RESOURCE_EXHAUSTED"),
        "no",
    ),
    "oauth": (
        {"error": "invalid_token", "error_description": "it has expired"},
        (),
        "invalid_token: it has expired",
    ),
    "aws": ({"Message": "no"}, (), "no"),
    "fastapi-text": ({"detail": "Not Found"}, (), "Not Found"),
    "fastapi-list": (
        {
            "detail": [
                {"type": "missing", "loc": ["body", "messages"], "msg": "Field required"},
                {"type": "x", "loc": ["body", "n", 0], "msg": "too small", "input": {"a": 1}},
            ]
        },
        (),
        "body.messages: Field required; body.n.0: too small",
    ),
    "fastapi-object": ({"detail": {"message": "no", "code": "x"}}, ("x",), "no"),
    "fastapi-error-in-detail": ({"detail": {"error": "no"}}, (), "no"),
    "problem": (
        {"type": "https://ex.org/p", "title": "Forbidden", "status": 403, "detail": "no"},
        (),
        "Forbidden: no",
    ),
    "problem-about-blank": (
        {"type": "about:blank", "title": "Teapot", "status": 418},
        (),
        "Teapot",
    ),
    "errors": ({"errors": [{"message": "a", "code": "x"}, {"message": "b"}]}, ("x",), "a; b"),
    "errors-by-field": (
        {"title": "Invalid", "status": 400, "errors": {"model": ["is required"], "n": "too small"}},
        (),
        "Invalid: model: is required; n: too small",
    ),
    "errors-of-text": ({"errors": ["a", "b"]}, (), "a; b"),
    "error-list": ({"error": [{"message": "a", "code": "x"}]}, ("x",), "a"),
    "array": ([{"error": {"message": "a"}}, {"error": "b"}], (), "a; b"),
    "openrouter": (
        {
            "error": {
                "code": 400,
                "message": "Provider returned error",
                "metadata": {"raw": RAW, "provider_name": "x"},
            }
        },
        ("400", "context_length_exceeded"),
        "Provider returned error: too big",
    ),
    "raw-text": (
        {"error": {"message": "outer", "metadata": {"raw": "inner"}}},
        (),
        "outer: inner",
    ),
    "raw-that-says-the-same": (
        {"error": {"message": "inner, said", "metadata": {"raw": "inner"}}},
        (),
        "inner, said",
    ),
    "value": (
        {"error": {"message": "Stream error occurred", "value": {"error_message": "no"}}},
        (),
        "Stream error occurred: no",
    ),
    "value-outside": (
        {"type": "error", "error": "Stream error occurred", "value": {"error_message": RAW}},
        ("context_length_exceeded",),
        "Stream error occurred: too big",
    ),
    "value-as-text": (
        {"error": {"message": "Stream error occurred", "value": '{"error_message":"no"}'}},
        (),
        "Stream error occurred: no",
    ),
    "message-is-json": ({"error": {"message": RAW}}, (), "too big"),
    "parts": (
        {"error": {"message": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}},
        (),
        "ab",
    ),
    "status-word": ({"status": "error", "message": "no"}, (), "no"),
    "nothing": ({}, (), ""),
    "null": (None, (), ""),
    "number": (7, (), ""),
    "true": ({"error": True}, (), ""),
}


@pytest.mark.parametrize(("document", "codes", "message"), SHAPES.values(), ids=SHAPES)
def test_shapes(document: Any, codes: tuple[str, ...], message: str) -> None:
    found = read_error(document)
    assert (found.codes, found.message) == (codes, message)
    # Text that is JSON means the same.
    if isinstance(document, dict):
        assert read_error(json.dumps(document)) == found


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"status": 403, "title": "x"}, 403),
        ({"statusCode": 500, "message": "x"}, 500),
        ({"status": 200}, None),
        ({"status": "403"}, None),
        ({"status": True}, None),
        ({"detail": {"status": 418}}, 418),
        ({"a": {"status": 418}}, None),
        ({"error": {"status": 503}}, 503),
    ],
    ids=str,
)
def test_status(document: Any, status: int | None) -> None:
    assert read_error(document).status == status


def test_fields_of_every_level() -> None:
    document = {"a": 1, "error": {"b": 2, "metadata": {"c": 3, "b": 4}}}
    fields = read_error(document).fields
    assert (fields["a"], fields["b"], fields["c"]) == (1, 2, 3)


TELLS: dict[str, tuple[Any, bool]] = {
    "error": ({"error": {"code": 1}}, True),
    "error-beside-choices": ({"choices": [{"delta": {}}], "error": "no"}, True),
    "success-false": ({"success": False}, True),
    "success-false-with-data": ({"success": False, "data": {"a": 1}}, True),
    "success-false-with-choices": ({"success": False, "choices": [{"delta": {}}]}, True),
    "object-error": ({"object": "error", "message": "no"}, True),
    "type-error": ({"type": "error"}, True),
    "type-error-with-empty-choices": ({"type": "error", "choices": []}, True),
    "detail": ({"detail": "no"}, True),
    "detail-list": ({"detail": [{"msg": "no"}]}, True),
    "errors": ({"errors": [{"message": "no"}]}, True),
    "code-and-message": ({"code": 429, "message": "no"}, True),
    "code-as-text": ({"code": "503", "message": "no"}, True),
    "problem": ({"title": "no", "status": 403}, True),
    "array": ([{"error": {"code": 1}}], True),
    # and what is none
    "reply": ({"choices": [{"message": {"content": "x"}}]}, False),
    "error-null": ({"error": None, "choices": []}, False),
    "error-empty": ({"error": {}, "choices": []}, False),
    "success": ({"success": True, "data": {}, "message": "ok"}, False),
    "usage": ({"choices": [], "usage": {}}, False),
    "detail-beside-choices": ({"choices": [], "detail": "x"}, False),
    "detail-beside-data": ({"data": [], "detail": "x"}, False),
    "errors-empty": ({"errors": []}, False),
    "code-zero": ({"code": 0, "message": "ok"}, False),
    "code-200": ({"code": 200, "message": "ok"}, False),
    "message-alone": ({"message": "hello"}, False),
    "ping": ({"type": "ping"}, False),
    "array-of-numbers": ([1], False),
    "empty-array": ([], False),
    "null": (None, False),
    "text": ("error", False),
}


@pytest.mark.parametrize(("document", "expected"), TELLS.values(), ids=TELLS)
def test_tells_error(document: Any, expected: bool) -> None:
    assert tells_error(document) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a", "a", id="text"),
        pytest.param(None, "", id="null"),
        pytest.param(7, "", id="number"),
        pytest.param({"text": "a"}, "", id="dict"),
        pytest.param([{"text": "a"}, {"text": "b"}], "ab", id="parts"),
        pytest.param([{"text": "a"}, None, "x", {"url": "y"}, {"text": 7}], "a", id="junk-parts"),
        pytest.param([{"text": [{"text": "a"}]}], "", id="nested-parts"),
        pytest.param([], "", id="no-parts"),
    ],
)
def test_text_of(value: object, expected: str) -> None:
    assert text_of(value) == expected


NAMES = (
    "error message detail errors code type status title loc msg metadata raw value error_message"
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(RAW),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_property_anything_is_read(document: Any) -> None:
    found = read_error(document)
    assert type(found) is ErrorBody
    assert type(found.message) is str
    assert all(type(code) is str and code for code in found.codes)
    assert tells_error(document) in {True, False}


@pytest.mark.parametrize("name", ["error", "message", "detail", "errors", "raw"])
def test_deep_and_wide_bodies(name: str) -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = {name: deep}
    assert read_error(deep).message == ""
    wide = {name: [{"message": "x" * 1000}] * 100_000}
    assert len(read_error(wide).message) <= 64 * 1024
