"""The checks, in the order in which `ask` meets what they look at."""

from __future__ import annotations

from clinecli.doctor import account, api, chat, env, local, message, net
from clinecli.doctor.check import Check

CHECKS = (
    Check("runtime", "versions of clinecli and what it runs on", (), local.runtime),
    Check("config", "config file, base URL and other settings", (), local.config),
    Check("key", "the API key and where it comes from", ("config",), local.key),
    Check("env.proxy", "the proxy that is used, if any", ("config",), env.proxy),
    Check("env.ca", "the certificate authorities that are trusted", ("config",), env.ca),
    Check("net.dns", "the address of the API, or of the proxy", ("env.proxy",), net.dns),
    Check("net.tcp", "a connection to that address", ("net.dns",), net.tcp),
    Check("net.proxy", "a tunnel through the proxy", ("env.ca", "net.tcp"), net.proxy),
    Check("net.tls", "the TLS handshake and the certificate", ("net.proxy",), net.tls),
    Check("api.http", "an answer that comes from the API", ("net.tls",), api.http),
    Check("api.clock", "this machine's clock against the server's", ("api.http",), api.clock),
    Check("api.auth", "whether the key is accepted", ("key", "api.http"), account.auth),
    Check("api.credit", "the balance of the account", ("api.auth",), account.credit),
    Check("api.model", "the model in the catalogue", ("api.http",), account.model),
    Check("message", "the request of --request", ("config",), message.message),
    Check(
        "api.chat",
        "the endpoint that answers, with --live for real",
        ("api.auth", "api.credit", "api.model", "message"),
        chat.chat,
    ),
)
