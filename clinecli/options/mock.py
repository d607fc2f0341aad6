"""The flags of `mock`."""

from typing import Annotated, NamedTuple

from clinecli.options.flag import Flag, Group, Kind, Text, Words

# `mock`, which knows these, takes long to import; a test compares the names with its own.
FAULTS = {
    "auth": "401, the key is wrong",
    "forbidden": "403, the key may not do this",
    "credit": "402, no credits are left",
    "spend-limit": "429, the spend limit is reached",
    "rate-limit": "429, too many requests",
    "server-error": "500, the server failed",
    "overload": "503, the server is overloaded",
    "rejected": "400, the request is at fault",
    "empty-reply": "a reply without text",
    "cut-stream": "the reply breaks off",
    "mid-stream-error": "an error in the middle of the reply",
    "model": "404, for a model that is not in the list",
    "length": "the reply stops at a length limit",
    "html": "the page of a captive portal",
    "not-json": "text that is not JSON",
    "redirect": "302, go somewhere else",
    "stall": "no answer at all",
    "refuse": "connections are refused",
}


class MockOptions(NamedTuple):
    """Flags of `mock`. `delay` is in seconds per token, `latency` per reply; `fault` entries are
    `NAME[:N]`."""

    command: Annotated[
        Words,
        Flag(
            Group.INPUT,
            "Run COMMAND against the mock.",
            kind=Kind.COMMAND,
            is_argument=True,
        ),
    ] = None
    port: Annotated[
        int | None,
        Flag(Group.NETWORK, "Serve on this port; 0 chooses a free one.", minimum=0, maximum=65535),
    ] = None
    delay: Annotated[
        float,
        Flag(Group.OUTPUT, "Wait before each token.", "SECONDS", minimum=0, maximum=3600),
    ] = 0.0
    latency: Annotated[
        float,
        Flag(Group.OUTPUT, "Wait before each reply.", "SECONDS", minimum=0, maximum=3600),
    ] = 0.0
    reply: Annotated[Text, Flag(Group.OUTPUT, "Text of every reply.", kind=Kind.AT_FILE)] = None
    fault: Annotated[
        Words,
        Flag(
            Group.OUTPUT,
            "Fail the first N requests, or all. Repeatable.",
            "NAME[:N]",
            choices=FAULTS,
        ),
    ] = None
    record: Annotated[
        Text,
        Flag(
            Group.OUTPUT,
            "Let the real API answer, and record the exchanges in FILE, without key and account.",
            kind=Kind.FILE,
        ),
    ] = None
    replay: Annotated[Text, Flag(Group.OUTPUT, "Serve recorded exchanges.", kind=Kind.FILE)] = None
    replay_speed: Annotated[
        float | None,
        Flag(
            Group.OUTPUT,
            "Serve recordings FACTOR times as fast; inf does not wait.",
            "FACTOR",
            above=0,
            default=1.0,
        ),
    ] = None
    strict: Annotated[
        bool,
        Flag(
            Group.OUTPUT,
            "With --replay: refuse requests that were not recorded, and exit with status 9.",
        ),
    ] = False
