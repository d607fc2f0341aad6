"""What checks share: options, time, and what the checks before have found out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.config.secret import Redactor, Secret
from clinecli.config.settings import Settings
from clinecli.errors import ClinecliError, UsageError
from clinecli.options.doctor import DoctorOptions
from clinecli.streams.stdio import STDIN, Messages, is_terminal, read_stdin

if TYPE_CHECKING:
    from clinecli.chat.reply import ChatRequest
    from clinecli.config.keys import Key
    from clinecli.config.proxy import Proxy
    from clinecli.transport.client import Call, Transport
    from clinecli.transport.deadline import Deadline
    from clinecli.transport.exchange import Connection
    from clinecli.transport.route import Hop

STAGE_SECONDS = 3.0
TOTAL_SECONDS = 15.0


class Probe(NamedTuple):
    """What a server answers, whatever its status. `failure` is what `ask` would raise for it,
    `seconds` the time until its head was there."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    failure: ClinecliError | None


class Context:
    """One run of `doctor`. What a check leaves here, the checks that need it may use."""

    settings: Settings
    proxy: Proxy | None
    hop: Hop
    addresses: list[str]
    date_header: str | None
    date_seen: float
    account: dict[str, Any] | None
    account_error: Exception | None
    # Whether `/users/me` exists; None when it could not be told.
    has_accounts: bool | None
    # What `/users/me` said without the key: a refusal as the API gives it, or a web page.
    is_guarded: bool
    is_barred: bool
    # Answers to a request without a message, by whether it had the key.
    chat_answers: dict[bool, Probe | ClinecliError]

    def __init__(
        self,
        options: DoctorOptions,
        environ: Mapping[str, str],
        messages: Messages,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.environ = environ
        self.messages = messages
        self.now = now
        self.key: Key | None = None
        self.secrets: list[Secret] = []
        self.account = self.account_error = self.has_accounts = None
        self.proxy = self.date_header = None
        self.is_guarded = self.is_barred = False
        self.chat_answers = {}
        self._deadline: Deadline | None = None
        self._kept: Connection | None = None

    @property
    def request(self) -> ChatRequest | None:
        """What `ask --request` would send. Raises what it raises: for bad JSON, and when there is
        nothing to ask."""
        found = self._request
        if isinstance(found, ClinecliError):
            raise found
        return found

    @cached_property
    def _request(self) -> ChatRequest | ClinecliError | None:
        # A failure is kept as well: a pipe can be read once only.
        name = self.options.request
        try:
            return self._composed(name) if name else None
        except ClinecliError as error:
            return error

    def _composed(self, name: str) -> ChatRequest:
        from clinecli.chat.compose import Defaults, Inputs, Named, compose
        from clinecli.options.chat import ChatOptions
        from clinecli.streams.files import read_text

        settings = self.settings
        options = ChatOptions(network=self.options.network, request=name, model=self.options.model)
        inputs = (
            Inputs(stdin=self.stdin)
            if name == "-"
            else Inputs(request=Named(name, read_text(name)))
        )
        defaults = Defaults(settings.model, settings.model_source, settings.referer, settings.title)
        return compose(options, inputs, defaults, stream=False).request

    @cached_property
    def stdin(self) -> bytes:
        """All of stdin, read once. Raises `UsageError`, also on a terminal."""
        if is_terminal(STDIN):
            raise UsageError(
                "no request: stdin is a terminal",
                hint="pipe the request in, or name its file: clinecli doctor --request FILE",
            )
        return read_stdin(lambda: self.messages.note("waiting for the request on stdin"))

    @property
    def total(self) -> float:
        """Seconds for all network checks together."""
        if self.options.network.timeout is not None:
            return self.settings.timeout
        return min(TOTAL_SECONDS, self.settings.timeout)

    @property
    def connect_seconds(self) -> float:
        """Seconds for one step of setting up a connection."""
        if self.options.network.connect_timeout is not None:
            return self.settings.connect_timeout
        return min(STAGE_SECONDS, self.settings.connect_timeout)

    def left(self, seconds: float | None = None) -> float:
        """What is left of the whole time, at most `seconds`. Raises `TransientError`.

        The time begins with the first call: a slow key command takes nothing from the network.
        """
        if self._deadline is None:
            from clinecli.transport.deadline import Deadline

            self._deadline = Deadline(self.total)
        return self._deadline.bound(seconds)

    @property
    def is_late(self) -> bool:
        """Whether the whole time is used up."""
        return self._deadline is not None and self._deadline.remaining() <= 0

    def stage(self) -> float:
        """Seconds for the next step of setting up a connection. Raises `TransientError`."""
        return self.left(self.connect_seconds)

    @cached_property
    def transport(self) -> Transport:
        """How the API is reached, with doctor's patience. Raises `ClinecliError`."""
        from clinecli.transport.client import Transport

        settings = self.settings._replace(connect_timeout=self.connect_seconds)
        return Transport(settings, self.environ)

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        with_key: bool = True,
        seconds: float | None = None,
    ) -> Call:
        """A request within `seconds`: a stage, or what is left when that is less.

        Raises `TransientError` when no time is left.
        """
        from clinecli.transport.client import JSON, Call
        from clinecli.transport.deadline import Deadline

        stage = max(STAGE_SECONDS, self.connect_seconds)
        return Call(
            method,
            path,
            Deadline(self.left(stage if seconds is None else seconds)),
            body=body,
            headers=JSON if body else (),
            key=self.key.secret if self.key else None,
            sends_key=with_key,
            log=self.messages.detail if self.messages.verbose else None,
        )

    def probe(self, call: Call) -> Probe:
        """One exchange, tried once, whatever its status. Raises `ClinecliError` when there is no
        whole answer."""
        from clinecli.transport.replies import failure_of

        kept, self._kept = self._kept, None
        started = time.monotonic()
        with self.transport.send(call, kept) as answer:
            seconds = time.monotonic() - started
            body = answer.body()
        self._kept = answer.kept
        failure = failure_of(answer, body)
        return Probe(answer.status, answer.headers, body, seconds, failure)

    def get(self, path: str, *, with_key: bool = True) -> bytes:
        """The JSON of a GET. Raises `ClinecliError`."""
        from clinecli.chat.codec import json_body

        probe = self.probe(self.call("GET", path, with_key=with_key))
        if probe.failure:
            raise probe.failure
        return json_body(probe.body)

    def close(self) -> None:
        """Close what is open."""
        if self._kept:
            self._kept.close()

    def redacted(self, text: str) -> str:
        """`text` without a secret, which a server may have quoted."""
        return Redactor(tuple(self.secrets))(text)
