"""The flags of `ask` and `stream`."""

from typing import Annotated, NamedTuple

from clinecli.options.common import MODEL, REFERER, TITLE, NetworkOptions
from clinecli.options.flag import Flag, Group, Kind, Text, Words

_INPUT, _MODEL, _OUTPUT, _INSPECT = Group.INPUT, Group.MODEL, Group.OUTPUT, Group.INSPECT


class ChatOptions(NamedTuple):
    """Flags of `ask` and `stream`; `extract` is of `ask` alone."""

    network: NetworkOptions = NetworkOptions()
    prompt: Annotated[
        Words,
        Flag(
            _INPUT,
            "The message; stdin is appended. '-' is stdin alone.",
            "PROMPT",
            is_argument=True,
        ),
    ] = None
    no_stdin: Annotated[bool, Flag(_INPUT, "Do not read stdin.")] = False
    model: Annotated[Text, MODEL] = None
    system: Annotated[Text, Flag(_INPUT, "System message.", short="s")] = None
    system_file: Annotated[Text, Flag(_INPUT, "System message from FILE.", kind=Kind.FILE)] = None
    file: Annotated[
        Words,
        Flag(_INPUT, "Attach a text file by name; repeatable.", short="f", kind=Kind.FILE),
    ] = None
    image: Annotated[
        Words,
        Flag(_INPUT, "Attach an image; repeatable.", "FILE|URL", short="i", kind=Kind.FILE),
    ] = None
    temperature: Annotated[
        float | None,
        Flag(_MODEL, "Randomness, 0 to 2.", "T", short="t", minimum=0, maximum=2),
    ] = None
    max_tokens: Annotated[int | None, Flag(_MODEL, "Longest reply, in tokens.", minimum=1)] = None
    param: Annotated[
        Words,
        Flag(
            _MODEL,
            "Any other field of the request; VALUE is JSON or text. Repeatable.",
            "KEY=VALUE",
            short="p",
        ),
    ] = None
    tools: Annotated[Text, Flag(_MODEL, "Tools, a JSON array.", kind=Kind.FILE)] = None
    schema: Annotated[
        Text, Flag(_OUTPUT, "JSON Schema that the reply must satisfy.", kind=Kind.FILE)
    ] = None
    messages: Annotated[
        Text, Flag(_INPUT, "Earlier turns, a JSON array of messages.", kind=Kind.FILE)
    ] = None
    thread: Annotated[
        Text,
        Flag(_INPUT, "Earlier turns; the new one is appended on success.", kind=Kind.FILE),
    ] = None
    request: Annotated[
        Text,
        Flag(_INPUT, "A whole request body; flags win over it.", "FILE|-", kind=Kind.FILE),
    ] = None
    referer: Annotated[Text, REFERER] = None
    title: Annotated[Text, TITLE] = None
    json: Annotated[
        bool, Flag(_OUTPUT, "Print the API's own JSON; errors as JSON too.", short="j")
    ] = False
    extract: Annotated[
        bool,
        Flag(_OUTPUT, "Print only the first fenced code block of the reply.", short="x"),
    ] = False
    output: Annotated[
        Text,
        Flag(_OUTPUT, "Write to FILE, only when complete.", short="o", kind=Kind.FILE),
    ] = None
    usage: Annotated[bool, Flag(_INSPECT, "Tokens, cost and seconds on stderr.")] = False
    reasoning: Annotated[bool, Flag(_OUTPUT, "The model's reasoning on stderr.")] = False
    dry_run: Annotated[bool, Flag(_INSPECT, "Print the request body; send nothing.")] = False
    curl: Annotated[bool, Flag(_INSPECT, "Print the curl command for it; send nothing.")] = False
