"""Options, files and stdin to one `ChatRequest`."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from clinecli.chat.reply import ChatRequest
from clinecli.config.settings import Settings
from clinecli.errors import EmptyMessageError, UsageError
from clinecli.jsontext import dumps, loads_exact
from clinecli.options.chat import ChatOptions
from clinecli.streams.files import (
    decode_text,
    image_url,
    parse_json,
    read_messages,
    read_text,
    read_thread,
)

# What `--param` may not set, and what to use instead.
_RESERVED = {
    "stream": "the command decides it: `ask` or `stream`",
    "messages": "use --messages FILE",
}


class Composed(NamedTuple):
    """A request, the messages of it that a thread file does not have yet, and the JSON of
    `--schema`."""

    request: ChatRequest
    turn: list[dict[str, Any]]
    schema: Any = None


def reads_stdin(options: ChatOptions) -> bool:
    """Whether stdin is part of the input. A whole request leaves it alone unless told."""
    if options.prompt == ["-"] or options.request == "-":
        return True
    return not options.no_stdin and (not options.request or bool(options.prompt))


def has_input(options: ChatOptions) -> bool:
    """Whether there is anything to ask without stdin."""
    return any((options.prompt, options.file, options.image, options.messages, options.request))


def compose(options: ChatOptions, settings: Settings, stdin: bytes, *, stream: bool) -> Composed:
    """The request that options, files and stdin make.

    Raises `UsageError` for unreadable input and `EmptyMessageError` when nothing is asked.
    """
    whole = _whole_request(options, stdin)
    turn = _new_turn(options, b"" if options.request == "-" else stdin)
    if options.thread and not turn:
        raise EmptyMessageError("there is no new message for the thread: nothing was sent")
    earlier = [
        *_array(whole.get("messages", []), "messages of --request"),
        *(read_messages(options.messages) if options.messages else []),
    ]
    thread = read_thread(options.thread) if options.thread else []
    system = _system(options)
    if system:
        # A flag wins over the file, and a conversation has one system message.
        earlier = [message for message in earlier if message.get("role") != "system"]
        kept = [message for message in thread if message.get("role") != "system"]
    else:
        kept = thread
    body: dict[str, Any] = {}
    if "model" not in whole or options.model:
        body["model"] = _argument(settings.model, settings.model_source)
    body = {**whole, **body, "messages": [*system, *earlier, *kept, *turn]}
    # Read once: it may be a pipe, as in --schema <(COMMAND).
    schema = parse_json(read_text(options.schema), options.schema) if options.schema else None
    body.update(_fields(options, schema))
    if stream and not options.request:
        body.setdefault("stream_options", {"include_usage": True})
    request = ChatRequest(body, _headers(settings))
    _check(request)
    return Composed(request, turn if thread else [*system, *turn], schema)


def _whole_request(options: ChatOptions, stdin: bytes) -> dict[str, Any]:
    if not options.request:
        return {}
    if options.request == "-":
        text, name = decode_text(stdin, "stdin"), "stdin"
    else:
        text, name = read_text(options.request), options.request
    if not text.strip():
        raise EmptyMessageError(f"{name} holds no request: nothing was sent")
    body = parse_json(text, name)
    if not isinstance(body, dict):
        raise UsageError(
            f"{name} is not a JSON object",
            hint='a request is written like {"messages": [{"role": "user", "content": "…"}]}',
        )
    body.pop("stream", None)
    return body


def _array(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError(f"{name} must be an array of objects", hint="write it like [{…}, {…}]")
    return value


def _new_turn(options: ChatOptions, stdin: bytes) -> list[dict[str, Any]]:
    """The user message: prompt, files and stdin, with a blank line between; then images."""
    words = [] if options.prompt == ["-"] else (options.prompt or [])
    prompt = _argument(" ".join(words), "the prompt")
    files = [(path, read_text(path)) for path in options.file or []]
    last = decode_text(stdin, "stdin")
    # An attachment without content is no message, whatever its name says.
    is_blank = not any(text.strip() for text in (prompt, *(text for _, text in files), last))
    pieces = [] if is_blank else [prompt, *(_attachment(*file) for file in files), last]
    text = "\n\n".join(piece for piece in pieces if piece)
    images = [
        {"type": "image_url", "image_url": {"url": image_url(image)}}
        for image in options.image or []
    ]
    if images:
        parts = [{"type": "text", "text": text}] if text.strip() else []
        return [{"role": "user", "content": [*parts, *images]}]
    return [{"role": "user", "content": text}] if text.strip() else []


def _attachment(path: str, text: str) -> str:
    end = "" if text.endswith("\n") else "\n"
    name = path.replace("&", "&amp;").replace('"', "&quot;")
    return f'<file name="{_argument(name, "a file name")}">\n{text}{end}</file>'


def _system(options: ChatOptions) -> list[dict[str, Any]]:
    texts = [_argument(options.system, "--system")] if options.system else []
    texts += [read_text(options.system_file)] if options.system_file else []
    return [{"role": "system", "content": "\n\n".join(texts)}] if texts else []


def _argument(text: str, name: str) -> str:
    """An argument as text: bytes that the locale cannot read reach Python as lone surrogates
    (PEP 383). Raises `UsageError` when they are not UTF-8 either."""
    return decode_text(text.encode("utf-8", "surrogateescape"), name)


def _fields(options: ChatOptions, schema: Any) -> dict[str, Any]:
    """The body's fields that have flags, `--param` last."""
    fields: dict[str, Any] = {}
    if options.temperature is not None:
        if math.isnan(options.temperature):
            raise UsageError("--temperature is not a number", hint="it goes from 0 to 2")
        fields["temperature"] = options.temperature
    if options.max_tokens is not None:
        fields["max_tokens"] = options.max_tokens
    if options.tools:
        fields["tools"] = _array(parse_json(read_text(options.tools), options.tools), options.tools)
    if options.schema:
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


def _headers(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The API's optional headers for usage logs."""
    headers = []
    for name, value in (("HTTP-Referer", settings.referer), ("X-Title", settings.title)):
        text = _argument(value or "", f"the value for {name}").strip()
        if not text.isprintable():
            raise UsageError(
                f"the value for {name} has control characters", hint="give it as one line of text"
            )
        if text:
            headers.append((name, text))
    return tuple(headers)


def _check(request: ChatRequest) -> None:
    if not request.has_user_content:
        raise EmptyMessageError("there is no user message with content: nothing was sent")
    try:
        dumps(request.body)
    except ValueError as error:
        raise UsageError(
            f"the input cannot be sent as JSON: {error}",
            hint="correct the file: \\ud83d alone is no text, and 254 levels are deep enough",
        ) from None
