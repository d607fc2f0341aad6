"""The list of models: from the cache, or by requests to the API."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from clinecli.chat.endpoints import CLINE_MODELS, OPENAI_MODELS, RECOMMENDED_MODELS
from clinecli.config.keys import Key, key_places
from clinecli.config.secret import KEY_HINT
from clinecli.config.settings import Settings
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConnectionFailed,
    TransientError,
    UsageError,
)
from clinecli.models.cache import CachedModels, directory, load, restore_ids, save
from clinecli.models.catalogue import Model, merge
from clinecli.options.models import ModelsOptions
from clinecli.streams.console import Console

if TYPE_CHECKING:
    from clinecli.transport.client import EarlyConnection
    from clinecli.transport.connection import Connection

# The recommended list only adds tags: it is not worth waiting for long.
RECOMMENDED_SECONDS = 10.0
_WAITING = "waiting for the list of models"
# How servers that have only the list of OpenAI answer when they are asked for Cline's.
NOT_SERVED = {400, 401, 403, 404, 405, 501}


def listed(
    settings: Settings, console: Console, options: ModelsOptions | None = None
) -> list[Model]:
    """From the cache where it is fresh, or all that there may be; else from the API."""
    options = options or ModelsOptions()
    base_url = str(settings.base_url)
    kept = load(os.environ)
    cached = kept if kept and kept.base_url == base_url else None
    if kept and not cached:
        console.detail(f"* the cached models are those of {kept.base_url}")
    if options.offline and not cached:
        raise _not_cached(base_url, kept)
    now = time.time()
    if cached and (options.offline or (cached.is_fresh(now) and not options.refresh)):
        console.detail(f"* models from the cache, {_age(cached, now)} old")
        _restore_ids(cached, console)
        return cached.models
    try:
        fetcher = _Fetcher(settings, console)
        models = fetcher.models()
    except (ConnectionFailed, TransientError) as error:
        if not cached:
            raise
        raise error.with_hint(
            f"--offline lists the models as they were {_age(cached, now)} ago"
        ) from None
    if kept and kept.outranks(base_url):
        console.detail(f"* the models are not cached: the cache keeps those of {kept.base_url}")
    else:
        _save(CachedModels(base_url, now, models, fetcher.is_complete), console)
    return models


def _not_cached(base_url: str, kept: CachedModels | None) -> UsageError:
    hint = "run it once without --offline"
    if kept and kept.outranks(base_url):
        place = directory(os.environ) / "models.json"
        hint += f", and before that remove {place}, which keeps those of {kept.base_url}"
    return UsageError(f"no list of models of {base_url} is cached", hint=hint)


def _age(cached: CachedModels, now: float) -> str:
    hours = max(0.0, now - cached.time) / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"


def _restore_ids(cached: CachedModels, console: Console) -> None:
    try:
        restore_ids(cached, os.environ)
    except OSError as error:
        console.detail(f"* the ids are not written for completion: {error.strerror}")


def _save(fetched: CachedModels, console: Console) -> None:
    if not fetched.models:
        return
    try:
        save(fetched, os.environ)
    except OSError as error:
        console.detail(f"* the models are not cached: {error.strerror}")


class _Fetcher:
    """The requests of one listing: within the time of one call, and with a key or without.

    `is_complete` is false when the recommended models could not be had.
    """

    def __init__(self, settings: Settings, console: Console) -> None:
        self.is_complete = True
        from clinecli.transport.client import Transport
        from clinecli.transport.deadline import Deadline

        self._settings = settings
        self._console = console
        self._key: Key | None = None
        self._sends_key = True
        # Why Cline's list is not to be had, with a key or without.
        self._missing: ClinecliError | None = None
        self._transport = Transport(settings, os.environ)
        self._deadline = Deadline(settings.timeout)
        self._kept: Connection | EarlyConnection | None = None

    def models(self) -> list[Model]:
        """The merged list. Raises `ClinecliError`."""
        try:
            self._key = _key(self._settings, self._console)
            self._kept = self._transport.connect_early(self._deadline)
            return self._fetch()
        except ClinecliError as error:
            from clinecli.config.hints import fit_hints

            source = self._key.source if self._key else ""
            base_url = self._settings.base_url
            raise fit_hints(error, base_url, key_source=source, has_preview=False) from None
        finally:
            self._console.stop_progress()

    def _fetch(self) -> list[Model]:
        """With the key where there is one; without it where it is refused."""
        try:
            return self._listed()
        except AuthError as error:
            if not self._key:
                raise _key_wanted(error) from None
            refused = error
        self._sends_key = False
        try:
            models = self._listed()
        except AuthError:
            raise refused from None
        self._console.note(f"listed without the key: {refused.text}")
        return models

    def _listed(self) -> list[Model]:
        """Cline's list; where that is not served, the one that every other server has."""
        missing = self._missing
        if not missing:
            try:
                return merge(self._get(CLINE_MODELS), self._recommended())
            except ClinecliError as error:
                if error.http_status not in NOT_SERVED:
                    raise
                missing = error
        try:
            return merge(self._get(OPENAI_MODELS))
        except ClinecliError as error:
            if error.http_status not in NOT_SERVED:
                raise
            if isinstance(missing, AuthError):
                raise missing from None
            # The key makes no difference to it: it need not be asked for again without one.
            self._missing = missing
            if isinstance(error, AuthError):
                raise
            hint = (
                f"check the base URL: {self._settings.base_url} lists its models neither "
                f"at {CLINE_MODELS} nor at {OPENAI_MODELS}"
            )
            raise error.but(hints=(hint,)) from None

    def _recommended(self) -> bytes:
        try:
            return self._get(RECOMMENDED_MODELS, RECOMMENDED_SECONDS, retries=0)
        except ClinecliError as error:
            if error.http_status != 404:
                self.is_complete = False
                self._console.note(f"without the recommended models: {error.text}")
            return b"{}"

    def _get(self, path: str, seconds: float | None = None, retries: int | None = None) -> bytes:
        """A list, as it is sent. Raises `ClinecliError`."""
        from clinecli.transport.client import Call
        from clinecli.transport.replies import json_document
        from clinecli.transport.retry import RetryPolicy

        deadline = self._deadline.within(seconds)
        call = Call(
            "GET",
            path,
            deadline,
            key=self._key.secret if self._key else None,
            sends_key=self._sends_key,
            idle=self._settings.idle_timeout,
            log=self._console.detail if self._console.verbose else None,
        )
        allowed = self._settings.retries if retries is None else retries
        policy = RetryPolicy(allowed, deadline, self._note)
        self._console.start_progress(_WAITING)
        attempt = 1
        while True:
            kept, self._kept = self._kept, None
            try:
                with self._transport.send(call, kept) as answer:
                    body = json_document(answer)
                self._kept = answer.kept
                return body
            except ClinecliError as error:
                if error.http_status in NOT_SERVED:
                    raise
                attempt = policy.again(error, attempt)

    def _note(self, text: str) -> None:
        self._console.note(text)
        self._console.start_progress(_WAITING)


def _key(settings: Settings, console: Console) -> Key | None:
    """The key of the first place that has one. Raises `ConfigError` for a malformed one."""
    for place in key_places(settings, os.environ):
        if key := place.read():
            console.detail(f"* key from {key.source}")
            if key.note:
                console.note(key.note)
            return key
    return None


def _key_wanted(error: AuthError) -> AuthError:
    return error.but(
        message="there is no API key, and the server lists no models without one: " + error.message,
        hints=(KEY_HINT,),
        code=Code.NO_KEY,
    )
