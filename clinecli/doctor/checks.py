"""The checks, in the order in which `ask` meets what they look at."""

from __future__ import annotations

from clinecli.doctor import (
    account,
    api,
    chat,
    config,
    credit,
    dns,
    env,
    key,
    message,
    model,
    proxy,
    tcp,
    tls,
    ways,
)
from clinecli.doctor.check import Check
from clinecli.options.doctor import CHECKS as _TITLES

_NEEDS = {
    "runtime": (config.runtime, ()),
    "config": (config.config, ()),
    "key": (key.key, ("config",)),
    "env.proxy": (env.proxy, ("config",)),
    "env.ca": (env.ca, ("config",)),
    "net.dns": (dns.dns, ("env.proxy",)),
    "net.tcp": (tcp.tcp, ("net.dns",)),
    "net.proxy": (proxy.proxy, ("env.ca", "net.tcp")),
    "net.tls": (tls.tls, ("net.proxy",)),
    "net.ways": (ways.ways, ("env.proxy",)),
    "api.http": (api.http, ("net.tls",)),
    "api.clock": (api.clock, ("api.http",)),
    "api.auth": (account.auth, ("key", "api.http")),
    "api.credit": (credit.credit, ("api.auth",)),
    "api.model": (model.model, ("api.http",)),
    "message": (message.message, ("config",)),
    "api.chat": (chat.chat, ("api.auth", "api.credit", "api.model", "message")),
    "api.body": (chat.body, ("api.chat",)),
}
# What a check looks at, be it ok or failed.
_AFTER = {"net.ways": ("net.tls",)}
CHECKS = tuple(
    Check(name, _TITLES[name], needs, run, _AFTER.get(name, ()))
    for name, (run, needs) in _NEEDS.items()
)
