"""What the user names or pipes in, read before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable

from clinecli.chat.headers import header_file
from clinecli.chat.images import MAX_IMAGE_BYTES, is_url
from clinecli.chat.inputs import Inputs, Named, has_input, reads_stdin, stdin_flag
from clinecli.errors import UsageError
from clinecli.options.chat import ChatOptions
from clinecli.streams.files import read_bytes, read_text, read_thread
from clinecli.streams.stdio import STDIN, Messages, is_terminal, read_stdin
from clinecli.text import argument, decode_text


def gather(options: ChatOptions, stdin: bytes) -> Inputs:
    """Everything that the options name, read once: it may be a pipe, as in `--schema <(COMMAND)`.

    Raises `UsageError`, and `OutputError` for a thread that cannot be written.
    """

    def given(path: str) -> str:
        return decode_text(stdin, "stdin") if path == "-" else read_text(path)

    def text(path: str | None) -> Named | None:
        return Named(path, read_text(path)) if path else None

    def text_or_stdin(path: str | None) -> Named | None:
        return Named("stdin", given("-")) if path == "-" else text(path)

    return Inputs(
        stdin=stdin,
        files=tuple(Named(path, read_text(path)) for path in options.file or ()),
        images=tuple(
            (image, b"" if is_url(image) else read_bytes(image, MAX_IMAGE_BYTES + 1))
            for image in options.image or ()
        ),
        system=text(options.system_file),
        tools=text(options.tools),
        schema=text(options.schema),
        messages=text(options.messages),
        thread=Named(options.thread, read_thread(options.thread)) if options.thread else None,
        request=text_or_stdin(options.request),
        prompt_file=text_or_stdin(options.prompt_file),
        values=_values(options, given),
        header_files={
            path: read_text(path) for path in map(header_file, options.header or ()) if path
        },
    )


def _values(options: ChatOptions, read: Callable[[str], str]) -> dict[str, str]:
    """The values of variables: --var and --var-file count more than --vars."""
    if not (options.vars or options.var or options.var_file):
        return {}
    if not options.prompt_file:
        raise UsageError("there is no prompt file for the variables", hint="give it: -P FILE")
    from clinecli.chat.template import parse_pair, parse_values

    pairs = [parse_pair(argument(pair, "--var"), "--var", "VALUE") for pair in options.var or ()]
    for pair in options.var_file or ():
        name, path = parse_pair(pair, "--var-file", "FILE")
        pairs.append((name, read(path)))
    own = dict(pairs)
    if len(own) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"the variable '{twice}' is given twice", hint="keep one of the two")
    given = options.vars
    shared = parse_values(read(given), "stdin" if given == "-" else given) if given else {}
    return {**shared, **own}


def read_input(options: ChatOptions, messages: Messages) -> bytes:
    """What is on stdin, as far as it is part of the input. Raises `UsageError`."""
    if not reads_stdin(options):
        return b""
    asked_for = options.prompt == ["-"] or bool(stdin_flag(options))
    if is_terminal(STDIN) and not asked_for:
        if not has_input(options):
            raise UsageError(
                "no prompt", hint="clinecli ask 'QUESTION', or pipe text in: … | clinecli ask"
            )
        return b""

    def hint() -> None:
        messages.note("waiting for stdin, which is silent; --no-stdin does not read it")

    return read_stdin(hint if has_input(options) and not asked_for else None)
