"""Flags, environment and config file to one frozen `Settings`: flags > environment > file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.config.base_url import BaseUrl, parse_base_url
from clinecli.errors import ClinecliError, ConfigError, UsageError
from clinecli.options.common import DEFAULT_MODEL, SETTINGS, NetworkOptions
from clinecli.options.flag import flags_of

PROFILE = flags_of(NetworkOptions)["profile"]


def _default(name: str) -> Any:
    return SETTINGS[name].default


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
    cert: str | None = None
    cert_key: str | None = None
    profile: str | None = None
    connect_timeout: float = _default("connect_timeout")
    idle_timeout: float | None = None
    timeout: float = _default("timeout")
    retries: int = _default("retries")
    referer: str | None = None
    title: str | None = None
    key_file: str | None = None
    config_key_file: str | None = None
    key_command: tuple[str, ...] = ()
    verbose: bool = False
    quiet: bool = False


# What the config file may hold, by the type of the flag, and how a message calls that.
_WANTED: dict[type, tuple[Any, str]] = {
    str: (str, "a string"),
    float: ((int, float), "a number"),
    int: (int, "a whole number"),
    list: (list, "an array of strings"),
}
CONFIG_KEYS: dict[str, type] = {
    **{key: flag.value_type for key, flag in SETTINGS.items()},
    "key_command": list,
}


def parse_config(text: str, path: str) -> dict[str, Any]:
    """The config file's values. Raises `ConfigError` with the line of what is wrong."""
    import tomllib

    try:
        config = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = error if isinstance(error, ValueError) else "it is nested too deeply"
        hint = "the config file is TOML: KEY = VALUE"
        raise ConfigError(f"{path}: {reason}", hint=hint) from None
    from clinecli.config.profiles import tables

    for table in tables(config, path):
        _check(table, text, path)
    return config


def _check(config: Mapping[str, Any], text: str, path: str) -> None:
    """Raise `ConfigError` for a key that is unknown, or a value of another type."""
    for key, value in config.items():
        if key not in CONFIG_KEYS:
            raise ConfigError(f"{path}{_line_of(key, text)}: unknown key '{key}'", hint=_near(key))
        kind, description = _WANTED[CONFIG_KEYS[key]]
        right = isinstance(value, kind) and not isinstance(value, bool)
        if right and key == "key_command":
            right = bool(value) and all(isinstance(word, str) for word in value)
        if not right:
            raise ConfigError(
                f"{path}{_line_of(key, text)}: {key} must be {description}",
                hint="correct the line, or remove it",
            )
        if "\0" in "".join(map(str, value if isinstance(value, list) else [value])):
            raise ConfigError(
                f"{path}{_line_of(key, text)}: {key} has a NUL character in it",
                hint="correct the line, or remove it",
            )


def _line_of(key: str, text: str) -> str:
    pattern = re.compile(rf"""^\s*["'\[]?{re.escape(key)}\b""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return f", line {number}"
    return ""


def _near(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, CONFIG_KEYS, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(CONFIG_KEYS)}"


# What poll(2) can wait for, in milliseconds, fits into an int.
_LONGEST_SECONDS = 2_000_000.0


class _Layers(NamedTuple):
    """What may give a setting its value, the first first."""

    flags: Mapping[str, Any]
    environ: Mapping[str, str]
    config: Mapping[str, Any]
    config_path: str

    def pick(self, name: str) -> tuple[Any, str]:
        """The value of a setting, and what it comes from, for messages."""
        flag = SETTINGS[name]
        variable = (self.environ.get(flag.env) or "").strip() if flag.env else ""
        for value, source in (
            (self.flags.get(name), flag.long),
            (variable or None, flag.env),
            (self.config.get(name), f"{self.config_path} ({name})"),
        ):
            if value is not None:
                return value, source
        return flag.default, DEFAULT

    def number(self, name: str) -> float:
        """A number within the limits of its flag."""
        flag = SETTINGS[name]
        value, source = self.pick(name)
        value = min(value, _LONGEST_SECONDS)
        if not flag.accepts(value):
            raise _blamed(source)(
                f"{source} must be {flag.wanted}, not {value:g}",
                hint=f"the default is {flag.notes['default']}",
            )
        return float(value)


DEFAULT = "the default"


def _blamed(source: str) -> type[ClinecliError]:
    return UsageError if source.startswith("--") else ConfigError


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
    profile = network.profile or environ.get(PROFILE.env, "").strip() or None
    if profile:
        from clinecli.config.profiles import choose

        environ, config, config_path = choose(profile, network, environ, config, config_path)
    given: dict[str, Any] = {**network._asdict(), **chat_flags}
    layers = _Layers(given, environ, config, config_path)
    return _settings(network, layers, profile)


def _settings(network: NetworkOptions, layers: _Layers, profile: str | None) -> Settings:
    given, _, config, _ = layers
    base_url, base_url_source = layers.pick("base_url")
    model, model_source = layers.pick("model")
    if not model.strip():
        hint = f"e.g. {DEFAULT_MODEL}"
        raise _blamed(model_source)(f"the model of {model_source} is empty", hint=hint)
    cert = layers.pick("cert")[0]
    cert_key, cert_key_source = layers.pick("cert_key")
    if cert_key and not cert:
        error = _blamed(cert_key_source)
        raise error(f"{cert_key_source} without a certificate", hint="add --cert FILE")
    has_idle_timeout = layers.pick("idle_timeout")[1] != DEFAULT
    return Settings(
        base_url=parse_base_url(base_url, base_url_source),
        base_url_source=base_url_source,
        model=model,
        model_source=model_source,
        # Apart, since the proxy variables of the environment stand between the two.
        proxy=given.get("proxy"),
        config_proxy=config.get("proxy"),
        ca_file=layers.pick("ca_file")[0],
        cert=cert,
        cert_key=cert_key,
        profile=profile,
        connect_timeout=layers.number("connect_timeout"),
        idle_timeout=layers.number("idle_timeout") if has_idle_timeout else None,
        timeout=layers.number("timeout"),
        retries=int(layers.number("retries")),
        referer=layers.pick("referer")[0],
        title=layers.pick("title")[0],
        # Apart, since a variable with the key itself stands between the two.
        key_file=given.get("key_file"),
        config_key_file=config.get("key_file"),
        key_command=tuple(config.get("key_command", ())),
        verbose=network.verbose,
        quiet=network.quiet,
    )
