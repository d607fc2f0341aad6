"""Broken ways to the API: DNS, TCP, proxies."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from tests.helpers.proxies import ForwardProxy
from tests.helpers.servers import TcpServer, blackhole, refusing
from tests.lab.bench import (
    PUBLIC,
    Bench,
    Case,
    command,
    commands,
    connect_answer,
    does,
    flag,
    opened,
    resolves,
)
from tests.lab.names import NAMES, WITHOUT_AAAA, Answer

Make = Callable[[Bench], object]
# Addresses that swallow everything.
_SILENT, _SILENT_TOO = "93.184.215.99", "93.184.215.98"


def _dns(name: str, wrong: Answer, port: int = 443) -> Make:
    """A name of which DNS says something wrong."""

    def make(bench: Bench) -> None:
        bench.public(name, port)
        NAMES[name] = wrong

    return make


def _misspelt(bench: Bench) -> None:
    bench.public("spelt.com")
    bench.url("https://spellt.com")


def _spelt(bench: Bench) -> None:
    bench.url("https://spelt.com")


def _pinned(address: str, name: str) -> Make:
    """A name that the hosts file leads elsewhere."""

    def make(bench: Bench) -> None:
        bench.public(name)
        bench.hosts(name, address)

    return make


def _unpinned(name: str) -> Callable[[Bench, str], None]:
    def cure(bench: Bench, remedy: str) -> None:
        does("correct line ", "/etc/hosts", by=lambda _: None)(bench, remedy)
        number = int(remedy.partition("line ")[2].split()[0])
        # The other lines keep their numbers for the other cases.
        lines = Path("/etc/hosts").read_text().split("\n")
        if name not in lines[number - 1]:
            raise AssertionError(f"line {number} is {lines[number - 1]}")
        lines[number - 1] = "#"
        Path("/etc/hosts").write_text("\n".join(lines))

    return cure


def _no_aaaa(bench: Bench) -> None:
    bench.public("dropped.com")
    WITHOUT_AAAA.add("dropped.com")
    bench.flags = ["--timeout", "50", "--connect-timeout", "3"]


def _slow_name(bench: Bench) -> None:
    bench.public("late.com")
    bench.flags = ["--timeout", "8", "--connect-timeout", "1"]


def _port(bench: Bench) -> None:
    bench.tls(bench.authority.valid("api.test"), "api.test")
    bench.right = bench.env["CLINE_API_BASE_URL"]
    bench.url(f"https://api.test:{bench.stack.enter_context(refusing())}")


def _right_url(bench: Bench) -> None:
    bench.url(bench.right)


def _port_by_address(bench: Bench) -> None:
    bench.api()
    bench.right = bench.env["CLINE_API_BASE_URL"]
    bench.url(f"http://127.0.0.1:{bench.stack.enter_context(refusing())}")


def _full_port(bench: Bench) -> None:
    bench.api()
    bench.right = bench.env["CLINE_API_BASE_URL"]
    bench.url(f"http://127.0.0.1:{bench.stack.enter_context(blackhole())}")


def _offline(name: str) -> Make:
    def make(bench: Bench) -> None:
        address = bench.public(name or f"addressed{bench.number}.com")
        if not name:
            bench.server.context = bench.authority.valid(address)
            bench.url(f"https://{address}")
        bench.prefix = ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]

    return make


def _online(bench: Bench) -> None:
    bench.prefix = []


def _cut(connection: socket.socket) -> None:
    connection.recv(1)


def _stalled_6(bench: Bench) -> None:
    """IPv6 accepts, and large packets get lost on it."""
    address = bench.public("sixth.com")
    six = bench.six()
    NAMES["sixth.com"] = [six, address]

    def hold(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    bench.run(TcpServer(hold, six, 443))


def _four_alone(bench: Bench) -> None:
    NAMES["sixth.com"] = [f"{PUBLIC}{bench.number}"]


# Proxies that are known elsewhere


def _known_elsewhere(file: str, text: str) -> Make:
    """A proxy that a file of the home directory names, and without which nothing works."""

    def make(bench: Bench) -> None:
        url = bench.through().url
        del bench.env["HTTPS_PROXY"]
        bench.home(file, text.format(url=url, port=bench.proxy.port))

    return make


def _gnome(bench: Bench) -> None:
    bench.through()
    del bench.env["HTTPS_PROXY"]
    answers = {
        "org.gnome.system.proxy mode": "'manual'",
        "org.gnome.system.proxy.https host": "'127.0.0.1'",
        "org.gnome.system.proxy.https port": str(bench.proxy.port),
    }
    cases = "".join(f'"get {asked}") echo "{answer}" ;;\n' for asked, answer in answers.items())
    program = bench.directory / "bin" / "gsettings"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}esac\n')
    program.chmod(0o755)
    bench.env["PATH"] = f"{program.parent}:{bench.env['PATH']}"


def _http_proxy_alone(bench: Bench) -> None:
    bench.env["HTTP_PROXY"] = bench.through().url
    del bench.env["HTTPS_PROXY"]


def _bypassed(bench: Bench) -> None:
    bench.through()
    bench.env["NO_PROXY"] = ".com"


def _not_bypassed(bench: Bench) -> None:
    bench.env["NO_PROXY"] = ""


# Proxies


def _proxy(answer: bytes, login: str = "") -> Make:
    return lambda bench: bench.through(answer, login)


def _socks(reply: int = 0, login: str | None = None) -> Make:
    return lambda bench: bench.socks(reply, login)


def _logged_in(bench: Bench) -> None:
    bench.env["HTTPS_PROXY"] = bench.env["HTTPS_PROXY"].replace("://", "://user:word@", 1)
    opened(bench)


def _dead_proxy(bench: Bench) -> None:
    """Without it, it works."""
    bench.public(f"near{bench.number}.com")
    bench.via(f"http://127.0.0.1:{bench.stack.enter_context(refusing())}")


def _broken_proxy(bench: Bench) -> None:
    bench.public(f"near{bench.number}.com")
    proxy = bench.run(ForwardProxy(connect_answer("502 Bad Gateway", "Via: 1.1 px")))
    bench.via(proxy.url)


def _cutting_proxy(bench: Bench) -> None:
    bench.public(f"near{bench.number}.com")
    proxy = bench.run(ForwardProxy(b"HTTP/1.1 200 Connection established\r\n\r\n"))
    bench.via(proxy.url)


def _pac(bench: Bench) -> None:
    bench.through()
    bench.right = bench.env["HTTPS_PROXY"]
    page = bench.run(ForwardProxy(connect_answer("405 Not Allowed")))
    bench.via(f"{page.url}/proxy.pac")


def _right_proxy(bench: Bench) -> None:
    bench.env["HTTPS_PROXY"] = bench.right


def _local_names(bench: Bench) -> None:
    bench.socks()
    bench.via(bench.env["HTTPS_PROXY"].replace("socks5h", "socks5"))


def _named_http(bench: Bench) -> None:
    bench.socks()
    bench.via(bench.env["HTTPS_PROXY"].replace("socks5h", "http"))


def _named_socks(bench: Bench) -> None:
    bench.through()
    bench.via(bench.env["HTTPS_PROXY"].replace("http", "socks5h"))


def _named_https(bench: Bench) -> None:
    bench.through()
    bench.via(bench.env["HTTPS_PROXY"].replace("http", "https"))


def _http_again(bench: Bench) -> None:
    bench.via(bench.env["HTTPS_PROXY"].replace("https", "http"))


def _quoted(bench: Bench) -> None:
    bench.through()
    bench.right = bench.env["HTTPS_PROXY"]
    bench.env["HTTPS_PROXY"] = f'"{bench.right}"'


_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>Guest WiFi</title>"
_BASIC = "Proxy-Authenticate: Basic realm=x"
_ASKS_DNS = "ask who runs this network's DNS"

DNS = (
    Case(
        "name that does not exist",
        _misspelt,
        "net.dns",
        7,
        ("DNS works",),
        does("correct the name in the base URL (from CLINE_API_BASE_URL)", by=_spelt),
    ),
    Case(
        "DNS fails",
        _dns("servfail.com", 2),
        "net.dns",
        7,
        ("this name alone", "DNS works"),
        does("try again later", by=resolves("servfail.com")),
    ),
    Case(
        "DNS is silent",
        _dns("silent.com", "silence"),
        "net.dns",
        7,
        ("this name alone", "temporary failure"),
        does("another name server", by=resolves("silent.com")),
    ),
    Case(
        "AAAA is dropped",
        _no_aaaa,
        "net.dns",
        7,
        ("an IPv4 look-up alone is answered", "AAAA"),
        flag(r"--connect-timeout 30"),
    ),
    Case(
        "DNS is slower than --connect-timeout",
        _slow_name,
        "net.dns",
        7,
        ("but later",),
        does("raise --connect-timeout", by=lambda b: b.flags.extend(["--connect-timeout", "6"])),
    ),
    Case(
        "sinkhole 0.0.0.0",
        _dns("sink0.com", ["0.0.0.0"], 1443),
        "net.tcp",
        7,
        ("ad blocker",),
        does(_ASKS_DNS, by=resolves("sink0.com")),
    ),
    Case(
        "sinkhole 127.0.0.1",
        _dns("sink127.com", ["127.0.0.1"], 1443),
        "net.tcp",
        7,
        ("this machine",),
        does(_ASKS_DNS, by=resolves("sink127.com")),
    ),
    Case(
        "private address",
        _dns("private.com", ["10.255.255.1"]),
        "net.tcp",
        7,
        ("private address",),
        does("turn off the VPN", by=resolves("private.com")),
    ),
    Case(
        "carrier's address",
        _dns("carrier.com", ["100.64.3.7"]),
        "net.tcp",
        7,
        ("private address",),
        does(_ASKS_DNS, by=resolves("carrier.com")),
    ),
    Case(
        "hosts file, loopback",
        _pinned("127.0.0.3", "pinned.com"),
        "net.tcp",
        7,
        ("/etc/hosts",),
        _unpinned("pinned.com"),
    ),
    Case(
        "hosts file, dead address",
        _pinned(_SILENT, "moved.com"),
        "net.tcp",
        7,
        ("of /etc/hosts",),
        _unpinned("moved.com"),
    ),
    Case(
        "IPv6 only",
        _dns("sixonly.com", ["2606:4701::1111"]),
        "net.tcp",
        7,
        ("IPv6",),
        does("a name with IPv4", by=resolves("sixonly.com")),
    ),
    Case(
        "IPv6 stalls at TLS",
        _stalled_6,
        "net.tls",
        7,
        ("works, IPv6",),
        does("turn IPv6 off", by=_four_alone),
    ),
    Case(
        "offline", _offline("away.com"), "net.dns", 7, ("offline",), does("connect to", by=_online)
    ),
    Case(
        "offline, by address",
        _offline(""),
        "net.tcp",
        7,
        ("no default route",),
        does("connect to a network", by=_online),
    ),
)
TCP = (
    Case(
        "address that is silent",
        _dns("far.com", [_SILENT]),
        "net.tcp",
        7,
        ("firewall",),
        does("ask who runs the network", by=resolves("far.com")),
    ),
    Case(
        "two dead addresses",
        _dns("dead4.com", [_SILENT_TOO, _SILENT]),
        "net.tcp",
        7,
        (_SILENT_TOO, _SILENT),
        does("ask who runs the network", by=resolves("dead4.com")),
    ),
    Case("closed port", _port, "net.tcp", 7, ("refused",), does("host and port of", by=_right_url)),
    Case(
        "closed port by address",
        _port_by_address,
        "net.tcp",
        7,
        ("refused", "from CLINE_API_BASE_URL"),
        does("host and port of", by=_right_url),
    ),
    Case(
        "full port",
        _full_port,
        "net.tcp",
        7,
        ("did not accept",),
        does("check the base URL (from CLINE_API_BASE_URL)", by=_right_url),
    ),
)
PROXIES = (
    Case(
        "proxy of git",
        _known_elsewhere(".gitconfig", "[http]\n\tproxy = {url}\n"),
        "net.dns",
        7,
        (".gitconfig uses the proxy",),
        commands,
    ),
    Case(
        "proxy of pip",
        _known_elsewhere(".config/pip/pip.conf", "[global]\nproxy = {url}\n"),
        "net.dns",
        7,
        ("pip.conf uses the proxy",),
        commands,
    ),
    Case(
        "proxy of curl",
        _known_elsewhere(".curlrc", 'proxy = "{url}"\n'),
        "net.dns",
        7,
        (".curlrc uses the proxy",),
        commands,
    ),
    Case(
        "proxy of npm",
        _known_elsewhere(".npmrc", "https-proxy={url}\n"),
        "net.dns",
        7,
        (".npmrc uses the proxy",),
        commands,
    ),
    Case(
        "proxy of docker",
        _known_elsewhere(
            ".docker/config.json", '{{"proxies": {{"default": {{"httpsProxy": "{url}"}}}}}}'
        ),
        "net.dns",
        7,
        ("config.json uses the proxy",),
        commands,
    ),
    Case("proxy of GNOME", _gnome, "net.dns", 7, ("GNOME uses the proxy",), commands),
    Case(
        "HTTP_PROXY alone",
        _http_proxy_alone,
        "net.dns",
        7,
        ('HTTPS_PROXY="$HTTP_PROXY"',),
        commands,
    ),
    Case(
        "NO_PROXY covers it",
        _bypassed,
        "net.dns",
        7,
        (".com out of NO_PROXY",),
        does("out of NO_PROXY", by=_not_bypassed),
    ),
    Case(
        "dead proxy",
        _dead_proxy,
        "net.tcp",
        7,
        ("the proxy http://127.0.0.1", "directly it works"),
        command("NO_PROXY"),
    ),
    Case(
        "proxy fails, directly it works",
        _broken_proxy,
        "net.proxy",
        7,
        ("502", "1.1 px", "directly it works"),
        command("NO_PROXY"),
    ),
    Case(
        "proxy cuts TLS, directly it works",
        _cutting_proxy,
        "net.tls",
        8,
        ("the proxy, or the host behind it", "directly it works"),
        command("NO_PROXY"),
    ),
    Case(
        "proxy wants a login",
        _proxy(connect_answer("407 No", _BASIC)),
        "net.proxy",
        7,
        ("credentials", "USER:PASSWORD"),
        does("put user and password into the proxy URL", by=_logged_in),
    ),
    Case(
        "proxy refuses the login",
        _proxy(connect_answer("407 No", _BASIC), "user:word@"),
        "net.proxy",
        7,
        ("refuses the credentials that HTTPS_PROXY gives",),
        does("correct HTTPS_PROXY", by=opened),
    ),
    Case(
        "proxy wants NTLM",
        _proxy(connect_answer("407 No", "Proxy-Authenticate: NTLM"), "user:word@"),
        "net.proxy",
        7,
        ("NTLM", "cntlm"),
        does("run a local proxy that logs in for you", by=opened),
    ),
    Case(
        "proxy wants Negotiate",
        _proxy(connect_answer("407 No", "Proxy-Authenticate: Negotiate")),
        "net.proxy",
        7,
        ("Negotiate",),
        does("run a local proxy that logs in for you", by=opened),
    ),
    Case(
        "proxy wants Digest",
        _proxy(connect_answer("407 No", 'Proxy-Authenticate: Digest realm="x"')),
        "net.proxy",
        7,
        ("Digest",),
        does("ask the proxy's operator for Basic", by=opened),
    ),
    Case(
        "proxy forbids",
        _proxy(connect_answer("403 No", "X-Squid-Error: ERR_ACCESS_DENIED 0")),
        "net.proxy",
        7,
        ("ERR_ACCESS_DENIED", "does not allow this host"),
        does("ask its operator", by=opened),
    ),
    Case(
        "proxy 405",
        _proxy(connect_answer("405 No", "Server: nginx")),
        "net.proxy",
        7,
        ("405", "nginx"),
        does("check the proxy's host and port", by=opened),
    ),
    *(
        Case(
            f"proxy {status}",
            _proxy(connect_answer(f"{status} No")),
            "net.proxy",
            7,
            (str(status), "the host"),
            does("ask the proxy's operator", by=opened),
        )
        for status in (502, 503, 504)
    ),
    Case(
        "proxy sends to a login",
        _proxy(connect_answer("302 Found", "Location: https://portal.corp/?t=1")),
        "net.proxy",
        7,
        ("portal.corp",),
        does("log in at portal.corp with a browser", by=opened),
    ),
    Case(
        "proxy answers with a page",
        _proxy(_PAGE),
        "net.proxy",
        7,
        ("Guest WiFi",),
        does("log in to the network", by=opened),
    ),
    Case(
        "proxy is none",
        _proxy(b"220 mail ESMTP\r\n"),
        "net.proxy",
        7,
        ("HTTP proxy",),
        does("check the proxy's host and port", by=opened),
    ),
    Case(
        "proxy is a PAC file",
        _pac,
        "net.proxy",
        7,
        ("PAC",),
        does("set the proxy", by=_right_proxy),
    ),
    Case(
        "proxy in quotes",
        _quoted,
        "env.proxy",
        7,
        ("quotes",),
        does("HTTPS_PROXY", by=_right_proxy),
    ),
    Case(
        "proxy named https://",
        _named_https,
        "net.proxy",
        7,
        ("TLS",),
        does("http://", by=_http_again),
    ),
    Case("SOCKS named http://", _named_http, "net.proxy", 7, ("SOCKS",), commands),
    Case("HTTP named SOCKS", _named_socks, "net.proxy", 7, ("HTTP proxy",), commands),
    Case("SOCKS, local names", _local_names, "net.proxy", 7, ("resolve",), commands),
    Case("SOCKS forbids", _socks(2), "net.proxy", 7, ("not allowed",), does("operator", by=opened)),
    Case(
        "SOCKS refused",
        _socks(5),
        "net.proxy",
        7,
        ("connection refused",),
        does("ask the proxy's operator", by=opened),
    ),
    Case(
        "SOCKS wants a login",
        _socks(0, "user:word"),
        "net.proxy",
        7,
        ("credentials",),
        does("put user and password into the proxy URL", by=_logged_in),
    ),
)
