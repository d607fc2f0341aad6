"""The flags of `ask` and `stream`."""

from typing import Annotated, NamedTuple

from clinecli.options.common import MODEL, REFERER, TITLE, NetworkOptions
from clinecli.options.flag import Flag, Group, Kind, Text, Words

_INPUT, _MODEL, _OUTPUT, _INSPECT = Group.INPUT, Group.MODEL, Group.OUTPUT, Group.INSPECT

_EFFORTS = {
    "none": "do not reason",
    "minimal": "as little as possible",
    "low": "a little",
    "medium": "as usual",
    "high": "a lot",
    "xhigh": "as much as possible",
}


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
    prompt_file: Annotated[
        Text,
        Flag(
            _INPUT,
            "Messages, model and parameters from a .prompt.yml, or a message from a .txt or .md.",
            short="P",
            kind=Kind.PROMPT_FILE,
        ),
    ] = None
    var: Annotated[
        Words,
        Flag(
            _INPUT,
            "Value of {{NAME}} in the prompt file; repeatable.",
            short="V",
            kind=Kind.VARIABLE,
        ),
    ] = None
    var_file: Annotated[
        Words,
        Flag(
            _INPUT,
            "Value of {{NAME}} from FILE, or from stdin (-); repeatable.",
            kind=Kind.VARIABLE_FILE,
        ),
    ] = None
    vars: Annotated[
        Text, Flag(_INPUT, "Values of variables, a YAML or JSON mapping.", "FILE|-", kind=Kind.FILE)
    ] = None
    no_stdin: Annotated[bool, Flag(_INPUT, "Do not read stdin.")] = False
    model: Annotated[Text, MODEL] = None
    fallback: Annotated[
        Words,
        Flag(
            _MODEL,
            "Ask this model when the one before is unavailable, unknown or out of quota; "
            "repeatable.",
            kind=Kind.MODEL,
        ),
    ] = None
    system: Annotated[Text, Flag(_INPUT, "System message.", short="s")] = None
    system_file: Annotated[Text, Flag(_INPUT, "System message from FILE.", kind=Kind.FILE)] = None
    file: Annotated[
        Words,
        Flag(
            _INPUT,
            "Attach a text file by name (- is stdin); repeatable.",
            short="f",
            kind=Kind.FILE,
        ),
    ] = None
    image: Annotated[
        Words,
        Flag(
            _INPUT,
            "Attach an image (- is stdin); repeatable.",
            "FILE|URL",
            short="i",
            kind=Kind.FILE,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        Flag(_MODEL, "Randomness, 0 to 2.", "T", short="t", minimum=0, maximum=2),
    ] = None
    max_tokens: Annotated[int | None, Flag(_MODEL, "Longest reply, in tokens.", minimum=1)] = None
    effort: Annotated[Text, Flag(_MODEL, "How much the model reasons.", choices=_EFFORTS)] = None
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
    repair: Annotated[
        int | None,
        Flag(
            _OUTPUT,
            "When the reply violates --schema, send the violations and ask again, up to N times.",
            minimum=0,
            maximum=10,
        ),
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
    cache: Annotated[
        Text,
        Flag(
            _OUTPUT,
            "Keep complete replies in DIR, and reuse them for the same request; at temperature 0.",
            "DIR",
            kind=Kind.FILE,
        ),
    ] = None
    cache_all: Annotated[bool, Flag(_OUTPUT, "With --cache: at any temperature.")] = False
    cache_only: Annotated[
        bool, Flag(_OUTPUT, "With --cache: never send a request, so that no key is needed; for CI.")
    ] = False
    referer: Annotated[Text, REFERER] = None
    title: Annotated[Text, TITLE] = None
    header: Annotated[
        Words,
        Flag(
            Group.NETWORK,
            "Add a request header; 'NAME: @FILE' and '@FILE' read it from FILE, for secrets. "
            "Repeatable.",
            "NAME: VALUE",
            short="H",
        ),
    ] = None
    max_cost: Annotated[
        float | None,
        Flag(
            _MODEL,
            "Send nothing that may cost more, by list price and --max-tokens.",
            "USD",
            above=0,
        ),
    ] = None
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
