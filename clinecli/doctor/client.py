"""doctor's requests to the API: one connection, and each distinct request once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clinecli.chat.codec import json_body
from clinecli.chat.endpoints import CHAT, CLINE_MODELS, OPENAI_MODELS, RECOMMENDED_MODELS
from clinecli.config.keys import Key
from clinecli.doctor.answered import Answered
from clinecli.doctor.check import Findings
from clinecli.doctor.setup import Asked, Line
from clinecli.errors import AuthError, ClinecliError, Code, RejectedError, TransientError
from clinecli.jsontext import dumps, loads
from clinecli.transport.client import JSON, Call
from clinecli.transport.connection import Connection
from clinecli.transport.dial import Dialled
from clinecli.transport.exchange import Answer
from clinecli.transport.replies import failure_of

if TYPE_CHECKING:
    from clinecli.models.catalogue import Model

# What a server may hold back of a request that it has not finished reading.
LARGE_BYTES = 64 * 1024


# What an endpoint gets that `ask` does not need: the first one, each one, each after one that hung.
GREETING_SECONDS, SIDE_SECONDS, _HUNG_SECONDS = 10.0, 30.0, 5.0
# A limit of so many seconds may be one of doctor's own making: then it asks again.
_LIMIT_SECONDS = 5.0


class Client:
    """Asks the API. An answer is kept: the same request is never sent twice.

    The first request goes over `dialled`. `sent` counts the requests, since a server may count
    them, too.
    """

    def __init__(
        self,
        line: Line,
        key: Key | None,
        model: str,
        log: Callable[[str], None] | None = None,
        dialled: Dialled | None = None,
    ) -> None:
        self.model = model
        self.sent = 0
        self._hung: dict[str, ClinecliError] = {}
        self._line = line
        self._key = key
        self._log = log
        host = line.route.origin.host if dialled and dialled.tls else ""
        self._kept = Connection(dialled, line.hop, host) if dialled else None
        self._answers: dict[tuple[str, str, bytes, bool], Answered | ClinecliError] = {}

    def get(self, path: str, *, with_key: bool = True, seconds: float | None = None) -> Answered:
        """The answer to a GET. Raises `ClinecliError` when there is no whole answer."""
        return self._once("GET", path, b"", with_key=with_key, seconds=seconds)

    def side(self, path: str, *, with_key: bool = True, seconds: float = SIDE_SECONDS) -> Answered:
        """The same of an endpoint that `ask` does not need, within `seconds`. Where it hung, it is
        not waited for again, and for others less."""
        if path in self._hung:
            raise self._hung[path]
        seconds = min(seconds, _HUNG_SECONDS) if self._hung else seconds
        try:
            return self.get(path, with_key=with_key, seconds=seconds)
        except TransientError as error:
            if error.code is Code.TIMEOUT:
                self._hung[path] = error
            raise

    def document(self, path: str, *, with_key: bool = True) -> bytes:
        """The JSON of a GET that `ask` never sends. Raises `ClinecliError`."""
        answer = self.side(path, with_key=with_key)
        if answer.failure:
            raise answer.failure
        return json_body(answer.body)

    def models(self) -> list[Model]:
        """What the server lists; the recommended ones, too, where the wanted one is not among
        the others. Raises `ClinecliError`."""
        from clinecli.models.catalogue import merge

        return merge(*self._lists())

    def model_ids(self) -> list[str]:
        """The ids of `models`. Mostly a list needs no more to be read than that."""
        listed, *more = self._lists()
        ids = [] if more else _ids_in(loads(listed))
        return ids or [entry.id for entry in self.models()]

    def _lists(self) -> tuple[bytes, ...]:
        try:
            listed = self._list(CLINE_MODELS)
        except RejectedError as error:
            if error.http_status != 404:
                raise
            return (self._list(OPENAI_MODELS),)
        if self.model in _ids_in(loads(listed)):
            return (listed,)
        try:
            return (listed, self._list(RECOMMENDED_MODELS))
        except ClinecliError:
            return (listed,)

    def _list(self, path: str) -> bytes:
        """A list, without the key where the server does not take it there."""
        try:
            return self.document(path)
        except AuthError:
            return self.document(path, with_key=False)

    def ask_nothing(
        self, *, with_key: bool, padding: int = 0, seconds: float | None = None
    ) -> Answered:
        """What the chat endpoint answers to a request without a message, which costs nothing
        where it is refused, and a token at most where it is not. Raises `ClinecliError`."""
        fields: dict[str, Any] = {"model": self.model, "messages": [], "max_tokens": 1}
        body = dumps({**fields, "stream": False})
        # White space after JSON is JSON.
        body += b" " * padding
        answer = self._once("POST", CHAT, body, with_key=with_key, seconds=seconds)
        wish = answer.failure.retry_after if answer.failure else None
        if answer.status == 429 and answer.number > 1 and (wish or 1.0) <= _LIMIT_SECONDS:
            self._answers.pop(("POST", CHAT, body, with_key))
            time.sleep(wish or 1.0)
            answer = self._once("POST", CHAT, body, with_key=with_key, seconds=seconds)
            # Once is enough.
            self._answers["POST", CHAT, body, with_key] = answer._replace(number=1)
        return answer

    def lists_models(self, *, with_key: bool) -> bool:
        """Whether the server has the list of models of an OpenAI-compatible server."""
        try:
            failure = self.side(OPENAI_MODELS, with_key=with_key).failure
        except ClinecliError:
            return False
        return failure is None or isinstance(failure, AuthError)

    def call(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        with_key: bool = True,
        seconds: float | None = None,
        streams: bool = False,
    ) -> Call:
        """A request that may take as long as one of `ask`, or of `stream`, or `seconds`."""
        line = self._line
        return Call(
            method,
            path,
            line.whole(seconds),
            body=body,
            headers=JSON if body else (),
            key=self._key.secret if self._key else None,
            sends_key=with_key,
            idle=line.idle(streams=streams),
            log=self._log,
        )

    def _once(
        self, method: str, path: str, body: bytes, *, with_key: bool, seconds: float | None = None
    ) -> Answered:
        request = (method, path, body, with_key)
        if request not in self._answers:
            try:
                call = self.call(method, path, body, with_key=with_key, seconds=seconds)
                self._answers[request] = self._send(call)
            except ClinecliError as error:
                self._answers[request] = _of_own_limit(error, seconds, self._line)
        answer = self._answers[request]
        if isinstance(answer, ClinecliError):
            raise answer
        return answer

    def send(self, call: Call) -> Answer:
        """An answer that is not kept. Raises `ClinecliError`."""
        kept, self._kept = self._kept, None
        self.sent += 1
        return self._line.transport.send(call, kept)

    def _send(self, call: Call) -> Answered:
        started = time.monotonic()
        with self.send(call) as answer:
            seconds = time.monotonic() - started
            body = answer.body()
        self._kept = answer.kept
        answered = Answered(
            answer.status,
            answer.headers,
            body,
            seconds,
            failure_of(answer, body),
            answer.request_id,
            self.sent,
        )
        return answered.with_title()

    def close(self) -> None:
        """Close what is open."""
        if self._kept:
            self._kept.close()
            self._kept = None


def _of_own_limit(error: ClinecliError, seconds: float | None, line: Line) -> ClinecliError:
    """The same error; where it is a limit of doctor's own that was too short, not of a flag."""
    if seconds is None or error.code is not Code.TIMEOUT or seconds >= line.settings.timeout:
        return error
    return error.but(message=f"no complete answer within {seconds:g} s", hints=("try again later",))


def wanted_model(line: Line, findings: Findings) -> str:
    """The model that would be asked: that of `--request`, else the configured one."""
    asked = findings.get(Asked)
    named = asked.request.body.get("model") if asked and asked.request else None
    return named if isinstance(named, str) else line.settings.model


def _ids_in(document: Any) -> list[str]:
    """The ids of a list of models; empty for anything else."""
    entries = document.get("data") if isinstance(document, dict) else document
    entries = entries if isinstance(entries, list) else []
    ids = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return [name for name in ids if isinstance(name, str) and name]
