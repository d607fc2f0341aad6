"""`Transport`: made once, shared by any number of threads; and the calls that it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from clinecli import __version__
from clinecli.config.proxy import choose_proxy, proxy_secrets, proxy_token
from clinecli.config.secret import Redactor, Secret
from clinecli.config.settings import Settings
from clinecli.errors import ClinecliError, Code, ConnectionFailed
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import Dialled, dial
from clinecli.transport.route import Route, Stage

if TYPE_CHECKING:
    import ssl

    from clinecli.transport.connection import Connection
    from clinecli.transport.exchange import Answer

_C = TypeVar("_C", bound="Connection")
Headers = tuple[tuple[str, str], ...]
JSON: Headers = (("Content-Type", "application/json"),)


class Call(NamedTuple):
    """One request: what is sent to which path below the base URL, by when, with which patience.

    `key` is taken out of what the server says, also where it is not sent, and so are `secrets`,
    which stand in `headers`. `idle` is in seconds between bytes; None leaves it to the deadline.
    `log` is told what `-v` shows, a line at a time; None where nobody follows.
    """

    method: str
    path: str
    deadline: Deadline
    body: bytes = b""
    headers: Headers = ()
    key: Secret | None = None
    sends_key: bool = True
    secrets: tuple[Secret, ...] = ()
    idle: float | None = None
    log: Callable[[str], None] | None = None


class EarlyConnection:
    """A connection that is being made in a thread, beside the imports that a call still needs."""

    def __init__(self, dial: Callable[[], Dialled]) -> None:
        self._dial = dial
        self._outcome: Dialled | Exception | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No thread is to be had: then `result` connects.
            self._thread = None

    def _run(self) -> None:
        try:
            self._outcome = self._dial()
        except Exception as error:  # noqa: BLE001
            # Whatever it is, no memory included: it is for who waits for the connection.
            self._outcome = error

    def result(self, deadline: Deadline) -> Dialled:
        """The connection, once it is there. Raises what connecting raises."""
        if self._thread is None:
            self._run()
        else:
            self._thread.join(max(deadline.remaining(), 0) + 1)
        if self._outcome is None:
            raise deadline.exceeded()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Transport:
    """How calls reach the API: origin, proxy and trust, resolved once from the settings.

    It never changes and may be shared by threads. Raises `ConnectionFailed` and `ConfigError` for
    a proxy that cannot be used.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        proxy = choose_proxy(settings.base_url, settings.proxy, environ, settings.config_proxy)
        self.route = Route(settings.base_url, proxy)
        self.connect_timeout = settings.connect_timeout
        self._ca_file = settings.ca_file
        self._environ = environ
        self._lock = threading.Lock()
        self._certificate = (settings.cert or "", settings.cert_key)
        self._timeout = settings.timeout
        self._contexts: dict[bool, ssl.SSLContext | ClinecliError] = {}

    def trust(self, stage: Stage = Stage.TLS) -> ssl.SSLContext | None:
        """The TLS settings of a stage, None where no stage needs any. Raises `TlsError`,
        `ConfigError`.

        They are loaded once, by whoever comes first: a connection may be on its way meanwhile.
        The client certificate is for the API, and not for a proxy.
        """
        if not self.route.needs_trust:
            return None
        is_known = bool(self._certificate[0]) and stage is not Stage.PROXY_TLS
        with self._lock:
            if is_known not in self._contexts:
                from clinecli.transport.tls import identify, trust

                try:
                    context = trust(self._ca_file, self._environ, self._timeout)
                    if is_known:
                        identify(context, *self._certificate, self._timeout)
                    self._contexts[is_known] = context
                except ClinecliError as error:
                    self._contexts[is_known] = error
            found = self._contexts[is_known]
        if isinstance(found, ClinecliError):
            raise found
        return found

    def dial(self, deadline: Deadline) -> Dialled:
        """A connection over which the API can be asked. Raises `ClinecliError`."""
        return dial(self.route, self.trust, deadline, self.connect_timeout)

    def connect_early(self, deadline: Deadline) -> EarlyConnection:
        """Begin to connect, while the caller imports what it needs next.

        The CAs of --ca-file and a client certificate are loaded before, since nothing is connected
        to for a bad one; other CAs meanwhile. Raises `ConfigError`.
        """
        if self._ca_file or self._certificate[0]:
            self.trust()
        return EarlyConnection(lambda: self.dial(deadline))

    def redactor(self, *secrets: Secret | None) -> Redactor:
        """Takes the secrets of a call, the proxy's included, out of what a server says."""
        return Redactor((*filter(None, secrets), *proxy_secrets(self.route.proxy)))

    def send(self, call: Call, kept: Connection | EarlyConnection | None = None) -> Answer:
        """What the server answers to a call, whatever its status. Raises `ClinecliError`.

        `kept` is the connection of the call before (`Answer.kept`), or one that was begun early.
        One that the server has closed meanwhile, or has sent something on, is replaced.
        """
        from clinecli.transport.connection import Connection

        redact = self.redactor(call.key, *call.secrets)
        if kept is None or isinstance(kept, EarlyConnection):
            return self._exchange(self.connect(call, Connection, kept), call, redact)
        if kept.peek() == "quiet":
            try:
                return self._exchange(kept, call, redact)
            except ConnectionFailed as error:
                # Closed between the look and the request: RFC 9112, section 9.3.1.
                if error.code is not Code.CLOSED:
                    raise
        kept.close()
        return self._exchange(self.connect(call, Connection), call, redact)

    def connect(self, call: Call, kind: type[_C], early: EarlyConnection | None = None) -> _C:
        """A connection on which the call can be sent. Raises `ClinecliError`."""
        dialled = early.result(call.deadline) if early else self.dial(call.deadline)
        hop, host = self.route.hop, self.route.origin.host
        if call.log:
            took = 1000 * sum(seconds or 0 for seconds in dialled.timings[:2])
            call.log(f"* connected to {hop.name} at {dialled.address} in {took:.0f} ms")
            if dialled.tls:
                call.log(f"* {dialled.tls.version} with {host}")
        connection = kind(dialled, hop, host if dialled.tls else "")
        if connection.peek() == "bytes":
            from clinecli.chat.api_errors import not_the_api

            connection.close()
            # They answer nothing that was asked: another user's reply, behind a confused gateway.
            raise not_the_api("bytes that came before the request was sent")
        return connection

    def _exchange(self, connection: Connection, call: Call, redact: Redactor) -> Answer:
        from clinecli.transport.exchange import exchange

        self.log_request(call, redact)
        try:
            target, headers = self.head(call)
            answer = exchange(connection, call, target, headers, redact)
        except BaseException:
            connection.close()
            raise
        log_answer(call, answer)
        return answer

    def log_request(self, call: Call, redact: Redactor) -> None:
        """Tell the log of a call that it is sent."""
        if call.log:
            key = "with the key" if call.key and call.sends_key else "without a key"
            url = f"{self.route.origin}{call.path}"
            call.log(redact(f"> {call.method} {url} ({len(call.body)} bytes, {key})"))

    def head(self, call: Call) -> tuple[str, list[tuple[str, str]]]:
        """Target and headers of a request (RFC 9112, section 3.2)."""
        origin, proxy = self.route.origin, self.route.proxy
        host = origin.origin.partition("://")[2]
        headers = [
            ("Host", host),
            ("Accept", "*/*"),
            ("Accept-Encoding", "gzip, deflate"),
            ("Connection", "keep-alive"),
            ("User-Agent", f"clinecli/{__version__}"),
            *call.headers,
        ]
        if call.key and call.sends_key:
            headers.append(("Authorization", f"Bearer {call.key.reveal()}"))
        if call.body or call.method == "POST":
            headers.append(("Content-Length", str(len(call.body))))
        target = f"{origin.path}{call.path}"
        if proxy and not self.route.is_tunnelled:
            # A proxy is asked for plain http by the whole URL.
            target = f"{origin.origin}{target}"
            token = proxy_token(proxy)
            headers += [("Proxy-Authorization", f"Basic {token}")] if token else []
        return target, headers


def log_answer(call: Call, answer: Answer) -> None:
    """Tell the log of a call that the head of its answer is there."""
    if call.log:
        content_type = answer.headers.get("content-type", "")
        named = f" request {answer.request_id}" if answer.request_id else ""
        took = 1000 * (answer.timings.first_byte or 0)
        head = answer.redact(f"< {answer.status} {content_type}")
        call.log(f"{head}{named} after {took:.0f} ms")
