"""Flags, files and stdin become a request."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from clinecli.chat.compose import Composed, Defaults, compose, with_model
from clinecli.chat.conversation import Schema
from clinecli.chat.images import is_url
from clinecli.chat.inputs import Inputs, Named, stdin_flag
from clinecli.chat.request import ChatRequest
from clinecli.errors import ClinecliError, EmptyMessageError, UsageError
from clinecli.jsontext import Number
from clinecli.options.chat import ChatOptions
from clinecli.options.common import DEFAULT_MODEL
from tests.helpers.inputs import BRIEF, FILES, HI, OTHER, PNG, SYSTEM, user


class Composing(NamedTuple):
    options: ChatOptions
    body: dict[str, Any]
    turn: list[dict[str, Any]]
    stdin: bytes = b""
    stream: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    schema: Any = None
    defaults: Defaults = Defaults(DEFAULT_MODEL)


MODEL = {"model": DEFAULT_MODEL}
ATTACHED = user(
    'hi\n\n<file name="a.txt">\nalpha\n</file>\n\n<file name="b.txt">\nbeta\n</file>\n\n'
    '<file name="q&quot;&amp;.txt">\nquoted\n</file>'
)
URL = "https://ex.org/a.png"
PICTURE = {"type": "image_url", "image_url": {"url": URL}}
PICTURED = user([{"type": "text", "text": "hi"}, PICTURE, PICTURE])
BARE = user([PICTURE])
SCHEMA = {"title": "A reply!", "type": "object", "maximum": Number("1.10")}
OPTIONS = ChatOptions(prompt=["hi"])

COMPOSING: dict[str, Composing] = {
    "prompt": Composing(OPTIONS, {**MODEL, "messages": [HI]}, [HI]),
    "words": Composing(
        ChatOptions(prompt=["What", "is", "love?"]),
        {**MODEL, "messages": [user("What is love?")]},
        [user("What is love?")],
    ),
    "stream-asks-for-usage": Composing(
        OPTIONS,
        {**MODEL, "messages": [HI], "stream_options": {"include_usage": True}},
        [HI],
        stream=True,
    ),
    "own-stream-options": Composing(
        OPTIONS._replace(param=['stream_options={"include_usage":false}']),
        {**MODEL, "messages": [HI], "stream_options": {"include_usage": False}},
        [HI],
        stream=True,
    ),
    "model": Composing(OPTIONS._replace(model="a/b"), {"model": "a/b", "messages": [HI]}, [HI]),
    "defaults": Composing(
        OPTIONS,
        {"model": "c/d", "messages": [HI]},
        [HI],
        headers=(("HTTP-Referer", "https://ex.org"), ("X-Title", "t")),
        defaults=Defaults("c/d", "config.toml", "https://ex.org", " t "),
    ),
    "numbers": Composing(
        OPTIONS._replace(temperature=0.0, max_tokens=7),
        {**MODEL, "messages": [HI], "temperature": 0.0, "max_tokens": 7},
        [HI],
    ),
    "files": Composing(
        OPTIONS._replace(file=["a.txt", "b.txt", 'q"&.txt']),
        {**MODEL, "messages": [ATTACHED]},
        [ATTACHED],
    ),
    "file-and-stdin": Composing(
        ChatOptions(file=["a.txt"]),
        {**MODEL, "messages": [user('<file name="a.txt">\nalpha\n</file>\n\n in \n')]},
        [user('<file name="a.txt">\nalpha\n</file>\n\n in \n')],
        stdin=b" in \n",
    ),
    "system": Composing(
        OPTIONS._replace(system="Be brief."),
        {**MODEL, "messages": [BRIEF, HI]},
        [BRIEF, HI],
    ),
    "system-twice": Composing(
        OPTIONS._replace(system="Hello.", system_file="system.txt"),
        {**MODEL, "messages": [{"role": "system", "content": "Hello.\n\nBe brief.\n"}, HI]},
        [{"role": "system", "content": "Hello.\n\nBe brief.\n"}, HI],
    ),
    "messages": Composing(
        OPTIONS._replace(messages="turns.json"), {**MODEL, "messages": [SYSTEM, OTHER, HI]}, [HI]
    ),
    "messages-alone": Composing(
        ChatOptions(messages="turns.json"), {**MODEL, "messages": [SYSTEM, OTHER]}, []
    ),
    "system-wins-over-messages": Composing(
        OPTIONS._replace(messages="turns.json", system="Be brief."),
        {**MODEL, "messages": [BRIEF, OTHER, HI]},
        [BRIEF, HI],
    ),
    "thread": Composing(
        OPTIONS._replace(thread="thread.json"), {**MODEL, "messages": [SYSTEM, OTHER, HI]}, [HI]
    ),
    "system-in-a-thread-is-for-this-turn": Composing(
        OPTIONS._replace(thread="thread.json", system="Be brief."),
        {**MODEL, "messages": [BRIEF, OTHER, HI]},
        [HI],
    ),
    "empty-thread-takes-the-system-message": Composing(
        OPTIONS._replace(thread="new.json", system="Be brief."),
        {**MODEL, "messages": [BRIEF, HI]},
        [BRIEF, HI],
    ),
    "messages-then-thread": Composing(
        OPTIONS._replace(messages="turns.json", thread="missing.json"),
        {**MODEL, "messages": [SYSTEM, OTHER, HI]},
        [HI],
    ),
    "request": Composing(
        ChatOptions(request="request.json"),
        {
            "z": Number("1.10"),
            "model": "own/model",
            "messages": [user("from file")],
            "n": Number("-0"),
        },
        [],
        stream=True,
    ),
    "flags-win-over-the-request": Composing(
        ChatOptions(request="request.json", prompt=["hi"], model="a/b", param=["z=2"]),
        {
            "z": 2,
            "model": "a/b",
            "messages": [user("from file"), HI],
            "n": Number("-0"),
        },
        [HI],
    ),
    "request-from-stdin": Composing(
        ChatOptions(request="-"),
        {"messages": [user("x")], **MODEL},
        [],
        stdin=b'{"messages": [{"role": "user", "content": "x"}]}',
    ),
    "request-without-messages": Composing(
        OPTIONS._replace(request="no-messages.json", temperature=1.0),
        {"top_p": 0.5, **MODEL, "messages": [HI], "temperature": 1.0},
        [HI],
    ),
    "tools": Composing(
        OPTIONS._replace(tools="tools.json"),
        {
            **MODEL,
            "messages": [HI],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"maximum": Number("1.10")}},
                }
            ],
        },
        [HI],
    ),
    "schema": Composing(
        OPTIONS._replace(schema="schema.json"),
        {
            **MODEL,
            "messages": [HI],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "A_reply_", "schema": SCHEMA},
            },
        },
        [HI],
        schema=Schema("schema.json", SCHEMA),
    ),
    "image-url": Composing(
        OPTIONS._replace(image=[URL, URL]), {**MODEL, "messages": [PICTURED]}, [PICTURED]
    ),
    "image-alone": Composing(ChatOptions(image=[URL]), {**MODEL, "messages": [BARE]}, [BARE]),
}

PARAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "number": ("top_p=0.9", {"top_p": 0.9}),
    "spelling": ("x=1.10", {"x": Number("1.10")}),
    "exponent": ("x=1e5", {"x": Number("1e5")}),
    "true": ("x=true", {"x": True}),
    "null": ("x=null", {"x": None}),
    "array": ('stop=["a", "b"]', {"stop": ["a", "b"]}),
    "object": ('x={"a": {"b": [1]}}', {"x": {"a": {"b": [1]}}}),
    "string": ("user=me and you", {"user": "me and you"}),
    "quoted-number": ('x="7"', {"x": "7"}),
    "not-quite-json": ("x={oops", {"x": "{oops"}),
    "nan-is-no-json": ("x=NaN", {"x": "NaN"}),
    "empty": ("x=", {"x": ""}),
    "equals-in-the-value": ("x=a=b", {"x": "a=b"}),
    "space-around-the-name": (" x =1", {"x": 1}),
    "wins-over-its-flag": ("temperature=0.25", {"temperature": 0.25}),
}


def inputs_of(options: ChatOptions, stdin: bytes = b"") -> Inputs:
    """What the options name, read from the table of files."""

    def named(path: str | None) -> Named | None:
        if path == "-":
            return Named("stdin", stdin.decode())
        return Named(path, FILES.get(path, "")) if path else None

    return Inputs(
        stdin,
        files=tuple(Named(path, FILES[path]) for path in options.file or ()),
        images=tuple((image, b"" if is_url(image) else PNG) for image in options.image or ()),
        system=named(options.system_file),
        tools=named(options.tools),
        schema=named(options.schema),
        messages=named(options.messages),
        thread=named(options.thread),
        request=named(options.request),
    )


@pytest.mark.parametrize("name", COMPOSING)
def test_compose(name: str) -> None:
    case = COMPOSING[name]
    defaults = case.defaults._replace(model=case.options.model or case.defaults.model)
    inputs = inputs_of(case.options, case.stdin)
    composed = compose(case.options, inputs, defaults, stream=case.stream)
    assert composed == Composed(ChatRequest(case.body, case.headers), case.turn, case.schema)
    assert list(composed.request.body) == list(case.body)


@pytest.mark.parametrize("name", PARAMS)
def test_param(name: str) -> None:
    text, fields = PARAMS[name]
    options = OPTIONS._replace(param=[text], temperature=1.0)
    composed = compose(options, Inputs(), Defaults(DEFAULT_MODEL), stream=False)
    assert composed.request.body == {**MODEL, "messages": [HI], "temperature": 1.0} | fields


REFUSED: dict[str, tuple[ChatOptions, type[ClinecliError], str]] = {
    "param-without-value": (OPTIONS._replace(param=["x"]), UsageError, "KEY=VALUE"),
    "param-without-name": (OPTIONS._replace(param=["=1"]), UsageError, "KEY=VALUE"),
    "param-stream": (OPTIONS._replace(param=["stream=true"]), UsageError, "'stream'"),
    "param-messages": (OPTIONS._replace(param=["messages=[]"]), UsageError, "'messages'"),
    "param-nested-too-deeply": (
        OPTIONS._replace(param=["x=" + "[" * 900 + "]" * 900]),
        UsageError,
        "cannot be sent",
    ),
    "tools-that-are-no-array": (
        OPTIONS._replace(tools="request.json"),
        UsageError,
        "request.json must be an array",
    ),
    "tools-that-are-no-json": (
        OPTIONS._replace(tools="a.txt"),
        UsageError,
        "a.txt is not JSON: Expecting value: line 1 column 1",
    ),
    "messages-that-are-no-array": (
        OPTIONS._replace(messages="request.json"),
        UsageError,
        "request.json is not a JSON array of messages",
    ),
    "messages-that-are-empty": (
        OPTIONS._replace(messages="empty.txt"),
        UsageError,
        "empty.txt is not JSON",
    ),
    "thread-that-is-no-array": (
        OPTIONS._replace(thread="request.json"),
        UsageError,
        "request.json is not a JSON array of messages",
    ),
    "request-that-is-no-object": (
        ChatOptions(request="turns.json"),
        UsageError,
        "turns.json is not a JSON object",
    ),
    "request-that-is-empty": (
        ChatOptions(request="empty.txt"),
        EmptyMessageError,
        "empty.txt holds no request",
    ),
    "request-without-a-message": (
        ChatOptions(request="no-messages.json"),
        EmptyMessageError,
        "no user message",
    ),
    "thread-without-a-new-message": (
        ChatOptions(thread="thread.json"),
        EmptyMessageError,
        "no new message",
    ),
    "blank-prompt": (
        ChatOptions(system="x", prompt=["\u3000"]),
        EmptyMessageError,
        "no user message",
    ),
    "title-of-two-lines": (OPTIONS, UsageError, "X-Title has control characters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_compose_refuses(name: str) -> None:
    options, kind, message = REFUSED[name]
    title = "a\nb" if name.startswith("title") else None
    with pytest.raises(kind) as caught:
        compose(options, inputs_of(options), Defaults(DEFAULT_MODEL, title=title), stream=False)
    assert message in caught.value.message
    assert caught.value.hint
    assert type(caught.value) is kind


# Prompt files

SAID = {"role": "system", "content": "Be kind."}
CHEERFUL = """\
model: own/o3-mini
modelParameters: {maxTokens: 9, temperature: 0.5}
messages:
- {role: system, content: Be {{tone}}.}
- {role: user, content: 'Joke: {{input}}'}
"""
TONE = {"tone": "kind"}


class Prompting(NamedTuple):
    options: ChatOptions
    messages: list[dict[str, Any]]
    fields: dict[str, Any]
    text: str = CHEERFUL.replace("Be {{tone}}.", "'Be {{tone}}.'")
    values: Mapping[str, str] = TONE
    stdin: bytes = b""
    turn: list[dict[str, Any]] | None = None


FILE = ChatOptions(prompt_file="p.prompt.yml")
TAKEN = {"temperature": 0.5, "max_completion_tokens": 9}
PROMPTING: dict[str, Prompting] = {
    "prompt-and-stdin-fill-input": Prompting(
        FILE._replace(prompt=["a", "b"]), [SAID, user("Joke: a b\n\nc")], TAKEN, stdin=b"c"
    ),
    "input-that-is-given-leaves-the-prompt-for-the-end": Prompting(
        FILE._replace(prompt=["a"]),
        [SAID, user("Joke: x"), user("a")],
        TAKEN,
        values={**TONE, "input": "x"},
    ),
    "prompt-is-appended": Prompting(
        FILE._replace(prompt=["a"]), [user("hi\n"), user("a")], {}, text="hi\n", stdin=b""
    ),
    "flags-win": Prompting(
        FILE._replace(
            prompt=["a"], system="Be brief.", max_tokens=3, temperature=1.0, model="flag/m"
        ),
        [{"role": "system", "content": "Be brief."}, user("Joke: a")],
        {"temperature": 1.0, "max_tokens": 3},
    ),
    "a-cap-by-param-wins-whatever-its-name": Prompting(
        FILE._replace(prompt=["a"], param=["max_tokens=3"]),
        [SAID, user("Joke: a")],
        {"temperature": 0.5, "max_tokens": 3},
    ),
    "images-follow": Prompting(
        FILE._replace(prompt=["a"], image=[URL]), [SAID, user("Joke: a"), BARE], TAKEN
    ),
    "thread": Prompting(
        FILE._replace(prompt=["a"], thread="thread.json"),
        [SAID, OTHER, user("Joke: a")],
        TAKEN,
        turn=[user("Joke: a")],
    ),
    "earlier-messages": Prompting(
        FILE._replace(prompt=["a"], messages="turns.json"), [SAID, OTHER, user("Joke: a")], TAKEN
    ),
    "system-later-on": Prompting(
        FILE._replace(prompt=["a"]),
        [user("x"), SAID, user("a")],
        {},
        text="messages: [{role: user, content: x}, {role: system, content: Be kind.}]",
    ),
    "effort": Prompting(
        FILE._replace(prompt=["a"], effort="low"),
        [user("x"), user("a")],
        {"reasoning": {"effort": "low"}},
        text="messages: [{role: user, content: x}]",
    ),
}


@pytest.mark.parametrize("case", PROMPTING.values(), ids=PROMPTING)
def test_prompt_file(case: Prompting) -> None:
    given = Named("p.prompt.yml" if "role" in case.text else "p.txt", case.text)
    inputs = inputs_of(case.options, case.stdin)._replace(prompt_file=given, values=case.values)
    defaults = Defaults(case.options.model or DEFAULT_MODEL)
    composed = compose(case.options, inputs, defaults, stream=False)
    model = case.options.model or ("own/o3-mini" if "own" in case.text else DEFAULT_MODEL)
    expected = {"model": model, "messages": case.messages, **case.fields}
    assert composed.request.body == expected
    assert list(composed.request.body)[:2] == ["model", "messages"]
    if case.turn:
        assert composed.turn == case.turn


CAPS: dict[str, tuple[str, str]] = {
    "o1": ("openai/o1", "max_completion_tokens"),
    "o3-mini": ("openai/o3-mini", "max_completion_tokens"),
    "o4": ("o4-mini-high", "max_completion_tokens"),
    "gpt-5": ("openai/gpt-5.1-codex", "max_completion_tokens"),
    "upper-case": ("OpenAI/GPT-5", "max_completion_tokens"),
    "gpt-4o": ("openai/gpt-4o", "max_tokens"),
    "gpt-50": ("openai/gpt-50", "max_tokens"),
    "o1-elsewhere": ("x/pro-o1", "max_tokens"),
    "claude": (DEFAULT_MODEL, "max_tokens"),
}


@pytest.mark.parametrize("case", CAPS.values(), ids=CAPS)
def test_cap_has_the_name_that_the_model_takes(case: tuple[str, str]) -> None:
    model, name = case
    options = OPTIONS._replace(model=model, max_tokens=7)
    request = compose(options, Inputs(), Defaults(model), stream=False).request
    assert request.body == {"model": model, "messages": [HI], name: 7}
    other = compose(OPTIONS._replace(max_tokens=7), Inputs(), Defaults("a/b"), stream=False)
    assert with_model(other.request, model).body == request.body


def test_a_whole_request_keeps_its_cap() -> None:
    text = '{"model": "openai/o3", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}'
    inputs = Inputs(request=Named("r.json", text))
    options = ChatOptions(request="r.json")
    body = compose(options, inputs, Defaults(DEFAULT_MODEL), stream=False).request.body
    assert body == {"model": "openai/o3", "max_tokens": 5, "messages": [user("x")]}
    capped = compose(options._replace(max_tokens=6), inputs, Defaults(DEFAULT_MODEL), stream=False)
    assert capped.request.body["max_completion_tokens"] == 6
    assert "max_tokens" not in capped.request.body


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        (OPTIONS, ""),
        (FILE._replace(prompt_file="-"), "--prompt-file"),
        (FILE._replace(vars="-"), "--vars"),
        (FILE._replace(var_file=["a=f", "b=-"]), "--var-file"),
        (ChatOptions(request="-", prompt=["-"]), "--request"),
    ],
    ids=["none", "prompt-file", "vars", "var-file", "request"],
)
def test_stdin_flag(options: ChatOptions, flag: str) -> None:
    assert stdin_flag(options) == flag


@pytest.mark.parametrize(
    "options",
    [
        FILE._replace(prompt_file="-", vars="-"),
        FILE._replace(var_file=["a=-", "b=-"]),
        FILE._replace(prompt=["-"], vars="-"),
        ChatOptions(request="-", prompt_file="-"),
    ],
    ids=["file-and-vars", "two-variables", "prompt-and-vars", "request-and-file"],
)
def test_stdin_is_read_once(options: ChatOptions) -> None:
    with pytest.raises(UsageError, match="stdin is asked for more than once"):
        stdin_flag(options)


# Images


IMAGES: dict[str, tuple[str, bytes, str]] = {
    "png": ("a.png", PNG, "image/png"),
    "jpeg-called-png": ("a.png", b"\xff\xd8\xff\xe0" + bytes(8), "image/jpeg"),
    "gif-called-txt": ("a.txt", b"GIF89a" + bytes(8), "image/gif"),
    "old-gif": ("a.gif", b"GIF87a" + bytes(8), "image/gif"),
    "webp-without-a-suffix": ("a", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_content_decides_the_type_of_an_image(name: str) -> None:
    path, data, media_type = IMAGES[name]
    options, inputs = OPTIONS._replace(image=[path]), Inputs(images=((path, data),))
    (message,) = compose(options, inputs, Defaults(DEFAULT_MODEL), stream=False).turn
    url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    assert message == user(
        [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": url}}]
    )
