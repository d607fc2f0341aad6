"""Which proxy a request goes through: `--proxy`, the usual variables, and NO_PROXY.

httpx ignores IPv4 networks in NO_PROXY and dies of IPv6 entries, so the choice is made here,
once, for the client and for `doctor` alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from clinecli.config.base_url import BaseUrl
from clinecli.config.host import is_loopback, parse_host
from clinecli.config.secret import Secret
from clinecli.errors import Code, ConfigError, ConnectionFailed, Retry

PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# As GNOME calls what resolves names itself.
_ALIASES = {"socks": "socks5h"}
# What messages call the setting, beside flags and variables.
CONFIG_PROXY = "proxy of the config file"


class Proxy(NamedTuple):
    """A forward proxy and where it was configured. Credentials are never part of its name."""

    scheme: str
    host: str
    port: int
    source: str
    username: str | None = None
    password: Secret | None = None

    @property
    def is_socks(self) -> bool:
        """Whether it tunnels everything and knows nothing of HTTP."""
        return self.scheme.startswith("socks")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def proxy_token(proxy: Proxy) -> str:
    """The form in which credentials are sent: Basic (RFC 7617), in UTF-8. Empty without any."""
    if proxy.username is None:
        return ""
    from base64 import b64encode

    password = proxy.password.reveal() if proxy.password else ""
    return b64encode(f"{proxy.username}:{password}".encode("utf-8", "surrogateescape")).decode()


def proxy_secrets(proxy: Proxy | None) -> tuple[Secret, ...]:
    """What of a proxy's credentials must not be shown, in the forms in which it is sent them."""
    if proxy is None or not proxy.password:
        return ()
    return proxy.password, Secret(proxy_token(proxy))


def choose_proxy(
    base_url: BaseUrl, flag: str | None, environ: Mapping[str, str], config: str | None = None
) -> Proxy | None:
    """The hop to `base_url`, or None for a direct connection.

    The flag (empty means none) outranks the variables and NO_PROXY, and these outrank the
    config file. Raises `ConnectionFailed` for a proxy that cannot be used, and `ConfigError`
    when the key would reach a far proxy in plain text.
    """
    found: Proxy | None = None
    if flag is not None:
        found = parse_proxy(flag, "--proxy") if flag.strip() else None
    elif not bypassed(base_url.host, base_url.port, no_proxy(environ)[1]):
        candidates = [*proxy_variables(base_url.scheme, environ)]
        candidates += [(CONFIG_PROXY, config)] if config else []
        found = parse_proxy(candidates[0][1], candidates[0][0]) if candidates else None
    if found and base_url.scheme == "http" and not is_loopback(found.host):
        raise ConfigError(
            f"the proxy {found} from {found.source} would see the key in plain text",
            hint="use https://, or leave out --proxy"
            if found.source == "--proxy"
            else f"add {base_url.host} to NO_PROXY",
        )
    return found


def proxy_variables(scheme: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The (variable, value) pairs that speak for `scheme`, the one that counts first.

    As in curl and urllib, lower case outranks upper case, and HTTP_PROXY does not count where
    a CGI request could have set it (CVE-2016-5385).
    """
    for name in (f"{scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if variable == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
                continue
            if variable in environ:
                if environ[variable].strip():
                    yield variable, environ[variable].strip()
                break


def no_proxy(environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The variable that counts, and its entries."""
    variable = "no_proxy" if "no_proxy" in environ else "NO_PROXY"
    entries = environ.get(variable, "").replace(" ", ",").split(",")
    return variable, [entry for entry in entries if entry]


def parse_proxy(text: str, source: str) -> Proxy:
    """Read `[scheme://][user:password@]host[:port]`. Raises `ConnectionFailed`."""
    text = text.strip()
    hint = _spelling(text, source)
    quoted = ": it stands in quotes, which belong to the shell" if text[:1] in {'"', "'"} else ""
    malformed = ConnectionFailed(
        f"the proxy URL from {source} is malformed{quoted}",
        hint=hint,
        code=Code.PROXY,
        retry=Retry.NEVER,
    )
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parse_host(parts.hostname or ""), parts.port
        # A password that is not encoded may end the host early: it must not be shown as one.
        rest = parts.path + parts.query + parts.fragment
    except ValueError:
        raise malformed from None
    if any(c.isspace() for c in text) or port == 0 or "@" in rest:
        raise malformed
    scheme = _ALIASES.get(parts.scheme, parts.scheme)
    if scheme not in PORTS:
        raise ConnectionFailed(
            f"the proxy from {source} speaks {parts.scheme}, which is not supported",
            hint=f"{hint}: only HTTP, HTTPS and SOCKS5 proxies work",
            code=Code.PROXY,
            retry=Retry.NEVER,
        )
    return Proxy(
        scheme,
        host,
        port or PORTS[scheme],
        source,
        unquote(parts.username) if parts.username else None,
        Secret(unquote(parts.password)) if parts.password else None,
    )


def _spelling(text: str, source: str) -> str:
    """What to write instead of a proxy URL that cannot be used."""
    if "@" not in text:
        return f"set {source} to http://HOST:PORT, or unset it"
    return (
        f"set {source} to http://USER:PASSWORD@HOST:PORT, special characters "
        "percent-encoded (# is %23), or unset it"
    )


def bypassed(host: str, port: int, entries: list[str]) -> bool:
    """Whether an entry of NO_PROXY covers `host`: `*`, a name and what is below it, an
    address, or a network; each with an optional port."""
    return any(_matches(entry.lower(), host.lower().rstrip("."), port) for entry in entries)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, wanted_port = entry, ""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        wanted_port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, wanted_port = entry.partition(":")
    if wanted_port and wanted_port != str(port):
        return False
    name = name.removeprefix("*").lstrip(".").rstrip(".")
    if name and (host == name or host.endswith(f".{name}")):
        return True
    return _in_network(name, host)


def _in_network(network: str, host: str) -> bool:
    if not host.replace(".", "").isdecimal() and ":" not in host:
        return False
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
