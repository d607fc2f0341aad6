"""Options and inputs to one `ChatRequest`. Pure: the inputs have been read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.chat.headers import Header, log_headers, parse_headers
from clinecli.chat.images import data_url, is_url
from clinecli.chat.parameters import flag_fields, parse_param, response_format, with_cap_for
from clinecli.chat.reply import TOKEN_CAPS, ChatRequest
from clinecli.errors import EmptyMessageError, UsageError
from clinecli.jsontext import dumps, parse_json
from clinecli.options.chat import ChatOptions
from clinecli.text import argument, decode_text


class Named(NamedTuple):
    """The text of an input, and the name by which messages call it."""

    name: str
    text: str


class Inputs(NamedTuple):
    """What the options name, as it was read. `images` are (name, content); the content of a URL
    is empty. `thread` is empty for a file that does not exist yet. `values` are those of the
    variables of the prompt file."""

    stdin: bytes = b""
    files: tuple[Named, ...] = ()
    images: tuple[tuple[str, bytes], ...] = ()
    system: Named | None = None
    tools: Named | None = None
    schema: Named | None = None
    messages: Named | None = None
    thread: Named | None = None
    request: Named | None = None
    prompt_file: Named | None = None
    values: Mapping[str, str] = {}
    header_files: Mapping[str, str] = {}


class Defaults(NamedTuple):
    """What settings give a request: the model and where it comes from, and headers for usage
    logs."""

    model: str
    model_source: str = "--model"
    referer: str | None = None
    title: str | None = None


class Schema(NamedTuple):
    """What the reply must satisfy, and where that was read."""

    name: str
    schema: Any


class Composed(NamedTuple):
    """A request, the messages of it that a thread file does not have yet, and the schema of the
    reply."""

    request: ChatRequest
    turn: list[dict[str, Any]]
    schema: Schema | None = None


class _Prompt(NamedTuple):
    """What a prompt file adds. `takes_input` says that the new text has gone into it."""

    system: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    fields: Mapping[str, Any]
    schema: Schema | None
    takes_input: bool


_NO_PROMPT = _Prompt([], [], {}, None, takes_input=False)


def stdin_flag(options: ChatOptions) -> str:
    """The flag that takes stdin for itself (`-`); empty when the message does. Raises
    `UsageError` when there is more than one."""
    takers = [
        *(["--prompt-file"] if options.prompt_file == "-" else []),
        *(["--vars"] if options.vars == "-" else []),
        *("--var-file" for entry in options.var_file or () if entry.endswith("=-")),
        *(["--request"] if options.request == "-" else []),
    ]
    also = ["the prompt '-'"] if options.prompt == ["-"] and takers != ["--request"] else []
    if len(takers + also) > 1:
        raise UsageError(
            f"stdin is asked for more than once: {' and '.join(takers + also)}",
            hint="put one of them into a file",
        )
    return takers[0] if takers else ""


def reads_stdin(options: ChatOptions) -> bool:
    """Whether stdin is part of the input. A whole request leaves it alone unless told."""
    if options.prompt == ["-"] or stdin_flag(options):
        return True
    return not options.no_stdin and (not options.request or bool(options.prompt))


def has_input(options: ChatOptions) -> bool:
    """Whether there is anything to ask without stdin."""
    given = (options.prompt, options.file, options.image, options.messages, options.request)
    return any((*given, options.prompt_file))


def compose(options: ChatOptions, inputs: Inputs, defaults: Defaults, *, stream: bool) -> Composed:
    """The request that options and inputs make.

    Raises `UsageError` for input that cannot be used and `EmptyMessageError` when nothing is
    asked.
    """
    whole = _whole_request(inputs.request)
    text = _new_text(options, inputs)
    prompt = _prompt_file(inputs.prompt_file, inputs.values, text)
    turn = _new_turn("" if prompt.takes_input else text, inputs)
    earlier = _array(whole.get("messages", []), "messages of --request")
    earlier += _messages(inputs.messages)
    # A thread that does not exist yet is empty.
    thread = _messages(inputs.thread) if inputs.thread and inputs.thread.text else []
    system = _system(options, inputs)
    said = _without_system(prompt.messages) if system else prompt.messages
    turn = [*said, *turn]
    if options.thread and not turn:
        raise EmptyMessageError("there is no new message for the thread: nothing was sent")
    system = system or prompt.system
    if system:
        # A flag wins over the file, and a conversation has one system message.
        earlier = _without_system(earlier)
    kept = _without_system(thread) if system else thread
    messages = [*system, *earlier, *kept, *turn]
    schema = _schema(inputs.schema)
    body = _body(options, inputs, {**whole, "messages": messages}, prompt, defaults)
    if schema:
        body["response_format"] = response_format(schema.schema)
    body.update(parse_param(param) for param in options.param or ())
    if stream and not options.request:
        body.setdefault("stream_options", {"include_usage": True})
    request = _with_headers(body, options, inputs, defaults)
    _check(request)
    return Composed(request, turn if thread else [*system, *turn], schema or prompt.schema)


def with_model(request: ChatRequest, model: str) -> ChatRequest:
    """The same request to another model."""
    return request._replace(body=with_cap_for(model, {**request.body, "model": model}))


def _without_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message.get("role") != "system"]


def _prompt_file(given: Named | None, values: Mapping[str, str], text: str) -> _Prompt:
    """Parse a prompt file and fill in its variables. Raises `UsageError` with line and column."""
    if given is None:
        return _NO_PROMPT
    from clinecli.chat.prompt_file import parse_prompt_file
    from clinecli.chat.template import INPUT

    prompt = parse_prompt_file(given.text, given.name)
    takes_input = bool(text) and INPUT in prompt.variables and INPUT not in values
    messages = prompt.fill({**values, **({INPUT: text} if takes_input else {})})
    first = next((n for n, each in enumerate(messages) if each["role"] != "system"), len(messages))
    return _Prompt(
        messages[:first],
        messages[first:],
        {**({"model": prompt.model} if prompt.model else {}), **prompt.fields},
        None if prompt.schema is None else Schema(given.name, prompt.schema),
        takes_input,
    )


def _schema(given: Named | None) -> Schema | None:
    return Schema(given.name, parse_json(given.text, given.name)) if given else None


def _body(
    options: ChatOptions,
    inputs: Inputs,
    whole: dict[str, Any],
    prompt: _Prompt,
    defaults: Defaults,
) -> dict[str, Any]:
    """What files say, and the flags that win over it."""
    model = None if options.model else prompt.fields.get("model", whole.get("model"))
    model = model or argument(defaults.model, defaults.model_source)
    body = {**({} if options.request else {"model": model}), **whole, **prompt.fields}
    body["model"] = model
    if options.max_tokens is not None:
        body = {name: value for name, value in body.items() if name not in TOKEN_CAPS}
    body.update(flag_fields(options, body))
    if inputs.tools:
        name, text = inputs.tools
        body["tools"] = _array(parse_json(text, name), name)
    # A whole request is sent as it is.
    is_ours = options.max_tokens is not None or not options.request
    return with_cap_for(model, body) if is_ours else body


def _with_headers(
    body: dict[str, Any], options: ChatOptions, inputs: Inputs, defaults: Defaults
) -> ChatRequest:
    given = parse_headers(options.header or (), inputs.header_files)
    names = {header.name.lower() for header in given}
    logged = log_headers(defaults.referer, defaults.title)
    headers: list[Header] = [each for each in logged if each.name.lower() not in names]
    headers += given
    return ChatRequest(
        body,
        tuple((header.name, header.value) for header in headers),
        {header.name: header.file for header in headers if header.file},
    )


def _whole_request(given: Named | None) -> dict[str, Any]:
    if given is None:
        return {}
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


def _new_text(options: ChatOptions, inputs: Inputs) -> str:
    """Prompt, files and stdin, with a blank line between."""
    words = [] if options.prompt == ["-"] else (options.prompt or [])
    prompt = argument(" ".join(words), "the prompt")
    last = "" if stdin_flag(options) else decode_text(inputs.stdin, "stdin")
    # An attachment without content is no message, whatever its name says.
    is_blank = not any(text.strip() for text in (prompt, *(f.text for f in inputs.files), last))
    pieces = [] if is_blank else [prompt, *map(_attachment, inputs.files), last]
    return "\n\n".join(piece for piece in pieces if piece)


def _new_turn(text: str, inputs: Inputs) -> list[dict[str, Any]]:
    """The user message: a text, then images."""
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
    return f'<file name="{argument(name, "a file name")}">\n{file.text}{end}</file>'


def _system(options: ChatOptions, inputs: Inputs) -> list[dict[str, Any]]:
    texts = [argument(options.system, "--system")] if options.system else []
    texts += [inputs.system.text] if inputs.system else []
    return [{"role": "system", "content": "\n\n".join(texts)}] if texts else []


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
