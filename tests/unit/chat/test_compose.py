"""Flags, files and stdin become a request."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest

from clinecli.chat.compose import Composed, Defaults, Inputs, Named, compose
from clinecli.chat.images import is_url
from clinecli.chat.reply import ChatRequest
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
        schema=SCHEMA,
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
        return Named(path, FILES.get(path, "")) if path and path != "-" else None

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
