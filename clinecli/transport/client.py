"""The API over HTTP: complete, stream, and the GET endpoints. The only module with httpx."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpcore
import httpx

from clinecli import __version__
from clinecli.chat.api_errors import decode_error, not_the_api, one_line
from clinecli.chat.codec import Event, StreamReader, decode_body, json_body
from clinecli.chat.reply import ChatRequest
from clinecli.config.proxy import choose_proxy
from clinecli.config.secret import Secret, redact
from clinecli.config.settings import Settings
from clinecli.errors import (
    ClinecliError,
    ConnectionFailed,
    ExitStatus,
    IncompleteError,
    TransientError,
)
from clinecli.jsontext import dumps
from clinecli.transport.backend import Backend, connection_pool, tunnel_failures
from clinecli.transport.dial import Deadline
from clinecli.transport.retry import next_delay, parse_retry_after

MAX_BODY_BYTES = 512 * 1024 * 1024
CHAT_PATH = "/chat/completions"
HTTPX_VERSION = httpx.__version__
# Seconds between the bytes of a stream. A whole reply is silent until the model is done.
STREAM_IDLE_SECONDS = 120.0


_T = TypeVar("_T")


def _ignore(*_: object) -> None:
    """The default of every callback."""


class _StreamDone(Exception):
    """The end mark was read: nothing is gained by waiting for the end of the body."""


class Answer(NamedTuple):
    """What a server answered, whatever its status. `failure` is what `Client.get` would raise for
    it, `seconds` the time until its head was there."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    failure: ClinecliError | None


class Client:
    """One HTTP client for one set of settings; a context manager.

    `request_id` is the server's name for the latest request, where it gave one. `timeout` is in
    seconds for each call, retries included.

    `note` is told of retries and `detail` of every step; the sleep and the jitter are injected.
    """

    def __init__(
        self,
        settings: Settings,
        key: Secret | None,
        environ: Mapping[str, str],
        *,
        note: Callable[[str], None] = _ignore,
        detail: Callable[[str], None] = _ignore,
        backend: type[Backend] = Backend,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._key = key
        self._note = note
        self._log = detail
        self._sleep = sleep
        self._jitter = jitter
        self.proxy = choose_proxy(settings.base_url, settings.proxy, environ, settings.config_proxy)
        self.request_id: str | None = None
        self.timeout = settings.timeout
        self._backend = backend(
            settings.base_url,
            self.proxy,
            connect_timeout=settings.connect_timeout,
            log=detail,
        )
        self._http = httpx.Client(
            transport=_Transport(connection_pool(settings, self.proxy, self._backend, environ)),
            timeout=None,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": f"clinecli/{__version__}"},
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def complete(self, request: ChatRequest) -> Event:
        """The reply to one request, whole. Raises `ClinecliError`."""
        body = request_body(request, stream=False)

        def once() -> Event:
            with self._post(request, body, self._settings.idle_timeout) as response:
                return decode_body(_read_all(response), *_origin(response))

        return self._attempts(once)

    def stream(
        self,
        request: ChatRequest,
        consume: Callable[[list[Event]], None],
        may_retry: Callable[[], bool],
    ) -> None:
        """Hand the chunks of one streamed reply to `consume`, as they arrive.

        It gets all that one network read completed before the next read may block. `may_retry`
        says whether nothing has been put out yet: from then on no failure is tried again.
        Raises `ClinecliError`, after the chunk that tells of it.
        """
        body = request_body(request, stream=True)
        idle = self._settings.idle_timeout or STREAM_IDLE_SECONDS

        def once() -> None:
            with self._post(request, body, idle) as response:
                self._read_stream(response, consume)

        self._attempts(once, may_retry)

    def get(self, path: str, *, with_key: bool = True) -> bytes:
        """The JSON body of a GET below the base URL, out of its envelope; retried like any
        request. Raises `ClinecliError`, also for a page that is not JSON.
        """

        def once() -> bytes:
            headers = self._authorization() if with_key else {}
            idle = self._settings.idle_timeout
            with self._send("GET", path, headers, None, idle=idle) as response:
                return json_body(_read_all(response), *_origin(response))

        return self._attempts(once)

    def probe(
        self, method: str, path: str, body: bytes | None = None, *, with_key: bool = True
    ) -> Answer:
        """One exchange below the base URL, tried once, whatever its status. Raises
        `ClinecliError` when there is no whole answer."""
        self._backend.deadline = Deadline(self.timeout)
        headers = {} if body is None else {"Content-Type": "application/json"}
        headers |= self._authorization() if with_key else {}
        started = time.monotonic()
        with self._send(method, path, headers, body, any_status=True) as response:
            seconds = time.monotonic() - started
            data = _read_all(response)
            failure: ClinecliError | None = None
            try:
                if response.status_code >= 300:
                    raise self._failure(response, data)
                json_body(data, *_origin(response))
            except ClinecliError as error:
                failure = error
            return Answer(response.status_code, response.headers, data, seconds, failure)

    def _attempts(self, once: Callable[[], _T], may_retry: Callable[[], bool] = lambda: True) -> _T:
        deadline = self._backend.deadline = Deadline(self.timeout)
        attempt = 0
        while True:
            attempt += 1
            try:
                return once()
            except ClinecliError as error:
                error.message = self._redacted(error.message)
                error.code = error.code and self._redacted(error.code)
                if not may_retry():
                    raise
                delay = next_delay(
                    error,
                    attempt=attempt,
                    retries=self._settings.retries,
                    remaining=deadline.remaining(),
                    jitter=self._jitter(),
                )
                if delay is None:
                    raise
                self._note(f"{error.message}; trying again in {delay:.1f} s ({attempt})")
            self._sleep(delay)

    def _detail(self, text: str) -> None:
        self._log(self._redacted(text))

    def _redacted(self, text: str) -> str:
        """`text` without the key, which a server's message may quote."""
        return redact(text, self._key) if self._key else text

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.reveal()}"} if self._key else {}

    def _post(
        self, request: ChatRequest, body: bytes, idle: float | None
    ) -> AbstractContextManager[httpx.Response]:
        headers = {"Content-Type": "application/json", **dict(request.headers)}
        return self._send("POST", CHAT_PATH, headers | self._authorization(), body, idle=idle)

    @contextmanager
    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        idle: float | None = None,
        any_status: bool = False,
    ) -> Iterator[httpx.Response]:
        """Send one request and give the response, when its status is a success or `any_status`.

        `idle` is in seconds between bytes; None leaves it to the deadline of the call.
        """
        url = f"{self._settings.base_url}{path}"
        key = "with the key" if "Authorization" in headers else "without a key"
        self._detail(f"> {method} {url} ({len(body or b'')} bytes, {key})")
        started = time.monotonic()
        # httpx would refuse a header value that is not ASCII; RFC 9110 allows its bytes.
        raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = self._http.build_request(
            method, url, headers=raw_headers, content=body, timeout=idle
        )
        try:
            with (
                _translated(not_the_api("something that is not HTTP")),
                tunnel_failures(self._backend),
            ):
                response = self._http.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.InvalidURL, UnicodeError):
            # httpx reads the target of a redirect even when it is not to be followed.
            raise not_the_api("a redirect to a malformed URL") from None
        try:
            request_id = one_line(response.headers.get("x-request-id", ""), 100)
            self.request_id = self._redacted(request_id) or None
            self._detail(
                f"< {response.status_code} {response.headers.get('content-type', '')}"
                f"{f' request {request_id}' if request_id else ''}"
                f" after {(time.monotonic() - started) * 1000:.0f} ms"
            )
            with _translated(IncompleteError(_CUT)):
                if response.status_code >= 300 and not any_status:
                    raise self._failure(response)
                yield response
        except ClinecliError as error:
            if error.status >= ExitStatus.AUTH:
                error.came_with(self.request_id)
            raise
        else:
            self._detail(f"* done after {(time.monotonic() - started) * 1000:.0f} ms")
        finally:
            response.close()

    def _failure(self, response: httpx.Response, body: bytes | None = None) -> ClinecliError:
        """What a status that is no success means. The body is read, unless it has been."""
        status, headers = response.status_code, response.headers
        request_id = headers.get("x-request-id")
        if status < 400:
            target = _host(headers.get("location", ""))
            where = f" to {target}" if target else ""
            return not_the_api(f"a redirect{where} (HTTP {status})", request_id=request_id)
        wait = headers.get("retry-after")
        return decode_error(
            status,
            _read_all(response) if body is None else body,
            request_id=request_id,
            retry_after=parse_retry_after(wait, time.time()) if wait else None,
        )

    def _read_stream(
        self, response: httpx.Response, consume: Callable[[list[Event]], None]
    ) -> None:
        reader = StreamReader(*_origin(response))
        pending: list[bytes] = []

        def digest() -> None:
            if not pending:
                return
            data = b"".join(pending)
            pending.clear()
            consume(reader.feed(data))
            if reader.failure:
                raise reader.failure
            if reader.done:
                raise _StreamDone

        # HTTP frames most events as chunks of their own; taking in all that a read brought
        # halves the work, and nothing waits while the network does.
        self._backend.before_read = digest
        try:
            try:
                for chunk in _body_chunks(response):
                    pending.append(chunk)
            finally:
                self._backend.before_read = _ignore
                digest()
        except _StreamDone:
            return
        except (httpcore.RemoteProtocolError, httpcore.ReadError, TransientError):
            # A reply that has told its end is complete, whatever becomes of the connection.
            if reader.failure or not reader.complete:
                raise
        consume(reader.close())
        if reader.failure:
            raise reader.failure


def request_body(request: ChatRequest, *, stream: bool) -> bytes:
    """The exact bytes of a request. Raises `ValueError` for text that is not Unicode."""
    return dumps({**request.body, "stream": stream})


def _host(location: str) -> str:
    """The host of a redirect's target, as far as it names one."""
    try:
        return one_line(urlsplit(location).hostname or "", 100)
    except ValueError:
        return ""


_CUT = "the connection was cut before the reply was complete"


def _origin(response: httpx.Response) -> tuple[str, str | None]:
    """What messages say of a response: its media type and the server's request id."""
    headers = response.headers
    return headers.get("content-type", ""), headers.get("x-request-id")


def _body_chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body as it arrives, decompressed; untouched where there is nothing to decompress."""
    encoded = "content-encoding" in response.headers
    return response.iter_bytes() if encoded else response.iter_raw()


def _read_all(response: httpx.Response) -> bytes:
    pieces, size = [], 0
    for piece in response.iter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise IncompleteError(f"the reply exceeds {MAX_BODY_BYTES >> 20} MiB")
    return b"".join(pieces)


@contextmanager
def _translated(protocol_error: ClinecliError) -> Iterator[None]:
    """Turn what httpx and httpcore raise into our errors.

    The network backend has told DNS, TCP, TLS and time already; `protocol_error` is what a
    breach of HTTP means at this stage.
    """
    try:
        yield
    except (httpcore.RemoteProtocolError, httpcore.ReadError):
        raise protocol_error from None
    except httpcore.WriteError:
        raise ConnectionFailed("the connection broke while the request was sent") from None
    except httpx.DecodingError:
        raise IncompleteError("the reply's compression is damaged") from None


class _Stream(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Transport(httpx.BaseTransport):
    """httpx on a connection pool of ours: its own transport takes no network backend."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Stream(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._pool.close()
