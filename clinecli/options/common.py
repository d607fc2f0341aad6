"""The flags that several commands share."""

from typing import Annotated, NamedTuple

from clinecli.options.flag import Flag, Group, Kind, Text, flags_of

DEFAULT_BASE_URL = "https://api.cline.bot/api/v1"
DEFAULT_MODEL = "anthropic/claude-sonnet-4-6"

MODEL = Flag(
    Group.MODEL,
    "Model.",
    short="m",
    kind=Kind.MODEL,
    env="CLINE_MODEL",
    config=True,
    default=DEFAULT_MODEL,
)

_NETWORK = Group.NETWORK
REFERER = Flag(_NETWORK, "HTTP-Referer for usage logs.", "URL", config=True)
TITLE = Flag(_NETWORK, "X-Title for usage logs.", config=True)


class NetworkOptions(NamedTuple):
    """Flags of every command that talks to the API. Times are in seconds.

    None is "not given", so that settings can fall back to the environment and the config file.
    """

    base_url: Annotated[
        Text,
        Flag(
            _NETWORK,
            "The API's host or root.",
            "URL",
            env="CLINE_API_BASE_URL",
            config=True,
            default=DEFAULT_BASE_URL,
        ),
    ] = None
    key_file: Annotated[
        Text,
        Flag(
            _NETWORK,
            "Read the API key from FILE.",
            kind=Kind.FILE,
            env="CLINE_API_KEY_FILE",
            config=True,
        ),
    ] = None
    proxy: Annotated[
        Text,
        Flag(_NETWORK, "Proxy to use instead of HTTPS_PROXY; '' for none.", "URL", config=True),
    ] = None
    ca_file: Annotated[
        Text,
        Flag(
            _NETWORK,
            "Trust these CAs (PEM) instead of the system's.",
            kind=Kind.FILE,
            config=True,
        ),
    ] = None
    cert: Annotated[
        Text,
        Flag(
            _NETWORK,
            "Client certificate (PEM), for servers that want one.",
            kind=Kind.FILE,
            config=True,
        ),
    ] = None
    cert_key: Annotated[
        Text,
        Flag(
            _NETWORK,
            "Private key of --cert, if it is in another file.",
            kind=Kind.FILE,
            config=True,
        ),
    ] = None
    profile: Annotated[
        Text,
        Flag(
            _NETWORK,
            "Profile of the config file: a base URL and its key.",
            "NAME",
            env="CLINE_PROFILE",
        ),
    ] = None
    connect_timeout: Annotated[
        float | None,
        Flag(_NETWORK, "Seconds to connect.", "S", above=0, config=True, default=10.0),
    ] = None
    idle_timeout: Annotated[
        float | None,
        Flag(
            _NETWORK,
            "Seconds between bytes of the reply.",
            "S",
            above=0,
            config=True,
            default=120.0,
            default_note="in a stream",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Flag(
            _NETWORK,
            "Seconds for the whole call, retries included.",
            "S",
            above=0,
            config=True,
            default=600.0,
        ),
    ] = None
    retries: Annotated[
        int | None,
        Flag(
            _NETWORK,
            "How often a failed request is tried again.",
            minimum=0,
            config=True,
            default=3,
        ),
    ] = None
    verbose: Annotated[
        bool, Flag(Group.INSPECT, "Show requests and timings on stderr.", short="v")
    ] = False
    quiet: Annotated[bool, Flag(Group.OUTPUT, "No notes and no progress on stderr.", short="q")] = (
        False
    )


# What the environment or the config file may say too, by the name of field and config key.
SETTINGS = {
    **{field: flag for field, flag in flags_of(NetworkOptions).items() if flag.config},
    "model": MODEL._replace(field="model"),
    "referer": REFERER._replace(field="referer"),
    "title": TITLE._replace(field="title"),
}
