"""The check of the balance that a call is paid from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from clinecli.doctor.account import NO_ACCOUNTS, Account, organization_of
from clinecli.doctor.answered import chat_failure
from clinecli.doctor.check import Finding, Findings, Planned, failed, ok, skip, warn
from clinecli.doctor.client import Client
from clinecli.doctor.setup import Setup
from clinecli.errors import ClinecliError, CreditError
from clinecli.jsontext import loads

# The API counts in micro-dollars.
_DOLLAR = 1_000_000
_LOW_DOLLARS = 1
_CENT = 0.01
_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_SUBSCRIPTION = "cline-pass/"


class Empty(NamedTuple):
    """There is no credit, by what the account says; a real request tells what that means."""

    said: str


def credit(setup: Setup, known: Findings) -> Finding:
    """The balance that is spent: the active organization's, else the user's."""
    account = known[Account]
    is_left_to_chat = setup.options.live and "api.chat" in known[Planned].checks
    if account.error:
        said = account.error.text
        return _left_to_chat(said) if is_left_to_chat else failed(account.error)
    if account.is_missing:
        return skip(NO_ACCOUNTS)
    if account.details is None:
        return skip("the balance is not known without the account")
    return _of(known[Client], account.details, is_left_to_chat=is_left_to_chat)


def _of(client: Client, details: Mapping[str, Any], *, is_left_to_chat: bool) -> Finding:
    organization, name = organization_of(details)
    whose = f"of the organization {name}" if organization else "of the account"
    kind, owner = ("organizations", organization) if organization else ("users", "")
    path = f"/{kind}/{quote(str(owner or details['id']), safe='')}/balance"
    try:
        balance = _balance(client.document(path))
    except CreditError:
        raise
    except ClinecliError as error:
        return skip(f"the balance {whose} is not to be had: {error.text}")
    if balance is None:
        return skip(f"the balance {whose} is not to be had: it is no number")
    if balance > 0:
        return _some(balance / _DOLLAR, whose)
    said = f"the balance {whose} is {_amount(balance / _DOLLAR)}"
    return _left_to_chat(said) if is_left_to_chat else _none(client, said)


def _balance(body: bytes) -> float | None:
    answer = loads(body)
    balance = answer.get("balance") if isinstance(answer, dict) else None
    if isinstance(balance, str) and _DECIMAL.fullmatch(balance):
        return float(balance)
    return None if isinstance(balance, bool) or not isinstance(balance, int | float) else balance


def _amount(dollars: float) -> str:
    amount = f"{abs(dollars):,.2f}"
    if 0 < abs(dollars) < _CENT:
        amount = f"{abs(dollars):.7f}".rstrip("0")
    return f"{'-' if dollars < 0 else ''}${amount}"


def _some(dollars: float, whose: str) -> Finding:
    summary = f"the balance {whose} is {_amount(dollars)}"
    if dollars < _LOW_DOLLARS:
        return warn(f"{summary}, which is low", remedy=CreditError.default_hint)
    return ok(summary)


def _none(client: Client, said: str) -> Finding:
    """No credit is a failure, unless the model can do without."""
    why = _costs_nothing(client)
    if not why:
        return failed(CreditError(said))
    return warn(f"{said}; {why}", remedy=f"{CreditError.default_hint} for other models")


def _left_to_chat(said: str) -> Finding:
    summary = f"{said}; the real request tells whether that matters"
    return warn(summary, remedy=CreditError.default_hint).knowing(Empty(said))


def _costs_nothing(client: Client) -> str:
    """Why the model is served without credit; empty where it is not, or where nobody knows."""
    model = client.model
    if model.startswith(_SUBSCRIPTION):
        return f"the model {model} is paid by a subscription"
    try:
        listed = client.models()
    except ClinecliError:
        listed = []
    if any(entry.id == model and entry.is_free for entry in listed):
        return f"the model {model} is listed as free"
    try:
        answer = client.ask_nothing(with_key=True)
    except ClinecliError:
        return ""
    is_served = answer.failure is None and chat_failure(answer) is None
    return f"the model {model} answers all the same" if is_served else ""
