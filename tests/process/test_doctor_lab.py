"""`doctor` in a broken world: one fault each, and `ask` ends with the status that it names."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.doctor import (
    ACCOUNT,
    MODEL,
    NOT_FOUND,
    UNAUTHORIZED,
    Answers,
    Report,
    api,
    broken,
    diagnose,
    enveloped,
    listed,
    reported,
    targets,
)
from tests.helpers.env import KEY
from tests.helpers.process import DNS_STALLS, altered_cli
from tests.helpers.proxies import ForwardProxy, SocksProxy, real_proxy
from tests.helpers.replies import completion, response
from tests.helpers.servers import RawServer, TcpServer, blackhole, has_ipv6, refusing, reset, stall
from tests.helpers.tls import Authority, TlsServer, self_signed

HTML = response(b"<!DOCTYPE html><html>sign in</html>", content_type="text/html")
QUICK = ("--connect-timeout", "0.5", "--timeout", "1.5")


def settle(env: dict[str, str], url: str) -> dict[str, str]:
    env["CLINE_API_BASE_URL"] = url
    return env


def config(env: dict[str, str], text: str) -> Path:
    path = Path(env["HOME"], ".config", "clinecli", "config.toml")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.fixture
def tls_env(authority: Authority, tmp_path: Path, env: dict[str, str]) -> dict[str, str]:
    """Trusts the authority."""
    env["SSL_CERT_FILE"] = authority.write(tmp_path / "ca.pem")
    return env


# Healthy


def test_a_healthy_server(env: dict[str, str]) -> None:
    with api() as server:
        report = reported(settle(env, server.url))
    assert (report.status, report.root_cause) == (0, None)
    assert report.ids("ok") == [
        *("runtime", "config", "key", "env.proxy", "net.dns", "net.tcp"),
        *("api.http", "api.auth", "api.credit", "api.model", "api.chat"),
    ]
    assert report["api.credit"]["summary"] == "the balance of the account is $12.50"
    assert " ".join(targets(server)).count("POST") == 1


def test_the_first_request_has_no_key(env: dict[str, str]) -> None:
    with api() as server:
        diagnose(settle(env, server.url))
    assert b"Authorization" not in server.requests[0][0]


def test_healthy_tls(authority: Authority, tls_env: dict[str, str]) -> None:
    with api(context=authority.valid()) as server:
        report = diagnose(settle(tls_env, server.url), "--live")
    assert (report.status, report.ids("fail")) == (0, [])
    assert "TLSv1.3, issued by trustme" in report["net.tls"]["summary"]
    assert report["api.chat"]["status"] == "ok"


def test_a_certificate_that_ends_soon(authority: Authority, tls_env: dict[str, str]) -> None:
    from datetime import UTC, datetime, timedelta

    soon = datetime.now(UTC) + timedelta(days=3)
    context = authority.ending(soon)
    with api(context=context) as server:
        report = diagnose(settle(tls_env, server.url))
    assert (report.status, report["net.tls"]["status"]) == (0, "warn")
    assert "2 days left" in report["net.tls"]["summary"]


# Settings and key


BAD_CONFIGS = {
    "not TOML": ('base_url = "https://x.example\n', "line 1"),
    "unknown name": ('\nbase_rul = "https://x.example"\n', "line 2"),
    "wrong type": ('model = "m"\nretries = "three"\n', "line 2"),
    "zero": ("timeout = 0\n", "timeout"),
    "bad base URL": ('base_url = "ftp://x.example"\n', "base_url"),
    "key command": ("key_command = []\n", "line 1"),
}


@pytest.mark.parametrize(("text", "said"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_broken_config_file(text: str, said: str, env: dict[str, str]) -> None:
    path = config(env, text)
    report = broken("config", 3, env)
    assert str(path) in report.text("config")
    assert said in report.text("config")
    assert report["key"]["blocked_by"] == report["api.chat"]["blocked_by"] == "config"


def test_an_unreadable_config_file(env: dict[str, str]) -> None:
    Path(env["HOME"], ".config", "clinecli", "config.toml").mkdir(parents=True)
    assert "Is a directory" in broken("config", 3, env).text("config")


BAD_URLS = {
    "no scheme": "api.cline.bot",
    "far and plain": "http://api.cline.bot",
    "credentials": "https://user:word@api.cline.bot",
    "bad port": "https://api.cline.bot:port",
    "query": "https://api.cline.bot?x=1",
    "an endpoint": "https://api.cline.bot/api/v1/chat/completions",
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_a_bad_base_url(url: str, env: dict[str, str]) -> None:
    report = broken("config", 3, settle(env, url))
    assert "CLINE_API_BASE_URL" in report["config"]["summary"]
    assert "word" not in json.dumps(report.document)


BAD_KEYS = {
    "empty": " \n",
    "quotes": '"sk-0123456789abcdef"',
    "inner space": "sk-0123456789 abcdef",
    "non-ASCII": "sk-0123456789abcdéf",
    "bearer": "Bearer sk-0123456789abcdef",
    "two lines": "sk-0123456789\nabcdef",
    "placeholder": "YOUR_API_KEY",
    "stars": "********",
    "not replaced": "${CLINE_API_KEY}",
    "reference": "op://vault/cline/key",
    ".env line": "CLINE_API_KEY=sk-0123456789abcdef",
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key(key: str, env: dict[str, str]) -> None:
    env["CLINE_API_KEY"] = key
    with api() as server:
        report = broken("key", 3, settle(env, server.url))
        # The network is looked at all the same, without the key.
        assert report["api.http"]["status"] == "ok"
    assert report["api.auth"]["blocked_by"] == "key"
    assert not key.strip() or "0123456789" not in json.dumps(report.document)


def test_no_key(env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    with api() as server:
        report = broken("key", 3, settle(env, server.url))
    assert "CLINE_API_KEY" in report["key"]["remedy"]


def test_no_key_comes_before_a_dead_network(env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    with refusing() as port:
        report = diagnose(settle(env, f"http://127.0.0.1:{port}"))
    assert (report.root_cause, report.status) == ("key", 3)
    assert report.ids("fail") == ["key", "net.tcp"]


def test_a_key_file_that_is_missing(env: dict[str, str]) -> None:
    with api() as server:
        report = broken("key", 3, settle(env, server.url), "--key-file", "/nowhere/key")
    assert "--key-file" in report["key"]["summary"]


def test_a_key_command_that_fails(env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    config(env, 'key_command = ["false"]\n')
    with api() as server:
        report = broken("key", 3, settle(env, server.url))
    assert "status 1" in report["key"]["summary"]


# Proxy and trust


BAD_PROXIES = {
    "socks4": ("socks4://127.0.0.1:1080", 7, "socks4"),
    "malformed": ("http://127.0.0.1:port", 7, "malformed"),
    "far and plain": ("http://proxy.example:3128", 3, "plain text"),
}


@pytest.mark.parametrize(("proxy", "status", "said"), BAD_PROXIES.values(), ids=BAD_PROXIES)
def test_a_bad_proxy(proxy: str, status: int, said: str, env: dict[str, str]) -> None:
    del env["NO_PROXY"]
    env["ALL_PROXY"] = proxy
    with api() as server:
        report = broken("env.proxy", status, settle(env, server.url))
    assert said in report["env.proxy"]["summary"]
    assert report["net.dns"]["blocked_by"] == report["api.auth"]["blocked_by"] == "env.proxy"


def _missing_file(path: Path) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(path / "missing.pem")}


def _empty_file(path: Path) -> dict[str, str]:
    (path / "empty.pem").touch()
    return {"SSL_CERT_FILE": str(path / "empty.pem")}


def _missing_directory(path: Path) -> dict[str, str]:
    return {"SSL_CERT_DIR": str(path / "missing")}


def _empty_directory(path: Path) -> dict[str, str]:
    (path / "empty").mkdir()
    return {"SSL_CERT_DIR": str(path / "empty")}


def _directory_as_file(path: Path) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(path)}


BAD_TRUST: list[Callable[[Path], dict[str, str]]] = [
    _missing_file,
    _empty_file,
    _missing_directory,
    _empty_directory,
    _directory_as_file,
]


@pytest.mark.parametrize("make", BAD_TRUST)
def test_bad_trust(
    make: Callable[[Path], dict[str, str]],
    authority: Authority,
    tmp_path: Path,
    env: dict[str, str],
) -> None:
    env |= make(tmp_path)
    with api(context=authority.valid()) as server:
        report = broken("env.ca", 8, settle(env, server.url))
    assert next(iter(make_name(env))) in report["env.ca"]["summary"]
    assert report["net.tcp"]["status"] == "ok"
    assert report["net.tls"]["blocked_by"] == "env.ca"


def make_name(env: dict[str, str]) -> Iterator[str]:
    return (name for name in env if name.startswith("SSL_CERT"))


def test_a_ca_flag_without_a_file(authority: Authority, env: dict[str, str]) -> None:
    with api(context=authority.valid()) as server:
        broken("env.ca", 3, settle(env, server.url), "--ca-file", "/nowhere/ca.pem")


def test_bad_trust_is_no_failure_without_tls(tmp_path: Path, env: dict[str, str]) -> None:
    env |= _missing_file(tmp_path)
    with api() as server:
        report = diagnose(settle(env, server.url))
        strict = diagnose(env, "--strict")
    assert (report.status, report.ids("warn")) == (0, ["env.ca"])
    assert (strict.status, strict.root_cause) == (1, "env.ca")


# DNS and TCP


def test_a_name_that_does_not_exist(env: dict[str, str]) -> None:
    report = broken("net.dns", 7, settle(env, "https://no-such-host.invalid"), *QUICK)
    assert report["net.tcp"]["blocked_by"] == report["api.chat"]["blocked_by"] == "net.dns"


def test_a_resolver_that_stalls(tmp_path: Path, env: dict[str, str]) -> None:
    command = altered_cli(tmp_path, DNS_STALLS)
    report = broken("net.dns", 7, settle(env, "https://api.cline.bot"), *QUICK, command=command)
    assert "did not answer" in report["net.dns"]["summary"]


def test_a_resolver_with_a_passing_trouble(tmp_path: Path, env: dict[str, str]) -> None:
    code = """
import socket
def fail(*_, **__): raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")
socket.getaddrinfo = fail
"""
    command = altered_cli(tmp_path, code)
    report = broken("net.dns", 7, settle(env, "https://api.cline.bot"), command=command)
    assert "temporary failure" in report["net.dns"]["summary"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_closed_port(scheme: str, env: dict[str, str]) -> None:
    with refusing() as port:
        report = broken("net.tcp", 7, settle(env, f"{scheme}://127.0.0.1:{port}"))
    assert report["net.tcp"]["summary"] == f"127.0.0.1:{port} refused the connection"
    assert f"127.0.0.1 on port {port}" in report.text("net.tcp")


def test_a_port_that_never_accepts(env: dict[str, str]) -> None:
    with blackhole() as port:
        report = broken("net.tcp", 7, settle(env, f"http://127.0.0.1:{port}"), *QUICK)
    assert "did not accept" in report["net.tcp"]["summary"]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("dead", ["refused", "silent"])
def test_one_address_family_is_dead(dead: str, tmp_path: Path, env: dict[str, str]) -> None:
    code = """
import socket
known = socket.getaddrinfo
def both(host, port, *rest, **named):
    if host != b"localhost":
        return known(host, port, *rest, **named)
    return [(family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))]
socket.getaddrinfo = both
"""
    command = altered_cli(tmp_path, code)
    with api() as server:
        url = f"http://localhost:{server.port}"
        if dead == "refused":
            report = reported(settle(env, url), command=command)
            assert report["net.ways"]["status"] == "ok"
            said = "IPv4 works, IPv6 (::1) fails: nothing listens on that port"
            assert said in report["net.ways"]["summary"]
            return
        with _blackhole6(server.port):
            report = reported(settle(env, url), "--connect-timeout", "1", command=command)
    assert report["net.ways"]["status"] == "warn"
    assert "IPv4 works, IPv6 (::1) fails: the host did not accept" in report.text("net.ways")
    assert "it is tried first" in report["net.ways"]["remedy"]
    assert report.status == 0


def _blackhole6(port: int) -> Any:
    import contextlib
    import select

    @contextlib.contextmanager
    def full() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(
                socket.create_server(("::1", port), family=socket.AF_INET6, backlog=0)
            )
            while True:
                filler = stack.enter_context(socket.socket(socket.AF_INET6))
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                if not select.select([], [filler], [], 0.2)[1]:
                    break
            yield

    return full()


# Proxies


def via(env: dict[str, str], proxy: str) -> dict[str, str]:
    env.pop("NO_PROXY", None)
    env["HTTPS_PROXY"] = proxy
    return env


def test_a_proxy_that_does_not_resolve(env: dict[str, str]) -> None:
    via(settle(env, "https://localhost:1"), "http://proxy.invalid:3128")
    report = broken("net.dns", 7, env, *QUICK)
    assert "the proxy http://proxy.invalid:3128 (from HTTPS_PROXY)" in report["net.dns"]["summary"]


def test_a_dead_proxy(env: dict[str, str]) -> None:
    with refusing() as port:
        via(settle(env, "https://localhost:1"), f"http://127.0.0.1:{port}")
        report = broken("net.tcp", 7, env)
    assert "the proxy http://127.0.0.1:" in report["net.tcp"]["summary"]


REFUSALS = {
    "407": (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"),
    "403": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403"),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502"),
    "garbage": (b"220 mail.example ESMTP\r\n", "CONNECT"),
    "hangs up": (b"", "closed"),
}


@pytest.mark.parametrize(("answer", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_proxy_that_refuses(answer: bytes, said: str, tls_env: dict[str, str]) -> None:
    with ForwardProxy(answer) as proxy:
        report = broken("net.proxy", 7, via(settle(tls_env, "https://localhost:1"), proxy.url))
    assert said in report["net.proxy"]["summary"]
    assert report["net.tls"]["blocked_by"] == "net.proxy"


def test_a_proxy_that_stays_silent(tls_env: dict[str, str]) -> None:
    with TcpServer(stall) as proxy:
        via(settle(tls_env, "https://localhost:1"), f"http://{proxy.address}")
        broken("net.proxy", 7, tls_env, *QUICK)


def test_a_real_proxy(authority: Authority, tmp_path: Path, tls_env: dict[str, str]) -> None:
    with (
        real_proxy(tmp_path, "user:pass-word-123") as proxy,
        api(context=authority.valid()) as server,
    ):
        via(settle(tls_env, server.url), proxy)
        assert "407" in broken("net.proxy", 7, tls_env).text("net.proxy")
        via(tls_env, proxy.replace("http://", "http://user:wrong-word-1@"))
        assert "wrong-word" not in json.dumps(broken("net.proxy", 7, tls_env).document)
        via(tls_env, proxy.replace("http://", "http://user:pass-word-123@"))
        report = diagnose(tls_env)
        assert (report.status, report.ids("fail")) == (0, [])
        assert "with credentials" in report["env.proxy"]["summary"]
        assert "pass-word" not in json.dumps(report.document)
        assert report["net.proxy"]["status"] == "ok"
        assert report["net.tls"]["status"] == "ok"


def test_an_https_proxy(authority: Authority, tls_env: dict[str, str]) -> None:
    with (
        api(context=authority.valid()) as server,
        ForwardProxy(context=authority.valid()) as proxy,
    ):
        report = diagnose(via(settle(tls_env, server.url), proxy.url))
    assert (report.status, report.ids("fail")) == (0, [])


def test_an_https_proxy_that_is_not_trusted(authority: Authority, tls_env: dict[str, str]) -> None:
    with (
        api(context=authority.valid()) as server,
        ForwardProxy(context=Authority().valid()) as proxy,
    ):
        url = proxy.url.replace("://", "://user:pass-word-123@")
        report = broken("net.proxy", 8, via(settle(tls_env, server.url), url))
        # Not even to see its certificate is it sent the password.
        assert proxy.heads == []
    assert "issued by trustme" in report.text("net.proxy")


def test_a_server_behind_a_proxy_that_is_not_trusted(tls_env: dict[str, str]) -> None:
    with api(context=Authority().valid()) as server, ForwardProxy() as proxy:
        report = broken("net.tls", 8, via(settle(tls_env, server.url), proxy.url))
    assert report["net.proxy"]["status"] == "ok"
    assert "issued by trustme" in report.text("net.tls")


def test_a_plain_proxy_that_asks_for_a_password(env: dict[str, str]) -> None:
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with api() as server, ForwardProxy(answer) as proxy:
        env["HTTP_PROXY"] = proxy.url
        del env["NO_PROXY"]
        broken("api.http", 7, settle(env, server.url))


def test_a_socks_proxy(authority: Authority, tls_env: dict[str, str]) -> None:
    with api(context=authority.valid()) as server, SocksProxy(login="user:pass-word-1") as proxy:
        settle(tls_env, server.url)
        report = diagnose(via(tls_env, proxy.url(login="user:pass-word-1")))
        assert (report.status, report.ids("fail")) == (0, [])
        assert proxy.targets[0] == ("localhost", server.port)
        via(tls_env, proxy.url(login="user:wrong-word-1"))
        report = broken("net.proxy", 7, tls_env)
        assert report["net.proxy"]["failure_class"] == "proxy_auth"
        assert "wrong-word" not in json.dumps(report.document)
        broken("net.proxy", 7, via(tls_env, proxy.url()))


@pytest.mark.parametrize(
    ("reply", "said"), [(2, "not allowed"), (5, "connection refused"), (9, "reply 9")]
)
def test_a_socks_proxy_that_refuses(reply: int, said: str, tls_env: dict[str, str]) -> None:
    with SocksProxy(reply=reply) as proxy:
        report = broken("net.proxy", 7, via(settle(tls_env, "https://localhost:1"), proxy.url()))
    assert said in report["net.proxy"]["summary"]


PROXY_LOGINS = {
    "credentials": ("Basic realm=x", "user:pass-word-123@", "refuses the credentials"),
    "no credentials": ("Basic realm=x", "", "asks for valid credentials"),
    "NTLM": ("NTLM", "user:pass-word-123@", "asks for a login by NTLM"),
    "Digest": ('Digest realm="x"', "", "asks for a login by Digest"),
}


@pytest.mark.parametrize(("offer", "login", "said"), PROXY_LOGINS.values(), ids=PROXY_LOGINS)
def test_what_login_a_proxy_wants(
    offer: str, login: str, said: str, tls_env: dict[str, str]
) -> None:
    head = f"HTTP/1.1 407 No\r\nProxy-Authenticate: {offer}\r\nVia: 1.1 squid\r\n"
    with ForwardProxy(f"{head}Content-Length: 0\r\n\r\n".encode()) as proxy:
        url = proxy.url.replace("://", f"://{login}")
        report = broken("net.proxy", 7, via(settle(tls_env, "https://localhost:1"), url))
    assert said in report["net.proxy"]["summary"]
    assert "via: 1.1 squid" in report["net.proxy"]["summary"]


# TLS


CERTIFICATES: dict[str, tuple[Callable[[Authority], Any], str]] = {
    "unknown CA": (lambda _: Authority().valid(), "does not trust: trustme"),
    "self-signed": (lambda _: self_signed(), "is self-signed: localhost"),
    "expired": (lambda ca: ca.expired(), "has expired"),
    "not yet valid": (lambda ca: ca.not_yet_valid(), "is not valid yet"),
    "wrong host": (lambda ca: ca.wrong_host(), "another host name"),
}


@pytest.mark.parametrize(("make", "said"), CERTIFICATES.values(), ids=CERTIFICATES)
def test_a_bad_certificate(
    make: Callable[[Authority], Any], said: str, authority: Authority, tls_env: dict[str, str]
) -> None:
    with api(context=make(authority)) as server:
        report = broken("net.tls", 8, settle(tls_env, server.url))
        assert server.requests == []
    assert said in report["net.tls"]["summary"]
    assert "valid from" in report.text("net.tls")
    assert report["api.http"]["blocked_by"] == "net.tls"


def test_a_bad_certificate_is_described(authority: Authority, tls_env: dict[str, str]) -> None:
    with api(context=authority.expired()) as server:
        report = diagnose(settle(tls_env, server.url), "net.tls")
    text = report.text("net.tls")
    assert "to 2010-01-01 00:00 UTC" in text
    assert "this machine's clock says 20" in text
    assert "for localhost" in text


def test_a_variable_of_another_tool(authority: Authority, tls_env: dict[str, str]) -> None:
    tls_env["REQUESTS_CA_BUNDLE"] = tls_env.pop("SSL_CERT_FILE")
    with api(context=authority.valid()) as server:
        report = broken("net.tls", 8, settle(tls_env, server.url))
    assert "$REQUESTS_CA_BUNDLE" in report["net.tls"]["remedy"]
    assert report["env.ca"]["status"] == "warn"


def cut_off(connection: socket.socket) -> None:
    connection.recv(1000)
    reset(connection)


@pytest.mark.parametrize(
    ("handle", "status"),
    [
        (lambda c: c.sendall(b"220 mail.example ESMTP\r\n"), 8),
        (stall, 7),
        (cut_off, 8),
        (lambda c: c.recv(1000) and None, 8),
    ],
    ids=["plain text", "silence", "reset", "cut"],
)
def test_no_handshake(
    handle: Callable[[socket.socket], Any], status: int, tls_env: dict[str, str]
) -> None:
    with TcpServer(handle) as server:
        broken("net.tls", status, settle(tls_env, f"https://{server.address}"), *QUICK)


def test_tls_where_plain_http_is_asked(authority: Authority, env: dict[str, str]) -> None:
    with TlsServer(b"", authority.valid()) as server:
        report = diagnose(settle(env, f"http://127.0.0.1:{server.port}"))
    assert report.root_cause == "api.http"
    assert report.status in {7, 11}


# What answers


NOT_THE_API = {
    "HTML": (HTML, 11, "an HTML page"),
    "a redirect": (
        response(b"", status="302 Found", Location="https://login.example/?next=1"),
        11,
        "a redirect to login.example",
    ),
    "not JSON": (response(b"hello", content_type="text/plain"), 11, "not JSON"),
    "empty": (response(b""), 11, "empty body"),
    "other JSON": (response(b'{"status":"ok"}'), 11, "no chat completion"),
    "JSON that says 500": (response(b'{"error":{"code":500}}'), 10, "the server failed"),
    "not HTTP": (b"220 mail.example ESMTP\r\n", 11, "not HTTP"),
    "500": (response(b"{}", status="500 Internal Server Error"), 10, "HTTP 500"),
    "503 HTML": (
        response(b"<html>", status="503 Service Unavailable", content_type="text/html"),
        10,
        "HTTP 503",
    ),
    "429": (response(b"{}", status="429 Too Many Requests"), 10, "rate limit"),
    "404": (NOT_FOUND, 9, "not found"),
    "404 HTML": (
        response(b"<html>", status="404 Not Found", content_type="text/html"),
        9,
        "not found",
    ),
    "400 HTML": (
        response(b"<html>plain HTTP to TLS", status="400 Bad Request", content_type="text/html"),
        9,
        "HTTP 400",
    ),
    "hangs up": (b"", 7, "closed"),
}


@pytest.mark.parametrize(("answer", "status", "said"), NOT_THE_API.values(), ids=NOT_THE_API)
def test_something_else_answers(answer: bytes, status: int, said: str, env: dict[str, str]) -> None:
    with RawServer(answer) as server:
        report = broken("api.http", status, settle(env, server.url))
    assert said in report["api.http"]["summary"]
    assert report["api.auth"]["blocked_by"] == "api.http"
    assert not any(b"Bearer" in head for head, _ in server.requests[:-1])


def test_a_server_that_stays_silent(env: dict[str, str]) -> None:
    with TcpServer(stall) as server:
        report = broken("api.http", 10, settle(env, f"http://{server.address}"), *QUICK)
    assert "does not answer" in report["api.http"]["summary"]


def test_a_wrong_path(env: dict[str, str]) -> None:
    with api() as server:
        report = broken("api.http", 9, settle(env, f"{server.url}/wrong"))
    assert f"{server.url}/api/v1 answers" in report["api.http"]["remedy"]


def test_a_wrong_path_behind_a_gateway_that_wants_a_key(env: dict[str, str]) -> None:
    def answer(head: bytes, _: bytes) -> bytes:
        return NOT_FOUND if b"Bearer" in head else UNAUTHORIZED

    with api({f"GET {path}": answer for path in ("/users/me", "/models")}, base={}) as server:
        broken("api.auth", 9, settle(env, server.url))


@pytest.mark.parametrize(
    ("skew", "said"),
    [(10800, "3 hours behind"), (-400, "7 minutes ahead of")],
    ids=["past", "future"],
)
def test_a_clock_that_is_off(skew: int, said: str, env: dict[str, str]) -> None:
    import time
    from email.utils import formatdate

    dated = response(
        b'{"error":{"code":401}}', status="401 Unauthorized", Date=formatdate(time.time() + skew)
    )
    account = enveloped(ACCOUNT)
    answers: Answers = {"GET /users/me": lambda head, _: account if b"Bearer" in head else dated}
    with api(answers) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, ["api.clock"])
    assert said in report["api.clock"]["summary"]


# Account


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
@pytest.mark.parametrize("page", [False, True], ids=["JSON", "HTML"])
def test_a_key_that_is_refused(status: str, page: bool, env: dict[str, str]) -> None:
    refusal = (
        response(b"<html>", status=status, content_type="text/html")
        if page
        else response(f'{{"error":{{"message":"bad {KEY}"}}}}'.encode(), status=status)
    )
    with RawServer(refusal) as server:
        report = broken("api.auth", 4, settle(env, server.url))
    assert "from CLINE_API_KEY" in report.text("api.auth")


def test_an_account_that_cannot_be_read(env: dict[str, str]) -> None:
    failing = response(b"{}", status="500 Internal Server Error")
    answers: Answers = {
        "GET /users/me": lambda head, _: failing if b"Bearer" in head else UNAUTHORIZED
    }
    with api(answers) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, [])
    assert report["api.auth"]["summary"] == "the chat endpoint takes the key"


def test_an_endpoint_without_a_key_that_fails_is_not_the_api_failing(env: dict[str, str]) -> None:
    failing = response(b"{}", status="500 Internal Server Error")
    account = enveloped(ACCOUNT)
    answers: Answers = {
        "GET /users/me": lambda head, _: account if b"Bearer" in head else failing,
        "POST /chat/completions": lambda head, _: (
            response(completion("hello")) if b"Bearer" in head else UNAUTHORIZED
        ),
    }
    with api(answers) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report["api.http"]["status"]) == (0, "ok")


NO_CREDIT = response(
    json.dumps(
        {"success": False, "error": json.dumps({"code": "insufficient_credits", "message": "no"})}
    ).encode(),
    status="402 Payment Required",
)


@pytest.mark.parametrize("balance", [0, -140_000, -0.5])
def test_no_credit(balance: float, env: dict[str, str]) -> None:
    answers = {
        "GET /users/usr-1/balance": enveloped({"balance": balance}),
        "POST /chat/completions": NO_CREDIT,
    }
    with api(answers) as server:
        report = broken("api.credit", 5, settle(env, server.url))
        assert report["api.chat"]["blocked_by"] == "api.credit"
        live = broken("api.chat", 5, env, live=True)
    assert "the balance of the account is" in live["api.chat"]["summary"]


def test_the_active_organization_pays(env: dict[str, str]) -> None:
    organizations = [
        {"organizationId": "org-0", "name": "Idle", "active": False},
        {"organizationId": "org/1", "name": "Busy\x1b[31m\n Corp", "active": True},
    ]
    answers = {
        "GET /users/me": enveloped({**ACCOUNT, "organizations": organizations}),
        "GET /organizations/org%2F1/balance": enveloped({"balance": 0}),
        "POST /chat/completions": NO_CREDIT,
    }
    with api(answers) as server:
        report = broken("api.credit", 5, settle(env, server.url))
    assert "of the organization Busy [31m Corp is $0.00" in report["api.credit"]["summary"]
    assert "someone@example.com" not in json.dumps(report.document)


def test_402_everywhere(env: dict[str, str]) -> None:
    with RawServer(NO_CREDIT) as server:
        broken("api.credit", 5, settle(env, server.url))


BALANCES = {
    "low": (enveloped({"balance": 250_000}), "warn", "$0.25"),
    "redacted": (enveloped({"balance": "REDACTED"}), "skip", "no number"),
    "boolean": (enveloped({"balance": True}), "skip", "no number"),
    "nothing": (enveloped(None), "skip", "no number"),
    "missing": (NOT_FOUND, "skip", "HTTP 404"),
    "failing": (response(b"{}", status="500 Internal Server Error"), "skip", "HTTP 500"),
    "rich": (enveloped({"balance": 1_234_567_890_000}), "ok", "$1,234,567.89"),
}


@pytest.mark.parametrize(("answer", "status", "said"), BALANCES.values(), ids=BALANCES)
def test_balances(answer: bytes, status: str, said: str, env: dict[str, str]) -> None:
    with api({"GET /users/usr-1/balance": answer}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report["api.credit"]["status"]) == (0, status)
    assert said in report["api.credit"]["summary"]


def test_a_subscription_needs_no_credit(env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = "cline-pass/glm-5"
    answers = {
        "GET /users/usr-1/balance": enveloped({"balance": 0}),
        "GET /ai/cline/recommended-models": response(b'{"clinePass":[{"id":"cline-pass/glm-5"}]}'),
    }
    with api(answers) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, ["api.credit"])


# Models


MODEL_404 = response(b'{"error":{"code":404,"message":"model not found"}}', status="404 Not Found")
NO_MESSAGES_400 = response(b'{"error":{"code":400}}', status="400 Bad Request")


def _strict(_: bytes, body: bytes) -> bytes:
    return MODEL_404 if json.loads(body)["messages"] else NO_MESSAGES_400


def test_a_model_that_is_not_there(env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = "claude-sonnet-4.6"
    with api({"POST /chat/completions": MODEL_404}) as server:
        report = broken("api.model", 9, settle(env, server.url), live=True)
    assert f"did you mean {MODEL}" in report["api.model"]["remedy"]
    assert report["api.chat"]["blocked_by"] == "api.model"


def test_a_model_that_only_a_real_request_finds_missing(env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = "claude-sonnet-4.6"
    with api({"POST /chat/completions": _strict}) as server:
        report = broken("api.chat", 9, settle(env, server.url), live=True)
        free = diagnose(env)
    assert report["api.model"]["status"] == "warn"
    assert (free.status, free.ids("warn")) == (0, ["api.model"])
    assert f"did you mean {MODEL}" in free["api.model"]["remedy"]
    assert "--live" in free["api.model"]["remedy"]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("anthropic/claude-sonnet-4.6", "warn"),
        (f"{MODEL}:free", "ok"),
        ("Anthropic/Claude-Sonnet-4-6", "warn"),
    ],
)
def test_a_model_by_another_spelling(name: str, status: str, env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = name
    with api() as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report["api.model"]["status"]) == (0, status)
    assert status == "ok" or "--live" in report["api.model"]["remedy"]


def test_a_model_that_is_served_but_not_listed(env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = "hidden/model"
    with api() as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, ["api.model"])


CATALOGUES = {
    "not a list": response(b'{"data":"x"}'),
    "failing": response(b"{}", status="500 Internal Server Error"),
    "missing": NOT_FOUND,
}


@pytest.mark.parametrize("answer", CATALOGUES.values(), ids=CATALOGUES)
def test_no_catalogue(answer: bytes, env: dict[str, str]) -> None:
    with api({"GET /ai/cline/models": answer}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report["api.model"]["status"]) == (0, "skip")


# Other servers


CHAT_ONLY = {"POST /chat/completions": response(completion("hello"))}


def test_another_openai_compatible_server(env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = "llama3"
    answers = {**CHAT_ONLY, "GET /models": listed("llama3:latest")}
    with api(answers, base={}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("fail"), report.ids("warn")) == (0, [], [])
    assert "no account endpoints" in report["api.auth"]["summary"]
    assert "no account endpoints" in report["api.credit"]["summary"]
    assert report["api.auth"]["status"] == report["api.credit"]["status"] == "skip"
    assert report["api.model"]["status"] == "ok"
    assert " ".join(targets(server)).count("POST") == 1


@pytest.mark.parametrize("missing", [NOT_FOUND, HTML], ids=["404", "a web page"])
def test_a_server_with_a_chat_endpoint_alone(missing: bytes, env: dict[str, str]) -> None:
    with api(CHAT_ONLY, base={}, default=missing) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("fail")) == (0, [])


def test_another_server_that_refuses_the_key(env: dict[str, str]) -> None:
    answers = {"GET /models": UNAUTHORIZED, "POST /chat/completions": UNAUTHORIZED}
    with api(answers, base={}) as server:
        broken("api.auth", 4, settle(env, server.url))


# The message


def user(content: Any, **fields: Any) -> str:
    return json.dumps({"messages": [{"role": "user", "content": content}], **fields})


def image(url: str) -> str:
    return user(
        [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": url}}]
    )


BAD_REQUEST = response(b'{"error":{"code":400,"message":"bad request"}}', status="400 Bad Request")
REQUESTS = {
    "not JSON": ("{'messages': 1}", 2, "not JSON"),
    "not an object": ("[]", 2, "not a JSON object"),
    "messages is no array": ('{"messages": "hi"}', 2, "array"),
    "empty file": ("", 6, "no request"),
    "no messages": ("{}", 6, "no user message"),
    "empty messages": ('{"messages": []}', 6, "no user message"),
    "only system": ('{"messages": [{"role":"system","content":"x"}]}', 6, "no user message"),
    "blank": (user(" \n"), 6, "no user message"),
    "unknown role": (
        '{"messages":[{"role":"robot","content":"x"},{"role":"user","content":"y"}]}',
        9,
        "message 1: the role is 'robot'",
    ),
    "temperature as text": (user("hi", temperature="1"), 9, "no number"),
    "content is a number": (
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":7}]}',
        9,
        "message 2: the content",
    ),
    "an image that is none": (image("data:image/png;base64,aGVsbG8="), 9, "no PNG"),
    "an image that is no base64": (image("data:image/png;base64,###"), 9, "not base64"),
    "an image by path": (image("cat.png"), 9, "neither a data: nor"),
    "an image without base64": (image("data:image/png,abc"), 9, "marked as base64"),
    "an image without a URL": (
        user(["x", {"type": "image_url", "image_url": "x"}]),
        9,
        "part 1: it has no type",
    ),
}


@pytest.mark.parametrize(("text", "status", "said"), REQUESTS.values(), ids=REQUESTS)
def test_a_bad_request(text: str, status: int, said: str, env: dict[str, str]) -> None:
    report = diagnose(env, "message", "--request", "-", stdin=text.encode())
    assert (report.root_cause, report.status, report.ids("fail")) == (
        "message",
        status,
        ["message"],
    )
    assert said in report["message"]["summary"]
    assert report["message"]["remedy"]


WAYS_TO_BE_EMPTY = {
    "empty file": (" ", "it is empty"),
    "no messages": ("{}", "it has no messages"),
    "empty messages": ('{"messages": []}', "messages is empty"),
    "no user": ('{"messages":[{"role":"system","content":"x"}]}', "the role user (but system)"),
    "no content": ('{"messages":[{"role":"user"}]}', "message 1: its content is missing or null"),
    "empty": (user(""), "message 1: its content is empty"),
    "blank": (user(" \n"), "message 1: its content is white space alone"),
    "no parts": (user([]), "message 1: its content is an empty array"),
    "empty parts": (user([{"type": "text", "text": " "}]), "none of its 1 parts has text"),
    "the second": (
        '{"messages":[{"role":"system","content":"x"},{"role":"user","content":""}]}',
        "message 2: its content is empty",
    ),
}


@pytest.mark.parametrize(("text", "said"), WAYS_TO_BE_EMPTY.values(), ids=WAYS_TO_BE_EMPTY)
def test_in_which_way_a_message_is_empty(
    text: str, said: str, tmp_path: Path, env: dict[str, str]
) -> None:
    path = tmp_path / "request.json"
    path.write_text(text)
    report = diagnose(env, "message", "--request", str(path))
    assert (report.root_cause, report.status) == ("message", 6)
    assert said in report["message"]["summary"]
    assert report["message"]["remedy"].startswith(f"correct {path}")


@pytest.mark.parametrize(
    "name", ["not JSON", "messages is no array", "blank", "unknown role", "an image that is none"]
)
def test_ask_refuses_the_same_request(name: str, tmp_path: Path, env: dict[str, str]) -> None:
    text, status, _ = REQUESTS[name]
    path = tmp_path / "request.json"
    path.write_text(text)
    with api({"POST /chat/completions": BAD_REQUEST}) as server:
        report = broken("message", status, settle(env, server.url), request=str(path), live=True)
    assert report["api.chat"]["blocked_by"] == "message"


def test_every_fault_of_a_request_is_told(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "request.json"
    path.write_text(
        '{"temperature":-1,"messages":[{"role":"user","content":"x"},{"role":"dog"},{"content":[]}]}'
    )
    report = diagnose(env, "message", "--request", str(path))
    text = report.text("message")
    assert all(said in text for said in ("temperature is -1", "'dog'", "role is missing"))


PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAA"
    "DUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GOOD_REQUESTS = {
    "text": (user("hi", temperature=0.7), "ok"),
    "image": (image(f"data:image/png;base64,{PNG}"), "ok"),
    "image by URL": (image("https://example.com/cat.png"), "ok"),
    "image with another type": (image(f"data:image/jpeg;base64,{PNG}"), "warn"),
    "developer": (
        '{"messages":[{"role":"developer","content":"x"},{"role":"user","content":"y"}]}',
        "warn",
    ),
    "tool call": (
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,'
        '"tool_calls":[]},{"role":"tool","tool_call_id":"1","content":"y"}]}',
        "ok",
    ),
}


@pytest.mark.parametrize(("text", "status"), GOOD_REQUESTS.values(), ids=GOOD_REQUESTS)
def test_a_good_request(text: str, status: str, env: dict[str, str]) -> None:
    report = diagnose(env, "message", "--request", "-", stdin=text.encode())
    assert (report.status, report["message"]["status"]) == (0, status), report.text("message")


def test_a_fault_in_the_message_comes_before_the_key(tmp_path: Path, env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    path = tmp_path / "request.json"
    path.write_text("{}")
    report = diagnose(settle(env, "http://127.0.0.1:1"), "--request", str(path))
    assert (report.root_cause, report.status) == ("message", 6)


def test_the_model_of_the_request_counts(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "request.json"
    path.write_text(user("hi", model="no/such-model"))
    with api({"POST /chat/completions": MODEL_404}) as server:
        report = broken("api.model", 9, settle(env, server.url), request=str(path))
    assert "no/such-model" in report["api.model"]["summary"]


# Live


LIVE_FAULTS = {
    "empty-reply": 11,
    "cut-stream": 11,
    "length": 11,
    "mid-stream-error": 10,
    "rejected": 9,
}


@pytest.mark.parametrize(("fault", "status"), LIVE_FAULTS.items(), ids=LIVE_FAULTS)
def test_only_a_real_request_finds(fault: str, status: int, env: dict[str, str]) -> None:
    with mock_server(MockOptions(fault=[fault])) as server:
        settle(env, server.base_url)
        report = broken("api.chat", status, env, live=True)
        assert diagnose(env).status == 0
    if fault == "empty-reply":
        assert "the model's reply is empty" in report["api.chat"]["summary"]


MOCK_FAULTS = {
    "auth": ("api.auth", 4),
    "forbidden": ("api.auth", 4),
    "credit": ("api.chat", 5),
    "html": ("api.http", 11),
    "redirect": ("api.http", 11),
    "refuse": ("net.tcp", 7),
    "not-json": ("api.chat", 11),
    "server-error": ("api.chat", 10),
    "overload": ("api.chat", 10),
    "rate-limit": ("api.chat", 10),
    "spend-limit": ("api.chat", 5),
    "stall": ("api.http", 10),
}


@pytest.mark.parametrize(("fault", "expected"), MOCK_FAULTS.items(), ids=MOCK_FAULTS)
def test_every_endpoint_fails(fault: str, expected: tuple[str, int], env: dict[str, str]) -> None:
    with mock_server(MockOptions(fault=[fault])) as server:
        broken(*expected, settle(env, server.base_url), "--timeout", "1", live=True)


def test_a_real_request(env: dict[str, str]) -> None:
    with mock_server(MockOptions()) as server:
        report = diagnose(settle(env, server.base_url), "--live")
    assert report["api.chat"]["status"] == "ok"
    assert "first token after" in report["api.chat"]["summary"]
    text = report.text("api.chat")
    assert "finish_reason stop, end mark [DONE] seen" in text
    assert "completion tokens, $0.000" in text


def test_the_given_request_is_what_is_sent(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "request.json"
    path.write_text(user("what is it?", temperature=0.5))
    with api() as server:
        report = diagnose(settle(env, server.url), "--live", "--request", str(path))
    assert report["api.chat"]["status"] == "ok"
    bodies = [json.loads(body) for _, body in server.requests if body]
    sent = [body for body in bodies if body["messages"]]
    assert [(body["temperature"], body["stream"]) for body in sent] == [(0.5, False), (0.5, True)]
    assert sent[0]["messages"] == [{"role": "user", "content": "what is it?"}]


def test_a_model_that_is_too_slow(env: dict[str, str]) -> None:
    with mock_server(MockOptions(delay=5)) as server:
        report = diagnose(settle(env, server.base_url), "--live", "--timeout", "2")
    assert (report.root_cause, report.status) == ("api.chat", 10)
    assert "--timeout" in report["api.chat"]["remedy"]


def test_nothing_is_left_behind(env: dict[str, str]) -> None:
    with mock_server(MockOptions()) as server:
        assert isinstance(diagnose(settle(env, server.base_url), "--live"), Report)
    assert list(Path(env["HOME"]).rglob("*")) == []
