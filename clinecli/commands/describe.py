"""`describe`: the command line as JSON, for programs."""

from __future__ import annotations

import json

from clinecli.errors import ExitStatus
from clinecli.flags.description import description
from clinecli.options.describe import DescribeOptions
from clinecli.streams.descriptors import STDOUT, is_terminal
from clinecli.streams.stdout import StdoutSink


def run(options: DescribeOptions) -> int:  # noqa: ARG001 - there is one form
    """Print it: on one line, or indented for the eyes on a terminal."""
    text = json.dumps(description(), indent=2 if is_terminal(STDOUT) else None)
    stdout = StdoutSink()
    stdout.write(f"{text}\n".encode())
    stdout.commit()
    return ExitStatus.OK
