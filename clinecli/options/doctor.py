"""The flags of `doctor`."""

from typing import Annotated, NamedTuple

from clinecli.options.common import MODEL, NetworkOptions
from clinecli.options.flag import Flag, Group, Kind, Text, Words

# `doctor`, which knows these, takes long to import; a test compares the names with its own.
CHECKS = {
    "runtime": "versions of clinecli and what it runs on",
    "config": "config file, base URL and other settings",
    "key": "the API key and where it comes from",
    "env.proxy": "the proxy that is used, if any",
    "env.ca": "the certificate authorities that are trusted",
    "net.dns": "the address of the API, or of the proxy",
    "net.tcp": "a connection to that address",
    "net.proxy": "a tunnel through the proxy",
    "net.tls": "the TLS handshake and the certificate",
    "net.ways": "direct against the proxy, IPv4 against IPv6",
    "api.http": "an answer that comes from the API",
    "api.clock": "this machine's clock against the server's",
    "api.auth": "whether the key is accepted",
    "api.credit": "the balance of the account",
    "api.model": "the model in the catalogue",
    "message": "the request of --request",
    "api.chat": "the endpoint that answers, with --live for real",
    "api.body": "a large request, with --live",
}


# A week.
_LONGEST_SECONDS = 604800


class DoctorOptions(NamedTuple):
    """Flags of `doctor`."""

    network: NetworkOptions = NetworkOptions()
    checks: Annotated[
        Words,
        Flag(
            Group.INPUT,
            "Only these checks and what they need.",
            "CHECK",
            choices=CHECKS,
            is_argument=True,
        ),
    ] = None
    model: Annotated[Text, MODEL] = None
    json: Annotated[bool, Flag(Group.OUTPUT, "Print the report as JSON.", short="j")] = False
    live: Annotated[
        bool,
        Flag(Group.INSPECT, "Also ask for real, without and with streaming; costs a few tokens."),
    ] = False
    request: Annotated[
        Text,
        Flag(Group.INPUT, "Also check this request body.", "FILE|-", kind=Kind.FILE),
    ] = None
    strict: Annotated[bool, Flag(Group.OUTPUT, "Warnings end with status 1.")] = False
    markdown: Annotated[
        bool, Flag(Group.OUTPUT, "Print the report as Markdown, to paste into a ticket.")
    ] = False
    bundle: Annotated[
        Text,
        Flag(
            Group.OUTPUT,
            "Also write the report as text and JSON, without secrets, to FILE.",
            kind=Kind.FILE,
        ),
    ] = None
    save_chain: Annotated[
        Text,
        Flag(
            Group.OUTPUT,
            "Write the certificates that the server sends to FILE (PEM).",
            kind=Kind.FILE,
        ),
    ] = None
    wait: Annotated[
        float | None,
        Flag(
            Group.INSPECT,
            "Check again until nothing fails, for S seconds at most.",
            "S",
            above=0,
            maximum=_LONGEST_SECONDS,
        ),
    ] = None
    watch: Annotated[
        float | None,
        Flag(
            Group.INSPECT,
            "Check every S seconds, and print a line for each run.",
            "S",
            above=0,
            maximum=_LONGEST_SECONDS,
        ),
    ] = None
    # As `--count`; tuples have a method of that name.
    count: Annotated[int | None, Flag(Group.INSPECT, "End --watch after N runs.", minimum=1)] = None  # type: ignore[assignment]
    baseline: Annotated[
        Text,
        Flag(
            Group.INPUT,
            "Say what became slower than in this report (of --json).",
            kind=Kind.FILE,
        ),
    ] = None
    schema: Annotated[bool, Flag(Group.OUTPUT, "Print the JSON schema of --json and exit.")] = False
    list: Annotated[bool, Flag(Group.OUTPUT, "List the checks and exit.")] = False
