"""The set-ups, each with what is wrong with it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import trustme

from tests.helpers.doctor import ACCOUNT, HEALTHY, NOT_FOUND, UNAUTHORIZED, api, enveloped, listed
from tests.helpers.env import KEY
from tests.helpers.proxies import ForwardProxy, SocksProxy
from tests.helpers.replies import completion, response
from tests.helpers.servers import TcpServer, blackhole, refusing, reset, stall
from tests.helpers.tls import Authority, TlsServer, self_signed

# What the lab's resolver knows. Documentation and private addresses lead nowhere.
NAMES: dict[str, list[str] | str | int | None] = {
    "example.com": ["93.184.215.14"],
    "api.test": ["127.0.0.1"],
    "both.test": ["::1", "127.0.0.1"],
    "v4first.test": ["127.0.0.1", "::1"],
    "slow.test": ["127.0.0.1"],
    "sink0.com": ["0.0.0.0"],
    "sink127.com": ["127.0.0.1"],
    "private.com": ["10.255.255.1"],
    "servfail.com": 2,
    "silent.com": "silence",
    "sixonly.com": ["2606:4700::1111"],
    "far.com": ["93.184.215.99"],
    "dead4.com": ["93.184.215.98", "93.184.215.99"],
}


class Bench:
    """What a case works with: servers that end with it, an environment, a directory."""

    def __init__(self, stack: ExitStack, directory: Path, env: dict[str, str]) -> None:
        self.stack = stack
        self.directory = directory
        self.env = env
        self.flags: list[str] = ["--connect-timeout", "3", "--timeout", "8"]
        self.live = False
        # What the commands are run by: another network, say.
        self.prefix: list[str] = []
        self.request: str | None = None
        self.authority = Authority()

    def run(self, server: Any) -> Any:
        """Start a server, to be ended with the case."""
        return self.stack.enter_context(server)

    def url(self, url: str) -> None:
        """The base URL."""
        self.env["CLINE_API_BASE_URL"] = url

    def api(self, changes: Any = None, **options: Any) -> Any:
        """The API but for some answers, as the base URL."""
        server = self.run(api(changes, **options))
        self.url(server.url)
        return server

    def tls(self, context: ssl.SSLContext, name: str = "localhost") -> Any:
        """The API behind TLS; the lab's own CA is trusted."""
        server = self.run(api(context=context))
        self.env["SSL_CERT_FILE"] = self.authority.write(self.directory / "ca.pem")
        self.url(f"https://{name}:{server.port}")
        return server

    def via(self, url: str) -> None:
        """The proxy."""
        self.env.pop("NO_PROXY", None)
        self.env["HTTPS_PROXY"] = url

    def config(self, text: str) -> None:
        """The config file."""
        path = Path(self.env["HOME"], ".config", "clinecli", "config.toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class Case(NamedTuple):
    """A set-up. `check` and `status` are the root cause's, `words` what must be told of it."""

    name: str
    make: Callable[[Bench], None]
    check: str | None = None
    status: int = 0
    words: tuple[str, ...] = ()


def refusal(status: int, *, page: bool = False, **headers: str) -> bytes:
    """An answer of an error."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if page:
        body, kind = b"<html><title>Access denied</title></html>", "text/html"
    else:
        body, kind = json.dumps({"error": {"code": status, "message": "no"}}).encode(), ""
    options = {"content_type": kind} if kind else {}
    return response(body, status=f"{status} No", **options, **fields)


def _url(url: str) -> Callable[[Bench], None]:
    return lambda bench: bench.url(url)


def _everything(answer: bytes) -> Callable[[Bench], None]:
    return lambda bench: bench.api(base={}, default=answer) and None


def _key(key: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        bench.api()
        bench.env["CLINE_API_KEY"] = key

    return make


def _message(text: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        bench.api({"POST /chat/completions": refusal(400)})
        path = bench.directory / "request.json"
        path.write_text(text)
        bench.request = str(path)

    return make


def _certificate(make_context: Callable[[Authority], ssl.SSLContext]) -> Callable[[Bench], None]:
    return lambda bench: bench.tls(make_context(bench.authority)) and None


def _tcp(handle: Callable[[socket.socket], Any], scheme: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        server = bench.run(TcpServer(handle))
        bench.url(f"{scheme}://{server.address}")

    return make


def _proxy(answer: bytes, login: str = "") -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        proxy = bench.run(ForwardProxy(answer))
        bench.url("https://api.test:8443")
        bench.via(proxy.url.replace("://", f"://{login}"))

    return make


def _connect_answer(status: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


def _issuer(organization: str) -> ssl.SSLContext:
    ca = trustme.CA(organization_name=organization)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


def _no_intermediate(authority: Authority) -> ssl.SSLContext:
    child = authority.child()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = child._ca.issue_cert("localhost")
    with leaf.cert_chain_pems[0].tempfile() as cert, leaf.private_key_pem.tempfile() as key:
        context.load_cert_chain(cert, key)
    return context


def _old_tls(authority: Authority) -> ssl.SSLContext:
    context = authority.valid()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _wants_certificate(authority: Authority) -> ssl.SSLContext:
    context = authority.valid()
    context.verify_mode = ssl.CERT_REQUIRED
    trustme.CA().configure_trust(context)
    return context


def _file_proxy(bench: Bench) -> None:
    bench.url("https://nothing.com")
    Path(bench.env["HOME"], ".gitconfig").write_text("[http]\n\tproxy = http://proxy.corp:3128\n")


def _http_proxy_alone(bench: Bench) -> None:
    bench.url("https://nothing.com")
    bench.env["HTTP_PROXY"] = "http://127.0.0.1:3128"


def _bypassed(bench: Bench) -> None:
    bench.url("https://nothing.com")
    bench.env |= {"HTTPS_PROXY": "http://127.0.0.1:3128", "NO_PROXY": ".com"}


def _offline(bench: Bench) -> None:
    bench.url("https://api.cline.bot")
    bench.prefix = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]


def _offline_by_address(bench: Bench) -> None:
    _offline(bench)
    bench.url("https://93.184.215.14")


def _hangs_up_politely(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-OpenSSH\r\n")


def _dead_port(scheme: str, host: str = "127.0.0.1") -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        port = bench.stack.enter_context(refusing())
        bench.url(f"{scheme}://{host}:{port}")

    return make


def _dead_proxy(bench: Bench) -> None:
    port = bench.stack.enter_context(refusing())
    bench.url("https://api.test")
    bench.via(f"http://127.0.0.1:{port}")


def _full_port(bench: Bench) -> None:
    bench.url(f"http://127.0.0.1:{bench.stack.enter_context(blackhole())}")


def _socks(reply: int = 0, login: str | None = None) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        proxy = bench.run(SocksProxy(reply=reply, login=login))
        bench.url("https://api.test:8443")
        bench.via(proxy.url())

    return make


def _path(path: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        server = bench.api()
        bench.url(server.url + path)

    return make


def _balance(balance: Any) -> Callable[[Bench], None]:
    answers = {
        "GET /users/usr-1/balance": enveloped({"balance": balance}),
        "POST /chat/completions": refusal(402),
    }
    return lambda bench: bench.api(answers) and None


def _chat(answer: Any, *, live: bool = False) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        bench.live = live
        bench.api({"POST /chat/completions": answer})

    return make


def _env(**variables: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        bench.tls(bench.authority.valid())
        bench.env |= variables

    return make


def _wrong_ca(bench: Bench) -> None:
    bench.tls(Authority().valid())


def _reset_after_hello(connection: socket.socket) -> None:
    connection.recv(1000)
    reset(connection)


def _empty_reply(_: bytes, body: bytes) -> bytes:
    return response(completion("")) if json.loads(body)["messages"] else refusal(400)


def _user(content: Any) -> str:
    return json.dumps({"messages": [{"role": "user", "content": content}]})


_BASIC = {"WWW_Authenticate": 'Basic realm="Staff only"'}
_HTML = response(b"<!DOCTYPE html><html>sign in</html>", content_type="text/html")


def _without_key(bench: Bench) -> None:
    bench.api()
    del bench.env["CLINE_API_KEY"]


BROKEN = (
    # DNS and TCP
    Case("name that does not exist", _url("https://nothing.com"), "net.dns", 7, ("DNS works",)),
    Case("DNS fails", _url("https://servfail.com"), "net.dns", 7, ("this name alone",)),
    Case("DNS is silent", _url("https://silent.com"), "net.dns", 7, ("did not answer",)),
    Case("sinkhole 0.0.0.0", _url("https://sink0.com:1"), "net.tcp", 7, ("ad blocker",)),
    Case("sinkhole 127.0.0.1", _url("https://sink127.com:1"), "net.tcp", 7, ("this machine",)),
    Case("private address", _url("https://private.com"), "net.tcp", 7, ("private address",)),
    Case("IPv6 only", _url("https://sixonly.com"), "net.tcp", 7, ("IPv6",)),
    Case("address that is silent", _url("https://far.com"), "net.tcp", 7, ("firewall",)),
    Case("two dead addresses", _url("https://dead4.com"), "net.tcp", 7, ("93.184.215.98",)),
    Case("closed port", _dead_port("https"), "net.tcp", 7, ("refused",)),
    Case("closed port by name", _dead_port("https", "api.test"), "net.tcp", 7, ("refused",)),
    Case("full port", _full_port, "net.tcp", 7, ("did not accept",)),
    Case("proxy of git", _file_proxy, "net.dns", 7, ("HTTPS_PROXY=http://proxy.corp:3128",)),
    Case("HTTP_PROXY alone", _http_proxy_alone, "net.dns", 7, ('HTTPS_PROXY="$HTTP_PROXY"',)),
    Case("NO_PROXY covers it", _bypassed, "net.dns", 7, ("take nothing.com out of NO_PROXY",)),
    Case("offline", _offline, "net.dns", 7, ("offline",)),
    Case("offline, by address", _offline_by_address, "net.tcp", 7, ("no default route",)),
    # Proxies
    Case("dead proxy", _dead_proxy, "net.tcp", 7, ("the proxy http://127.0.0.1",)),
    Case(
        "proxy wants a login",
        _proxy(_connect_answer("407 No", "Proxy-Authenticate: Basic")),
        "net.proxy",
        7,
        ("credentials", "USER:PASSWORD"),
    ),
    Case(
        "proxy refuses the login",
        _proxy(_connect_answer("407 No", "Proxy-Authenticate: Basic"), "user:word@"),
        "net.proxy",
        7,
        ("refuses the credentials that HTTPS_PROXY gives",),
    ),
    Case(
        "proxy wants NTLM",
        _proxy(_connect_answer("407 No", "Proxy-Authenticate: NTLM"), "user:word@"),
        "net.proxy",
        7,
        ("NTLM", "cntlm"),
    ),
    Case(
        "proxy wants Negotiate",
        _proxy(_connect_answer("407 No", "Proxy-Authenticate: Negotiate")),
        "net.proxy",
        7,
        ("Negotiate",),
    ),
    Case(
        "proxy forbids",
        _proxy(_connect_answer("403 No", "X-Squid-Error: ERR_ACCESS_DENIED 0")),
        "net.proxy",
        7,
        ("ERR_ACCESS_DENIED", "does not allow this host"),
    ),
    Case("proxy 405", _proxy(_connect_answer("405 No")), "net.proxy", 7, ("405",)),
    Case("proxy 502", _proxy(_connect_answer("502 No")), "net.proxy", 7, ("502",)),
    Case("proxy 504", _proxy(_connect_answer("504 No")), "net.proxy", 7, ("504",)),
    Case("proxy is none", _proxy(b"220 mail ESMTP\r\n"), "net.proxy", 7, ("HTTP proxy",)),
    Case("SOCKS forbids", _socks(2), "net.proxy", 7, ("not allowed",)),
    Case("SOCKS refused", _socks(5), "net.proxy", 7, ("connection refused",)),
    Case("SOCKS wants a login", _socks(0, "user:word"), "net.proxy", 7, ("credentials",)),
    # TLS
    Case("expired", _certificate(lambda ca: ca.expired()), "net.tls", 8, ("expired", "2010")),
    Case("not yet", _certificate(lambda ca: ca.not_yet_valid()), "net.tls", 8, ("clock",)),
    Case(
        "wrong host", _certificate(lambda ca: ca.wrong_host()), "net.tls", 8, ("another.example",)
    ),
    Case("self-signed", _certificate(lambda _: self_signed()), "net.tls", 8, ("self-signed",)),
    Case("CA file lacks the CA", _wrong_ca, "net.tls", 8, ("SSL_CERT_FILE", "lacks it")),
    Case(
        "Zscaler", _certificate(lambda _: _issuer("Zscaler Inc.")), "net.tls", 8, ("Zscaler opens",)
    ),
    Case(
        "Netskope", _certificate(lambda _: _issuer("Netskope")), "net.tls", 8, ("Netskope opens",)
    ),
    Case("no intermediate", _certificate(_no_intermediate), "net.tls", 8, ("alone",)),
    Case("old TLS", _certificate(_old_tls), "net.tls", 8, ("TLS from 1.2 on", "TLSv1")),
    Case("client certificate", _certificate(_wants_certificate), "api.http", 8, ("--cert",)),
    Case("no TLS", _tcp(lambda c: c.sendall(b"220 x\r\n"), "https"), "net.tls", 8, ("TLS",)),
    Case("cut TLS", _tcp(_reset_after_hello, "https"), "net.tls", 8, ("cut",)),
    Case("missing CA file", _env(SSL_CERT_FILE="/nowhere.pem"), "env.ca", 8, ("/nowhere.pem",)),
    # What answers
    Case("mute", _tcp(stall, "http"), "api.http", 10, ("does not answer",)),
    Case("captive portal", _everything(_HTML), "api.http", 11, ("HTML page",)),
    Case(
        "redirect",
        _everything(response(b"", status="302 No", Location="https://login.example/")),
        "api.http",
        11,
        ("login.example",),
    ),
    Case("503 page", _everything(refusal(503, page=True)), "api.http", 10, ("503",)),
    Case("not HTTP", _tcp(_hangs_up_politely, "http"), "api.http", 11, ("HTTP",)),
    Case("wrong path", _path("/wrong"), "api.http", 9, ("/api/v1 answers",)),
    Case(
        "whole path",
        _path("/api/v1/chat/completions"),
        "config",
        3,
        ("leave /chat/completions out",),
    ),
    # Key and account
    Case("refused key", _everything(UNAUTHORIZED), "api.auth", 4, ("the key is from",)),
    Case("gateway", _everything(refusal(403, page=True)), "api.auth", 4, ("not the key",)),
    Case(
        "Cloudflare",
        _everything(refusal(403, page=True, CF_Ray="8a1-FRA")),
        "api.auth",
        4,
        ("not the key", "8a1-FRA"),
    ),
    Case(
        "basic login",
        _everything(refusal(401, page=True, **_BASIC)),
        "api.auth",
        4,
        ("Staff only", "user and password"),
    ),
    Case("no credit", _balance(0), "api.credit", 5, ("$0.00",)),
    Case("debt", _balance(-5_000_000), "api.credit", 5, ("-$5.00",)),
    Case("rate limit", _chat(refusal(429)), "api.chat", 10, ("rate limit",)),
    Case("server error", _chat(refusal(500), live=True), "api.chat", 10, ("500",)),
    Case("empty reply", _chat(_empty_reply, live=True), "api.chat", 11, ("empty",)),
    # Settings, key, message
    Case(
        "no key",
        _without_key,
        "key",
        3,
        ("no API key",),
    ),
    Case("placeholder", _key("YOUR_API_KEY"), "key", 3, ("placeholder",)),
    Case("stars", _key("********"), "key", 3, ("placeholder",)),
    Case("reference", _key("op://vault/cline/key"), "key", 3, ("placeholder",)),
    Case(".env line", _key(f"CLINE_API_KEY={KEY}"), "key", 3, (".env",)),
    Case("quotes", _key(f'"{KEY}"'), "key", 3, ("quotes",)),
    Case("non-ASCII", _key(f"{KEY}é"), "key", 3, ("U+00E9 at position 25",)),
    Case("scheme is missing", _url("api.cline.bot"), "config", 3, ("https://",)),
    Case("plain http", _url("http://api.cline.bot"), "config", 3, ("plain text",)),
    Case("config file", lambda bench: bench.config("retries = true\n"), "config", 3, ("line 1",)),
    Case("empty message", _message(_user("")), "message", 6, ("message 1", "correct")),
    Case("blank message", _message(_user(" ")), "message", 6, ("white space", "correct")),
    Case("no messages", _message("{}"), "message", 6, ("no messages", "correct")),
    Case(
        "no user",
        _message('{"messages":[{"role":"system","content":"x"}]}'),
        "message",
        6,
        ("system",),
    ),
    Case("not JSON", _message("{"), "message", 2, ("JSON",)),
    Case(
        "bad role",
        _message('{"messages":[{"role":"bot","content":"x"},{"role":"user","content":"y"}]}'),
        "message",
        9,
        ("'bot'",),
    ),
)


def _slow_answers(bench: Bench) -> None:
    def late(answer: Any) -> Any:
        def wait(head: bytes, body: bytes) -> bytes:
            threading.Event().wait(0.8)
            found: bytes = answer(head, body) if callable(answer) else answer
            return found

        return wait

    bench.api({name: late(answer) for name, answer in HEALTHY.items()})


def _limited(bench: Bench) -> None:
    seen: list[bytes] = []

    def count(answer: Any) -> Any:
        def limit(head: bytes, body: bytes) -> bytes:
            seen.append(head)
            if len(seen) > 3 and not body:
                return refusal(429)
            found: bytes = answer(head, body) if callable(answer) else answer
            return found

        return limit

    bench.api({name: count(answer) for name, answer in HEALTHY.items()})


def _other_server(missing: bytes) -> Callable[[Bench], None]:
    answers = {
        "POST /chat/completions": response(completion("hello")),
        "GET /models": listed("anthropic/claude-sonnet-4-6"),
    }
    return lambda bench: bench.api(answers, base={}, default=missing) and None


def _through(make_proxy: Callable[[], Any]) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        server = bench.tls(bench.authority.valid())
        proxy = bench.run(make_proxy())
        bench.url(f"https://localhost:{server.port}")
        bench.via(proxy.url() if isinstance(proxy, SocksProxy) else proxy.url)

    return make


def _named(name: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        server = bench.tls(bench.authority.valid(name))
        bench.url(f"https://{name}:{server.port}")

    return make


def _model(name: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        bench.api()
        bench.env["CLINE_MODEL"] = name

    return make


def _ending(bench: Bench) -> None:
    bench.tls(bench.authority.ending(datetime.now(UTC) + timedelta(days=2)))


def _stumbles(_: bytes, body: bytes) -> bytes:
    return response(completion("hello")) if json.loads(body)["messages"] else refusal(500)


def _quiet_account(head: bytes, _: bytes) -> bytes:
    if b"Bearer" not in head:
        return UNAUTHORIZED
    return refusal(503)


def _live(bench: Bench) -> None:
    bench.api()
    bench.live = True


HEALTHY_CASES = (
    Case("plain", lambda bench: bench.api() and None),
    Case("live", _live),
    Case("TLS", _named("localhost")),
    Case("TLS by name", _named("api.test")),
    Case("dead IPv6", _named("both.test")),
    Case("dead IPv6, second", _named("v4first.test")),
    Case("slow DNS", _named("slow.test")),
    Case("slow answers", _slow_answers),
    Case("rate limit for four requests", _limited),
    Case("HTTP proxy", _through(ForwardProxy)),
    Case("SOCKS proxy", _through(SocksProxy)),
    Case("server without accounts", _other_server(NOT_FOUND)),
    Case("server with a web page", _other_server(_HTML)),
    Case("server that says 405", _other_server(refusal(405))),
    Case("server that says 501", _other_server(refusal(501))),
    Case("account fails", lambda bench: bench.api({"GET /users/me": _quiet_account}) and None),
    Case("model by case", _model("Anthropic/Claude-Sonnet-4-6")),
    Case("model that is not listed", _model("hidden/model")),
    Case("certificate ends soon", _ending),
    Case("500 to the empty request", _chat(_stumbles)),
    Case("no catalogue", lambda bench: bench.api({"GET /ai/cline/models": refusal(500)}) and None),
    Case("no balance", lambda bench: bench.api({"GET /users/usr-1/balance": NOT_FOUND}) and None),
    Case(
        "account alone",
        lambda bench: (
            bench.api(
                {
                    "GET /users/me": lambda h, _: (
                        enveloped(ACCOUNT) if b"Bearer" in h else UNAUTHORIZED
                    )
                }
            )
            and None
        ),
    ),
)


def all_cases() -> Iterator[Case]:
    """Broken ones first."""
    yield from BROKEN
    yield from HEALTHY_CASES


__all__ = ["NAMES", "Bench", "Case", "TlsServer", "all_cases"]
