"""What is given once, before the first check: options, environment, request, clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.config.settings import DEFAULT, Settings
from clinecli.errors import ClinecliError, UsageError
from clinecli.options.common import SETTINGS
from clinecli.options.doctor import DoctorOptions
from clinecli.streams.console import Console
from clinecli.streams.descriptors import STDIN, is_terminal
from clinecli.transport.deadline import Deadline

if TYPE_CHECKING:
    from clinecli.chat.request import ChatRequest
    from clinecli.transport.client import Transport
    from clinecli.transport.route import Hop, Route

# What `stream` waits between bytes.
_IDLE_SECONDS = float(SETTINGS["idle_timeout"].default or 0)


class Setup(NamedTuple):
    """One run of doctor. `request` is the text of `--request`, or why it cannot be read."""

    options: DoctorOptions
    environ: Mapping[str, str]
    console: Console
    request: str | ClinecliError | None = None
    now: Callable[[], float] = time.time


class Asked(NamedTuple):
    """What `ask --request` would send, or why it would send nothing; both None without one."""

    request: ChatRequest | None
    error: ClinecliError | None = None


class Line(NamedTuple):
    """The way to the API, and how long its steps may take: as long as `ask` waits.

    Each check gets all of that time: what doctor does several times, `ask` does once.
    """

    settings: Settings
    transport: Transport
    environ: Mapping[str, str]

    @property
    def route(self) -> Route:
        return self.transport.route

    @property
    def hop(self) -> Hop:
        return self.transport.route.hop

    @property
    def base_url(self) -> str:
        """The base URL in words, and where it is from unless that is the default."""
        source = self.settings.base_url_source
        return "the base URL" + (f" (from {source})" if source != DEFAULT else "")

    def whole(self, seconds: float | None = None) -> Deadline:
        """For a whole call, or `seconds` of it."""
        timeout = self.settings.timeout
        return Deadline(timeout if seconds is None else min(seconds, timeout))

    def step(self) -> Deadline:
        """For one step of connecting."""
        return self.whole(self.settings.connect_timeout)

    def idle(self, *, streams: bool) -> float | None:
        """Seconds between the bytes of an answer; None leaves it to the deadline."""
        return self.settings.idle_timeout or (_IDLE_SECONDS if streams else None)

    def as_dict(self) -> dict[str, Any]:
        proxy = self.route.proxy
        return {
            "proxy": str(proxy) if proxy else None,
            "proxy_source": proxy.source if proxy else None,
        }


def gather(options: DoctorOptions, console: Console) -> str | ClinecliError | None:
    """The text of `--request`. stdin is read at once, and raises `UsageError` on a terminal; what
    is wrong with a file is told by its check."""
    from clinecli.streams.inputs import INPUT_SECONDS, Reader
    from clinecli.text import decode_text

    if not options.request:
        return None
    try:
        if options.request != "-":
            return Reader(options.network.timeout or INPUT_SECONDS).text(options.request)
        if not is_terminal(STDIN):
            waiting = "waiting for the request on stdin"
            data = Reader().stdin(lambda: console.note(waiting), is_needed=True)
            return decode_text(data, "stdin")
    except ClinecliError as error:
        return error
    raise UsageError(
        "no request: stdin is a terminal",
        hint="pipe the request in, or name its file: clinecli doctor --request FILE",
    )


def compose_request(setup: Setup, settings: Settings) -> Asked:
    """The request that `ask --request` would send."""
    if setup.request is None or isinstance(setup.request, ClinecliError):
        return Asked(None, setup.request)
    from clinecli.chat.compose import Defaults, compose
    from clinecli.chat.inputs import Inputs, Named
    from clinecli.options.chat import ChatOptions

    name = setup.options.request or ""
    options = ChatOptions(network=setup.options.network, request=name, model=setup.options.model)
    inputs = Inputs(request=Named("stdin" if name == "-" else name, setup.request))
    defaults = Defaults(settings.model, settings.model_source, settings.referer, settings.title)
    try:
        return Asked(compose(options, inputs, defaults, stream=False).request)
    except ClinecliError as error:
        return Asked(None, error)
