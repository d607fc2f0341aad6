"""What the user names or pipes in, read before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable

from clinecli.chat.headers import header_file
from clinecli.chat.images import MAX_IMAGE_BYTES, is_url
from clinecli.chat.inputs import Inputs, Named, has_input, reads_stdin, stdin_flag
from clinecli.errors import UsageError
from clinecli.options.chat import ChatOptions
from clinecli.streams.console import Console
from clinecli.streams.descriptors import STDIN, is_terminal
from clinecli.streams.inputs import Limit, Reader, has_empty_stdin
from clinecli.text import argument, decode_text

_IMAGE = Limit(MAX_IMAGE_BYTES, "images", "scale it down, or pass its URL")


def gather(options: ChatOptions, reader: Reader, console: Console) -> Inputs:
    """Everything that the options name, read once: it may be a pipe, as in `--schema <(COMMAND)`.

    Raises `UsageError`, and `OutputError` for a thread that cannot be written.
    """
    stdin = _read_stdin(options, reader, console)

    def named(path: str) -> Named:
        if path == "-":
            return Named("stdin", decode_text(stdin, "stdin"))
        return Named(path, reader.text(path))

    def maybe(path: str | None) -> Named | None:
        return named(path) if path else None

    def image(name: str) -> tuple[str, bytes]:
        if name == "-":
            return "stdin", stdin
        return name, b"" if is_url(name) else reader.read(name, _IMAGE)

    return Inputs(
        stdin=stdin,
        files=tuple(map(named, options.file or ())),
        images=tuple(map(image, options.image or ())),
        system=maybe(options.system_file),
        tools=maybe(options.tools),
        schema=maybe(options.schema),
        messages=maybe(options.messages),
        thread=_thread(options.thread, reader),
        request=maybe(options.request),
        prompt_file=maybe(options.prompt_file),
        values=_values(options, named),
        header_files={
            path: reader.text(path) for path in map(header_file, options.header or ()) if path
        },
    )


def _thread(path: str | None, reader: Reader) -> Named | None:
    if path == "-":
        raise UsageError("--thread cannot be stdin: the new turn is written back to it")
    if not path:
        return None
    from clinecli.streams.thread_file import read_thread

    return Named(path, read_thread(path, reader))


def _values(options: ChatOptions, read: Callable[[str], Named]) -> dict[str, str]:
    """The values of variables: --var and --var-file count more than --vars."""
    if not (options.vars or options.var or options.var_file):
        return {}
    if not options.prompt_file:
        raise UsageError("there is no prompt file for the variables", hint="give it: -P FILE")
    from clinecli.chat.template import parse_pair, parse_values

    pairs = [parse_pair(argument(pair, "--var"), "--var", "VALUE") for pair in options.var or ()]
    for pair in options.var_file or ():
        name, path = parse_pair(pair, "--var-file", "FILE")
        pairs.append((name, read(path).text))
    own = dict(pairs)
    if len(own) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the variable '{twice}' is given twice", hint="keep one of the two")
    if not options.vars:
        return own
    shared = read(options.vars)
    return {**parse_values(shared.text, shared.name), **own}


def _read_stdin(options: ChatOptions, reader: Reader, console: Console) -> bytes:
    """What is on stdin, as far as it is part of the input. Raises `UsageError`."""
    if not reads_stdin(options):
        return b""
    is_asked_for = options.prompt == ["-"] or bool(stdin_flag(options))
    if is_terminal(STDIN) and not is_asked_for:
        if not has_input(options):
            raise UsageError(
                "no prompt", hint="clinecli ask 'QUESTION', or pipe text in: … | clinecli ask"
            )
        return b""
    if is_asked_for or not has_input(options):
        return reader.stdin()
    data = reader.stdin(
        lambda: console.note("waiting for stdin, which is silent; --no-stdin does not read it")
    )
    if not data and has_empty_stdin():
        console.note("stdin is empty: nothing is added to the message; --no-stdin does not read it")
    return data
