"""Which options read stdin, and which are something to ask."""

from __future__ import annotations

import pytest

from clinecli.chat.inputs import has_input, reads_stdin
from clinecli.options.chat import ChatOptions

# Options, whether stdin is read, whether there is input without it.
CASES: dict[str, tuple[ChatOptions, bool, bool]] = {
    "nothing": (ChatOptions(), True, False),
    "prompt": (ChatOptions(prompt=["hi"]), True, True),
    "dash": (ChatOptions(prompt=["-"]), True, True),
    "dash-and-no-stdin": (ChatOptions(prompt=["-"], no_stdin=True), True, True),
    "dash-among-words": (ChatOptions(prompt=["a", "-"], no_stdin=True), False, True),
    "no-stdin": (ChatOptions(prompt=["hi"], no_stdin=True), False, True),
    "file": (ChatOptions(file=["a"]), True, True),
    "image": (ChatOptions(image=["a"]), True, True),
    "messages": (ChatOptions(messages="m"), True, True),
    "prompt-file": (ChatOptions(prompt_file="p"), True, True),
    "thread": (ChatOptions(thread="t"), True, False),
    "system": (ChatOptions(system="s"), True, False),
    "request": (ChatOptions(request="r"), False, True),
    "request-and-prompt": (ChatOptions(request="r", prompt=["hi"]), True, True),
    "request-and-no-stdin": (ChatOptions(request="r", prompt=["x"], no_stdin=True), False, True),
    "request-from-stdin": (ChatOptions(request="-", no_stdin=True), True, True),
    "file-from-stdin": (ChatOptions(file=["a", "-"], no_stdin=True), True, True),
}


@pytest.mark.parametrize(("options", "reads", "has"), CASES.values(), ids=CASES)
def test_input(options: ChatOptions, reads: bool, has: bool) -> None:
    assert (reads_stdin(options), has_input(options)) == (reads, has)
