"""Whether the key is good, by what the account endpoint says against what the chat endpoint says.

A table. Pure.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, NamedTuple


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
    PAGE = auto()
    """401 or 403 as a web page, which says nothing of the key."""
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
    TAKEN = auto()
    LEFT_TO_CHAT = auto()
    """A real request will tell."""
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
        {ChatSays.REFUSES, ChatSays.PAGE},
        Says.GATEWAY,
    ),
    _row(
        "a page keeps all from chat",
        _ANY_ACCOUNT - {AccountSays.REFUSED},
        {ChatSays.PAGE},
        Says.GATEWAY,
    ),
    _row("the account refuses the key", {AccountSays.REFUSED}, {ChatSays.PAGE}, Says.REJECTED),
    _row("chat refuses the key", _ANY_ACCOUNT, {ChatSays.REFUSES}, Says.REJECTED),
    _row(
        "refused, and chat looks at the form first",
        {AccountSays.REFUSED},
        {ChatSays.FORM},
        Says.REJECTED,
    ),
    _row("nothing of the API", {AccountSays.MISSING}, {ChatSays.ABSENT}, Says.NOT_THE_API),
    _row("no account endpoint", {AccountSays.MISSING}, _ANY_CHAT, Says.NO_ACCOUNTS),
    _row("chat takes the key", _ANY_ACCOUNT, {ChatSays.TAKES}, Says.TAKEN),
    _row("the account is not to be had", _ANY_ACCOUNT, _ANY_CHAT, Says.UNVERIFIED),
)


def judge(account: AccountSays, chat: ChatSays) -> Says:
    """The verdict about the key."""
    return next(row.verdict for row in VERDICTS if account in row.account and chat in row.chat)
