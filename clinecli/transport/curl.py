"""`--curl`: the equivalent curl command, without the key."""

from __future__ import annotations

import shlex

from clinecli.chat.endpoints import CHAT
from clinecli.chat.request import ChatRequest
from clinecli.config.proxy import CONFIG_PROXY
from clinecli.config.settings import Settings
from clinecli.transport.route import Route

# Linux takes 128 KiB in one argument; what is longer goes through stdin.
_ARGUMENT_BYTES = 100_000
_END = "END-OF-REQUEST"


def curl_command(request: ChatRequest, settings: Settings, route: Route, *, stream: bool) -> str:
    """The curl command for the same request. The key stays in the shell's environment, and the
    proxy's credentials are left out: see curl's --proxy-user."""
    body = request.encode(stream=stream)
    words = ["curl", "--silent", "--show-error"]
    words += ["--no-buffer"] if stream else []
    words += ["--connect-timeout", f"{settings.connect_timeout:g}"]
    words += ["--max-time", f"{settings.timeout:g}"]
    words += ["--cacert", settings.ca_file] if settings.ca_file else []
    words += ["--cert", settings.cert] if settings.cert else []
    words += ["--key", settings.cert_key] if settings.cert_key else []
    # curl reads the variables by itself; an empty --proxy outranks them.
    if settings.proxy is not None or (route.proxy and route.proxy.source == CONFIG_PROXY):
        words += ["--proxy", str(route.proxy or "")]
    quoted = [shlex.quote(word) for word in words]
    quoted += ["--header", '"Authorization: Bearer $CLINE_API_KEY"']
    headers = (("Content-Type", "application/json"), *request.headers)
    words = [_header(name, value, request.secret_headers.get(name)) for name, value in headers]
    quoted += [word for header in dict.fromkeys(words) for word in ("--header", header)]
    url = shlex.quote(f"{settings.base_url}{CHAT}")
    if len(body) <= _ARGUMENT_BYTES:
        return " ".join([*quoted, "--data-binary", shlex.quote(body.decode()), url])
    document = f"<<'{_END}'\n{body.decode()}\n{_END}"
    return " ".join([*quoted, "--data-binary", "@-", url, document])


def _header(name: str, value: str, file: str | None) -> str:
    """A header as a word of a shell. A secret stays in its file, which curl or `cat` reads."""
    if file is None:
        return shlex.quote(f"{name}: {value}")
    if file.startswith("@"):
        return shlex.quote(file)
    return shlex.quote(f"{name}: ") + f'"$(cat {shlex.quote(file)})"'
