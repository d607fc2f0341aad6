"""What the options of a call name and pipe in, once it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from clinecli.errors import UsageError
from clinecli.options.chat import ChatOptions


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


# Flags whose file may be `-`, which is stdin, by the names of their options.
_FILE_FLAGS = (
    *("file", "image", "system_file", "tools", "schema", "messages", "prompt_file", "vars"),
    "request",
)


def stdin_flag(options: ChatOptions) -> str:
    """The flag that takes stdin for itself (`-`); empty when the message does. Raises
    `UsageError` when there is more than one."""
    takers = []
    for name in _FILE_FLAGS:
        given = getattr(options, name) or ()
        times = given.count("-") if isinstance(given, list) else given == "-"
        takers += [f"--{name.replace('_', '-')}"] * times
    takers += ["--var-file" for entry in options.var_file or () if entry.endswith("=-")]
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
