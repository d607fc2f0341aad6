"""Forward proxies through the real command: a real proxy process, and raw ones that misbehave."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.helpers.env import KEY
from tests.helpers.process import BOTH_COMMANDS, failure, no_traceback, run
from tests.helpers.proxies import (
    ESCAPED,
    PASSWORD,
    UNUSABLE,
    ForwardProxy,
    SocksProxy,
    real_proxy,
)
from tests.helpers.replies import (
    REPLY,
    STREAM,
    completion,
    response,
)
from tests.helpers.servers import RawServer, TcpServer, blackhole, read_head, refusing, stall
from tests.helpers.tls import Authority, TlsServer

ONCE = ["--retries", "0"]
API = "https://api.lab.example/v1"
NAME = "api.lab.example"


@pytest.fixture(scope="module")
def open_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_proxy(tmp_path_factory.mktemp("proxy")) as url:
        yield url


@pytest.fixture(scope="module")
def guarded_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL without the credentials `user:secret-1` that it asks for."""
    with real_proxy(tmp_path_factory.mktemp("guarded"), "user:secret-1") as url:
        yield url


@pytest.fixture
def proxied(env: dict[str, str], ca_file: str) -> dict[str, str]:
    """An environment in which loopback addresses go through proxies too."""
    return env | {"NO_PROXY": "", "SSL_CERT_FILE": ca_file}


def with_credentials(url: str, credentials: str) -> str:
    return url.replace("://", f"://{credentials}@")


# A real proxy


@BOTH_COMMANDS
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_real_proxy_without_credentials(
    command: str, scheme: str, authority: Authority, open_proxy: str, proxied: dict[str, str]
) -> None:
    proxied[f"{scheme}_proxy"] = open_proxy
    answer = REPLY if command == "ask" else STREAM
    server = TlsServer(answer, authority.valid()) if scheme == "https" else RawServer(answer)
    with server:
        done = run([command, "hi", "-v", "--base-url", server.url], proxied)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    assert f"the proxy {open_proxy} (from {scheme}_proxy)".encode() in done.stderr
    ((head, _),) = server.requests
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in head


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_real_proxy_with_credentials(
    scheme: str, authority: Authority, guarded_proxy: str, proxied: dict[str, str]
) -> None:
    proxied[f"{scheme}_proxy"] = with_credentials(guarded_proxy, "user:secret-1")
    server = TlsServer(REPLY, authority.valid()) if scheme == "https" else RawServer(REPLY)
    with server:
        done = run(["ask", "hi", "-v", "--base-url", server.url], proxied)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    assert b"secret-1" not in done.stderr


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("credentials", ["", "user:wrong-secret"], ids=["missing", "wrong"])
def test_a_real_proxy_refuses_credentials(
    scheme: str,
    credentials: str,
    authority: Authority,
    guarded_proxy: str,
    proxied: dict[str, str],
) -> None:
    proxy = with_credentials(guarded_proxy, credentials) if credentials else guarded_proxy
    proxied[f"{scheme}_proxy"] = proxy
    server = TlsServer(REPLY, authority.valid()) if scheme == "https" else RawServer(REPLY)
    with server:
        done = run(["ask", "hi", "-v", "--base-url", server.url], proxied)
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"credentials" in done.stderr
    assert b"USER:PASSWORD@HOST" in done.stderr
    assert b"wrong-secret" not in done.stderr
    assert b"trying again" not in done.stderr
    assert server.requests == []
    no_traceback(done)


# What a proxy sees


@BOTH_COMMANDS
def test_the_key_never_reaches_the_proxy(
    command: str, authority: Authority, proxied: dict[str, str]
) -> None:
    answer = REPLY if command == "ask" else STREAM
    with (
        TlsServer(answer, authority.valid(NAME)) as server,
        ForwardProxy(upstream=server.port) as proxy,
    ):
        proxied["HTTPS_PROXY"] = with_credentials(proxy.url, f"us%C3%A9r:{ESCAPED}")
        done = run([command, "hi", "--base-url", API], proxied)
    # The name does not exist: the proxy alone resolves it.
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    (head,) = proxy.heads
    lines = head.decode().split("\r\n")
    assert lines[0] == f"CONNECT {NAME}:443 HTTP/1.1"
    fields = {line.partition(":")[0].lower() for line in lines[1:] if line}
    assert fields <= {"host", "accept", "proxy-authorization", "user-agent"}
    token = base64.b64encode(f"usér:{PASSWORD}".encode()).decode()
    assert f"Proxy-Authorization: Basic {token}" in lines
    ((request, _),) = server.requests
    assert KEY.encode() in request
    assert b"Proxy-Authorization" not in request


def test_the_proxy_password_stays_at_the_proxy_for_plain_http(proxied: dict[str, str]) -> None:
    """An http target: the proxy is sent the whole request, and only loopback may be such."""
    with ForwardProxy(REPLY) as proxy:
        proxied["http_proxy"] = with_credentials(proxy.url, f"user:{ESCAPED}")
        done = run(["ask", "hi", "--base-url", "http://localhost:8080/v1"], proxied)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    (head,) = proxy.heads
    assert head.startswith(b"POST http://localhost:8080/v1/chat/completions HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic " in head


@pytest.mark.parametrize("source", ["--proxy", "http_proxy"])
def test_a_far_proxy_does_not_get_the_key_in_plain_text(
    source: str, proxied: dict[str, str]
) -> None:
    flags = ["--proxy", "http://proxy.example:3128"] if source == "--proxy" else []
    proxied["http_proxy"] = "http://proxy.example:3128"
    done = run(["ask", "hi", "--base-url", "http://localhost:8080/v1", *flags], proxied)
    assert done.returncode == 3
    assert f"the proxy http://proxy.example:3128 from {source} would".encode() in done.stderr
    no_traceback(done)


@BOTH_COMMANDS
def test_tls_to_the_proxy(command: str, authority: Authority, proxied: dict[str, str]) -> None:
    def answer(connection: socket.socket, _number: int) -> None:
        # Longer than one wait for data.
        threading.Event().wait(1.2)
        connection.sendall(REPLY if command == "ask" else STREAM)

    with (
        TlsServer(answer, authority.valid(NAME)) as server,
        ForwardProxy(upstream=server.port, context=authority.valid()) as proxy,
    ):
        proxied["HTTPS_PROXY"] = with_credentials(proxy.url, "user:secret-1")
        # Larger than a TLS record both ways through both layers.
        done = run([command, "x" * 100_000, "--base-url", API], proxied)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    assert len(proxy.heads) == 1
    assert b"Authorization: Bearer" not in proxy.heads[0]


@pytest.mark.parametrize("hop", ["proxy", "target"])
def test_a_bad_certificate_behind_tls_to_the_proxy_names_its_host(
    hop: str, authority: Authority, proxied: dict[str, str]
) -> None:
    stranger = Authority()
    contexts = {
        "proxy": (authority.valid(NAME), stranger.valid()),
        "target": (stranger.valid(NAME), authority.valid()),
    }
    of_target, of_proxy = contexts[hop]
    with (
        TlsServer(REPLY, of_target) as server,
        ForwardProxy(upstream=server.port, context=of_proxy) as proxy,
    ):
        proxied["HTTPS_PROXY"] = proxy.url
        done = run(["ask", "hi", "--base-url", API], proxied)
    assert done.returncode == 8
    host = "127.0.0.1" if hop == "proxy" else NAME
    assert f"the certificate of {host} is signed by a CA that".encode() in done.stderr
    assert server.requests == []
    no_traceback(done)


# Proxies that fail


REFUSALS = {
    "403": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", [b"403", b"does not allow"]),
    "407": (
        b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n'
        b"Content-Length: 0\r\n\r\n",
        [b"407", b"credentials"],
    ),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", [b"502"]),
    "a redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\n\r\n",
        [b"302", b"log in at portal.example with a browser"],
    ),
    "a page instead of a tunnel": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n<title>secret-1 WiFi</title>",
        [b"answers CONNECT with a page", b"it says: [key] WiFi", b"with a browser"],
    ),
    "a page that is announced": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        [b"answers CONNECT with a page", b"with a browser"],
    ),
    "a web server": (
        b"HTTP/1.1 405 Not Allowed\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n",
        [b"opens no tunnel", b"server: nginx", b"no proxy"],
    ),
    "escape sequences": (
        b"HTTP/1.1 503 \x1b]0;owned\x07\r\nContent-Length: 0\r\n\r\n",
        [b"503"],
    ),
    "a page": (
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 62\r\n\r\n"
        b"<html><head><TITLE>Blocked by\nsecret-1 policy</TITLE></head><p>x",
        [b"403", b"its page says: Blocked by [key] policy"],
    ),
    "a page that never ends": (
        b"HTTP/1.1 502 Bad\r\nContent-Length: 9999\r\n\r\n<title>Oops</title>",
        [b"502", b"its page says: Oops"],
    ),
    "garbage": (b"SSH-2.0-OpenSSH_9.6\r\n", [b"CONNECT"]),
    "nothing": (b"", [b"without an answer"]),
    "half an answer": (b"HTTP/1.1 200 Conn", [b"CONNECT"]),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("case", REFUSALS)
def test_a_proxy_that_refuses_the_tunnel(command: str, case: str, proxied: dict[str, str]) -> None:
    answer, messages = REFUSALS[case]
    with ForwardProxy(answer) as proxy:
        proxied["HTTPS_PROXY"] = with_credentials(proxy.url, "user:secret-1")
        done = run([command, "hi", "--base-url", API, *ONCE], proxied)
    assert (done.returncode, done.stdout) == (7, b"")
    assert f"the proxy {proxy.url} (from HTTPS_PROXY) ".encode() in done.stderr
    for message in messages:
        assert message in done.stderr
    assert b"secret-1" not in done.stderr
    assert b"\x1b" not in done.stderr
    no_traceback(done)


@pytest.mark.parametrize(
    ("status", "tries"), [("502 Bad Gateway", 2), ("403 Forbidden", 1)], ids=["502", "403"]
)
def test_only_a_proxy_that_may_recover_is_asked_again(
    status: str, tries: int, proxied: dict[str, str]
) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    with ForwardProxy(answer) as proxy:
        proxied["HTTPS_PROXY"] = proxy.url
        done = run(["ask", "hi", "--base-url", API, "--retries", "1"], proxied)
    assert done.returncode == 7
    assert len(proxy.heads) == tries


VARIABLES = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "--proxy"]


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_dead_proxy_is_named_with_where_it_came_from(
    variable: str, proxied: dict[str, str]
) -> None:
    flags = []
    with refusing() as port:
        proxy = f"http://127.0.0.1:{port}"
        if variable == "--proxy":
            flags = ["--proxy", with_credentials(proxy, "user:secret-1")]
            proxied["HTTPS_PROXY"] = "http://127.0.0.1:1"
        else:
            proxied[variable] = with_credentials(proxy, "user:secret-1")
        done = run(["ask", "hi", "--base-url", API, *flags, *ONCE], proxied)
    assert done.returncode == 7
    expected = f"error: the proxy {proxy} (from {variable}) refused the connection\n"
    assert expected.encode() in done.stderr
    assert b"secret-1" not in done.stderr
    no_traceback(done)


def test_a_dead_proxy_of_an_http_target(proxied: dict[str, str]) -> None:
    with refusing() as port:
        proxied["HTTP_PROXY"] = proxy = f"http://127.0.0.1:{port}"
        done = run(["ask", "hi", "--base-url", "http://localhost:8080", *ONCE], proxied)
    assert done.returncode == 7
    assert f"the proxy {proxy} (from HTTP_PROXY) refused the connection".encode() in done.stderr


def test_a_proxy_that_cannot_be_resolved(proxied: dict[str, str]) -> None:
    proxied["HTTPS_PROXY"] = "http://proxy.invalid:3128"
    done = run(["ask", "hi", "--base-url", API, *ONCE], proxied)
    assert done.returncode == 7
    assert b"the proxy http://proxy.invalid:3128 (from HTTPS_PROXY)" in done.stderr
    no_traceback(done)


def proxy_answers_then_stalls(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    stall(connection)


STALLS = {
    "accepting": (None, b"did not accept the connection within 0.5 s (--connect-timeout)"),
    "CONNECT": (stall, b"did not answer to CONNECT within 0.5 s"),
    "the handshake behind it": (
        proxy_answers_then_stalls,
        b"the TLS handshake with api.lab.example did not finish within 0.5 s",
    ),
}


@pytest.mark.parametrize("step", STALLS)
def test_a_proxy_that_stalls(step: str, proxied: dict[str, str]) -> None:
    handle, message = STALLS[step]
    with ExitStack() as stack:
        if handle:
            port = stack.enter_context(TcpServer(handle)).port
        else:
            port = stack.enter_context(blackhole())
        proxied["HTTPS_PROXY"] = f"http://127.0.0.1:{port}"
        done = run(["ask", "hi", "--base-url", API, "--connect-timeout", "0.5", *ONCE], proxied)
    assert done.returncode == 7
    assert message in done.stderr
    no_traceback(done)


def test_plain_text_behind_the_tunnel_is_no_tls(proxied: dict[str, str]) -> None:
    """As of a proxy that answers in the name of the host it blocks."""

    def portal(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.recv(65536)
        connection.sendall(response(b"<html>", content_type="text/html"))

    with TcpServer(portal) as proxy:
        proxied["HTTPS_PROXY"] = f"http://{proxy.address}"
        done = run(["ask", "hi", "--base-url", API, *ONCE], proxied)
    assert done.returncode == 8
    assert b"api.lab.example does not speak TLS" in done.stderr


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_proxy_that_cannot_be_used(case: str, proxied: dict[str, str]) -> None:
    value, message = UNUSABLE[case]
    proxied["HTTPS_PROXY"] = value
    done = run(["ask", "hi", "--base-url", API], proxied)
    assert (done.returncode, done.stdout) == (7, b"")
    assert message in done.stderr
    assert b"hint: set HTTPS_PROXY to http://" in done.stderr
    assert b"secret-1" not in done.stderr
    assert b"sec#" not in done.stderr
    no_traceback(done)


# Which proxy, if any


def test_the_flag_outranks_the_environment(proxied: dict[str, str]) -> None:
    proxied |= {"http_proxy": "http://127.0.0.1:1", "NO_PROXY": "*"}
    with ForwardProxy(REPLY) as proxy:
        done = run(["ask", "hi", "--base-url", "http://localhost:9", "--proxy", proxy.url], proxied)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    assert len(proxy.heads) == 1


def test_an_empty_flag_means_no_proxy(proxied: dict[str, str]) -> None:
    proxied["http_proxy"] = "http://127.0.0.1:1"
    with RawServer(REPLY) as server:
        done = run(["ask", "hi", "--base-url", server.url, "--proxy", ""], proxied)
    assert (done.returncode, done.stdout) == (0, b"hello\n")


# httpx dies of most of these.
@pytest.mark.parametrize("value", ["[::1]", "fd00::/8,[::1]:80", "::/0,[,]:"])
def test_no_proxy_forms_do_not_crash(value: str, proxied: dict[str, str]) -> None:
    proxied |= {"NO_PROXY": value, "http_proxy": "http://127.0.0.1:1"}
    with RawServer(REPLY) as server:
        # The last entry covers the server, so that the dead proxy is passed over.
        proxied["NO_PROXY"] += ",127.0.0.0/8"
        done = run(["ask", "hi", "--base-url", server.url], proxied)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


@pytest.mark.parametrize("variable_set", [False, True], ids=["alone", "under a variable"])
def test_the_config_file_names_a_proxy(variable_set: bool, proxied: dict[str, str]) -> None:
    """flags > environment > file."""
    config = Path(proxied["HOME"], ".config", "clinecli", "config.toml")
    config.parent.mkdir(parents=True)
    with ForwardProxy(REPLY) as of_file, ForwardProxy(REPLY) as of_variable:
        config.write_text(f'proxy = "{of_file.url}"\n')
        if variable_set:
            proxied["http_proxy"] = of_variable.url
        done = run(["ask", "hi", "-v", "--base-url", "http://localhost:8080"], proxied)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    assert (len(of_file.heads), len(of_variable.heads)) == ((0, 1) if variable_set else (1, 0))
    source = b"(from http_proxy)" if variable_set else b"(from proxy of the config file)"
    assert source in done.stderr


# SOCKS5


@BOTH_COMMANDS
@pytest.mark.parametrize(
    ("scheme", "asked"), [("socks5", "127.0.0.1"), ("socks5h", "localhost"), ("socks", "localhost")]
)
def test_a_socks_proxy(command: str, scheme: str, asked: str, env: dict[str, str]) -> None:
    del env["NO_PROXY"]
    with RawServer(response(completion("hello"))) as server, SocksProxy() as proxy:
        env |= {
            "ALL_PROXY": proxy.url(scheme),
            "CLINE_API_BASE_URL": f"http://localhost:{server.port}",
        }
        done = run([command, "hi"], env)
    assert (done.returncode, done.stdout) == (0, b"hello\n"), done
    ((host, port),) = proxy.targets
    assert port == server.port
    assert host in {asked, "::1"} if scheme == "socks5" else host == asked
    # The request is the server's, not the proxy's.
    assert server.requests[0][0].startswith(b"POST /api/v1/")


def test_what_is_no_socks_proxy(env: dict[str, str]) -> None:
    def http(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with TcpServer(http) as proxy:
        url = f"socks5h://{proxy.address}"
        done = run(["ask", "hi", "--proxy", url, "--retries", "0"], env)
    message, _ = failure(done, 7)
    assert message.startswith(f"the proxy {url} (from --proxy) does not speak SOCKS5")
