"""Requests from bytes: what is taken, what is refused, and that splitting changes nothing."""

from __future__ import annotations

import itertools
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.mock.request import MAX_BODY, MAX_HEAD, Malformed, Request, RequestReader

HOST = b"Host: localhost\r\n"


def read_all(*pieces: bytes) -> list[Request]:
    """The requests in bytes that come in these pieces."""
    reader = RequestReader()
    requests = []
    for piece in pieces:
        reader.feed(piece)
        while request := reader.next():
            requests.append(request)
    assert reader.buffered == 0
    return requests


def head(line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def refusal(data: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        read_all(data)
    return caught.value


CHUNKED = head(b"POST /c HTTP/1.1", b"Transfer-Encoding: Chunked")
GOOD = {
    "get": (head(), "GET", "/", b""),
    "query": (head(b"GET /a/b?c=%20d HTTP/1.1"), "GET", "/a/b?c=%20d", b""),
    "length": (head(b"POST /c HTTP/1.1", b"Content-Length: 3") + b"a\r\n", "POST", "/c", b"a\r\n"),
    "zeros": (head(b"PUT / HTTP/1.1", b"content-length:" + b"0" * 5000 + b"2") + b"ab", "PUT", "/",
              b"ab"),
    "chunks": (CHUNKED + b"3\r\nabc\r\n0A ; x=y\r\n0123456789\r\n0\r\n\r\n", "POST", "/c",
               b"abc0123456789"),
    "trailers": (CHUNKED + b"1\r\na\r\n000\r\nA: b\r\nC: d\r\n\r\n", "POST", "/c", b"a"),
    "no-chunks": (CHUNKED + b"0\r\n\r\n", "POST", "/c", b""),
    "line-feeds": (b"GET /x HTTP/1.1\nHost: localhost\n\n", "GET", "/x", b""),
    "empty-lines-before": (b"\r\n\r\n" + head(), "GET", "/", b""),
    "http-1.0": (b"HEAD /x HTTP/1.0\r\n\r\n", "HEAD", "/x", b""),
    "absolute": (head(b"GET http://LOCALHOST:80/a?b HTTP/1.1"), "GET", "/a?b", b""),
    "absolute-bare": (head(b"GET HTTP://[::1] HTTP/1.1"), "GET", "/", b""),
    "absolute-query": (head(b"GET http://127.0.0.1?b HTTP/1.1"), "GET", "/?b", b""),
    "two-slashes": (head(b"GET //evil.example/a HTTP/1.1"), "GET", "//evil.example/a", b""),
    "asterisk": (head(b"OPTIONS * HTTP/1.1"), "OPTIONS", "*", b""),
}  # fmt: skip


@pytest.mark.parametrize(("data", "method", "target", "body"), GOOD.values(), ids=GOOD)
def test_request(data: bytes, method: str, target: str, body: bytes) -> None:
    (request,) = read_all(data)
    assert (request.method, request.target, request.body) == (method, target, body)
    assert read_all(*(data[i : i + 1] for i in range(len(data)))) == [request]


@given(
    st.lists(st.sampled_from(sorted(GOOD)), min_size=1, max_size=5),
    st.lists(st.integers(0, 6000), max_size=8),
)
def test_requests_come_in_order_however_they_are_split(names: list[str], cuts: list[int]) -> None:
    data = b"".join(GOOD[name][0] for name in names)
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    assert read_all(*pieces) == [read_all(GOOD[name][0])[0] for name in names]


def test_headers_have_small_names_and_no_white_space_around() -> None:
    (request,) = read_all(head(b"GET / HTTP/1.1", b"X-A:\t b c \t", b"x-a:\xe4", b"Empty:"))
    assert request.headers == {"host": "localhost", "x-a": "b c, ä", "empty": ""}


@pytest.mark.parametrize(
    ("data", "stays"),
    [
        (head(), True),
        (head(b"GET / HTTP/1.1", b"Connection: Close"), False),
        (head(b"GET / HTTP/1.0"), False),
        (head(b"GET / HTTP/1.0", b"Connection: Keep-Alive"), True),
    ],
    ids=["1.1", "close", "1.0", "keep-alive"],
)
def test_persistence(data: bytes, stays: bool) -> None:
    assert read_all(data)[0].keeps_alive is stays


def post(*fields: bytes, body: bytes = b"") -> bytes:
    return head(b"POST / HTTP/1.1", *fields) + body


BAD = {
    "tls": (b"\x16\x03\x01\x02\x00\x01", 400, "not an HTTP request"),
    "one-word": (b"hello\r\n", 400, "request line"),
    "no-version": (b"GET /\r\n", 400, "request line"),
    "two-blanks": (b"GET  / HTTP/1.1\r\n", 400, "request line"),
    "blank-in-target": (b"GET /a b HTTP/1.1\r\n", 400, "request line"),
    "control-in-target": (b"GET /\x01 HTTP/1.1\r\n", 400, "request line"),
    "version-word": (b"GET / HTTP/one\r\n", 400, "request line"),
    "http-9": (b"GET / HTTP/9.9\r\n", 505, "HTTP/9"),
    "http-2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2"),
    "method": (b"BREW / HTTP/1.1\r\n", 501, "BREW"),
    "small-method": (b"get / HTTP/1.1\r\n", 501, "get"),
    "connect": (b"CONNECT localhost:1 HTTP/1.1\r\n", 501, "CONNECT"),
    "relative-target": (b"GET a HTTP/1.1\r\n", 400, "target"),
    "https-target": (b"GET https://localhost/ HTTP/1.1\r\n", 400, "target"),
    "unclosed-bracket": (b"GET http://[::1 HTTP/1.1\r\n", 400, "host"),
    "bracket-without-address": (b"GET http://[]/ HTTP/1.1\r\n", 400, "host"),
    "userinfo": (b"GET http://a@localhost/ HTTP/1.1\r\n", 400, "host"),
    "far-target": (b"GET http://evil.example/ HTTP/1.1\r\n", 421, "evil.example"),
    "no-host": (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
    "empty-host": (head(host=b"Host:\r\n"), 400, "host"),
    "two-hosts": (head(host=HOST * 2), 400, "Host"),
    "far-host": (head(host=b"Host: evil.example:80\r\n"), 421, "evil.example"),
    "no-colon": (head(b"GET / HTTP/1.1", b"nothing"), 400, "header field"),
    "blank-before-colon": (head(b"GET / HTTP/1.1", b"A : b"), 400, "header field"),
    "folded": (head(b"GET / HTTP/1.1", b"A: b", b" c"), 400, "header field"),
    "nul": (head(b"GET / HTTP/1.1", b"A: \0"), 400, "header field"),
    "lone-cr": (head(b"GET / HTTP/1.1", b"A: b\rC: d"), 400, "header field"),
    "huge-length": (post(b"Content-Length: 999999999999"), 400, "plausible"),
    "endless-length": (post(b"Content-Length: " + b"9" * 5000), 400, "Content-Length"),
    "long-length": (post(b"Content-Length: %d" % (MAX_BODY + 1)), 413, str(MAX_BODY)),
    "negative": (post(b"Content-Length: -5"), 400, "Content-Length"),
    "signed": (post(b"Content-Length: +5"), 400, "Content-Length"),
    "word": (post(b"Content-Length: ten"), 400, "Content-Length"),
    "list": (post(b"Content-Length: 5, 5"), 400, "Content-Length"),
    "underscore": (post(b"Content-Length: 1_0"), 400, "Content-Length"),
    "digits-of-others": (post("Content-Length: ٣".encode()), 400, "Content-Length"),
    "lengths-differ": (post(b"Content-Length: 1", b"Content-Length: 2"), 400, "differ"),
    "both": (post(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400, "Transfer-Encoding"),
    "coding": (post(b"Transfer-Encoding: gzip, chunked"), 501, "Transfer-Encoding"),
    "codings": (post(*[b"Transfer-Encoding: chunked"] * 2), 400, "twice"),
    "chunks-in-1.0": (head(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked"), 400, "HTTP/1.0"),
    "chunk-word": (CHUNKED + b"zz\r\n", 400, "size of a chunk"),
    "chunk-f": (CHUNKED + b"f" * 16 + b"\r\n", 400, "size of a chunk"),
    "chunk-f15": (CHUNKED + b"f" * 15 + b"\r\n", 400, "plausible"),
    "chunk-ffffffff": (CHUNKED + b"ffffffff\r\n", 413, str(MAX_BODY)),
    "chunk-negative": (CHUNKED + b"-1\r\n", 400, "size of a chunk"),
    "chunk-0x": (CHUNKED + b"0x1\r\n", 400, "size of a chunk"),
    "chunk-empty": (CHUNKED + b"\r\n", 400, "size of a chunk"),
    "chunk-no-end": (CHUNKED + b"0" * 5000, 400, "size of a chunk"),
    "chunk-extension": (CHUNKED + b"1;" + b"x" * 5000 + b"\r\n", 400, "size of a chunk"),
    "chunk-too-long": (CHUNKED + b"1\r\nabc", 400, "longer than its size"),
    "chunk-sum": (CHUNKED + b"1\r\na\r\n%x\r\n" % MAX_BODY, 413, str(MAX_BODY)),
    "head": (b"GET /" + b"a" * MAX_HEAD, 431, str(MAX_HEAD)),
    "headers": (head(b"GET / HTTP/1.1", *[b"A: b"] * MAX_HEAD), 431, str(MAX_HEAD)),
    "trailers": (CHUNKED + b"0\r\n" + b"a: b\r\n" * MAX_HEAD, 431, str(MAX_HEAD)),
}  # fmt: skip


@pytest.mark.parametrize(("data", "status", "about"), BAD.values(), ids=BAD)
def test_refused(data: bytes, status: int, about: str) -> None:
    error = refusal(data)
    assert (error.status, about in error.message) == (status, True), error.message
    assert len(error.message) < 200


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:80", "localhost.:1", "127.0.0.1", "127.0.0.1:", "[::1]:99999", "::1",
     "a.b.localhost:5"],
)  # fmt: skip
def test_this_machine_is_served(host: str) -> None:
    assert read_all(head(host=f"Host: {host}\r\n".encode()))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421),
        ("notlocalhost", 421), ("0.0.0.0", 421), ("10.0.0.1", 421), ("[::2]", 421),
        ("[::ffff:10.0.0.1]", 421), ("localhost:80:80", 400), ("localhost:x", 400),
        ("localhost evil", 400), ("a@localhost", 400), ("localhost/", 400), ("ｌocalhost", 400),
    ],
)  # fmt: skip
def test_other_names_are_not_served(host: str, status: int) -> None:
    assert refusal(head(host=f"Host: {host}\r\n".encode())).status == status


@given(st.binary(max_size=300), st.sampled_from([b"", CHUNKED, head()[:-2], b"GET / HTTP/1.1\r\n"]))
def test_no_bytes_do_harm(data: bytes, before: bytes) -> None:
    reader = RequestReader()
    reader.feed(before + data)
    with suppress(Malformed):
        while reader.next(ended=True):
            """Nothing else is raised, and it comes to an end."""
    assert reader.buffered <= len(before + data)


def test_what_ends_too_early_is_told() -> None:
    for data in (b"GET / HT", head()[:-2], head(b"PUT / HTTP/1.1", b"Content-Length: 2") + b"a",
                 CHUNKED + b"0\r\n"):  # fmt: skip
        reader = RequestReader()
        reader.feed(data)
        assert reader.next() is None
        with pytest.raises(Malformed, match="ends too early"):
            reader.next(ended=True)


def test_nothing_at_all_is_no_request_and_no_error() -> None:
    assert RequestReader().next(ended=True) is None


def test_tiny_chunks_cost_little_more_than_their_bytes() -> None:
    reader = RequestReader()
    reader.feed(CHUNKED)
    piece = b"2\r\nab\r\n" * 20_000
    tracemalloc.start()
    for _ in range(10):
        reader.feed(piece)
        assert reader.next() is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * len(piece)


@pytest.mark.parametrize(
    ("data", "expects"),
    [
        (post(b"Content-Length: 1", b"Expect: 100-Continue"), True),
        (post(b"Content-Length: 2", b"Expect: 100-continue", body=b"a"), False),
        (post(b"Content-Length: 1"), False),
        (head(b"PUT / HTTP/1.0", b"Content-Length: 1", b"Expect: 100-continue"), False),
    ],
    ids=["waits", "has-come", "unasked", "1.0"],
)
def test_a_body_may_be_held_back(data: bytes, expects: bool) -> None:
    reader = RequestReader()
    reader.feed(data)
    assert reader.next() is None
    assert reader.expects_continue is expects
