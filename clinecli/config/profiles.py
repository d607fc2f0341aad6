"""Profiles of the config file: `[profile.NAME]` binds a base URL to its key, so that no key goes
to another's server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.errors import ClinecliError, ConfigError, UsageError
from clinecli.options.common import SETTINGS, NetworkOptions

TABLE = "profile"
# What a profile has for itself: nothing of it is taken from elsewhere.
_BOUND = ("base_url", "key_file", "key_command")


class Chosen(NamedTuple):
    """What counts under a profile: variables, values of the config file, and what messages call
    that."""

    environ: Mapping[str, str]
    config: Mapping[str, Any]
    source: str


def tables(config: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """The values of the file outside of profiles, and those of each. Raises `ConfigError`."""
    profiles = config.get(TABLE, {})
    found = list(profiles.values()) if isinstance(profiles, dict) else [profiles]
    if not all(isinstance(table, dict) for table in found):
        raise ConfigError(
            f"{path}: {TABLE} must be tables", hint="write a profile as [profile.NAME]"
        )
    return [{key: value for key, value in config.items() if key != TABLE}, *found]


def choose(
    name: str,
    network: NetworkOptions,
    environ: Mapping[str, str],
    config: Mapping[str, Any],
    path: str,
) -> Chosen:
    """What counts under the profile `name`. Raises `UsageError` and `ConfigError`."""
    blame: type[ClinecliError] = UsageError if network.profile else ConfigError
    if network.base_url:
        raise UsageError(
            "--base-url and a profile exclude each other: its key is for its base URL alone",
            hint=f"leave out --base-url, or the profile {name} (--profile, CLINE_PROFILE)",
        )
    profiles = config.get(TABLE, {})
    if name not in profiles:
        known = f"one of {', '.join(profiles)}" if profiles else f"write [profile.{name}] there"
        raise blame(f"{path} has no profile '{name}'", hint=known)
    own = profiles[name]
    if "base_url" not in own or not ("key_file" in own or "key_command" in own):
        raise ConfigError(
            f"{path}: the profile {name} must have a base_url, and a key_file or key_command",
            hint="a profile binds a key to the server that it is for",
        )
    shared = {key: value for key, value in config.items() if key not in (*_BOUND, TABLE)}
    kept = {key: value for key, value in environ.items() if key != SETTINGS["base_url"].env}
    return Chosen(kept, {**shared, **own}, f"{path}, profile {name}")
