"""Flags, environment and config file to one frozen `Settings`: flags > environment > file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.config.base_url import DEFAULT_BASE_URL, BaseUrl, parse_base_url
from clinecli.errors import ClinecliError, ConfigError, UsageError
from clinecli.options import DEFAULT_MODEL, NetworkOptions

BASE_URL_VARIABLE = "CLINE_API_BASE_URL"
MODEL_VARIABLE = "CLINE_MODEL"


class Settings(NamedTuple):
    """Everything that a command needs to know before its first byte. Times are in seconds.

    `idle_timeout` is None unless it is given: a stream and a whole reply have different ones.
    """

    base_url: BaseUrl
    base_url_source: str
    model: str
    model_source: str
    proxy: str | None = None
    config_proxy: str | None = None
    ca_file: str | None = None
    connect_timeout: float = 10.0
    idle_timeout: float | None = None
    timeout: float = 600.0
    retries: int = 3
    referer: str | None = None
    title: str | None = None
    key_file: str | None = None
    config_key_file: str | None = None
    key_command: tuple[str, ...] = ()
    verbose: bool = False
    quiet: bool = False


_TEXT = (str, "a string")
_NUMBER = ((int, float), "a number")
_CONFIG_KEYS: dict[str, tuple[Any, str]] = {
    "base_url": _TEXT,
    "model": _TEXT,
    "key_file": _TEXT,
    "key_command": (list, "an array of strings"),
    "proxy": _TEXT,
    "ca_file": _TEXT,
    "connect_timeout": _NUMBER,
    "idle_timeout": _NUMBER,
    "timeout": _NUMBER,
    "retries": (int, "a whole number"),
    "referer": _TEXT,
    "title": _TEXT,
}


def parse_config(text: str, path: str) -> dict[str, Any]:
    """The config file's values. Raises `ConfigError` with the line of what is wrong."""
    import tomllib

    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", hint="the config file is TOML: KEY = VALUE") from None
    for key, value in config.items():
        if key not in _CONFIG_KEYS:
            raise ConfigError(f"{path}{_line_of(key, text)}: unknown key '{key}'", hint=_near(key))
        kind, description = _CONFIG_KEYS[key]
        right = isinstance(value, kind) and not isinstance(value, bool)
        if right and key == "key_command":
            right = bool(value) and all(isinstance(word, str) for word in value)
        if not right:
            raise ConfigError(
                f"{path}{_line_of(key, text)}: {key} must be {description}",
                hint="correct the line, or remove it",
            )
    return config


def _line_of(key: str, text: str) -> str:
    pattern = re.compile(rf"""^\s*["'\[]?{re.escape(key)}\b""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return f", line {number}"
    return ""


def _near(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, _CONFIG_KEYS, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(_CONFIG_KEYS)}"


# What poll(2) can wait for, in milliseconds, fits into an int.
_LONGEST_SECONDS = 2_000_000.0
_DEFAULTS: dict[str, Any] = Settings._field_defaults


def resolve(
    network: NetworkOptions,
    environ: Mapping[str, str],
    config: Mapping[str, Any],
    config_path: str,
    **chat_flags: str | None,
) -> Settings:
    """Merge flags, environment and config file. `chat_flags` are `model`, `referer`, `title`.

    Raises `UsageError` for a bad flag and `ConfigError` for a bad variable or file value.
    """
    given: dict[str, Any] = {**network._asdict(), **chat_flags}

    def pick(name: str, default: str | None, variable: str | None = None) -> tuple[Any, str]:
        flag = "--" + name.replace("_", "-")
        for value, source in (
            (given.get(name), flag),
            ((environ.get(variable) or "").strip() or None if variable else None, variable or ""),
            (config.get(name), f"{config_path} ({name})"),
        ):
            if value is not None:
                return value, source
        return default, "the default"

    def number(name: str, default: float, *, minimum: float = 0.0) -> float:
        value, source = pick(name, None)
        if value is None:
            return default
        value = min(value, _LONGEST_SECONDS)
        if not math.isfinite(value) or value < minimum or (value == 0 and name != "retries"):
            kind: type[ClinecliError] = UsageError if source.startswith("--") else ConfigError
            wanted = "0 or more" if name == "retries" else "more than 0 seconds"
            hint = f"the default is {default:g}" if default else "leave it out for the default"
            raise kind(f"{source} must be {wanted}, not {value}", hint=hint)
        return float(value)

    base_url, base_url_source = pick("base_url", DEFAULT_BASE_URL, BASE_URL_VARIABLE)
    model, model_source = pick("model", DEFAULT_MODEL, MODEL_VARIABLE)
    if not model.strip():
        blamed: type[ClinecliError] = UsageError if model_source == "--model" else ConfigError
        raise blamed(f"the model of {model_source} is empty", hint=f"e.g. {DEFAULT_MODEL}")
    return Settings(
        base_url=parse_base_url(base_url, base_url_source),
        base_url_source=base_url_source,
        model=model,
        model_source=model_source,
        # Apart, since the proxy variables of the environment stand between the two.
        proxy=given.get("proxy"),
        config_proxy=config.get("proxy"),
        ca_file=pick("ca_file", None)[0],
        connect_timeout=number("connect_timeout", _DEFAULTS["connect_timeout"]),
        idle_timeout=number("idle_timeout", 0.0) or None,
        timeout=number("timeout", _DEFAULTS["timeout"]),
        retries=int(number("retries", _DEFAULTS["retries"])),
        referer=pick("referer", None)[0],
        title=pick("title", None)[0],
        key_file=given.get("key_file"),
        config_key_file=config.get("key_file"),
        key_command=tuple(config.get("key_command", ())),
        verbose=network.verbose,
        quiet=network.quiet,
    )
