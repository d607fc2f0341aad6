"""The check of whether the key is accepted, by what two endpoints say of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from clinecli.chat.codec import json_body
from clinecli.chat.endpoints import ACCOUNT
from clinecli.config.keys import Key
from clinecli.doctor.api import Greeting, not_at_base_url
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.client import Answered, Client, chat_failure
from clinecli.doctor.key import expiry_of
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import AuthError, ClinecliError, CreditError, IncompleteError
from clinecli.jsontext import loads

NO_ACCOUNTS = "this server has no account endpoints (it is another OpenAI-compatible one)"


class Account(NamedTuple):
    """The account of the key, as far as it is known. `details` is the API's own object, and
    `error` what the chat endpoint says of the credit."""

    details: Mapping[str, Any] | None = None
    is_missing: bool = False
    error: CreditError | None = None


class AccountSays(Enum):
    """What the account endpoint answers to the key."""

    ACCOUNT = auto()
    REFUSED = auto()
    """401 or 403, as the API gives it."""
    PAGE = auto()
    """The same as a web page, which says nothing of a key."""
    BARRED = auto()
    """The same with the key and without, where the API itself would say 401 without one."""
    MISSING = auto()
    """404."""
    OTHER = auto()
    """Anything else, and nothing at all."""


class ChatSays(Enum):
    """What the chat endpoint answers to the key and a request without a message."""

    TAKES = auto()
    """A reply, or a refusal of the form where the key is looked at first."""
    FORM = auto()
    """A refusal of the form, which may come before a look at the key."""
    REFUSES = auto()
    NO_CREDIT = auto()
    ABSENT = auto()
    """404 or 405, and there is no list of models either."""
    FAILS = auto()


class Says(Enum):
    """What both together mean."""

    VALID = auto()
    REJECTED = auto()
    GATEWAY = auto()
    NOT_THE_API = auto()
    NO_ACCOUNTS = auto()
    UNVERIFIED = auto()


class Row(NamedTuple):
    """One row of the table: it counts where both sets hold what was said."""

    name: str
    account: frozenset[AccountSays]
    chat: frozenset[ChatSays]
    verdict: Says


_ANY_ACCOUNT, _ANY_CHAT = frozenset(AccountSays), frozenset(ChatSays)


def _row(name: str, account: Any, chat: Any, verdict: Says) -> Row:
    return Row(name, frozenset(account), frozenset(chat), verdict)


# The first row that fits counts.
VERDICTS = (
    _row("an account", {AccountSays.ACCOUNT}, _ANY_CHAT, Says.VALID),
    _row(
        "all are refused, with the key and without",
        {AccountSays.BARRED},
        {ChatSays.REFUSES},
        Says.GATEWAY,
    ),
    _row("chat refuses the key", _ANY_ACCOUNT, {ChatSays.REFUSES}, Says.REJECTED),
    _row(
        "refused, and chat looks at the form first",
        {AccountSays.REFUSED},
        {ChatSays.FORM},
        Says.REJECTED,
    ),
    _row("nothing of the API", {AccountSays.MISSING}, {ChatSays.ABSENT}, Says.NOT_THE_API),
    _row("no account endpoint", {AccountSays.MISSING}, _ANY_CHAT, Says.NO_ACCOUNTS),
    _row("the account is not to be had", _ANY_ACCOUNT, _ANY_CHAT, Says.UNVERIFIED),
)


def judge(account: AccountSays, chat: ChatSays) -> Says:
    """The verdict about the key."""
    return next(row.verdict for row in VERDICTS if account in row.account and chat in row.chat)


class _Heard(NamedTuple):
    """What an endpoint said, and the error in it."""

    says: Any
    error: ClinecliError | None
    answer: Answered | None = None
    details: Mapping[str, Any] | None = None


def auth(setup: Setup, known: Findings) -> Finding:
    """The account of the key."""
    client = known[Client]
    if not setup.options.live:
        # It is asked anyway: first, so that no limit that it meets is of doctor's own making.
        _hear_chat(client)
    account = _hear_account(client, known[Greeting])
    if account.says is AccountSays.ACCOUNT:
        return _valid(account)
    chat = _hear_chat(client)
    if chat.says is ChatSays.FORM and _guards(client):
        chat = chat._replace(says=ChatSays.TAKES)
    credit_error = chat.error if isinstance(chat.error, CreditError) else None
    verdict = judge(account.says, chat.says)
    finding = _FINDINGS[verdict](known, account, chat)
    return finding.knowing(Account(None, verdict is Says.NO_ACCOUNTS, credit_error))


def _hear_account(client: Client, greeting: Greeting) -> _Heard:
    try:
        answer = client.side(ACCOUNT)
    except ClinecliError as error:
        return _Heard(AccountSays.OTHER, error)
    failure = answer.failure
    if isinstance(failure, AuthError):
        both = greeting.refusal == "page" or (greeting.status == answer.status == 403)
        if both:
            return _Heard(AccountSays.BARRED, failure, answer)
        return _Heard(AccountSays.PAGE if answer.is_page else AccountSays.REFUSED, failure, answer)
    if failure:
        missing = failure.http_status == 404
        return _Heard(AccountSays.MISSING if missing else AccountSays.OTHER, failure, answer)
    account = loads(json_body(answer.body))
    if not isinstance(account, dict) or not isinstance(account.get("id"), str | int):
        hint = "check the base URL, or ask for a reply with --live"
        unknown = IncompleteError("the account is in an unknown shape", hint=hint)
        return _Heard(AccountSays.OTHER, unknown, answer)
    return _Heard(AccountSays.ACCOUNT, None, answer, account)


def _hear_chat(client: Client) -> _Heard:
    try:
        answer = client.ask_nothing(with_key=True)
    except ClinecliError as error:
        return _Heard(ChatSays.FAILS, error)
    failure = chat_failure(answer)
    if failure is None:
        return _Heard(ChatSays.FORM if answer.failure else ChatSays.TAKES, None, answer)
    if isinstance(failure, AuthError):
        return _Heard(ChatSays.REFUSES, failure, answer)
    if isinstance(failure, CreditError):
        return _Heard(ChatSays.NO_CREDIT, failure, answer)
    absent = failure.http_status in {404, 405} and not client.lists_models(with_key=True)
    return _Heard(ChatSays.ABSENT if absent else ChatSays.FAILS, failure, answer)


def _guards(client: Client) -> bool:
    """Whether the chat endpoint looks at the key before it looks at the form of a request."""
    try:
        return isinstance(client.ask_nothing(with_key=False).failure, AuthError)
    except ClinecliError:
        return False


def _valid(account: _Heard) -> Finding:
    details = account.details or {}
    name = organization_of(details)[1]
    finding = ok("the key is valid", f"active organization: {name}" if name else "personal account")
    return finding.knowing(Account(details))


def _rejected(known: Findings, account: _Heard, chat: _Heard) -> Finding:
    error = account.error if isinstance(account.error, AuthError) else chat.error
    details = [_source(known), *_telling(account, chat)]
    key = known.get(Key)
    expiry = expiry_of(key.secret.reveal()) if key else None
    if expiry is not None and expiry < time.time():
        details.insert(0, f"the token expired on {datetime.fromtimestamp(expiry, UTC):%Y-%m-%d}")
    return failed(_basic(error, account, chat), *details)


def _gateway(known: Findings, account: _Heard, chat: _Heard) -> Finding:
    error = account.error or chat.error
    assert error is not None
    named = _basic(error, account, chat)
    return failed(
        AuthError(
            f"a proxy or gateway refuses, with the key and without: {named.text}",
            hint="it is not the key: ask who runs the gateway, or check base URL and proxy"
            if named is error
            else named.hint,
            code=error.code,
            server_code=error.server_code,
            http_status=error.http_status,
        ),
        _source(known),
        *_telling(account, chat),
    )


def _basic(error: ClinecliError | None, *heard: _Heard) -> ClinecliError:
    """The same error; where a server asks for user and password instead, it says so."""
    error = error or AuthError("the key is refused")
    for each in heard:
        asked = each.answer.headers.get("www-authenticate", "") if each.answer else ""
        if asked.lower().startswith("basic"):
            return error.but(
                message=f"{error.message}: it asks for user and password ({asked})",
                hints=(
                    (
                        "it is not the key: this server wants a login before it. Check the base "
                        "URL, or ask who runs it"
                    ),
                ),
            )
    return error


def _source(known: Findings) -> str:
    key = known.get(Key)
    return f"the key is from {key.source}" if key else "the key is missing"


def _telling(*heard: _Heard) -> list[str]:
    shown: dict[str, str] = {}
    for each in heard:
        shown.update(each.answer.telling if each.answer else {})
    return [f"{name}: {value}" for name, value in shown.items()]


def _not_the_api(known: Findings, account: _Heard, chat: _Heard) -> Finding:
    error = not_at_base_url(known[Line], chat.error or account.error or IncompleteError("nothing"))
    return failed(error, f"GET {ACCOUNT}: HTTP 404")


def _no_accounts(_known: Findings, _account: _Heard, _chat: _Heard) -> Finding:
    return skip(NO_ACCOUNTS)


def _unverified(_known: Findings, account: _Heard, chat: _Heard) -> Finding:
    error = account.error or IncompleteError("no account")
    accepted = " (the chat endpoint takes it)" if chat.says is ChatSays.TAKES else ""
    return warn(f"could not verify the key{accepted}: {error.text}", remedy=error.hint, error=error)


_FINDINGS = {
    Says.REJECTED: _rejected,
    Says.GATEWAY: _gateway,
    Says.NOT_THE_API: _not_the_api,
    Says.NO_ACCOUNTS: _no_accounts,
    Says.UNVERIFIED: _unverified,
}


def organization_of(account: Mapping[str, Any]) -> tuple[str, str]:
    """Id and name of the active organization; empty without one."""
    listed = account.get("organizations")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and entry.get("active") is True:
            return str(entry.get("organizationId", "")), str(entry.get("name", ""))
    return "", ""
