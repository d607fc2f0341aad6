"""The flags of `batch`."""

from typing import Annotated, NamedTuple

from clinecli.options.chat import ChatOptions
from clinecli.options.common import MODEL, REFERER, TITLE, NetworkOptions
from clinecli.options.flag import Flag, Group, Kind, Text, Words, flags_of

_INPUT, _OUTPUT, _INSPECT, _PACE = Group.INPUT, Group.OUTPUT, Group.INSPECT, Group.PACE
# The request flags of `ask` mean the same here, for rows that leave it out.
_CHAT = flags_of(ChatOptions)


class BatchOptions(NamedTuple):
    """Flags of `batch`. `words` are the input, and with `merge` also the outputs of shards.

    The `timeout` of `network` is for a row. `grace` is in seconds; `rpm` and `tpm` are per minute.
    """

    network: NetworkOptions = NetworkOptions()
    words: Annotated[
        Words,
        Flag(
            _INPUT,
            "The input: JSONL, one request a line; '-' or nothing is stdin. With --merge, the "
            "outputs follow.",
            "FILE",
            kind=Kind.FILE,
            is_argument=True,
        ),
    ] = None
    lines: Annotated[bool, Flag(_INPUT, "Each line of text is a prompt.")] = False
    csv: Annotated[bool, Flag(_INPUT, "The input is CSV, its first line names the columns.")] = (
        False
    )
    template: Annotated[
        Text,
        Flag(
            _INPUT,
            "The prompt, with {{FIELD}} filled from each row; a line of text is {{input}}.",
            kind=Kind.AT_FILE,
        ),
    ] = None
    prompt_file: Annotated[
        Text,
        _CHAT["prompt_file"]._replace(
            help="Messages, model and parameters from a .prompt.yml, with {{FIELD}} filled from "
            "each row."
        ),
    ] = None
    var: Annotated[Words, _CHAT["var"]] = None
    var_file: Annotated[Words, _CHAT["var_file"]] = None
    vars: Annotated[Text, _CHAT["vars"]._replace(metavar="FILE")] = None
    system: Annotated[Text, _CHAT["system"]] = None
    system_file: Annotated[Text, _CHAT["system_file"]] = None
    messages: Annotated[Text, _CHAT["messages"]] = None
    skip_bad: Annotated[
        bool, Flag(_INPUT, "An invalid row fails alone instead of ending the batch.")
    ] = False
    shard: Annotated[
        Text,
        Flag(
            _INPUT,
            "Take part I of N of the rows; auto reads the variables of the scheduler.",
            "I/N|auto",
        ),
    ] = None
    model: Annotated[Text, MODEL] = None
    temperature: Annotated[float | None, _CHAT["temperature"]] = None
    max_tokens: Annotated[int | None, _CHAT["max_tokens"]] = None
    effort: Annotated[Text, _CHAT["effort"]] = None
    param: Annotated[Words, _CHAT["param"]] = None
    tools: Annotated[Text, _CHAT["tools"]] = None
    output: Annotated[
        Text,
        Flag(
            _OUTPUT,
            "Write to FILE, or continue it: rows that have an answer are not asked again.",
            short="o",
            kind=Kind.FILE,
        ),
    ] = None
    errors: Annotated[
        Text,
        Flag(_OUTPUT, "Write the rows that fail to FILE instead of the output.", kind=Kind.FILE),
    ] = None
    ordered: Annotated[
        bool, Flag(_OUTPUT, "Keep the order of the input, instead of that of the replies.")
    ] = False
    text: Annotated[
        bool, Flag(_OUTPUT, "Print only the text of the replies, in order, each as a JSON string.")
    ] = False
    schema: Annotated[Text, _CHAT["schema"]] = None
    keep_failed: Annotated[
        bool, Flag(_OUTPUT, "Do not repeat rows that failed in an earlier run.")
    ] = False
    restart: Annotated[
        bool, Flag(_OUTPUT, "Start over; the old output is kept under another name.")
    ] = False
    merge: Annotated[
        bool, Flag(_OUTPUT, "Join the outputs of shards: FILE is the input, then the outputs.")
    ] = False
    summary: Annotated[
        Text, Flag(_OUTPUT, "Write the figures of the run to FILE, as JSON.", kind=Kind.FILE)
    ] = None
    jobs: Annotated[
        int,
        Flag(_PACE, "How many requests run at the same time.", short="J", minimum=1, maximum=4096),
    ] = 8
    rpm: Annotated[float | None, Flag(_PACE, "Most requests per minute.", above=0)] = None
    tpm: Annotated[float | None, Flag(_PACE, "Most tokens per minute.", above=0)] = None
    max_cost: Annotated[
        float | None,
        Flag(_PACE, "Send nothing that could make the batch cost more.", "USD", above=0),
    ] = None
    max_failures: Annotated[
        Text, Flag(_PACE, "End the batch when more rows than that have failed.", "N|N%")
    ] = None
    dedupe: Annotated[
        bool, Flag(_PACE, "Send equal requests only once, and give each of their rows the reply.")
    ] = False
    grace: Annotated[
        float,
        Flag(
            _PACE,
            "Seconds that running requests have to finish after an interrupt.",
            "S",
            minimum=0,
            maximum=86400,
        ),
    ] = 10.0
    estimate: Annotated[
        bool, Flag(_INSPECT, "Print rows, tokens, cost and hours; send nothing.")
    ] = False
    dry_run: Annotated[bool, Flag(_INSPECT, "Print the request bodies; send nothing.")] = False
    referer: Annotated[Text, REFERER] = None
    title: Annotated[Text, TITLE] = None
    header: Annotated[Words, _CHAT["header"]] = None
