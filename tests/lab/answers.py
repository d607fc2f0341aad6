"""Broken answers, keys, settings and messages."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.helpers.doctor import UNAUTHORIZED, enveloped
from tests.helpers.env import KEY
from tests.helpers.replies import completion, response
from tests.helpers.servers import TcpServer, stall
from tests.lab.bench import Bench, Case, does, healthy, proposed, refusal, variable

Make = Callable[[Bench], object]
_HTML = response(
    b"<!DOCTYPE html><html><title>Guest WiFi</title>sign in</html>", content_type="text/html"
)
_BASIC = {"WWW_Authenticate": 'Basic realm="Staff only"'}


def _everything(answer: bytes) -> Make:
    return lambda bench: bench.api(base={}, default=answer)


def _tcp(handle: Callable[[socket.socket], Any]) -> Make:
    def make(bench: Bench) -> None:
        bench.api()
        bench.right = bench.env["CLINE_API_BASE_URL"]
        bench.url(f"http://{bench.run(TcpServer(handle)).address}")

    return make


def _right_url(bench: Bench) -> None:
    bench.url(bench.right)


def _hangs_up_politely(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-OpenSSH\r\n")


def _path(path: str) -> Make:
    def make(bench: Bench) -> None:
        bench.url(bench.api().url + path)

    return make


def _shorter(bench: Bench) -> None:
    bench.url(bench.env["CLINE_API_BASE_URL"].removesuffix("/chat/completions"))


def _url(url: str) -> Make:
    def make(bench: Bench) -> None:
        bench.api()
        bench.right = bench.env["CLINE_API_BASE_URL"]
        bench.url(url)

    return make


def _balance(balance: Any) -> Make:
    answers = {
        "GET /users/usr-1/balance": enveloped({"balance": balance}),
        "POST /chat/completions": refusal(402),
    }
    return lambda bench: bench.api(answers)


def _chat(answer: Any, *, live: bool = False) -> Make:
    def make(bench: Bench) -> None:
        bench.live = live
        bench.api({"POST /chat/completions": answer})

    return make


def _empty_reply(_: bytes, body: bytes) -> bytes:
    return response(completion("")) if json.loads(body)["messages"] else refusal(400)


def _key(key: str) -> Make:
    def make(bench: Bench) -> None:
        bench.api()
        bench.env["CLINE_API_KEY"] = key

    return make


_right_key = variable("CLINE_API_KEY", KEY)


def _without_key(bench: Bench) -> None:
    bench.api()
    del bench.env["CLINE_API_KEY"]


def _config(bench: Bench) -> None:
    bench.api()
    bench.home(".config/clinecli/config.toml", "retries = true\n")


def _config_mended(bench: Bench) -> None:
    bench.home(".config/clinecli/config.toml", "retries = 2\n")


def _message(text: str) -> Make:
    def make(bench: Bench) -> None:
        bench.api({"POST /chat/completions": refusal(400)})
        path = bench.directory / "request.json"
        path.write_text(text)
        bench.request = str(path)

    return make


def _user(content: Any) -> str:
    return json.dumps({"messages": [{"role": "user", "content": content}]})


def _corrected(bench: Bench) -> None:
    assert bench.request
    Path(bench.request).write_text(_user("Hello"))
    healthy(bench)


_again = does("try again later", by=healthy)
_corrects = does("correct", by=_corrected)
ANSWERS = (
    Case(
        "mute",
        _tcp(stall),
        "api.http",
        10,
        ("does not answer",),
        does("host and port", by=_right_url),
    ),
    Case(
        "captive portal",
        _everything(_HTML),
        "api.http",
        11,
        ("HTML page", "Guest WiFi"),
        does("captive portal", by=healthy),
    ),
    Case(
        "redirect",
        _everything(response(b"", status="302 No", Location="https://login.example/")),
        "api.http",
        11,
        ("login.example",),
        does("captive portal", by=healthy),
    ),
    Case("503 page", _everything(refusal(503, page=True)), "api.http", 10, ("503",), _again),
    Case(
        "not HTTP",
        _tcp(_hangs_up_politely),
        "api.http",
        11,
        ("HTTP",),
        does("CLINE_API_BASE_URL", by=_right_url),
    ),
    Case("wrong path", _path("/wrong"), "api.http", 9, ("/api/v1 answers",), proposed),
    Case(
        "TLS port that says so",
        _everything(
            refusal(400, page=True, title="400 The plain HTTP request was sent to HTTPS port")
        ),
        "api.http",
        9,
        ("speaks TLS",),
        does("write https://127.0.0.1", by=healthy),
    ),
    Case(
        "whole path",
        _path("/api/v1/chat/completions"),
        "config",
        3,
        ("leave /chat/completions out",),
        does("leave /chat/completions out", by=_shorter),
    ),
)
ACCOUNT = (
    Case(
        "refused key",
        _everything(UNAUTHORIZED),
        "api.auth",
        4,
        ("the key is from",),
        does("check the key", by=healthy),
    ),
    Case(
        "gateway",
        _everything(refusal(403, page=True)),
        "api.auth",
        4,
        ("not the key",),
        does("ask who runs the gateway", by=healthy),
    ),
    Case(
        "Cloudflare",
        _everything(refusal(403, page=True, CF_Ray="8a1-FRA")),
        "api.auth",
        4,
        ("not the key", "8a1-FRA"),
        does("ask who runs", by=healthy),
    ),
    Case(
        "basic login",
        _everything(refusal(401, page=True, **_BASIC)),
        "api.auth",
        4,
        ("Staff only", "user and password"),
        does("Check the base URL", by=healthy),
    ),
    Case("no credit", _balance(0), "api.credit", 5, ("$0.00",), does("add credits", by=healthy)),
    Case(
        "debt", _balance(-5_000_000), "api.credit", 5, ("-$5.00",), does("add credits", by=healthy)
    ),
    Case("rate limit", _chat(refusal(429)), "api.chat", 10, ("rate limit",), does("", by=healthy)),
    Case("server error", _chat(refusal(500), live=True), "api.chat", 10, ("500",), _again),
    Case(
        "empty reply",
        _chat(_empty_reply, live=True),
        "api.chat",
        11,
        ("empty",),
        does("try another model", by=healthy),
    ),
)
SETTINGS = (
    Case("no key", _without_key, "key", 3, ("no API key",), does("CLINE_API_KEY", by=_right_key)),
    *(
        Case(name, _key(key), "key", 3, (word,), does("", by=_right_key))
        for name, key, word in (
            ("placeholder", "YOUR_API_KEY", "placeholder"),
            ("stars", "********", "placeholder"),
            ("not replaced", "${CLINE_API_KEY}", "placeholder"),
            ("reference", "op://vault/cline/key", "placeholder"),
            (".env line", f"CLINE_API_KEY={KEY}", ".env"),
            ("quotes", f'"{KEY}"', "quotes"),
            ("non-ASCII", f"{KEY}é", "U+00E9 at position 25"),
        )
    ),
    Case(
        "scheme is missing",
        _url("api.cline.bot"),
        "config",
        3,
        ("https://",),
        does("https://", by=_right_url),
    ),
    Case(
        "plain http",
        _url("http://api.cline.bot"),
        "config",
        3,
        ("plain text",),
        does("https://", by=_right_url),
    ),
    Case("config file", _config, "config", 3, ("line 1",), does("", by=_config_mended)),
)
MESSAGES = (
    Case("empty message", _message(_user("")), "message", 6, ("message 1",), _corrects),
    Case("blank message", _message(_user(" ")), "message", 6, ("white space",), _corrects),
    Case("null message", _message(_user(None)), "message", 6, ("null",), _corrects),
    Case("no parts", _message(_user([])), "message", 6, ("empty array",), _corrects),
    Case("no messages", _message("{}"), "message", 6, ("no messages",), _corrects),
    Case(
        "no user",
        _message('{"messages":[{"role":"system","content":"x"}]}'),
        "message",
        6,
        ("system",),
        _corrects,
    ),
    Case("not JSON", _message("{"), "message", 2, ("JSON",), does("", by=_corrected)),
    Case(
        "bad role",
        _message('{"messages":[{"role":"bot","content":"x"},{"role":"user","content":"y"}]}'),
        "message",
        9,
        ("'bot'",),
        _corrects,
    ),
)
