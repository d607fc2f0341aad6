"""What the user names or pipes in, read before anything is made of it."""

from __future__ import annotations

from clinecli.chat.compose import Inputs, Named, has_input, reads_stdin
from clinecli.chat.images import MAX_IMAGE_BYTES, is_url
from clinecli.errors import UsageError
from clinecli.options.chat import ChatOptions
from clinecli.streams.files import read_bytes, read_text, read_thread
from clinecli.streams.stdio import STDIN, Messages, is_terminal, read_stdin


def gather(options: ChatOptions, stdin: bytes) -> Inputs:
    """Everything that the options name, read once: it may be a pipe, as in `--schema <(COMMAND)`.

    Raises `UsageError`, and `OutputError` for a thread that cannot be written.
    """

    def text(path: str | None) -> Named | None:
        return Named(path, read_text(path)) if path else None

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
        request=text(options.request) if options.request != "-" else None,
    )


def read_input(options: ChatOptions, messages: Messages) -> bytes:
    """What is on stdin, as far as it is part of the input. Raises `UsageError`."""
    if not reads_stdin(options):
        return b""
    asked_for = options.prompt == ["-"] or options.request == "-"
    if is_terminal(STDIN) and not asked_for:
        if not has_input(options):
            raise UsageError(
                "no prompt", hint="clinecli ask 'QUESTION', or pipe text in: … | clinecli ask"
            )
        return b""

    def hint() -> None:
        messages.note("waiting for stdin, which is silent; --no-stdin does not read it")

    return read_stdin(hint if has_input(options) and not asked_for else None)
