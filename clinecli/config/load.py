"""The settings of this process: its config file is read, and merged with flags and environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinecli.config.files import CONFIG_BYTES, read_setting
from clinecli.config.paths import anchored, config_path
from clinecli.config.profiles import TABLE
from clinecli.config.settings import Settings, parse_config, resolve
from clinecli.options.common import SETTINGS, NetworkOptions

_PATHS = ("key_file", "ca_file", "cert", "cert_key")


def load_settings(
    network: NetworkOptions, environ: Mapping[str, str], **chat_flags: str | None
) -> Settings:
    """The settings: flags > environment > config file. Raises `ConfigError`, `UsageError`."""
    seconds = network.timeout if network.timeout and network.timeout > 0 else None
    config = load_config(environ, seconds)
    return resolve(network, environ, config, str(config_path(environ)), **chat_flags)


def load_config(environ: Mapping[str, str], seconds: float | None = None) -> dict[str, Any]:
    """The config file's values, empty when there is none; its relative paths are made absolute.

    Raises `ConfigError`, also when reading takes longer than `seconds`.
    """
    path = config_path(environ)
    limit = float(SETTINGS["timeout"].default or 0) if seconds is None else seconds
    text = read_setting(str(path), f"config file {path}", limit=CONFIG_BYTES, seconds=limit)
    if text is None:
        return {}
    return _with_absolute_paths(parse_config(text, str(path)), path.parent, environ)


def _with_absolute_paths(
    config: dict[str, Any], directory: Path, environ: Mapping[str, str]
) -> dict[str, Any]:
    """The working directory has no say in what a config file means."""
    config |= {
        name: anchored(config[name], directory, environ) for name in _PATHS if config.get(name)
    }
    if "key_command" in config:
        program, *arguments = config["key_command"]
        if "/" in program:
            # A bare name is looked up in PATH.
            program = anchored(program, directory, environ)
        config["key_command"] = [program, *arguments]
    for profile in config.get(TABLE, {}).values():
        _with_absolute_paths(profile, directory, environ)
    return config
