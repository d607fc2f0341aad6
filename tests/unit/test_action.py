"""The pure parts of the Action: whatever a text holds, the runner obeys none of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from action_inputs import Inputs, Plan, check, make_plan, read_inputs
from action_outputs import (
    MAX_OUTPUT_UNITS,
    Outcome,
    annotation,
    code,
    command,
    cost,
    fits_output,
    line,
    numbers,
    outputs,
    record,
    summary,
    word,
)
from hypothesis import example, given
from hypothesis import strategies as st
from typed_values import typed_values, without_fence

from clinecli.chat.prompt_file import parse_prompt_file
from clinecli.errors import ClinecliError
from tests.helpers.actions_runner import parse_command, parse_records, split_lines

# Pieces that runners and Markdown take for more than text.
PIECES = st.lists(
    st.text()
    | st.sampled_from(
        [
            "::",
            "##[",
            "error::",
            "]",
            "\n",
            "\r",
            "\r\n",
            "%0A",
            "%",
            " ",
            "`",
            "``",
            "|",
            "<b>",
            "\x1b[",
        ]
    )
).map("".join)


@given(PIECES)
@example("\r::error::x")
@example(" \t::error::x")
@example("###[error]x")
@example("##[[error]x")
def test_line_is_one_line_that_is_not_obeyed(text: str) -> None:
    shown = line(text)
    assert split_lines(shown) == [shown]
    assert parse_command(shown) is None


@given(PIECES, PIECES)
def test_command_is_one_command(text: str, title: str) -> None:
    written = command("error", text, title=title)
    assert split_lines(written) == [written]
    found = parse_command(written)
    assert found
    assert found.name == "error"
    assert "##[" not in written


@given(PIECES)
@example("x\nclinecli-0123456789abcdef\ny=z")
def test_record_is_one_output(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert parse_records(record("a", text) + record("b", "1")) == {"a": text, "b": "1"}


@given(PIECES)
def test_code_span_ends_where_we_end_it(text: str) -> None:
    span = code(text)
    (fence,) = re.findall("^`+", span)
    assert span.endswith(f" {fence}")
    assert fence not in re.findall("`+", span[len(fence) : -len(fence)])
    assert "\n" not in span


@given(PIECES)
def test_word_is_harmless(text: str) -> None:
    assert re.fullmatch(r"[\w./:@+-]{0,200}", word(text))


@given(PIECES, st.dictionaries(st.text(), st.none() | st.integers() | st.text()))
def test_outputs_and_summary_hold_no_free_text(text: str, usage: dict[str, Any]) -> None:
    error = {"kind": text, "message": text, "hint": text, "request_id": text, "doctor": text}
    outcome = Outcome(9, "", error, text, text, usage)
    for name, value in outputs(outcome, "/path").items():
        if name not in {"response-file", "usage", "values"}:
            assert re.fullmatch(r"[\w./:@+-]*", value), name
    kept = json.loads(outputs(outcome, "")["usage"])
    assert all(isinstance(value, int) for value in kept.values())
    page = summary(outcome, text, "fail")
    assert page.count("\n#") == 0
    assert len(split_lines(annotation(outcome, "fail"))) == 1


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"cost": 0.000162}, "0.000162"),
        ({"cost": 1e-9}, "0.000000001"),
        ({"cost": 3}, "3"),
        ({"cost": 0}, "0"),
        ({"cost": 0.1, "total_cost": 0.3}, "0.3"),
        ({"cost": "1; id"}, ""),
        ({"cost": -1}, ""),
        ({"cost": True}, ""),
        ({"cost": float("inf")}, ""),
        ({}, ""),
    ],
    ids=["small", "tiny", "whole", "free", "total", "text", "negative", "bool", "endless", "none"],
)
def test_cost(usage: dict[str, Any], expected: str) -> None:
    assert cost(usage) == expected


def test_numbers() -> None:
    usage = {"a": 1, "b": {"c": 2.5, "d": "x"}, "$(id)": 3, "e": None, "f": [1], "g": True}
    assert numbers(usage) == {"a": 1, "b": {"c": 2.5}, "g": True}


def test_limit_of_an_output() -> None:
    assert fits_output("x" * MAX_OUTPUT_UNITS)
    assert not fits_output("x" * (MAX_OUTPUT_UNITS + 1))
    assert not fits_output("😀" * (MAX_OUTPUT_UNITS // 2 + 1))


# Typed values

SCHEMA = {
    "properties": {
        "flag": {"type": "boolean"},
        "count": {"type": ["integer", "null"]},
        "level": {"enum": ["low", "high; id", 3]},
        "kind": {"$ref": "#/$defs/Kind"},
        "loop": {"$ref": "#/properties/loop"},
        "text": {"type": "string"},
        "const": {"const": "yes"},
    },
    "$defs": {"Kind": {"enum": ["bug", "wish"]}},
}


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        ('{"flag": true, "count": 3}', {"flag": True, "count": 3}),
        ('{"count": null}', {}),
        ('{"level": "low"}', {"level": "low"}),
        ('{"level": "high; id"}', {}),
        ('{"level": 3}', {"level": 3}),
        ('{"kind": "bug"}', {"kind": "bug"}),
        ('{"kind": "$(id)"}', {}),
        ('{"loop": "x", "text": "x", "const": "yes"}', {"const": "yes"}),
        ('{"other": true}', {}),
        ('{"count": 1e999}', {}),
        ("[1]", {}),
        ("no JSON", {}),
        ("[" * 100_000, {}),
    ],
    ids=[
        "boolean-and-number", "null", "enum", "enum-for-a-shell", "enum-number", "reference",
        "not-in-the-enum", "text", "not-in-the-schema", "endless", "list", "no-json", "deep",
    ],
)  # fmt: skip
def test_typed_values(reply: str, values: dict[str, Any]) -> None:
    assert typed_values(SCHEMA, reply) == values


@pytest.mark.parametrize("schema", [None, True, [], {"properties": 1}, {"$ref": "#/x"}])
def test_schema_without_properties(schema: Any) -> None:
    assert typed_values(schema, '{"flag": true}') == {}


def test_fence() -> None:
    assert without_fence('```json\n{"a": 1}\n```') == '{"a": 1}\n'
    assert without_fence('{"a": "```"}') == '{"a": "```"}'


# Inputs


def test_inputs_come_from_the_environment() -> None:
    given_ = {
        "CLINECLI_INPUT_PROMPT": " x\ny\n",
        "CLINECLI_INPUT_SYSTEM_PROMPT": "Be brief\n",
        "CLINECLI_INPUT_MODEL": " a/b ",
        "OTHER": "y",
    }
    assert read_inputs(given_) == Inputs(prompt="x\ny", system_prompt="Be brief", model="a/b")


def test_prompt_of_white_space_is_not_no_prompt() -> None:
    assert read_inputs({"CLINECLI_INPUT_PROMPT": " \n"}).prompt == " \n"


@pytest.mark.parametrize(
    "inputs",
    [
        Inputs(endpoint="https://models.github.ai/inference"),
        Inputs(endpoint="models.inference.ai.azure.com"),
        Inputs(token="github_pat_0123456789"),
        Inputs(github_mcp_toolsets="repos"),
        Inputs(enable_github_mcp="TRUE"),
    ],
    ids=["endpoint", "host", "token", "toolsets", "mcp"],
)
def test_what_can_never_work(inputs: Inputs) -> None:
    with pytest.raises(ClinecliError):
        check(inputs, has_other_key=False)


@pytest.mark.parametrize(
    ("inputs", "has_other_key"),
    [
        (Inputs(endpoint="https://gateway.example/models.github.ai/v1"), False),
        (Inputs(enable_github_mcp="false"), False),
        (Inputs(endpoint="https://models.github.ai/inference", token="ghs_01", mock="True"), False),
        (Inputs(endpoint="https://models.github.ai/inference", replay="tape.json"), False),
        (Inputs(token="ghs_0123456789"), True),
    ],
    ids=["path", "no-mcp", "mock", "replay", "another-key"],
)
def test_what_can_work(inputs: Inputs, has_other_key: bool) -> None:
    check(inputs, has_other_key=has_other_key)


def test_github_token_is_no_key() -> None:
    assert Inputs(token="ghs_0123456789").key == ""
    assert Inputs(token="sk-ghs_0123456789").key == "sk-ghs_0123456789"


def test_plan_of_a_prompt_file() -> None:
    """What the file says counts more; values go by file, not on the command line."""
    text = "model: own\nmodelParameters: {topP: 1}\nmessages: [{role: user, content: '{{a}}'}]\n"
    inputs = Inputs(
        prompt_file="p.prompt.yml",
        input="a: $(id)\nb: lost",
        file_input="b: b.txt",
        model="given",
        top_p="0.5",
        temperature="1",
        max_completion_tokens="9",
        fallback="x/y, z\n",
        custom_headers='{"X-Token": "s3cr3t"}',
    )
    plan = make_plan(inputs, parse_prompt_file(text, "p.prompt.yml"), "", "/f")
    assert plan == Plan(
        (
            "--prompt-file", "p.prompt.yml", "--no-stdin", "--vars", "/f/variables.json",
            "--var-file", "b=b.txt", "--temperature", "1", "--param", "max_completion_tokens=9",
            "--fallback", "x/y", "--fallback", "z", "--header", "@/f/headers.txt",
        ),
        "",
        {"/f/variables.json": '{"a":"$(id)"}', "/f/headers.txt": "X-Token: s3cr3t\n"},
        ("s3cr3t",),
    )  # fmt: skip
