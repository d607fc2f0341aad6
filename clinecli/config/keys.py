"""Where the key comes from: the first place that has one counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from clinecli.config.files import CONFIG_BYTES, KEY_BYTES, mode_for_others, read_setting
from clinecli.config.paths import expand, key_path, providers_path
from clinecli.config.secret import KEY_HINT, Secret, parse_key
from clinecli.config.settings import Settings
from clinecli.errors import Code, ConfigError

KEY_VARIABLE = "CLINE_API_KEY"
KEY_FILE_VARIABLE = "CLINE_API_KEY_FILE"
_KEY_VARIABLES = {KEY_VARIABLE, KEY_FILE_VARIABLE}
# More than a name has, and less than a key.
_LONGEST_SHOWN_NAME = 20


class Key(NamedTuple):
    """An API key, where it came from, and what is worth knowing about that."""

    secret: Secret
    source: str
    note: str = ""


class KeyPlace(NamedTuple):
    """A place where a key may be. `read` gives None when there is no such place, and raises
    `ConfigError` when it is there but holds no usable key. `file` is what it reads."""

    read: Callable[[], Key | None]
    file: str | None = None
    is_command: bool = False


def find_key(settings: Settings, environ: Mapping[str, str]) -> Key:
    """The key of the first place that has one. Raises `ConfigError` when there is none, or when
    that place is unreadable or holds no usable key."""
    for place in key_places(settings, environ):
        key = place.read()
        if key:
            return key
    raise ConfigError("no API key", code=Code.NO_KEY, hint=KEY_HINT)


def key_places(settings: Settings, environ: Mapping[str, str]) -> Iterator[KeyPlace]:
    """All places, in order of precedence. Each is to be read once: a key file may be a pipe."""
    seconds = settings.timeout
    if settings.profile:
        # Its own key alone counts, and that of --key-file.
        environ = {name: value for name, value in environ.items() if name not in _KEY_VARIABLES}

    def named(path: str | None, setting: str) -> KeyPlace:
        file = expand(path, environ) if path else None
        return KeyPlace(lambda: _from_file(file, setting, seconds) if file else None, file)

    yield named(settings.key_file, "--key-file")
    yield KeyPlace(lambda: _from_variable(environ))
    yield named(environ.get(KEY_FILE_VARIABLE), KEY_FILE_VARIABLE)
    yield named(settings.config_key_file, "key_file of the config file")
    yield KeyPlace(lambda: _from_command(settings.key_command, environ), is_command=True)
    if not settings.profile:
        own = str(key_path(environ))
        yield KeyPlace(lambda: _from_own_file(own, seconds), own)
        official = str(providers_path(environ))
        yield KeyPlace(lambda: _from_official_cli(official, seconds), official)


def _from_variable(environ: Mapping[str, str]) -> Key | None:
    if KEY_VARIABLE not in environ:
        return None
    return Key(parse_key(environ[KEY_VARIABLE], KEY_VARIABLE), KEY_VARIABLE)


def _from_file(path: str, setting: str, seconds: float) -> Key:
    # It may be the key itself, put where the name of its file belongs.
    shown = f" ({path})" if is_path(path) else ""
    what = f"key file of {setting}{shown}"
    text = read_setting(path, what, limit=KEY_BYTES, seconds=seconds)
    if text is None:
        hint = f"correct {setting}, or put the key into that file"
        if not shown:
            hint = f"name a file in {setting}: a key itself goes into {KEY_VARIABLE}"
        raise ConfigError(f"the {what} does not exist", hint=hint)
    return Key(parse_key(text, f"{setting}{shown}"), f"{setting}{shown}")


def is_path(text: str) -> bool:
    """Whether `text` can be shown as the path of a file: there is one, or it looks like the
    name of one in a directory that is there. A key in base64 may begin with a slash."""
    path = Path(text)
    try:
        if path.exists():
            return True
        directory = path.parent.resolve()
        is_place = directory.is_dir() and directory != Path("/")
    except (OSError, ValueError, RuntimeError):
        return False
    return "/" in text and is_place and len(path.name) < _LONGEST_SHOWN_NAME


def _from_command(command: tuple[str, ...], environ: Mapping[str, str]) -> Key | None:
    if not command:
        return None
    from clinecli.config.key_command import run_key_command

    name = f"key_command ({command[0]})"
    return Key(parse_key(run_key_command(command, environ), name), name)


def _from_own_file(path: str, seconds: float) -> Key | None:
    text = read_setting(path, f"key file {path}", limit=KEY_BYTES, seconds=seconds)
    if text is None:
        return None
    mode = mode_for_others(path)
    note = f"others can read {path} (mode {mode:04o}): chmod 600 it" if mode else ""
    return Key(parse_key(text, path), path, note)


def _from_official_cli(path: str, seconds: float) -> Key | None:
    what = f"key store of the official CLI {path}"
    text = read_setting(path, what, limit=CONFIG_BYTES, seconds=seconds)
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
    return Key(parse_key(value, path), path)
