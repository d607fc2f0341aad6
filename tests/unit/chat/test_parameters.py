"""Fields of a request that flags set, rename and correct."""

from __future__ import annotations

from typing import Any

import pytest

from clinecli.chat.compose import Defaults, compose, with_correction
from clinecli.chat.conversation import Schema, array
from clinecli.chat.inputs import Inputs, Named
from clinecli.chat.parameters import flag_fields, response_format, with_cap_for
from clinecli.chat.request import ChatRequest
from clinecli.errors import UsageError
from clinecli.options.chat import ChatOptions

HI = {"role": "user", "content": "hi"}
BOTH = {"a": 1, "max_tokens": 5, "b": 2, "max_completion_tokens": 7}
CAPS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "renamed-in-its-place": (
        "openai/o3",
        {"a": 1, "max_tokens": 5, "b": 2},
        {"a": 1, "max_completion_tokens": 5, "b": 2},
    ),
    "both": ("o3", BOTH, {"a": 1, "b": 2, "max_completion_tokens": 7}),
    "new-name-null": (
        "o3",
        {"max_tokens": 5, "max_completion_tokens": None},
        {"max_completion_tokens": None},
    ),
    "old-name-null": ("o3", {"max_tokens": None}, {"max_tokens": None}),
    "none": ("o3", {"a": 1}, {"a": 1}),
    "another-model": ("x/y", BOTH, BOTH),
}


@pytest.mark.parametrize(("model", "body", "expected"), CAPS.values(), ids=CAPS)
def test_cap(model: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(with_cap_for(model, body).items()) == list(expected.items())


EFFORTS: list[tuple[Any, dict[str, Any]]] = [
    ({}, {"effort": "low"}),
    ({"effort": "high", "exclude": True}, {"effort": "low", "exclude": True}),
    ("high", {"effort": "low"}),
    (None, {"effort": "low"}),
]


@pytest.mark.parametrize(("given", "expected"), EFFORTS)
def test_effort_keeps_what_a_request_says_besides(given: Any, expected: dict[str, Any]) -> None:
    options = ChatOptions(effort="low", temperature=0.0, max_tokens=1)
    fields = flag_fields(options, {"reasoning": given, "temperature": 1.0})
    assert fields == {"temperature": 0.0, "max_tokens": 1, "reasoning": expected}
    assert flag_fields(ChatOptions(), {"reasoning": given}) == {}


TITLES: list[tuple[Any, str]] = [
    ({}, "reply"),
    (True, "reply"),
    ({"title": 7}, "reply"),
    ({"title": ""}, "reply"),
    ({"title": "An issue: v2!"}, "An_issue_v2_"),
    ({"title": "x" * 65}, "x" * 64),
]


@pytest.mark.parametrize(("schema", "name"), TITLES)
def test_response_format(schema: Any, name: str) -> None:
    expected = {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}
    assert response_format(schema) == expected


def test_a_correction_follows_what_it_corrects() -> None:
    request = ChatRequest({"model": "m", "messages": [HI], "temperature": 0}, (("X", "1"),))
    asked = with_correction(request, "half \ud83d", "it has no title \ud83d")
    first, answer, demand = asked.body["messages"]
    assert (first, answer) == (HI, {"role": "assistant", "content": "half \ufffd"})
    assert demand["role"] == "user"
    assert demand["content"].startswith("This does not satisfy the JSON Schema: it has no title")
    assert "\ud83d" not in demand["content"]
    assert asked.body | {"messages": [HI]} == request.body
    assert asked.headers == request.headers


@pytest.mark.parametrize("value", [None, {}, "x", 7, [1], [{}, None], [[]]])
def test_what_is_no_array_of_objects(value: Any) -> None:
    with pytest.raises(UsageError, match=r"m\.json must be an array of objects") as caught:
        array(value, "m.json")
    assert "[{…}, {…}]" in caught.value.hint


def test_the_schema_of_a_prompt_file_is_named_after_it() -> None:
    schema = '{"name": "n", "schema": {"type": "object"}}'
    text = (
        "messages: [{role: user, content: hi}]\n"
        f"responseFormat: json_schema\njsonSchema: '{schema}'\n"
    )
    inputs = Inputs(prompt_file=Named("p.prompt.yml", text))
    options = ChatOptions(prompt_file="p.prompt.yml")
    composed = compose(options, inputs, Defaults("m"), stream=False)
    assert composed.schema == Schema("p.prompt.yml", {"type": "object"})
    # A flag wins.
    flagged = inputs._replace(schema=Named("s.json", '{"type": "array"}'))
    composed = compose(options._replace(schema="s.json"), flagged, Defaults("m"), stream=False)
    assert composed.schema == Schema("s.json", {"type": "array"})
