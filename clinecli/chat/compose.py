"""Options and inputs to one `ChatRequest`. Pure: the inputs have been read."""

from __future__ import annotations

from typing import Any, NamedTuple

from clinecli.chat.conversation import (
    Prompt,
    Schema,
    array,
    conversation,
    filled_prompt,
    messages_of,
    new_text,
    system_of,
)
from clinecli.chat.headers import Header, log_headers, parse_headers
from clinecli.chat.inputs import Inputs, Named
from clinecli.chat.parameters import flag_fields, parse_param, response_format, with_cap_for
from clinecli.chat.request import TOKEN_CAPS, ChatRequest
from clinecli.errors import EmptyMessageError, UsageError
from clinecli.jsontext import dumps, parse_json
from clinecli.options.chat import ChatOptions
from clinecli.text import argument, clean


class Defaults(NamedTuple):
    """What settings give a request: the model and where it comes from, and headers for usage
    logs."""

    model: str
    model_source: str = "--model"
    referer: str | None = None
    title: str | None = None


class Composed(NamedTuple):
    """A request, the messages of it that a thread file does not have yet, and the schema of the
    reply."""

    request: ChatRequest
    turn: list[dict[str, Any]]
    schema: Schema | None = None


class Given(NamedTuple):
    """What is said of requests whose messages come from elsewhere: a request without any, the
    system message and earlier turns for them, and the schema of the replies."""

    request: ChatRequest
    system: tuple[dict[str, Any], ...]
    earlier: tuple[dict[str, Any], ...]
    schema: Schema | None = None


def compose(options: ChatOptions, inputs: Inputs, defaults: Defaults, *, stream: bool) -> Composed:
    """The request that options and inputs make.

    Raises `UsageError` for input that cannot be used and `EmptyMessageError` when nothing is
    asked.
    """
    whole = _whole_request(inputs.request)
    text = new_text(options, inputs)
    prompt = filled_prompt(inputs.prompt_file, inputs.values, text)
    rest = "" if prompt.takes_input else text
    messages, turn = conversation(options, inputs, whole, rest, prompt)
    schema = _schema(inputs.schema)
    model = None if options.model else whole.get("model", prompt.model)
    if model is None:
        model = argument(defaults.model, defaults.model_source)
    said = {**whole, "model": model, "messages": messages, **prompt.fields}
    body = _with_flags(said, options, inputs)
    if schema:
        body["response_format"] = response_format(schema.schema)
    body = _with_params(body, options)
    if stream and not options.request:
        body.setdefault("stream_options", {"include_usage": True})
    request = _with_headers(body, options, inputs, defaults)
    if not request.has_user_content:
        raise EmptyMessageError("there is no user message with content: nothing was sent")
    read = (inputs.tools, inputs.schema, inputs.messages, inputs.thread, inputs.prompt_file)
    if options.request or options.param or any(read):
        # Flags and text can always be sent; JSON may hold what is no text, or is too deep.
        _check(request)
    return Composed(request, turn, schema or prompt.schema)


def given(options: ChatOptions, inputs: Inputs, defaults: Defaults, prompt: Prompt) -> Given:
    """What flags, and a prompt file under them, say of requests whose messages come from
    elsewhere. Raises `UsageError`."""
    model = prompt.model if prompt.model and not options.model else defaults.model
    said = {"model": argument(model, defaults.model_source), **prompt.fields}
    body = _with_flags(said, options, inputs)
    schema = _schema(inputs.schema)
    if schema:
        body["response_format"] = response_format(schema.schema)
    body = _with_params(body, options)
    request = _with_headers(body, options, inputs, defaults)
    system, earlier = system_of(options, inputs), messages_of(inputs.messages)
    return Given(request, tuple(system), tuple(earlier), schema or prompt.schema)


def with_model(request: ChatRequest, model: str) -> ChatRequest:
    """The same request to another model."""
    return request._replace(body=with_cap_for(model, {**request.body, "model": model}))


def with_correction(request: ChatRequest, reply: str, fault: str) -> ChatRequest:
    """The same request with a reply that is at fault, and what is to be done about it."""
    demand = (
        f"This does not satisfy the JSON Schema: {fault}. Answer with the corrected JSON alone."
    )
    messages = [
        *request.body["messages"],
        {"role": "assistant", "content": clean(reply)},
        {"role": "user", "content": clean(demand)},
    ]
    return request._replace(body={**request.body, "messages": messages})


def _schema(given: Named | None) -> Schema | None:
    return Schema(given.name, parse_json(given.text, given.name)) if given else None


def _with_flags(said: dict[str, Any], options: ChatOptions, inputs: Inputs) -> dict[str, Any]:
    """What files say, and the flags that win over it."""
    body = said
    if options.max_tokens is not None:
        body = {name: value for name, value in said.items() if name not in TOKEN_CAPS}
    body = {**body, **flag_fields(options, body)}
    if inputs.tools:
        name, text = inputs.tools
        body["tools"] = array(parse_json(text, name), name)
    # A whole request is sent as it is.
    is_ours = options.max_tokens is not None or not options.request
    return with_cap_for(body["model"], body) if is_ours else body


def _with_params(body: dict[str, Any], options: ChatOptions) -> dict[str, Any]:
    """The fields of `--param`. A token cap wins over that of a prompt file, whatever its name."""
    params = dict(parse_param(param) for param in options.param or ())
    replaced = set(TOKEN_CAPS) if params.keys() & {*TOKEN_CAPS} and options.prompt_file else set()
    if options.max_tokens is not None:
        replaced = set()
    return {**{name: value for name, value in body.items() if name not in replaced}, **params}


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


def _check(request: ChatRequest) -> None:
    try:
        dumps(request.body)
    except ValueError as error:
        raise UsageError(
            f"the input cannot be sent as JSON: {error}",
            hint="correct the file: \\ud83d alone is no text, and 254 levels are deep enough",
        ) from None
