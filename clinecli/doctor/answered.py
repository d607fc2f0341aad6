"""An answer of the server, and what it means for `ask`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from clinecli.chat.api_errors import describe_body, one_line, said_in
from clinecli.chat.endpoints import CHAT
from clinecli.doctor.gateway import refused_by
from clinecli.errors import AuthError, ClinecliError, Code, RejectedError, TransientError

# Headers that tell people what is wrong, or soon will be.
TELLING = (
    *("retry-after", "deprecation", "sunset", "via", "server", "cf-ray", "www-authenticate"),
    *("x-error", "x-squid-error", "x-cache", "proxy-authenticate"),
)
_TELLING_PREFIX = "x-ratelimit"
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,4000})", re.IGNORECASE)
_TITLE_BYTES = 16384
_LONGEST = 200


class Answered(NamedTuple):
    """What a server answers, whatever its status. `failure` is what `ask` would raise for it,
    `seconds` the time until its head was there, `number` which of doctor's requests it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    failure: ClinecliError | None
    request_id: str | None
    number: int = 0

    @property
    def is_page(self) -> bool:
        """Whether it is meant for a browser, as of a gateway or a portal."""
        return "HTML" in describe_body(self.body, self.headers.get("content-type", ""))

    @property
    def title(self) -> str:
        """The title of a page; empty without one."""
        found = _TITLE.search(self.body[:_TITLE_BYTES]) if self.is_page else None
        return _short(found[1].decode("utf-8", "replace")) if found else ""

    @property
    def words(self) -> str:
        """What it tells people: the title of a page, an error's message, a line of text."""
        if self.is_page:
            return self.title
        return _short(said_in(self.body, self.headers.get("content-type", "")))

    @property
    def telling(self) -> dict[str, str]:
        """The headers of interest."""
        return {
            name: value
            for name, value in self.headers.items()
            if name in TELLING or name.startswith(_TELLING_PREFIX)
        }

    def with_title(self) -> Answered:
        """The same; its failure has what the title of a page says, but for a refused key."""
        failure, title = self.failure, self.title
        if not failure or not title or isinstance(failure, AuthError):
            return self
        said = failure.but(message=f"{failure.message}; its page says: {title}")
        return self._replace(failure=said)


def _short(text: str) -> str:
    """A text on one line, cut between words: half of a secret is not known as one."""
    line = one_line(text, len(text))
    if len(line) <= _LONGEST:
        return line
    head = line[:_LONGEST].rpartition(" ")[0]
    return f"{head} …" if head else ""


def chat_failure(answer: Answered) -> ClinecliError | None:
    """What `ask` would end with, by the answer to a request without a message. That it is refused
    for its form is right."""
    failure = answer.failure
    if failure is None:
        return _no_reply(answer)
    if isinstance(failure, AuthError) and answer.is_page:
        # The API does not answer by pages.
        return refused_by(failure, answer.headers, answer.words, f" POST {CHAT}")
    is_refusal = isinstance(failure, RejectedError) and failure.http_status in {400, 422}
    if is_refusal and failure.server_code != "model_not_found" and not answer.is_page:
        return None
    return failure


def is_server_error(error: ClinecliError) -> bool:
    """Whether a server failed at a request, which may be the fault of the request alone."""
    status = error.http_status or 0
    return (
        isinstance(error, TransientError)
        and (status >= 500 or status == 0)
        and (error.code is not Code.TIMEOUT)
    )


def _no_reply(answer: Answered) -> ClinecliError | None:
    """What is wrong with a success: nothing when it is the reply of a model."""
    from clinecli.chat.api_errors import Origin
    from clinecli.chat.codec import decode_body

    try:
        decode_body(answer.body, Origin(answer.headers.get("content-type", "")))
    except ClinecliError as error:
        return error
    return None
