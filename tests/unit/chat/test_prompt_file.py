"""Prompt files and their variables: text to values, and every mistake with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from clinecli.chat import template, yaml_text
from clinecli.chat.prompt_file import PromptFile, parse_prompt_file
from clinecli.chat.template import parse_pair, parse_values
from clinecli.errors import UsageError
from clinecli.jsontext import dumps, loads_exact

USER = "messages:\n  - role: user\n    content: hi\n"
SCHEMA = '{"name": "animal", "strict": true, "schema": {"type": "object"}}'


def body(prompt: PromptFile, **values: str) -> dict[str, Any]:
    """The body fields that a prompt file makes."""
    model = {"model": prompt.model} if prompt.model else {}
    fields = model | {"messages": prompt.fill(values)} | dict(prompt.fields)
    return dict(json.loads(dumps(fields)))


# What the tools sent for such files, those of their own documentation among them.


class Request(NamedTuple):
    text: str
    body: dict[str, Any]
    values: Mapping[str, str] = MappingProxyType({})
    name: str = "x.prompt.yml"


def said(*contents: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in contents], **fields}


HI = ("user", "hi")
REQUESTS: dict[str, Request] = {
    "two-variables": Request(
        "messages:\n"
        "  - role: system\n"
        "    content: Be as concise as possible\n"
        "  - role: user\n"
        "    content: 'Compare {{a}} and {{b}}, please'\n"
        "model: openai/gpt-4o\n",
        said(
            ("system", "Be as concise as possible"),
            ("user", "Compare cats and dogs, please"),
            model="openai/gpt-4o",
        ),
        {"a": "cats", "b": "dogs", "unused": "x"},
    ),
    "parameters": Request(
        USER + "modelParameters:\n  maxCompletionTokens: 500\n  temperature: 0.7\n  topP: 0.95\n",
        said(HI, temperature=0.7, top_p=0.95, max_completion_tokens=500),
    ),
    "deprecated-tokens": Request(
        USER + "modelParameters: {maxTokens: 300}\n", said(HI, max_tokens=300)
    ),
    "tokens-as-yaml-has-them": Request(
        USER + "modelParameters: {maxTokens: 300.0, maxCompletionTokens: 1e3}\n",
        said(HI, max_completion_tokens=1000),
    ),
    "both-token-caps": Request(
        USER + "modelParameters: {maxTokens: 300, maxCompletionTokens: 400}\n",
        said(HI, max_completion_tokens=400),
    ),
    "empty-parameters": Request(USER + "modelParameters:\nmodel:\n", said(HI)),
    "json-schema-string": Request(
        USER + f"responseFormat: json_schema\njsonSchema: |-\n  {SCHEMA}\n",
        said(HI, response_format={"type": "json_schema", "json_schema": json.loads(SCHEMA)}),
    ),
    "json-schema-mapping": Request(
        USER + "responseFormat: json_schema\n"
        "jsonSchema:\n"
        "  name: Person Information Schema\n"
        "  strict: true\n"
        "  schema: {type: object, properties: {age: {type: integer, maximum: 150},"
        " ok: {enum: [yes, no, ~]}}, required: [age]}\n",
        said(
            HI,
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": "Person Information Schema",
                    "strict": True,
                    "schema": {
                        "type": "object",
                        "properties": {
                            "age": {"type": "integer", "maximum": 150},
                            "ok": {"enum": ["yes", "no", None]},
                        },
                        "required": ["age"],
                    },
                },
            },
        ),
    ),
    "json-schema-bare": Request(
        USER + "responseFormat: json_schema\njsonSchema: {type: object, properties: {name: {}}}\n",
        said(
            HI,
            response_format={
                "type": "json_schema",
                "json_schema": {
                    "name": "reply",
                    "schema": {"type": "object", "properties": {"name": {}}},
                },
            },
        ),
    ),
    "json-object": Request(
        USER + "responseFormat: json_object\n", said(HI, response_format={"type": "json_object"})
    ),
    "text-format": Request(USER + f"responseFormat: text\njsonSchema: '{SCHEMA}'\n", said(HI)),
    "schema-without-format": Request(USER + f"jsonSchema: '{SCHEMA}'\n", said(HI)),
    "what-eval-reads": Request(
        "name: Joke\ndescription: Is it funny?\n" + USER + "testData:\n"
        "  - input: a joke\n    expected: funny\n    n: 3\n"
        "evaluators:\n"
        "  - name: similar\n    uses: github/similarity\n"
        "  - name: judge\n    llm: {modelId: m, prompt: '{{input}}', choices:"
        " [{choice: '1', score: 0.5}], systemPrompt: s}\n"
        "  - name: has\n    string: {contains: x}\n",
        said(HI),
    ),
    "roles-of-any-case": Request(
        "messages:\n- {role: System, content: a}\n- {role: ASSISTANT, content: b}\n"
        "- {role: user, content: 'c'}\n",
        said(("system", "a"), ("assistant", "b"), ("user", "c")),
    ),
    "scalars-as-text": Request(
        "messages:\n- role: user\n  content: 2024-01-01\n- {role: user, content: yes}\n"
        "- {role: user, content: 1.10}\nmodel: 4.1\n",
        said(("user", "2024-01-01"), ("user", "yes"), ("user", "1.10"), model="4.1"),
    ),
    "block-and-folded": Request(
        "messages:\n- role: user\n  content: |\n    a: {{x}}\n\n      b\n"
        "- role: user\n  content: >-\n    one\n    two\n",
        said(("user", "a: 1\n\n  b\n"), ("user", "one two")),
        {"x": "1"},
    ),
    "anchors-and-merges": Request(
        "messages:\n- &m {role: user, content: &c once}\n- {<<: *m, role: system}\n"
        "- {<<: [{content: *c}, {role: assistant, content: lost}]}\n",
        said(("user", "once"), ("system", "once"), ("assistant", "once")),
    ),
    "values-are-not-looked-into": Request(
        "messages:\n- {role: user, content: '{{a}} {{b}} {{a}}'}\n",
        said(("user", "{{b}} {{a}} {{b}}")),
        {"a": "{{b}}", "b": "{{a}}"},
    ),
    "what-is-no-variable": Request(
        "messages:\n- role: user\n  content: '{{ a }} {{}} {a} {{a b}} {{{a}}}'\n",
        said(("user", "{{ a }} {{}} {a} {{a b}} {1}")),
        {"a": "1"},
    ),
    "names-of-variables": Request(
        "messages:\n- {role: user, content: '{{a.b-c_1}}{{größe}}'}\n",
        said(("user", "xy")),
        {"a.b-c_1": "x", "größe": "y"},
    ),
    "program": Request("#!/usr/bin/env -S clinecli ask -P\n" + USER, said(HI), name="greet"),
    "byte-order-mark": Request("\ufeff" + USER, said(HI)),
    "yaml-by-content": Request("model: m\n" + USER, said(HI, model="m"), name="-"),
    "json-by-content": Request(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, indent=2),
        said(HI, model="m"),
        name="/dev/fd/63",
    ),
    "quoted-by-content": Request(USER.replace("messages", "'messages'"), said(HI), name="-"),
    "windows-line-ends": Request(USER.replace("\n", "\r\n"), said(HI)),
    "text": Request("Hello {{who}}\n", said(("user", "Hello you\n")), {"who": "you"}, "a.txt"),
    "text-that-looks-like-yaml": Request(USER, said(("user", USER)), name="NOTES.MD"),
    "text-program": Request(
        "#!/usr/bin/env -S clinecli ask -P\nHi\n", said(("user", "Hi\n")), name="greet.md"
    ),
    "text-with-json": Request(
        'Explain: {"messages": []}\n', said(("user", 'Explain: {"messages": []}\n')), name="-"
    ),
    "text-by-content": Request(
        "Read the messages: all\n", said(("user", "Read the messages: all\n")), name="-"
    ),
}


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS)
def test_request(case: Request) -> None:
    assert body(parse_prompt_file(case.text, case.name), **case.values) == case.body


def test_schema_for_the_reply() -> None:
    text = USER + f"responseFormat: json_schema\njsonSchema: '{SCHEMA}'\n"
    assert parse_prompt_file(text, "x.yml").schema == {"type": "object"}
    assert parse_prompt_file(USER, "x.yml").schema is None


def test_numbers_keep_their_spelling() -> None:
    text = USER + "modelParameters: {temperature: 0.70}\n"
    assert dumps(dict(parse_prompt_file(text, "x.yml").fields)) == b'{"temperature":0.70}'


def test_variables() -> None:
    text = "messages:\n- {role: system, content: '{{b}}{{a}}'}\n- {role: user, content: '{{a}}'}\n"
    assert parse_prompt_file(text, "x.yml").variables == {"a", "b"}


# Mistakes


class Mistake(NamedTuple):
    text: str
    place: str
    message: str
    hint: str = ""


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
MISTAKES: dict[str, Mistake] = {
    "empty": Mistake("", "1:1", "a mapping, not text"),
    "a-list": Mistake("- a\n", "1:1", "a mapping, not a list"),
    "unknown-key": Mistake(USER + "mesages: []\n", "4:1", "no key 'mesages'", "'messages'?"),
    "unknown-parameter": Mistake(
        USER + "modelParameters:\n  top_p: 1\n", "5:3", "no key 'top_p'", "topP"
    ),
    "unknown-key-of-a-message": Mistake(
        "messages:\n- role: user\n  content: x\n  nam: y\n", "4:3", "a message has no key 'nam'"
    ),
    "no-messages": Mistake("model: m\n", "1:1", "no messages"),
    "null-messages": Mistake("model: m\nmessages:\n", "1:1", "no messages"),
    "empty-messages": Mistake("model: m\nmessages: []\n", "2:11", "no messages"),
    "messages-as-text": Mistake("messages: hi\n", "1:11", "a list, not text"),
    "message-as-text": Mistake("messages:\n- hi\n", "2:3", "a message is a mapping"),
    "bad-role": Mistake("messages:\n- role: tool\n  content: x\n", "2:9", "'tool'", "assistant"),
    "no-role": Mistake("messages:\n- content: x\n", "2:3", "no role"),
    "no-content": Mistake("messages:\n- role: user\n  content:\n", "2:3", "no content"),
    "content-as-list": Mistake(
        "messages:\n- role: user\n  content: [a]\n", "3:12", "text, not a list"
    ),
    "variable-taken-for-a-mapping": Mistake(
        "messages:\n- role: user\n  content: {{x}}\n", "3:13", "a key is a mapping"
    ),
    "given-twice": Mistake(USER + "messages: []\n", "4:1", "twice (first in line 1)"),
    "temperature-as-text": Mistake(
        USER + "modelParameters: {temperature: '1'}\n", "4:32", "from 0 to 2"
    ),
    "temperature-too-high": Mistake(
        USER + "modelParameters: {temperature: 2.5}\n", "4:32", "from 0 to 2"
    ),
    "temperature-not-a-number": Mistake(
        USER + "modelParameters: {temperature: .nan}\n", "4:32", "from 0 to 2"
    ),
    "tokens-not-whole": Mistake(
        USER + "modelParameters: {maxTokens: 1.5}\n", "4:30", "a whole number from 1 on"
    ),
    "no-tokens": Mistake(USER + "modelParameters: {maxTokens: 0}\n", "4:30", "from 1 on"),
    "tokens-as-boolean": Mistake(USER + "modelParameters: {maxTokens: true}\n", "4:30", "whole"),
    "parameters-as-list": Mistake(USER + "modelParameters: [1]\n", "4:18", "not a list"),
    "model-as-list": Mistake(USER + "model: [a]\n", "4:8", "model is text"),
    "test-data-as-text": Mistake(USER + "testData: x\n", "4:11", "testData is a list"),
    "unknown-format": Mistake(USER + "responseFormat: xml\n", "4:17", "'xml'", "json_object"),
    "no-schema": Mistake(USER + "responseFormat: json_schema\n", "4:17", "needs a jsonSchema"),
    "schema-not-json": Mistake(
        USER + "responseFormat: json_schema\njsonSchema: '{a}'\n", "5:13", "column 2 of it"
    ),
    "schema-without-name": Mistake(
        USER + "responseFormat: json_schema\njsonSchema: '{\"schema\": {}}'\n", "5:13", "no name"
    ),
    "schema-without-schema": Mistake(
        USER + "responseFormat: json_schema\njsonSchema: {name: a, strict: true}\n",
        "5:13",
        "no schema",
    ),
    "schema-as-list": Mistake(
        USER + "responseFormat: json_schema\njsonSchema: [a]\n", "5:13", "no JSON object"
    ),
    "not-yaml": Mistake("messages:\n  - role: a: b\n", "2:12", "not YAML"),
    "control-character": Mistake("messages:\n- \x07\n", "2:3", "control character"),
    "two-documents": Mistake(USER + "---\n" + USER, "4:1", "second document"),
    "a-tag": Mistake("messages: !!python/object/apply:os.system [id]\n", "1:11", "python/object"),
    "alias-of-itself": Mistake("messages: &a [*a]\n", "1:15", "*a"),
    "alias-bomb": Mistake(BOMB, "4:50", "too large"),
    "nested-too-deeply": Mistake("messages: " + "[" * 999 + "]" * 999, "1:75", "too deeply"),
    "merge-of-text": Mistake("<<: a\n", "1:5", "takes a mapping"),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES)
def test_mistake(case: Mistake) -> None:
    with pytest.raises(UsageError) as caught:
        parse_prompt_file(case.text, "dir/x.prompt.yml")
    message = str(caught.value)
    assert message.startswith(f"dir/x.prompt.yml:{case.place}: "), message
    assert case.message in message
    assert case.hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("Dear {{a}},\nsee {{x}}\n", "a.txt", "2:5"),
        ("#!/bin/x {{x}}\n{{x}}\n", "a.md", "2:1"),
        ("messages:\n- role: user\n  content: |\n    {{a}}\n     é {{x}}\n", "a.yml", "5:8"),
        ("messages:\n- role: user\n  content: '{{a}} {{x}}'\n", "a.yml", "3:19"),
        (
            "messages:\n- {role: user, content: '{{a}}'}\n- {role: user, content: '{{x}}'}",
            "a.yml",
            "3:26",
        ),
        (
            'messages:\n- role: user\n  content: "\\x7b{x}}"\n- {role: user, content: "{{x}}"}',
            "a.yml",
            "3:12",
        ),
        ("name: '{{x}}'\nmessages:\n- role: user\n  content: >\n   a\n   {{x}}\n", "a.yml", "6:4"),
    ],
    ids=["text", "program", "block", "quoted", "second-message", "escaped", "folded"],
)
def test_variable_without_value(text: str, name: str, place: str) -> None:
    prompt = parse_prompt_file(text, name)
    with pytest.raises(UsageError) as caught:
        prompt.fill({"a": "1"})
    assert str(caught.value) == f"{name}:{place}: the variable 'x' has no value"
    assert "--var x=VALUE" in str(caught.value.hint)


def test_input_without_value() -> None:
    with pytest.raises(UsageError) as caught:
        parse_prompt_file("{{input}}", "a.txt").fill({})
    assert "PROMPT and stdin fill it" in str(caught.value.hint)


def test_long_yaml_is_refused() -> None:
    with pytest.raises(UsageError, match="4 MiB"):
        parse_prompt_file(USER + "#" * yaml_text.MAX_YAML, "x.prompt.yml")
    with pytest.raises(UsageError, match="4 MiB"):
        parse_values("#" * (yaml_text.MAX_YAML + 1), "x.yml")


# Values of variables


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            "a: hello\nb: 1.10\nc: yes\nd: 2024-01-01\ne: '5'\n",
            ["hello", "1.10", "yes", "2024-01-01", "5"],
        ),
        ("a: |\n  Lorem\n  Ipsum\nb:\nc: ~\n", ["Lorem\nIpsum\n", "", ""]),
        ("a: [1, {b: true}]\n", ['[1,{"b":true}]']),
        ('{\n\t"a": "\\ud83d\\ude00", "b": 1.10, "c": null, "d": [1]}', ["😀", "1.10", "", "[1]"]),
        ("{a: b}", ["b"]),
        ('a: "\\ud83d\\ude00 \\n"\nb: "\\uD83D\\uDE00"', ["😀 \n", "😀"]),
        ("", []),
        ("# nothing\n", []),
        ("\ufeffa: x\n", ["x"]),
    ],
    ids=[
        "scalars",
        "block-and-null",
        "nested",
        "json",
        "flow",
        "json-string",
        "empty",
        "comment",
        "bom",
    ],
)
def test_values(text: str, values: list[str]) -> None:
    assert list(parse_values(text, "vars.yml").values()) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "vars.yml:1:1: values of variables are a mapping, not a list"),
        ("a: 1\na: 2\n", "vars.yml:2:1: 'a' is given twice (first in line 1)"),
        ('{"a": 1', "vars.yml:2:1: not YAML"),
        (BOMB, "vars.yml:4:50: aliases make"),
    ],
    ids=["list", "twice", "cut", "bomb"],
)
def test_values_that_are_none(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_values(text, "vars.yml")
    assert str(caught.value).startswith(message)


def test_pairs() -> None:
    assert parse_pair("a.b=x=y\n", "--var", "VALUE") == ("a.b", "x=y\n")
    assert parse_pair("a=", "--var", "VALUE") == ("a", "")
    for wrong in ("a", "=x", "a b=x", "{{a}}=x", ""):
        with pytest.raises(UsageError, match="--var takes NAME=VALUE"):
            parse_pair(wrong, "--var", "VALUE")


# Properties

# YAML has no control characters, and folds rare line ends into spaces.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Zl", "Zp")))


def json_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | text,
        lambda inner: st.lists(inner) | st.dictionaries(text, inner),
        max_leaves=20,
    )


@given(st.text() | st.text("messages:{}[]&*a \n-'\"|>#!~<").map(lambda text: f"messages:\n{text}"))
@example("messages: *a")
@example("? ")
@example("&a")
@example("!<tag:yaml.org,2002:map> x")
def test_any_text_is_a_prompt_or_a_usage_error(text: str) -> None:
    try:
        prompt = parse_prompt_file(text, "x.prompt.yml")
        prompt.fill(dict.fromkeys(prompt.variables, ""))
        message = "x.prompt.yml:"
    except UsageError as error:
        message = str(error)
    assert message.startswith("x.prompt.yml:")


@given(json_of(TEXT))
def test_data_is_what_json_says(value: Any) -> None:
    """YAML holds JSON: the same document gives the same data."""
    text = json.dumps(value, ensure_ascii=False)
    assert yaml_text.parse(text, "x").data == loads_exact(text)


# To PyYAML, which keeps to YAML 1.1, 0E0 is text that needs no quotes.
@given(json_of(TEXT.filter(lambda text: not re.search(r"\dE", text, re.IGNORECASE))))
def test_data_is_what_pyyaml_writes(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert json.loads(dumps(yaml_text.parse(text, "x").data)) == value


@given(
    st.lists(st.text(st.characters(exclude_characters="{}"))),
    TEXT,
)
def test_filling_is_plain_replacement(texts: list[str], value: str) -> None:
    source = template.Source("x", "", 0, 0)
    filled = template.Template.of("{{v}}".join(texts), source).fill({"v": value})
    assert filled == value.join(texts)
