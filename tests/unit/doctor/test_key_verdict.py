"""The decision table about key and account: a row, a test."""

from __future__ import annotations

from itertools import product

import pytest

from clinecli.doctor.key_verdict import VERDICTS, AccountSays, ChatSays, Row, Says, judge

# What the endpoints say, and what it means, by the row that decides.
A, C, S = AccountSays, ChatSays, Says
EXPECTED: dict[str, list[tuple[AccountSays, ChatSays, Says]]] = {
    "an account": [(A.ACCOUNT, said, S.VALID) for said in C],
    "all are refused, with the key and without": [
        (A.BARRED, said, S.GATEWAY) for said in (C.REFUSES, C.PAGE)
    ],
    "a page keeps all from chat": [
        (said, C.PAGE, S.GATEWAY) for said in (A.PAGE, A.MISSING, A.OTHER)
    ],
    "the account refuses the key": [(A.REFUSED, C.PAGE, S.REJECTED)],
    "chat refuses the key": [
        (said, C.REFUSES, S.REJECTED) for said in (A.REFUSED, A.PAGE, A.MISSING, A.OTHER)
    ],
    "refused, and chat looks at the form first": [(A.REFUSED, C.FORM, S.REJECTED)],
    "nothing of the API": [(A.MISSING, C.ABSENT, S.NOT_THE_API)],
    "no account endpoint": [
        (A.MISSING, said, S.NO_ACCOUNTS) for said in (C.TAKES, C.FORM, C.NO_CREDIT, C.FAILS)
    ],
    "chat takes the key": [
        (said, C.TAKES, S.TAKEN) for said in (A.REFUSED, A.PAGE, A.BARRED, A.OTHER)
    ],
    "the account is not to be had": [
        (account, said, S.UNVERIFIED)
        for account in (A.REFUSED, A.PAGE, A.BARRED, A.OTHER)
        for said in (C.FORM, C.NO_CREDIT, C.ABSENT, C.FAILS)
        if (account, said) != (A.REFUSED, C.FORM)
    ],
}


@pytest.mark.parametrize("row", VERDICTS, ids=[row.name for row in VERDICTS])
def test_row(row: Row) -> None:
    for account, chat, verdict in EXPECTED[row.name]:
        assert judge(account, chat) is verdict, (account, chat)
        assert account in row.account
        assert chat in row.chat


def test_every_case_is_expected() -> None:
    cases = [(account, chat) for rows in EXPECTED.values() for account, chat, _ in rows]
    assert sorted(map(str, cases)) == sorted(map(str, product(A, C)))
