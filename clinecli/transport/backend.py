"""An httpcore network backend that keeps every connection under the deadline of its call.

It connects to the first hop, be it the API or a proxy, and tells every failure by its cause.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpcore

from clinecli.chat.api_errors import one_line
from clinecli.config.proxy import Proxy
from clinecli.config.settings import BaseUrl, Settings
from clinecli.errors import ClinecliError, ConnectionFailed, TransientError
from clinecli.transport.dial import Deadline, connect, first_hop, resolve, rounded
from clinecli.transport.tls import tls_failure, trust

_WRITE_BYTES = 256 * 1024
_LONGEST_WAIT = 1.0


class Backend(httpcore.NetworkBackend):
    """Connects to the first hop, under the deadline of the whole call."""

    def __init__(
        self,
        base_url: BaseUrl,
        proxy: Proxy | None,
        *,
        connect_timeout: float,
        log: Callable[[str], None],
    ) -> None:
        self.hop = first_hop(base_url, proxy)
        self._tunnelled = proxy is not None and base_url.scheme == "https"
        # Whether the proxy has yet to answer to CONNECT: it is the one that fails then.
        self.tunnelling = False
        self._connect_timeout = connect_timeout
        self._log = log
        self.deadline = Deadline(connect_timeout)
        # Called whenever a read may block.
        self.before_read: Callable[[], None] = lambda: None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve and connect. Raises `ConnectionFailed`."""
        hop = self.hop
        self.tunnelling = self._tunnelled
        limit = Deadline(self.deadline.bound(self._connect_timeout))
        addresses = resolve(hop, limit.seconds)
        stream = connect(hop, addresses, limit.seconds, limit)
        peer = stream.get_extra_info("server_addr")
        took = (limit.seconds - limit.remaining()) * 1000
        self._log(f"* connected to {hop.name} at {peer[0]} in {took:.0f} ms")
        return Stream(stream, self)

    def connect_timeout(self) -> float:
        """Seconds for the next step of setting up a connection."""
        return self.deadline.bound(self._connect_timeout)

    def before_tls(self, context: ssl.SSLContext, *, with_proxy: bool) -> ssl.SSLContext:
        """The trust for the handshake that is about to begin, with the proxy itself or the API."""
        return context

    def log_tls(self, host: str, ssl_object: ssl.SSLSocket | ssl.SSLObject) -> None:
        """Say what the handshake agreed on."""
        self._log(f"* {ssl_object.version()} with {host}")


class Stream(httpcore.NetworkStream):
    """A connection whose every call is bounded by the deadline. `tls_host` is its TLS peer."""

    def __init__(self, inner: httpcore.NetworkStream, backend: Backend, tls_host: str = "") -> None:
        self._inner = inner
        self._backend = backend
        self._tls_host = tls_host
        self._answered = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Received bytes, empty at the end. Raises `TransientError` after `timeout` seconds or
        past the deadline, `ConnectionFailed` when the peer goes before it has answered."""
        backend = self._backend
        backend.before_read()
        if backend.tunnelling:
            timeout = backend.connect_timeout()
        try:
            data = self._read(max_bytes, backend.deadline.bound(timeout))
        except httpcore.ReadTimeout:
            raise self._timed_out(timeout, "sent") from None
        except httpcore.ReadError as error:
            if self._answered:
                raise
            cause = error.__cause__
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
                # TLS 1.3 refuses a client after the client's side of the handshake is done.
                raise tls_failure(cause, self._tls_host) from None
            raise self._hung_up(cause) from None
        if not data and not self._answered:
            raise self._hung_up(None)
        self._answered = True
        return data

    def _read(self, max_bytes: int, limit: float) -> bytes:
        """Read in slices of time: Python overlooks a signal that comes right before a blocking
        call, and would let Ctrl-C wait for the server."""
        while True:
            part = min(limit, _LONGEST_WAIT)
            try:
                return self._inner.read(max_bytes, part)
            except httpcore.ReadTimeout:
                limit -= part
                if limit <= 0:
                    raise

    def _timed_out(self, timeout: float | None, what: str) -> ClinecliError:
        if self._backend.tunnelling:
            return ConnectionFailed(
                f"{self._backend.hop.name} did not answer to CONNECT within {rounded(timeout)} s",
                code="proxy",
            )
        if timeout is None or self._backend.deadline.remaining() <= 0:
            return self._backend.deadline.exceeded()
        return TransientError(
            f"the server {what} nothing for {timeout:g} s (--idle-timeout)",
            code="timeout",
            hint="raise --idle-timeout, or try again later",
            retry_limit=1,
        )

    def _hung_up(self, cause: BaseException | None) -> ConnectionFailed:
        how = "reset" if isinstance(cause, ConnectionResetError) else "closed"
        return ConnectionFailed(
            f"{self._backend.hop.name} {how} the connection without an answer",
            code="proxy" if self._backend.tunnelling else "closed",
        )

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything; in slices, since httpcore copies what is left after each of its own."""
        view = memoryview(buffer)
        for start in range(0, len(view), _WRITE_BYTES):
            limit = self._backend.deadline.bound(timeout)
            try:
                self._inner.write(bytes(view[start : start + _WRITE_BYTES]), limit)
            except httpcore.WriteTimeout:
                if self._inner.get_extra_info("is_readable"):
                    # An early answer, such as 413, of a server that reads no further. httpcore
                    # takes a broken write as the sign to look for one.
                    raise httpcore.WriteError from None
                raise self._timed_out(timeout, "read") from None

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Raises `TlsError`, and `ConnectionFailed` for a handshake that takes too long."""
        backend = self._backend
        host = server_hostname or backend.hop.host
        # Without an answer yet, it is an https:// proxy: CONNECT is to come.
        with_proxy = backend.tunnelling and not self._answered
        ssl_context = backend.before_tls(ssl_context, with_proxy=with_proxy)
        limit = backend.connect_timeout()
        try:
            inner = self._inner.start_tls(ssl_context, server_hostname, limit)
        except httpcore.ConnectTimeout:
            raise ConnectionFailed(
                f"the TLS handshake with {host} did not finish within {rounded(limit)} s "
                "(--connect-timeout)",
                code="connect_timeout",
            ) from None
        except (httpcore.ConnectError, OSError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            raise tls_failure(cause, host) from None
        backend.tunnelling = with_proxy
        backend.log_tls(host, inner.get_extra_info("ssl_object"))
        return Stream(inner, backend, host)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def connection_pool(
    settings: Settings, proxy: Proxy | None, backend: Backend, environ: Mapping[str, str]
) -> httpcore.ConnectionPool:
    """Connections to the API, through the proxy where there is one. Raises `TlsError`."""
    schemes = {settings.base_url.scheme, proxy.scheme if proxy else ""}
    context = trust(settings.ca_file, environ) if "https" in schemes else None
    if not proxy:
        return httpcore.ConnectionPool(ssl_context=context, network_backend=backend)
    credentials = (proxy.username or "", proxy.password.reveal() if proxy.password else "")
    # httpcore takes text for ASCII; RFC 7617 asks for UTF-8.
    user, password = (text.encode("utf-8", "surrogateescape") for text in credentials)
    return httpcore.HTTPProxy(
        httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/"),
        proxy_auth=(user, password) if proxy.username is not None else None,
        ssl_context=context,
        proxy_ssl_context=context if proxy.scheme == "https" else None,
        network_backend=backend,
    )


@contextmanager
def tunnel_failures(backend: Backend) -> Iterator[None]:
    """Tell of a proxy that does not open the tunnel."""
    try:
        yield
    except httpcore.ProxyError as error:
        raise _proxy_failure(backend.hop.name, str(error)) from None
    except (httpcore.RemoteProtocolError, httpcore.ReadError):
        if not backend.tunnelling:
            raise
        raise ConnectionFailed(
            f"{backend.hop.name} did not answer to CONNECT as an HTTP proxy does",
            code="proxy",
            hint="check the proxy's host and port",
        ) from None


_PROXY_ANSWERS = {
    "403": (
        "refused the connection",
        "the proxy does not allow this host: ask its operator, or use another proxy",
    ),
    "407": (
        "asks for valid credentials",
        "put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT",
    ),
}


def _proxy_failure(proxy: str, answer: str) -> ConnectionFailed:
    """The proxy's answer to CONNECT, which httpcore words as `407 Reason`."""
    status = answer[:3]
    what, hint = _PROXY_ANSWERS.get(status, ("refused the connection", None))
    return ConnectionFailed(
        f"{proxy} {what}: {one_line(answer)}",
        code=f"proxy_{status}",
        hint=hint,
        http_status=int(status) if status.isdecimal() else None,
        retry_limit=0 if status.startswith("4") else None,
    )
