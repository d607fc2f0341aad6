"""The API over HTTP: complete, stream, and the GET endpoints. The only module with httpx."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import httpcore
import httpx

from clinecli import __version__
from clinecli.api_errors import (
    decode_envelope_error,
    decode_error,
    describe_body,
    in_band_error,
    not_the_api,
    one_line,
)
from clinecli.chat import ChatRequest, Delta
from clinecli.codec import DONE, decode_chunk, decode_reply
from clinecli.errors import ClinecliError, ConnectionFailed, IncompleteError
from clinecli.jsontext import InvalidJson, compact, dumps, loads, unwrap
from clinecli.network import Backend, Deadline, connection_pool
from clinecli.proxy import choose_proxy
from clinecli.retry import next_delay, parse_retry_after
from clinecli.settings import Secret, Settings
from clinecli.sse import EventTooLarge, SSEDecoder

MAX_BODY_BYTES = 512 * 1024 * 1024
CHAT_PATH = "/chat/completions"


_T = TypeVar("_T")


def _ignore(*_: object) -> None:
    """The default of every callback."""


class Event(NamedTuple):
    """One chunk of a stream, or a whole reply: its JSON on one line, and what it says."""

    raw: bytes
    delta: Delta
    done: bool = False


class Client:
    """One HTTP client for one set of settings; a context manager.

    `note` is told of retries and `detail` of every step. `before_read` is called whenever the
    network may block, which is when pending output has to be out. The clock, the sleep and
    the jitter are injected.
    """

    def __init__(
        self,
        settings: Settings,
        key: Secret | None,
        environ: Mapping[str, str],
        *,
        note: Callable[[str], None] = _ignore,
        detail: Callable[[str], None] = _ignore,
        before_read: Callable[[], None] = _ignore,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._key = key
        self._note = note
        self._detail = detail
        self._sleep = sleep
        self._jitter = jitter
        self.proxy = choose_proxy(settings.base_url, settings.proxy, environ)
        self._backend = Backend(
            settings.base_url,
            self.proxy,
            connect_timeout=settings.connect_timeout,
            before_read=before_read,
            log=detail,
        )
        self._http = httpx.Client(
            transport=_Transport(connection_pool(settings, self.proxy, self._backend, environ)),
            timeout=settings.idle_timeout,
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
        (event,) = self._attempts(lambda: self._post(request, body, self._read_reply), lambda: True)
        return event

    def stream(self, request: ChatRequest, may_retry: Callable[[], bool]) -> Iterator[Event]:
        """The chunks of one streamed reply. Raises `ClinecliError`, after the chunk that tells it.

        `may_retry` says whether nothing has been put out yet: from then on no failure is
        tried again.
        """
        body = request_body(request, stream=True)
        return self._attempts(lambda: self._post(request, body, self._read_stream), may_retry)

    def get(self, path: str, *, with_key: bool = True) -> bytes:
        """The body of a GET below the base URL, retried like any request.

        Raises `ClinecliError`, also for a page that is not JSON.
        """

        def once() -> Iterator[bytes]:
            headers = self._authorization() if with_key else {}
            with self._send("GET", path, headers, None) as response:
                yield self._json_body(response)

        (body,) = self._attempts(once, lambda: True)
        return body

    def _attempts(
        self, once: Callable[[], Iterator[_T]], may_retry: Callable[[], bool]
    ) -> Iterator[_T]:
        deadline = self._backend.deadline = Deadline(self._settings.timeout)
        attempt = 0
        while True:
            attempt += 1
            try:
                yield from once()
                return
            except ClinecliError as error:
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

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.reveal()}"} if self._key else {}

    def _post(
        self,
        request: ChatRequest,
        body: bytes,
        read: Callable[[httpx.Response], Iterator[Event]],
    ) -> Iterator[Event]:
        headers = {"Content-Type": "application/json", **dict(request.headers)}
        with self._send("POST", CHAT_PATH, headers | self._authorization(), body) as response:
            yield from read(response)

    @contextmanager
    def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> Iterator[httpx.Response]:
        """Send one request and give the response, when its status is a success."""
        url = f"{self._settings.base_url}{path}"
        key = "with the key" if "Authorization" in headers else "without a key"
        self._detail(f"> {method} {url} ({len(body or b'')} bytes, {key})")
        started = time.monotonic()
        # httpx would refuse a header value that is not ASCII; RFC 9110 allows its bytes.
        raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = self._http.build_request(method, url, headers=raw_headers, content=body)
        with _translated(not_the_api("something that is not HTTP")):
            response = self._http.send(request, stream=True)
        try:
            request_id = response.headers.get("x-request-id")
            self._detail(
                f"< {response.status_code} {response.headers.get('content-type', '')}"
                f"{f' request {request_id}' if request_id else ''}"
                f" after {(time.monotonic() - started) * 1000:.0f} ms"
            )
            with _translated(IncompleteError(_CUT, request_id=request_id)):
                if response.status_code >= 300:
                    raise self._failure(response)
                yield response
            self._detail(f"* done after {(time.monotonic() - started) * 1000:.0f} ms")
        finally:
            response.close()

    def _failure(self, response: httpx.Response) -> ClinecliError:
        status, headers = response.status_code, response.headers
        request_id = headers.get("x-request-id")
        if status < 400:
            target = httpx.URL(headers.get("location", "")).host if "location" in headers else ""
            where = f" to {target}" if target else ""
            return not_the_api(f"a redirect{where} (HTTP {status})", request_id=request_id)
        wait = headers.get("retry-after")
        return decode_error(
            status,
            _read_all(response),
            request_id=request_id,
            retry_after=parse_retry_after(wait, time.time()) if wait else None,
        )

    def _json_body(self, response: httpx.Response) -> bytes:
        """A body that is JSON, on one line and out of its envelope."""
        body = _read_all(response)
        request_id = response.headers.get("x-request-id")
        try:
            loads(body)
        except InvalidJson:
            what = describe_body(body, response.headers.get("content-type", ""))
            raise not_the_api(what, request_id=request_id) from None
        error = decode_envelope_error(body, request_id=request_id)
        if error:
            raise error
        return unwrap(compact(body))

    def _read_reply(self, response: httpx.Response) -> Iterator[Event]:
        raw = self._json_body(response)
        delta = decode_reply(raw)
        if delta.error:
            raise delta.error
        yield Event(raw, delta, done=True)

    def _read_stream(self, response: httpx.Response) -> Iterator[Event]:
        """The events of a stream. A server that answers with one JSON object gives one event."""
        chunks = _body_chunks(response)
        head = next((chunk for chunk in chunks if chunk.strip()), b"")
        start = head.lstrip()[:1]
        if start == b"{":
            # A server that knows no streaming answers with the whole object.
            whole = b"".join([head, *chunks])
            yield from self._read_reply(httpx.Response(200, content=whole))
            return
        if start in (b"<", b""):
            what = describe_body(head, response.headers.get("content-type", ""))
            raise not_the_api(what, request_id=response.headers.get("x-request-id"))
        decoder = SSEDecoder()
        try:
            for chunk in itertools.chain([head], chunks):
                for data, name in decoder.feed(chunk):
                    event = _event(data, name)
                    yield event
                    if event.delta.error:
                        raise event.delta.error
        except EventTooLarge as error:
            raise IncompleteError(str(error)) from None
        # What the cut left of an event may be no JSON; the reply is judged by its
        # finish_reason, so nothing is lost by passing over it.
        with contextlib.suppress(IncompleteError):
            yield from (_event(data, name) for data, name in decoder.close())


def request_body(request: ChatRequest, *, stream: bool) -> bytes:
    """The exact bytes of a request. Raises `ValueError` for text that is not Unicode."""
    return dumps({**request.body, "stream": stream})


def _event(data: bytes, name: str) -> Event:
    """One event of a stream. Raises `IncompleteError` when it is not JSON."""
    if data == DONE:
        return Event(b"", Delta(), done=True)
    try:
        delta = Delta(error=in_band_error(loads(data))) if name == "error" else decode_chunk(data)
    except InvalidJson:
        raise IncompleteError("an event of the stream is not JSON") from None
    return Event(compact(data) if b"\n" in data else data, delta)


_CUT = "the connection was cut before the reply was complete"


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
    except httpcore.ProxyError as error:
        raise _proxy_failure(str(error)) from None
    except (httpcore.RemoteProtocolError, httpcore.ReadError):
        raise protocol_error from None
    except httpcore.WriteError:
        raise ConnectionFailed("the connection broke while the request was sent") from None
    except httpx.DecodingError:
        raise IncompleteError("the reply's compression is damaged") from None


def _proxy_failure(answer: str) -> ConnectionFailed:
    """The proxy's answer to CONNECT, which httpcore words as `407 Reason`."""
    status = answer[:3]
    hints = {
        "407": "put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT",
        "403": "the proxy does not allow this host: ask its operator, or use another proxy",
    }
    return ConnectionFailed(
        f"the proxy refused the connection: {one_line(answer)}",
        code=f"proxy_{status}",
        hint=hints.get(status),
        http_status=int(status) if status.isdecimal() else None,
        retry_limit=0 if status.startswith("4") else None,
    )


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
