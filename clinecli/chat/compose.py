"""Options and inputs to one `ChatRequest`. Pure: the inputs have been read."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from clinecli.chat.images import data_url, is_url
from clinecli.chat.reply import ChatRequest
from clinecli.errors import EmptyMessageError, UsageError
from clinecli.jsontext import dumps, loads_exact, parse_json
from clinecli.options.chat import ChatOptions
from clinecli.text import decode_text

# What `--param` may not set, and what to use instead.
_RESERVED = {
    "stream": "the command decides it: `ask` or `stream`",
    "messages": "use --messages FILE",
}


class Named(NamedTuple):
    """The text of an input, and the name by which messages call it."""

    name: str
    text: str


class Inputs(NamedTuple):
    """What the options name, as it was read. `images` are (name, content); the content of a URL
    is empty. `thread` is empty for a file that does not exist yet."""

    stdin: bytes = b""
    files: tuple[Named, ...] = ()
    images: tuple[tuple[str, bytes], ...] = ()
    system: Named | None = None
    tools: Named | None = None
    schema: Named | None = None
    messages: Named | None = None
    thread: Named | None = None
    request: Named | None = None


class Defaults(NamedTuple):
    """What settings give a request: the model and where it comes from, and headers for usage
    logs."""

    model: str
    model_source: str = "--model"
    referer: str | None = None
    title: str | None = None


class Composed(NamedTuple):
    """A request, the messages of it that a thread file does not have yet, and the JSON of
    `--schema`."""

    request: ChatRequest
    turn: list[dict[str, Any]]
    schema: Any = None


class Given(NamedTuple):
    """What flags say of requests that come from elsewhere: fields of the body, system message and
    earlier turns, headers, and the JSON of `--schema`."""

    fields: dict[str, Any]
    system: tuple[dict[str, Any], ...]
    earlier: tuple[dict[str, Any], ...]
    headers: tuple[tuple[str, str], ...]
    schema: Any = None


def reads_stdin(options: ChatOptions) -> bool:
    """Whether stdin is part of the input. A whole request leaves it alone unless told."""
    if options.prompt == ["-"] or options.request == "-":
        return True
    return not options.no_stdin and (not options.request or bool(options.prompt))


def has_input(options: ChatOptions) -> bool:
    """Whether there is anything to ask without stdin."""
    return any((options.prompt, options.file, options.image, options.messages, options.request))


def compose(options: ChatOptions, inputs: Inputs, defaults: Defaults, *, stream: bool) -> Composed:
    """The request that options and inputs make.

    Raises `UsageError` for input that cannot be used and `EmptyMessageError` when nothing is
    asked.
    """
    whole = _whole_request(options, inputs)
    turn = _new_turn(options, inputs)
    if options.thread and not turn:
        raise EmptyMessageError("there is no new message for the thread: nothing was sent")
    earlier = _array(whole.get("messages", []), "messages of --request")
    earlier += _messages(inputs.messages)
    # A thread that does not exist yet is empty.
    thread = _messages(inputs.thread) if inputs.thread and inputs.thread.text else []
    system = _system(options, inputs)
    if system:
        # A flag wins over the file, and a conversation has one system message.
        earlier = [message for message in earlier if message.get("role") != "system"]
        kept = [message for message in thread if message.get("role") != "system"]
    else:
        kept = thread
    body: dict[str, Any] = {}
    if "model" not in whole or options.model:
        body["model"] = _argument(defaults.model, defaults.model_source)
    body = {**whole, **body, "messages": [*system, *earlier, *kept, *turn]}
    schema = parse_json(inputs.schema.text, inputs.schema.name) if inputs.schema else None
    body.update(_fields(options, inputs, schema))
    if stream and not options.request:
        body.setdefault("stream_options", {"include_usage": True})
    request = ChatRequest(body, _headers(defaults))
    if not request.has_user_content:
        raise EmptyMessageError("there is no user message with content: nothing was sent")
    read = (inputs.tools, inputs.schema, inputs.messages, inputs.thread)
    if options.request or options.param or any(read):
        # Flags and text can always be sent; JSON may hold what is no text, or is too deep.
        _check(request)
    return Composed(request, turn if thread else [*system, *turn], schema)


def given(options: ChatOptions, inputs: Inputs, defaults: Defaults) -> Given:
    """What the flags say that are no message. Raises `UsageError` for what cannot be used."""
    schema = parse_json(inputs.schema.text, inputs.schema.name) if inputs.schema else None
    model = _argument(defaults.model, defaults.model_source)
    return Given(
        {"model": model, **_fields(options, inputs, schema)},
        tuple(_system(options, inputs)),
        tuple(_messages(inputs.messages)),
        _headers(defaults),
        schema,
    )


def _whole_request(options: ChatOptions, inputs: Inputs) -> dict[str, Any]:
    if not options.request:
        return {}
    given = inputs.request or Named("stdin", decode_text(inputs.stdin, "stdin"))
    if not given.text.strip():
        raise EmptyMessageError(f"{given.name} holds no request: nothing was sent")
    body = parse_json(given.text, given.name)
    if not isinstance(body, dict):
        raise UsageError(
            f"{given.name} is not a JSON object",
            hint='a request is written like {"messages": [{"role": "user", "content": "…"}]}',
        )
    body.pop("stream", None)
    return body


def _messages(given: Named | None) -> list[dict[str, Any]]:
    """The turns of a file. Raises `UsageError`."""
    if given is None:
        return []
    messages = parse_json(given.text, given.name)
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        raise UsageError(
            f"{given.name} is not a JSON array of messages",
            hint='write it like [{"role": "user", "content": "…"}]',
        )
    return messages


def _array(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError(f"{name} must be an array of objects", hint="write it like [{…}, {…}]")
    return value


def _new_turn(options: ChatOptions, inputs: Inputs) -> list[dict[str, Any]]:
    """The user message: prompt, files and stdin, with a blank line between; then images."""
    words = [] if options.prompt == ["-"] else (options.prompt or [])
    prompt = _argument(" ".join(words), "the prompt")
    last = "" if options.request == "-" else decode_text(inputs.stdin, "stdin")
    # An attachment without content is no message, whatever its name says.
    is_blank = not any(text.strip() for text in (prompt, *(f.text for f in inputs.files), last))
    pieces = [] if is_blank else [prompt, *map(_attachment, inputs.files), last]
    text = "\n\n".join(piece for piece in pieces if piece)
    images = [
        {"type": "image_url", "image_url": {"url": name if is_url(name) else data_url(data, name)}}
        for name, data in inputs.images
    ]
    if images:
        parts = [{"type": "text", "text": text}] if text.strip() else []
        return [{"role": "user", "content": [*parts, *images]}]
    return [{"role": "user", "content": text}] if text.strip() else []


def _attachment(file: Named) -> str:
    end = "" if file.text.endswith("\n") else "\n"
    name = file.name.replace("&", "&amp;").replace('"', "&quot;")
    return f'<file name="{_argument(name, "a file name")}">\n{file.text}{end}</file>'


def _system(options: ChatOptions, inputs: Inputs) -> list[dict[str, Any]]:
    texts = [_argument(options.system, "--system")] if options.system else []
    texts += [inputs.system.text] if inputs.system else []
    return [{"role": "system", "content": "\n\n".join(texts)}] if texts else []


def _argument(text: str, name: str) -> str:
    """An argument as text: bytes that the locale cannot read reach Python as lone surrogates
    (PEP 383). Raises `UsageError` when they are not UTF-8 either."""
    return decode_text(text.encode("utf-8", "surrogateescape"), name)


def _fields(options: ChatOptions, inputs: Inputs, schema: Any) -> dict[str, Any]:
    """The body's fields that have flags, `--param` last."""
    fields: dict[str, Any] = {}
    if options.temperature is not None:
        if math.isnan(options.temperature):
            raise UsageError("--temperature is not a number", hint="it goes from 0 to 2")
        fields["temperature"] = options.temperature
    if options.max_tokens is not None:
        fields["max_tokens"] = options.max_tokens
    if inputs.tools:
        name, text = inputs.tools
        fields["tools"] = _array(parse_json(text, name), name)
    if inputs.schema:
        fields["response_format"] = _response_format(schema)
    for param in options.param or []:
        name, value = _parse_param(param)
        fields[name] = value
    return fields


def _response_format(schema: Any) -> dict[str, Any]:
    title = schema.get("title") if isinstance(schema, dict) else None
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", title)[:64] if isinstance(title, str) else ""
    return {"type": "json_schema", "json_schema": {"name": name or "reply", "schema": schema}}


def _parse_param(text: str) -> tuple[str, Any]:
    """`KEY=VALUE`: JSON where it parses, else a string."""
    text = _argument(text, "--param")
    name, separator, value = text.partition("=")
    name = name.strip()
    if not separator or not name:
        raise UsageError(f"--param takes KEY=VALUE, not '{text}'", hint="e.g. -p top_p=0.9")
    if name in _RESERVED:
        raise UsageError(f"--param cannot set '{name}'", hint=_RESERVED[name])
    try:
        return name, loads_exact(value)
    except ValueError:
        return name, value


def _headers(defaults: Defaults) -> tuple[tuple[str, str], ...]:
    """The API's optional headers for usage logs."""
    headers = []
    for name, value in (("HTTP-Referer", defaults.referer), ("X-Title", defaults.title)):
        text = _argument(value or "", f"the value for {name}").strip()
        if not text.isprintable():
            raise UsageError(
                f"the value for {name} has control characters", hint="give it as one line of text"
            )
        if text:
            headers.append((name, text))
    return tuple(headers)


def _check(request: ChatRequest) -> None:
    try:
        dumps(request.body)
    except ValueError as error:
        raise UsageError(
            f"the input cannot be sent as JSON: {error}",
            hint="correct the file: \\ud83d alone is no text, and 254 levels are deep enough",
        ) from None
