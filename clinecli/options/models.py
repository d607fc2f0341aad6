"""The flags of `models`."""

from typing import Annotated, NamedTuple

from clinecli.options.common import NetworkOptions
from clinecli.options.flag import Flag, Group, Text, Words

_MODEL, _OUTPUT, _NETWORK = Group.MODEL, Group.OUTPUT, Group.NETWORK
ORDERS = ("id", "price", "context", "name")


class ModelsOptions(NamedTuple):
    """Flags of `models`. Prices are in USD per million tokens."""

    network: NetworkOptions = NetworkOptions()
    words: Annotated[
        Words,
        Flag(
            _MODEL,
            "Only models with every WORD in id or name.",
            "WORD",
            is_argument=True,
        ),
    ] = None
    free: Annotated[
        bool,
        Flag(_MODEL, "Only those listed at price zero; the API may not serve such models."),
    ] = False
    recommended: Annotated[bool, Flag(_MODEL, "Only those that Cline recommends.")] = False
    vision: Annotated[bool, Flag(_MODEL, "Only those that take images.")] = False
    tools: Annotated[bool, Flag(_MODEL, "Only those that call tools.")] = False
    reasoning: Annotated[bool, Flag(_MODEL, "Only those that reason.")] = False
    min_context: Annotated[
        int | None,
        Flag(_MODEL, "Only those with a context of N tokens or more.", minimum=0),
    ] = None
    max_price: Annotated[
        float | None,
        Flag(
            _MODEL,
            "Only those whose output costs at most USD per million tokens.",
            "USD",
            minimum=0,
        ),
    ] = None
    sort: Annotated[
        Text, Flag(_OUTPUT, "Order of the list.", choices=dict.fromkeys(ORDERS, ""))
    ] = None
    reverse: Annotated[bool, Flag(_OUTPUT, "Reverse the order.")] = False
    ids: Annotated[bool, Flag(_OUTPUT, "Print only ids.")] = False
    json: Annotated[
        bool,
        Flag(_OUTPUT, "Print a JSON array with every field that the API sent.", short="j"),
    ] = False
    refresh: Annotated[bool, Flag(_NETWORK, "Fetch the list even if it is cached.")] = False
    offline: Annotated[bool, Flag(_NETWORK, "Use only the cached list.")] = False
