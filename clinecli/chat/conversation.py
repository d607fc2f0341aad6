"""The messages of a request: files, threads, prompt files and what is asked now, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.chat.images import data_url, is_url
from clinecli.chat.inputs import Inputs, Named, stdin_flag
from clinecli.errors import EmptyMessageError, UsageError
from clinecli.jsontext import parse_json
from clinecli.options.chat import ChatOptions
from clinecli.text import argument, decode_text


class Schema(NamedTuple):
    """What the reply must satisfy, and where that was read."""

    name: str
    schema: Any


class Prompt(NamedTuple):
    """What a prompt file adds. `takes_input` says that the new text has gone into it."""

    system: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    model: str | None
    fields: Mapping[str, Any]
    schema: Schema | None
    takes_input: bool


_NO_PROMPT = Prompt([], [], None, {}, None, takes_input=False)


class Conversation(NamedTuple):
    """All messages of a request, and those that a thread file does not have yet."""

    messages: list[dict[str, Any]]
    turn: list[dict[str, Any]]


def conversation(
    options: ChatOptions, inputs: Inputs, whole: Mapping[str, Any], text: str, prompt: Prompt
) -> Conversation:
    """Put the messages in order: system, `whole` request, --messages, thread, prompt file, and
    the new one, of which `text` is what no prompt file has taken. Raises `UsageError`, and
    `EmptyMessageError` for a thread to which nothing would be added.
    """
    earlier = array(whole.get("messages", []), "messages of --request")
    earlier += _messages(inputs.messages)
    # A thread that does not exist yet is empty.
    thread = _messages(inputs.thread) if inputs.thread and inputs.thread.text else []
    flag, said = _system(options, inputs), prompt.messages
    # A flag wins over files, and a conversation has one system message.
    turn = [*(_without_system(said) if flag else said), *_new_turn(text, inputs)]
    if options.thread and not turn:
        raise EmptyMessageError("there is no new message for the thread: nothing was sent")
    system = flag or prompt.system
    before = [*earlier, *thread]
    messages = [*system, *(_without_system(before) if system else before), *turn]
    return Conversation(messages, turn if thread else [*system, *turn])


def filled_prompt(given: Named | None, values: Mapping[str, str], text: str) -> Prompt:
    """Parse a prompt file and fill in its variables. Raises `UsageError` with line and column."""
    if given is None:
        return _NO_PROMPT
    from clinecli.chat.prompt_file import parse_prompt_file
    from clinecli.chat.template import INPUT

    prompt = parse_prompt_file(given.text, given.name)
    takes_input = bool(text) and INPUT in prompt.variables and INPUT not in values
    messages = prompt.fill({**values, **({INPUT: text} if takes_input else {})})
    first = next((n for n, each in enumerate(messages) if each["role"] != "system"), len(messages))
    return Prompt(
        messages[:first],
        messages[first:],
        prompt.model,
        prompt.fields,
        None if prompt.schema is None else Schema(given.name, prompt.schema),
        takes_input,
    )


def _without_system(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message.get("role") != "system"]


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


def array(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError(f"{name} must be an array of objects", hint="write it like [{…}, {…}]")
    return value


def new_text(options: ChatOptions, inputs: Inputs) -> str:
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


def unanswered_calls(messages: list[dict[str, Any]]) -> list[str]:
    """The ids of tool calls in a conversation that no message of the role `tool` answers."""
    answered = [message.get("tool_call_id") for message in messages]
    ids = [
        call.get("id")
        for message in messages
        if isinstance(calls := message.get("tool_calls"), list)
        for call in calls
        if isinstance(call, dict)
    ]
    return [name for name in ids if isinstance(name, str) and name and name not in answered]
