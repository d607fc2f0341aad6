"""`--cache`: complete replies by the request that they answer, so that it is paid for once.

A reply that is kept is read like an answer of the API, by the same functions: `KeptAnswers` stands
where the transport does, and nothing is connected to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clinecli.config.secret import Redactor
from clinecli.errors import UsageError

if TYPE_CHECKING:
    from clinecli.streams.console import Console
    from clinecli.turn.preparation import Prepared

_TYPES = {False: ("json", "application/json"), True: ("sse", "text/event-stream")}


class CachePlace(NamedTuple):
    """Where the reply to a request is kept, or will be."""

    path: Path
    content_type: str

    def find(self) -> bytes | None:
        """The body of the answer, None when there is none that can be read."""
        try:
            return self.path.read_bytes() or None
        except OSError:
            return None

    def keep(self, body: bytes, console: Console) -> None:
        """Put the body of a complete answer there, for the user alone. A place that cannot be
        written is told, and no failure: the reply is there."""
        from clinecli.streams.atomic import Replacement
        from clinecli.streams.descriptors import write_all

        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replacement = Replacement(self.path, private=True)
            try:
                write_all(replacement.fd, body)
                replacement.commit()
            finally:
                replacement.discard()
        except OSError as error:
            console.note(f"the reply is not kept in {self.path.parent}: {error.strerror}")


def cache_place(prepared: Prepared, console: Console) -> CachePlace | None:
    """Where the reply belongs; None where it is not to be kept. Raises `UsageError`."""
    options = prepared.options
    if not options.cache:
        if options.cache_only or options.cache_all:
            raise UsageError(
                "--cache-only and --cache-all need a directory", hint="name it by --cache DIR"
            )
        return None
    if options.fallback or options.repair:
        raise UsageError(
            "--cache excludes --fallback and --repair: a reply is kept by its own request",
            hint="leave --cache out",
        )
    if prepared.request.body.get("temperature") != 0 and not options.cache_all:
        if options.cache_only:
            raise UsageError(
                "--cache-only, but only replies at temperature 0 are kept",
                hint="add -t 0, or --cache-all",
            )
        console.note("the reply is not kept: its temperature is not 0 (-t 0, or --cache-all)")
        return None
    import hashlib

    asked = f"{prepared.settings.base_url}\n".encode()
    digest = hashlib.sha256(asked + prepared.request.encode(stream=prepared.stream)).hexdigest()
    suffix, content_type = _TYPES[prepared.stream]
    return CachePlace(Path(os.path.realpath(options.cache)) / f"{digest}.{suffix}", content_type)


def kept_answers(place: CachePlace, *, is_needed: bool) -> KeptAnswers | None:
    """What stands for the API where the reply is kept. Raises `UsageError` when it is needed and
    not there."""
    body = place.find()
    if body:
        return KeptAnswers(body, place.content_type)
    if is_needed:
        raise UsageError(
            f"no reply to this request is kept in {place.path.parent}",
            hint="run it once without --cache-only; a request differs by any of its fields",
        )
    return None


class KeptAnswers:
    """Answers every call with the body that is kept."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._body = body
        self._content_type = content_type

    def send(self, _call: object, _kept: object = None) -> KeptAnswer:
        """The answer, without a connection."""
        return KeptAnswer(self._body, self._content_type)


class KeptAnswer:
    """As `transport.exchange.Answer`, from the cache."""

    status = 200
    request_id = None
    redact = Redactor()
    kept = None

    def __init__(self, body: bytes, content_type: str) -> None:
        self.headers = {"content-type": content_type}
        self._pieces = iter((body,))

    def __enter__(self) -> KeptAnswer:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def read(self, idle: float | None = None) -> bytes:  # noqa: ARG002 - as an answer's
        """All of it, then the end."""
        return next(self._pieces, b"")

    def body(self) -> bytes:
        """All of it."""
        return self.read()
