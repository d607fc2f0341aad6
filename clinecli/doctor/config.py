"""Checks of what runs, and of its settings."""

from __future__ import annotations

import os
import ssl
import sys

from clinecli import __version__
from clinecli.config.load import load_settings
from clinecli.config.paths import config_path
from clinecli.doctor.check import Finding, Findings, ok
from clinecli.doctor.setup import Setup, compose_request


def runtime(_setup: Setup, _found: Findings) -> Finding:
    """Versions and platform."""
    from clinecli.transport.exchange import HTTP_LIBRARY

    python = ".".join(map(str, sys.version_info[:3]))
    openssl = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    system = os.uname()
    return ok(
        f"clinecli {__version__}, Python {python}, {HTTP_LIBRARY}, {openssl}, "
        f"{system.sysname} {system.machine}",
        f"{system.sysname} is {system.release}",
        f"Python is {sys.executable}",
    )


def config(setup: Setup, _found: Findings) -> Finding:
    """The settings, as `ask` resolves them."""
    path = config_path(setup.environ)
    options = setup.options
    settings = load_settings(options.network, setup.environ, model=options.model)
    return ok(
        f"{settings.base_url}, model {settings.model}",
        f"base URL from {settings.base_url_source}",
        f"model from {settings.model_source}",
        f"config file {path}" + ("" if path.exists() else ", which does not exist"),
    ).knowing(settings, compose_request(setup, settings))
