"""`doctor` where another way works: proxies that are known elsewhere, or fail; and what a proxy is
instead of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.doctor import Report, api, broken, reported
from tests.helpers.proxies import ForwardProxy, SocksProxy
from tests.helpers.servers import RawServer, TcpServer, refusing
from tests.helpers.tls import Authority

NAME = "far.invalid"
QUICK = ("--connect-timeout", "1", "--timeout", "4")


@pytest.fixture
def far(authority: Authority, tmp_path: Path, env: dict[str, str]) -> Iterator[RawServer]:
    """An API whose name only a proxy resolves."""
    with api(context=authority.valid(NAME)) as server:
        env["SSL_CERT_FILE"] = authority.write(tmp_path / "ca.pem")
        env["CLINE_API_BASE_URL"] = f"https://{NAME}"
        yield server


@pytest.fixture
def near(authority: Authority, tmp_path: Path, env: dict[str, str]) -> Iterator[RawServer]:
    """An API that is reached directly."""
    with api(context=authority.valid()) as server:
        env["SSL_CERT_FILE"] = authority.write(tmp_path / "ca.pem")
        env["CLINE_API_BASE_URL"] = server.url
        del env["NO_PROXY"]
        yield server


def _file(name: str, text: str) -> Callable[[dict[str, str], ForwardProxy], None]:
    def write(env: dict[str, str], proxy: ForwardProxy) -> None:
        path = Path(env["HOME"], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("URL", proxy.url).replace("PORT", str(proxy.port)))

    return write


def _gnome(env: dict[str, str], proxy: ForwardProxy) -> None:
    program = Path(env["HOME"], "bin", "gsettings")
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*'proxy mode') echo \"'manual'\" ;;\n"
        "*'https host') echo \"'127.0.0.1'\" ;;\n"
        f"*'https port') echo {proxy.port} ;;\n"
        "esac\n"
    )
    program.chmod(0o755)
    env["PATH"] = f"{program.parent}:{env['PATH']}"


ELSEWHERE = {
    "git": _file(".gitconfig", "[http]\n\tproxy = URL\n"),
    "git, XDG": _file(".config/git/config", "[http]\n\tproxy = URL\n"),
    "pip": _file(".config/pip/pip.conf", "[global]\nproxy = URL\n"),
    "pip, old": _file(".pip/pip.conf", "[global]\nproxy = 127.0.0.1:PORT\n"),
    "curl": _file(".curlrc", 'proxy = "URL"\n'),
    "curl, with dashes": _file(".curlrc", "--proxy URL\n"),
    "npm": _file(".npmrc", "https-proxy=URL\n"),
    "docker": _file(".docker/config.json", '{"proxies": {"default": {"httpsProxy": "URL"}}}'),
    "wget": _file(".wgetrc", "https_proxy = URL\n"),
    "a shell": _file(".bashrc", "export https_proxy='URL'\n"),
    "GNOME": _gnome,
}


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("configure", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_proxy_that_is_known_elsewhere(
    configure: Callable[[dict[str, str], ForwardProxy], None],
    far: RawServer,
    env: dict[str, str],
) -> None:
    with ForwardProxy(upstream=far.port) as proxy:
        configure(env, proxy)
        report = broken("net.dns", 7, env, *QUICK)
        remedy = report["net.dns"]["remedy"]
        assert remedy.startswith(f"export HTTPS_PROXY={proxy.url} (")
        assert "fails directly" in report["net.ways"]["summary"]
        assert b"Bearer" not in b"".join(proxy.heads)
        # The remedy is carried out.
        assert reported(env | {"HTTPS_PROXY": proxy.url}, *QUICK).status == 0


@pytest.mark.usefixtures("far")
def test_of_two_proxies_the_one_that_works_comes_first(far: RawServer, env: dict[str, str]) -> None:
    with refusing() as dead, ForwardProxy(upstream=far.port) as proxy:
        _file(".gitconfig", f"[http]\n\tproxy = http://127.0.0.1:{dead}\n")(env, proxy)
        _file(".npmrc", "proxy=URL\n")(env, proxy)
        report = broken("net.dns", 7, env, *QUICK)
    assert report["net.dns"]["remedy"].startswith(f"export HTTPS_PROXY={proxy.url} (")


@pytest.mark.usefixtures("far")
def test_a_login_of_another_tool_is_neither_used_nor_shown(env: dict[str, str]) -> None:
    with ForwardProxy() as proxy:
        login = proxy.url.replace("://", "://user:pass-word-1@")
        _file(".gitconfig", f"[http]\n\tproxy = {login}\n")(env, proxy)
        report = broken("net.dns", 7, env, *QUICK)
    assert proxy.heads == []
    assert f"export HTTPS_PROXY={proxy.url} with its user and password" in report.text("net.dns")
    assert "pass-word-1" not in str(report.document)


def test_files_that_never_end_hold_nothing_up(env: dict[str, str]) -> None:
    os.mkfifo(Path(env["HOME"], ".gitconfig"))
    Path(env["HOME"], ".npmrc").symlink_to("/dev/zero")
    env["CLINE_API_BASE_URL"] = f"https://{NAME}"
    assert broken("net.dns", 7, env, *QUICK).status == 7


# A proxy fails, the direct way does not


def _direct(report: Report, check: str) -> None:
    assert "directly it works" in report[check]["summary"]
    assert "export NO_PROXY=localhost" in report[check]["remedy"]
    assert "works directly, fails through the proxy" in report["net.ways"]["summary"]
    assert report["net.ways"]["status"] == "warn"


@pytest.mark.usefixtures("near")
def test_a_dead_proxy_where_it_works_directly(env: dict[str, str]) -> None:
    with refusing() as port:
        env["HTTPS_PROXY"] = f"http://127.0.0.1:{port}"
        _direct(broken("net.tcp", 7, env), "net.tcp")
        assert reported(env | {"NO_PROXY": "localhost"}).status == 0


@pytest.mark.usefixtures("near")
def test_a_proxy_that_refuses_where_it_works_directly(env: dict[str, str]) -> None:
    with ForwardProxy(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as proxy:
        env["HTTPS_PROXY"] = proxy.url
        _direct(broken("net.proxy", 7, env), "net.proxy")


@pytest.mark.usefixtures("near")
def test_a_proxy_that_cuts_tls_where_it_works_directly(env: dict[str, str]) -> None:
    with ForwardProxy(b"HTTP/1.1 200 Connection established\r\n\r\n") as proxy:
        env["HTTPS_PROXY"] = proxy.url
        report = broken("net.tls", 8, env)
    _direct(report, "net.tls")
    assert f"through the proxy {proxy.url}" in report["net.tls"]["summary"]


@pytest.mark.usefixtures("near")
def test_nobody_goes_around_a_proxy_that_hides_names(near: RawServer, env: dict[str, str]) -> None:
    with SocksProxy(reply=2) as proxy:
        env["ALL_PROXY"] = proxy.url("socks5h")
        report = broken("net.proxy", 7, env)
    assert near.requests == []
    assert "directly" not in str(report.document)


# What is no proxy


def test_a_socks_proxy_that_is_named_as_an_http_one(far: RawServer, env: dict[str, str]) -> None:
    with SocksProxy(upstream=far.port) as proxy:
        env["HTTPS_PROXY"] = proxy.url("http")
        report = broken("net.proxy", 7, env, *QUICK)
        assert report["net.proxy"]["remedy"].startswith(
            f"it is a SOCKS proxy: export HTTPS_PROXY={proxy.url('socks5h')}"
        )
        assert reported(env | {"HTTPS_PROXY": proxy.url("socks5h")}, *QUICK).status == 0


def test_a_proxy_that_leaves_names_to_this_machine(far: RawServer, env: dict[str, str]) -> None:
    with SocksProxy(upstream=far.port) as proxy:
        env["ALL_PROXY"] = proxy.url("socks5")
        report = broken("net.proxy", 7, env, *QUICK)
    assert f"export ALL_PROXY={proxy.url('socks5h')}" in report["net.proxy"]["remedy"]


@pytest.mark.usefixtures("far")
def test_a_pac_file(env: dict[str, str]) -> None:
    answer: Any = b"HTTP/1.1 405 Not Allowed\r\nContent-Length: 0\r\n\r\n"
    with ForwardProxy(answer) as proxy:
        env["HTTPS_PROXY"] = f"{proxy.url}/proxy.pac?x=1"
        report = broken("net.proxy", 7, env, *QUICK)
    assert report["net.proxy"]["remedy"].startswith("HTTPS_PROXY names a PAC file and no proxy")


def test_a_second_chance(far: RawServer, env: dict[str, str]) -> None:
    class Once(ForwardProxy):
        def _proxy(self, connection: Any) -> None:
            busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
            self.answer = busy if self.connections == 1 else None
            super()._proxy(connection)

    with Once(upstream=far.port) as proxy:
        report = reported(env | {"HTTPS_PROXY": proxy.url}, *QUICK)
    assert (report.status, report["net.proxy"]["status"]) == (0, "warn")
    assert "failed at first (" in report["net.proxy"]["summary"]
    with Once(upstream=far.port) as proxy:
        report = reported(env | {"HTTPS_PROXY": proxy.url}, *QUICK, "--retries", "0")
    assert (report.status, report.root_cause) == (7, "net.proxy")


def test_a_page_in_place_of_tls(env: dict[str, str]) -> None:
    def block(connection: Any) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 403 No\r\n\r\n<title>Web Page Blocked!</title>")

    with TcpServer(block) as server:
        env["CLINE_API_BASE_URL"] = f"https://{server.address}"
        report = broken("net.tls", 8, env)
    assert "plain HTTP (Web Page Blocked!)" in report["net.tls"]["summary"]
    assert f"write http://{server.address}" in report["net.tls"]["remedy"]
