"""stderr: notes, details, one error, asked-for data, and a progress line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clinecli.errors import ClinecliError
from clinecli.streams.descriptors import STDERR, is_terminal, write_all
from clinecli.streams.report import error_json, error_text
from clinecli.text import (
    TextRenderer,
    defuse_commands,
    defuse_json_commands,
    escape_json,
    sanitize,
    utf8,
)

if TYPE_CHECKING:
    from clinecli.streams.progress import Progress

PROGRESS_SECONDS = 1.0


class Console:
    """All that goes to stderr.

    With `as_json`, every line of it is a JSON object: `{"note": …}`, `{"detail": …}`,
    `{"reasoning": …}`, `{"error": {…}}`, or what the caller made. On a terminal nothing is obeyed
    that a server has sent, and on GitHub's runner no line is a command to it.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, as_json: bool = False
    ) -> None:
        self.verbose = verbose
        self.as_json = as_json
        self._quiet = quiet
        self._terminal = is_terminal(STDERR)
        self._on_runner = os.environ.get("GITHUB_ACTIONS") == "true"
        # A line that is taken back again: for a terminal that can do that.
        self._shows_progress = self._terminal and not quiet and os.environ.get("TERM") != "dumb"
        self._progress: Progress | None = None

    def note(self, text: str) -> None:
        """Something worth knowing that is no failure; silent with `--quiet`."""
        if not self._quiet:
            self._say("note", text, f"clinecli: {text}")

    def detail(self, text: str) -> None:
        """What `--verbose` shows."""
        if self.verbose:
            self._say("detail", text, text)

    def error(self, error: ClinecliError) -> None:
        """The one failure that ends the process."""
        if self.as_json:
            self.json(error_json(error))
        else:
            self.line(error_text(error))

    def line(self, text: str) -> None:
        """A line of text that was asked for, such as the usage."""
        self.text(f"{text}\n")

    def text(self, text: str) -> None:
        """Text that was asked for, whole lines of it where a runner reads along."""
        text = defuse_commands(text) if self._on_runner else text
        self._write(utf8(sanitize(text) if self._terminal else text))

    def json(self, data: bytes) -> None:
        """A line of JSON that was asked for."""
        self._write((defuse_json_commands(data) if self._on_runner else data) + b"\n")

    def runner_commands(self, text: str) -> None:
        """Lines that GitHub's runner is to obey."""
        self._write(utf8(text))

    def reasoning(self) -> Reasoning:
        """Where the pieces of a model's reasoning go."""
        return Reasoning(self, by_line=self._on_runner)

    def start_progress(self, label: str, after: float = PROGRESS_SECONDS) -> None:
        """Show a progress line once `after` seconds have passed; on a terminal only."""
        if not self._shows_progress:
            return
        from clinecli.streams.progress import Progress

        self._progress = self._progress or Progress()
        self._progress.start(label, after)

    def stop_progress(self) -> None:
        """Take the progress line away."""
        if self._progress:
            self._progress.stop()

    def member(self, kind: str, text: str) -> None:
        """A JSON object with one member on a line."""
        # Not orjson: what is said before the first byte needs nothing so large.
        import json

        self.json(utf8(json.dumps({kind: text}, ensure_ascii=False)))

    def _say(self, kind: str, text: str, line: str) -> None:
        if self.as_json:
            self.member(kind, text)
        else:
            self.line(line)

    def _write(self, data: bytes) -> None:
        self.stop_progress()
        if self._terminal:
            data = escape_json(data)
        try:
            write_all(STDERR, data)
        except OSError:
            return  # Where there is no stderr, there is nobody to tell.


class Reasoning:
    """The reasoning of a model, on stderr as it comes, or `by_line`."""

    def __init__(self, console: Console, *, by_line: bool) -> None:
        self._console = console
        self._by_line = by_line
        self._held = ""
        self._renderer = TextRenderer(terminal=is_terminal(STDERR) and not console.as_json)

    def show(self, piece: str) -> None:
        """Take a piece in."""
        self._put(self._renderer.render(piece).decode())

    def finish(self) -> None:
        """Write what is held back, and the end of the line."""
        rest = self._renderer.finish().decode()
        self._by_line = False
        self._put(rest.removesuffix("\n") if self._console.as_json else rest)

    def _put(self, text: str) -> None:
        if self._by_line:
            whole, end, self._held = (self._held + text).rpartition("\n")
            text = whole + end
        else:
            text, self._held = self._held + text, ""
        if text and self._console.as_json:
            self._console.member("reasoning", text)
        elif text:
            self._console.text(text)
