"""The cached list of models: `models.json`, and `models.txt` with an id on each line.

Both stand in `$XDG_CACHE_HOME/clinecli`, by default `~/.cache/clinecli`, on every system: the
completion scripts read `models.txt` without starting Python, and so have to know the place.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from clinecli.config.paths import home
from clinecli.models.catalogue import Model, json_array, json_items, parse
from clinecli.text import utf8

FRESH_SECONDS = 24 * 3600
# No clock says more; what does is no time, and too long for arithmetic with floats.
_END_OF_TIME = 10**12
# Ids come from the network and go into shells: what is special there is not offered.
_COMPLETABLE = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+=,~-]*")


class CachedModels(NamedTuple):
    """A list of models, the base URL it came from, and when (Unix time).

    It is not complete when the recommended models could not be had.
    """

    base_url: str
    time: float
    models: list[Model]
    is_complete: bool = True

    def is_fresh(self, now: float) -> bool:
        """Whether it is complete and younger than a day; a time in the future is none."""
        return self.is_complete and 0 <= now - self.time < FRESH_SECONDS

    def outranks(self, base_url: str) -> bool:
        """Whether it must not give way to the list of `base_url`.

        Plain http is for this machine only: what a mock lists does not replace the models of
        a real API.
        """
        return self.base_url.startswith("https://") and base_url.startswith("http://")


def directory(environ: Mapping[str, str]) -> Path:
    """Where the cache is, by the XDG Base Directory rules: a relative path does not count."""
    base = environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base, "clinecli")
    return home(environ) / ".cache" / "clinecli"


def load(environ: Mapping[str, str]) -> CachedModels | None:
    """What is cached; None when there is nothing, or nothing that can be read."""
    try:
        text = (directory(environ) / "models.json").read_text("utf-8")
        members = {item.name: item for item in json_items(text.strip())}
        base_url, time = members["origin"].value, members["time"].value
        if not isinstance(base_url, str) or type(time) is not int or not 0 <= time < _END_OF_TIME:
            return None
        complete = members["complete"].value is True
        models = parse(members["models"].text)
        return CachedModels(base_url, time, models, complete) if models else None
    except (OSError, ValueError, KeyError):
        return None


def save(cached: CachedModels, environ: Mapping[str, str]) -> None:
    """Replace what is cached. Raises `OSError`.

    Each file is written aside and renamed, so that readers and other writers find it whole.
    """
    place = directory(environ)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = {
        "origin": cached.base_url,
        "time": int(cached.time),
        "complete": cached.is_complete,
    }
    head = json.dumps(about, separators=(",", ":")).removesuffix("}")
    _replace(place / "models.json", f'{head},"models":{json_array(cached.models)}}}\n')
    _save_ids(cached, place / "models.txt")


def restore_ids(cached: CachedModels, environ: Mapping[str, str]) -> None:
    """Write `models.txt` where it is missing beside what is cached. Raises `OSError`."""
    path = directory(environ) / "models.txt"
    if not path.exists():
        _save_ids(cached, path)


def _save_ids(cached: CachedModels, path: Path) -> None:
    names = (model.id for model in cached.models if _COMPLETABLE.fullmatch(model.id))
    _replace(path, "".join(f"{name}\n" for name in names))


def _replace(path: Path, text: str) -> None:
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(utf8(text))
        Path(temporary).replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()


def nearest(model: str, environ: Mapping[str, str]) -> list[str]:
    """Up to three cached ids that resemble `model`, the nearest first. Never raises."""
    from difflib import get_close_matches

    try:
        names = (directory(environ) / "models.txt").read_text("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return []
    by_folded = _by_folded(names)
    near = get_close_matches(model.casefold(), by_folded, n=3, cutoff=0.4)
    return [by_folded[name] for name in near]


def _by_folded(names: Iterable[str]) -> dict[str, str]:
    return {name.casefold(): name for name in names if _COMPLETABLE.fullmatch(name)}
