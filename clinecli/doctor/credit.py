"""The check of the balance that a call is paid from."""

from __future__ import annotations

import re
from urllib.parse import quote

from clinecli.doctor.account import NO_ACCOUNTS, Account, organization_of
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
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


def credit(_setup: Setup, known: Findings) -> Finding:
    """The balance that is spent: the active organization's, else the user's."""
    account, client = known[Account], known[Client]
    if account.error:
        raise account.error
    if account.is_missing:
        return skip(NO_ACCOUNTS)
    if account.details is None:
        return skip("the balance is not known without the account")
    organization, name = organization_of(account.details)
    whose = f"of the organization {name}" if organization else "of the account"
    kind, owner = ("organizations", organization) if organization else ("users", "")
    path = f"/{kind}/{quote(str(owner or account.details['id']), safe='')}/balance"
    try:
        balance = _balance(client.document(path))
    except CreditError:
        raise
    except ClinecliError as error:
        return skip(f"the balance {whose} is not to be had: {error.text}")
    if balance is None:
        return skip(f"the balance {whose} is not to be had: it is no number")
    return _judged(client.model, balance / _DOLLAR, whose)


def _balance(body: bytes) -> float | None:
    answer = loads(body)
    balance = answer.get("balance") if isinstance(answer, dict) else None
    if isinstance(balance, str) and _DECIMAL.fullmatch(balance):
        return float(balance)
    return None if isinstance(balance, bool) or not isinstance(balance, int | float) else balance


def _judged(model: str, dollars: float, whose: str) -> Finding:
    amount = f"{abs(dollars):,.2f}"
    if 0 < abs(dollars) < _CENT:
        amount = f"{abs(dollars):.7f}".rstrip("0")
    summary = f"the balance {whose} is {'-' if dollars < 0 else ''}${amount}"
    if dollars <= 0 and model.startswith(_SUBSCRIPTION):
        return warn(
            f"{summary}; the model {model} is paid by a subscription",
            remedy="add credits at https://app.cline.bot for other models",
        )
    if dollars <= 0:
        return failed(CreditError(summary))
    if dollars < _LOW_DOLLARS:
        return warn(f"{summary}, which is low", remedy=CreditError.default_hint)
    return ok(summary)
