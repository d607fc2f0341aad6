"""Where settings and keys are read from: config file, key file, key command, official CLI.

Nothing is read from the working directory: a hostile checkout must not redirect the key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from clinecli.config.secret import KEY_HINT, Secret, parse_key
from clinecli.config.settings import Settings, parse_config, resolve
from clinecli.errors import Code, ConfigError
from clinecli.options.common import NetworkOptions

KEY_VARIABLE = "CLINE_API_KEY"
KEY_FILE_VARIABLE = "CLINE_API_KEY_FILE"
KEY_COMMAND_TIMEOUT = 30.0


class Key(NamedTuple):
    """An API key and where it came from."""

    secret: Secret
    source: str


def config_path(environ: Mapping[str, str]) -> Path:
    """The config file, by the XDG Base Directory rules: a relative path does not count."""
    base = environ.get("XDG_CONFIG_HOME", "")
    root = Path(base) if base.startswith("/") else home(environ) / ".config"
    return root / "clinecli" / "config.toml"


def home(environ: Mapping[str, str]) -> Path:
    """The user's home directory. A relative HOME, which would mean the working directory, does
    not count."""
    given = environ.get("HOME", "")
    if given.startswith("/"):
        return Path(given)
    import pwd

    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def providers_path(environ: Mapping[str, str]) -> Path:
    """Where the official CLI keeps its keys."""
    return home(environ) / ".cline" / "data" / "settings" / "providers.json"


def load_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """The config file's values, empty when there is none. Raises `ConfigError`."""
    path = config_path(environ)
    text = _read(path, f"config file {path}")
    return {} if text is None else parse_config(text, str(path))


def load_settings(
    network: NetworkOptions, environ: Mapping[str, str], **chat_flags: str | None
) -> Settings:
    """The settings: flags > environment > config file. Raises `ConfigError`, `UsageError`."""
    path = str(config_path(environ))
    return resolve(network, environ, load_config(environ), path, **chat_flags)


def find_key(settings: Settings, environ: Mapping[str, str]) -> Key:
    """The key of the first source that is configured. Raises `ConfigError` when there is none,
    or when that source is unreadable or holds no usable key."""
    for read in key_readers(settings, environ):
        key = read()
        if key:
            return key
    raise ConfigError("no API key", code=Code.NO_KEY, hint=KEY_HINT)


def key_readers(
    settings: Settings, environ: Mapping[str, str]
) -> tuple[Callable[[], Key | None], ...]:
    """One function per source, in order of precedence. Each gives None when the source is not
    configured, and raises `ConfigError` when it is but holds no usable key. Under a profile, its
    own key alone counts, and that of `--key-file`."""
    if settings.profile:
        environ = {}
    return (
        lambda: _from_file(settings.key_file, "--key-file"),
        lambda: _from_variable(environ),
        lambda: _from_file(environ.get(KEY_FILE_VARIABLE) or None, KEY_FILE_VARIABLE),
        lambda: _from_file(settings.config_key_file, "key_file of the config file"),
        lambda: _from_command(settings.key_command),
        lambda: None if settings.profile else _from_official_cli(providers_path(environ)),
    )


def _from_variable(environ: Mapping[str, str]) -> Key | None:
    if KEY_VARIABLE not in environ:
        return None
    return Key(parse_key(environ[KEY_VARIABLE], KEY_VARIABLE), KEY_VARIABLE)


def _from_file(path: str | None, setting: str) -> Key | None:
    if path is None:
        return None
    # It may be the key itself, put where the name of its file belongs.
    shown = f" ({path})" if is_path(path) else ""
    text = _read(Path(os.path.expanduser(path)), f"key file of {setting}{shown}")  # noqa: PTH111
    if text is None:
        raise ConfigError(f"the key file of {setting}{shown} does not exist", hint=KEY_HINT)
    source = f"{setting} ({path})"
    return Key(parse_key(text, source), source)


def is_path(text: str) -> bool:
    """Whether `text` can be shown as the path of a file: it names one, or a place for one."""
    path = Path(os.path.expanduser(text))  # noqa: PTH111
    try:
        return path.exists() or ("/" in text and path.parent.is_dir())
    except OSError:
        return False


def _from_command(command: tuple[str, ...]) -> Key | None:
    if not command:
        return None
    import subprocess

    name = f"key_command ({command[0]})"
    hint = "run the command by hand, or set CLINE_API_KEY"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=KEY_COMMAND_TIMEOUT,
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"{name} cannot be run: {error.strerror}", hint=hint) from None
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"{name} did not finish within {KEY_COMMAND_TIMEOUT:.0f} s", hint=hint
        ) from None
    if done.returncode != 0:
        raise ConfigError(f"{name} failed with status {done.returncode}", hint=hint)
    return Key(parse_key(done.stdout.decode("utf-8", "replace"), name), name)


def _from_official_cli(path: Path) -> Key | None:
    text = _read(path, f"key store of the official CLI {path}")
    if text is None:
        return None
    from clinecli.jsontext import InvalidJson, loads

    try:
        value = loads(text.encode())
    except InvalidJson:
        raise ConfigError(f"{path} is not JSON", hint=KEY_HINT) from None
    for name in ("providers", "cline", "settings", "apiKey"):
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not value.strip():
        return None
    return Key(parse_key(value, str(path)), str(path))


def _read(path: Path, what: str) -> str | None:
    """The text of a settings file, None when it is absent. Raises `ConfigError`."""
    try:
        return path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(
            f"cannot read the {what}: {os.strerror(error.errno or 0)}",
            hint="check its permissions",
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the {what} is not UTF-8 text (byte {error.start})", hint="save it as UTF-8"
        ) from None
