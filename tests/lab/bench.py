"""What the cases of the lab are made of: a bench with servers, and cures."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tests.helpers.doctor import HEALTHY, NOT_FOUND, Routes, api
from tests.helpers.proxies import ForwardProxy, SocksProxy
from tests.helpers.replies import response
from tests.helpers.servers import RawServer
from tests.helpers.tls import Authority, TlsServer
from tests.lab.names import NAMES, Answer

# The lab's part of the internet: each case gets an address of its own there, for any port.
PUBLIC, _PUBLIC_6 = "93.184.216.", "2606:4700:77::"
_numbers = count(1)
_COMMAND = re.compile(r"\b(?:export \w+=(?:\"[^\"]*\"|[^\s;]+)|unset \w+|chmod \d+ [^\s;]+)")


class NotCured(Exception):
    """The remedy does not say what would cure the case."""


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
        self.other = self.authority
        self.server: Any = None
        self.proxy: Any = None
        # Whether the commands try again.
        self.may_retry = False
        # What a cure goes back to.
        self.right = ""
        self.number = next(_numbers)

    def run(self, server: Any) -> Any:
        """Start a server, to be ended with the case."""
        return self.stack.enter_context(server)

    def url(self, url: str) -> None:
        """The base URL."""
        self.env["CLINE_API_BASE_URL"] = url

    def api(self, changes: Any = None, **options: Any) -> RawServer:
        """The API but for some answers, as the base URL."""
        server = api(changes, **options)
        self.server = self.run(server)
        self.url(server.url)
        return server

    def trusts(self, authority: Authority | None = None) -> None:
        """Have the commands trust a CA, that of the bench."""
        self.env["SSL_CERT_FILE"] = (authority or self.authority).write(self.directory / "ca.pem")

    def tls(self, context: ssl.SSLContext | None = None, name: str = "localhost") -> Any:
        """The API behind TLS; the lab's own CA is trusted."""
        context = context or self.authority.valid()
        self.server = self.run(api(context=context))
        self.trusts()
        self.url(f"https://{name}:{self.server.port}")
        return self.server

    def public(self, name: str, port: int = 443, context: ssl.SSLContext | None = None) -> str:
        """The API at an address of the lab's internet, by a name that DNS knows, as the base URL;
        its address."""
        address = f"{PUBLIC}{self.number}"
        context = context or self.authority.valid(name)
        self.server = self.run(api(context=context, address=(address, port)))
        self.trusts()
        NAMES[name] = [address]
        self.url(f"https://{name}" + (f":{port}" if port != 443 else ""))
        return address

    def six(self) -> str:
        """An address of the case by IPv6."""
        address = f"{_PUBLIC_6}{self.number}"
        add = ["ip", "-6", "addr", "add", f"{address}/128", "dev", "lo", "nodad"]
        subprocess.run(add, check=True)
        return address

    def through(self, answer: bytes | None = None, login: str = "", name: str = "") -> ForwardProxy:
        """An API that is reached by its proxy alone."""
        name = name or f"far{self.number}.com"
        address = self.public(name)
        del NAMES[name]
        proxy = ForwardProxy(answer, upstream=443, upstream_host=address)
        self.proxy = self.run(proxy)
        self.via(proxy.url.replace("://", f"://{login}"))
        return proxy

    def socks(self, reply: int = 0, login: str | None = None) -> SocksProxy:
        """The same by a SOCKS proxy."""
        name = f"far{self.number}.com"
        address = self.public(name)
        del NAMES[name]
        proxy = SocksProxy(reply=reply, login=login, upstream=443, upstream_host=address)
        self.proxy = self.run(proxy)
        self.via(proxy.url())
        return proxy

    def via(self, url: str) -> None:
        """The proxy."""
        self.env.pop("NO_PROXY", None)
        self.env["HTTPS_PROXY"] = url

    def home(self, name: str, text: str) -> Path:
        """A file in the home directory."""
        path = Path(self.env["HOME"], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def hosts(self, name: str, address: str) -> None:
        """A line of the hosts file, which all cases share."""
        with Path("/etc/hosts").open("a") as file:
            file.write(f"{address} {name}\n")


class Case(NamedTuple):
    """A set-up. `check` and `status` are the root cause's, `words` what must be told of it.
    `cure` does what the remedy says, and fails where it says something else."""

    name: str
    make: Callable[[Bench], object]
    check: str | None = None
    status: int = 0
    words: tuple[str, ...] = ()
    cure: Callable[[Bench, str], object] | None = None


# Cures


def commands(bench: Bench, remedy: str) -> None:
    """Run the first command that the remedy names."""
    found = _COMMAND.search(remedy)
    if not found:
        raise NotCured("no command")
    done = subprocess.run(
        ["sh", "-c", f"{found[0]} && env -0"], env=bench.env, capture_output=True, check=True
    )
    pairs = (line.partition("=") for line in done.stdout.decode().split("\0") if line)
    bench.env = {name: value for name, _, value in pairs if name != "_"}


def command(pattern: str) -> Callable[[Bench, str], None]:
    """Run the first command that fits, of several."""

    def cure(bench: Bench, remedy: str) -> None:
        wanted = [found[0] for found in _COMMAND.finditer(remedy) if pattern in found[0]]
        commands(bench, wanted[0] if wanted else "")

    return cure


def flag(pattern: str) -> Callable[[Bench, str], None]:
    """Pass the flag that the remedy names."""

    def cure(bench: Bench, remedy: str) -> None:
        found = re.search(pattern, remedy)
        if not found:
            raise NotCured(f"no {pattern}")
        bench.flags += found[0].split()

    return cure


def proposed(bench: Bench, remedy: str) -> None:
    """Take the base URL that the remedy names."""
    found = re.search(r"https?://[^\s;,)]+", remedy)
    if not found:
        raise NotCured("no URL")
    bench.url(found[0])


def does(*words: str, by: Callable[[Bench], object]) -> Callable[[Bench, str], None]:
    """Do what the remedy tells people to do, which it says in these words."""

    def cure(bench: Bench, remedy: str) -> None:
        missing = [word for word in words if word not in remedy]
        if missing:
            raise NotCured(f"not said: {missing[0]}")
        by(bench)

    return cure


def resolves(name: str, answer: Answer = None) -> Callable[[Bench], None]:
    """DNS is mended: by default, to where the case has its API."""

    def mend(bench: Bench) -> None:
        NAMES[name] = answer or [f"{PUBLIC}{bench.number}"]

    return mend


def healthy(bench: Bench) -> None:
    """The server is mended by who runs it."""
    routes = Routes(HEALTHY, NOT_FOUND)
    routes.server = bench.server
    bench.server.answer = routes


def renewed(*names: str) -> Callable[[Bench], None]:
    """The server gets a certificate that is right."""

    def renew(bench: Bench) -> None:
        assert isinstance(bench.server, TlsServer)
        bench.server.context = bench.authority.valid(*names)

    return renew


def opened(bench: Bench) -> None:
    """The proxy's operator lets the host through."""
    bench.proxy.answer = None
    bench.proxy.reply = 0


def variable(name: str, value: str) -> Callable[[Bench], None]:
    """A variable is set right."""

    def assign(bench: Bench) -> None:
        bench.env[name] = value

    return assign


# Answers


def refusal(
    status: int, *, page: bool = False, title: str = "Access denied", **headers: str
) -> bytes:
    """An answer of an error."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if page:
        body, kind = f"<html><title>{title}</title></html>".encode(), "text/html"
    else:
        body, kind = json.dumps({"error": {"code": status, "message": "no"}}).encode(), ""
    options = {"content_type": kind} if kind else {}
    return response(body, status=f"{status} No", **options, **fields)


def connect_answer(status: str, *headers: str) -> bytes:
    """What a proxy says to CONNECT."""
    lines = [f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()
