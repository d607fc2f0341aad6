"""Where our files are, by the XDG Base Directory rules, and what paths in the config file mean.

Nothing is read from the working directory: a hostile checkout must not redirect the key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def home(environ: Mapping[str, str]) -> Path:
    """The user's home directory. A relative HOME, which would mean the working directory, does
    not count."""
    given = environ.get("HOME", "")
    if given.startswith("/"):
        return Path(given)
    import pwd

    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def config_directory(environ: Mapping[str, str]) -> Path:
    """The directory of our config file and key. A relative XDG_CONFIG_HOME does not count."""
    base = environ.get("XDG_CONFIG_HOME", "")
    root = Path(base) if base.startswith("/") else home(environ) / ".config"
    return root / "clinecli"


def config_path(environ: Mapping[str, str]) -> Path:
    """The config file."""
    return config_directory(environ) / "config.toml"


def key_path(environ: Mapping[str, str]) -> Path:
    """The key file that needs no setting."""
    return config_directory(environ) / "key"


def providers_path(environ: Mapping[str, str]) -> Path:
    """Where the official CLI keeps its keys."""
    return home(environ) / ".cline" / "data" / "settings" / "providers.json"


def expand(path: str, environ: Mapping[str, str]) -> str:
    """A path with `~` as the home directory."""
    if path == "~" or path.startswith("~/"):
        return f"{home(environ)}{path[1:]}"
    # `~name` does not depend on HOME.
    return os.path.expanduser(path)  # noqa: PTH111


def anchored(path: str, directory: Path, environ: Mapping[str, str]) -> str:
    """A path of a config file in `directory`, to which it is relative."""
    return str(directory / expand(path, environ))
