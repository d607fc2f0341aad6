"""What an answer is worth: the same judgement as that of `ask`, for one row. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.batch.results import Response, body_as_json
from clinecli.batch.waits import wait_of
from clinecli.chat.reply import Reply
from clinecli.errors import ClinecliError
from clinecli.jsontext import dumps
from clinecli.transport.replies import reply_in

if TYPE_CHECKING:
    from clinecli.batch.wire import Landed
    from clinecli.chat.schema import Checker

_MOST_SCHEMAS = 64
# For so long, a reply that is hard to check holds up all others.
_CHECK_SECONDS = 5.0


class Asking(NamedTuple):
    """What a reply is judged by: whether it may be cut at its length, and its schema's JSON."""

    limits_tokens: bool
    schema: bytes | None


class Verdict(NamedTuple):
    """What came of one request. `error` is None for a complete answer alone, and has the wait
    that the server wants, wherever it said so. `usage` is what the server counts."""

    response: Response | None
    error: ClinecliError | None
    reply: Reply | None = None

    @property
    def usage(self) -> dict[str, Any] | None:
        return self.reply.usage if self.reply else None


def asking(body: dict[str, Any]) -> Asking:
    """What the reply to a request will be judged by."""
    limits = body.get("max_tokens") is not None or body.get("max_completion_tokens") is not None
    wanted = body.get("response_format")
    schema = None
    if isinstance(wanted, dict) and isinstance(wanted.get("json_schema"), dict):
        schema = wanted["json_schema"].get("schema")
    return Asking(limits, None if schema is None else dumps(schema))


class Judge:
    """Judges answers. `check` compares a reply with a schema, within seconds (`schema.Checker`)."""

    def __init__(self, check: Callable[[bytes, float], bytes]) -> None:
        self._check = check
        self._checkers: dict[bytes, Checker | None] = {}

    def verdict(self, landed: Landed, asking: Asking) -> Verdict:
        """What came of a request."""
        answer, body = landed.answer, landed.body
        if answer is None:
            return Verdict(None, landed.error)
        try:
            if landed.error:
                raise landed.error
            event = reply_in(answer, body)
        except ClinecliError as error:
            shown = body_as_json(answer.redact(body.decode("utf-8", "replace")).encode())
            return Verdict(Response(answer.status, answer.request_id, shown), _with_wait(error))
        response = Response(answer.status, answer.request_id, event.raw)
        reply = Reply()
        reply.add(event)
        redact = answer.redact
        failure = reply.failure(limits_tokens=asking.limits_tokens, redact=redact)
        if failure is None and asking.schema is not None:
            failure = self._mismatch(asking.schema, reply.text, redact)
        if failure:
            failure = failure.but(request_id=answer.request_id)
        return Verdict(response, failure, reply)

    def _mismatch(
        self, schema: bytes, text: str, redact: Callable[[str], str]
    ) -> ClinecliError | None:
        if schema not in self._checkers:
            if len(self._checkers) >= _MOST_SCHEMAS:
                self._checkers.clear()
            self._checkers[schema] = self._checker(schema)
        checker = self._checkers[schema]
        return checker.mismatch(text, _CHECK_SECONDS, redact) if checker else None

    def _checker(self, schema: bytes) -> Checker | None:
        """What checks replies by a schema; None for one that only the server understands."""
        import json

        from clinecli.chat.schema import Checker

        try:
            return Checker(json.loads(schema), "response_format", self._check, _CHECK_SECONDS)
        except ClinecliError:
            return None


def _with_wait(error: ClinecliError) -> ClinecliError:
    wait = wait_of(error)
    return error if wait == error.retry_after else error.but(retry_after=wait)
