"""What a recording does not tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.mock.recording import Exchange, read_exchanges
from clinecli.mock.redact import DATE, EMAIL, WORD, redact

KEY = "sk-secret-0123456789"
CHAT = "/api/v1/chat/completions"
ME = {
    "data": {
        "id": "usr-01HXYZ",
        "email": "ann@corp.example",
        "displayName": "Ann Archer",
        "phone": "+49 30 123",
        "createdAt": "2025-07-01T10:00:00Z",
        "verified": True,
        "organizations": [
            {
                "organizationId": "org-77AB",
                "name": "Archer & Sons",
                "roles": ["admin"],
                "active": False,
                "memberId": "mem-9",
            }
        ],
    },
    "success": True,
}


def without_key(text: str) -> str:
    return text.replace(KEY, "[key]")


def get(path: str, body: Any, status: int = 200) -> Exchange:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Exchange("GET", f"/api/v1{path}", status, body=data)


def chat(body: bytes, **changes: Any) -> Exchange:
    return Exchange("POST", CHAT, body=body)._replace(**changes)


def redacted(*exchanges: Exchange) -> list[Exchange]:
    return redact(exchanges, without_key)


def document(exchange: Exchange) -> Any:
    return json.loads(exchange.body)


def test_an_account_is_nobodys() -> None:
    (me,) = redacted(get("/users/me", ME))
    assert document(me) == {
        "data": {
            "id": "id-1",
            "email": EMAIL,
            "displayName": WORD,
            "phone": WORD,
            "createdAt": DATE,
            "verified": True,
            "organizations": [
                {
                    "organizationId": "id-2",
                    "name": WORD,
                    "roles": ["admin"],
                    "active": False,
                    "memberId": "id-3",
                }
            ],
        },
        "success": True,
    }


def test_one_id_is_one_stand_in_everywhere() -> None:
    exchanges = redacted(
        get("/users/me", ME),
        get("/users/usr-01HXYZ/balance", {"data": {"balance": 500_000, "userId": "usr-01HXYZ"}}),
        get("/organizations/org-77AB/balance?x=1", {"data": {"organizationId": "org-77AB"}}),
        chat(b"data: usr-01HXYZ, xusr-01HXYZ, ann@corp.example, Ann Archer\n\n"),
        chat(b'{"error":"Ann Archer of org-77AB has no credit"}', status=402),
    )
    assert [exchange.path for exchange in exchanges[1:3]] == [
        "/api/v1/users/id-1/balance",
        "/api/v1/organizations/id-2/balance?x=1",
    ]
    assert document(exchanges[1])["data"]["userId"] == "id-1"
    # In a reply, a name may be any word; an id that is part of another word is none.
    assert exchanges[3].body.decode() == f"data: id-1, xusr-01HXYZ, {EMAIL}, Ann Archer\n\n"
    assert document(exchanges[4])["error"] == f"{WORD} of id-2 has no credit"


@pytest.mark.parametrize(
    ("balance", "stand_in"),
    [(500_000, 10_000_000), (-7, -10_000_000), (0, 0), (1.5, 0.01), (-0.14, -0.01)],
)
def test_an_amount_keeps_its_sign(balance: float, stand_in: float) -> None:
    (exchange,) = redacted(get("/users/u-123/balance", {"data": {"balance": balance}}))
    assert document(exchange)["data"]["balance"] == stand_in


def test_ids_may_be_numbers() -> None:
    me, balance = redacted(
        get("/users/me", {"id": 4711}), get("/users/4711/balance", {"userId": 4711, "n": 4711})
    )
    assert (document(me), balance.path) == ({"id": 1}, "/api/v1/users/1/balance")
    assert document(balance) == {"userId": 1, "n": 4711}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"success": False, "error": '{"code":"insufficient_credits","current_balance":-3.72}'},
            {"success": False, "error": '{"code":"insufficient_credits","current_balance":-0.01}'},
        ),
        (
            {"error": {"code": "SPEND_LIMIT_EXCEEDED", "limit_usd": 50.0, "spent_usd": 50.12}},
            {"error": {"code": "SPEND_LIMIT_EXCEEDED", "limit_usd": 0.01, "spent_usd": 0.01}},
        ),
        ({"message": "you have $1,234.56 left"}, {"message": "you have $0.01 left"}),
        ({"message": "you have 3.2 credits"}, {"message": "you have $0.01"}),
        ({"message": "write to bob@x.example."}, {"message": f"write to {EMAIL}."}),
        ({"organizationId": "org-1234", "m": "org-1234"}, {"organizationId": "id-1", "m": "id-1"}),
        ({"code": 402, "message": "model not found"}, {"code": 402, "message": "model not found"}),
    ],
    ids=str,
)
def test_errors_tell_the_cause_and_no_figures(error: Any, expected: Any) -> None:
    body = json.dumps(error, separators=(",", ":")).encode()
    assert document(redacted(chat(body, status=402))[0]) == expected


def test_replies_and_prompts_stay_as_they_are() -> None:
    body = b'{"choices":[{"message":{"content":"$5 for ann@x.example, id usr-1"}}],"cost":1.10}'
    request = {"messages": [{"content": "ann@x.example has $7"}], "user": "u-1"}
    exchange = chat(body, request=request, chunks=((0.5, len(body)),))
    assert redacted(exchange) == [exchange]


def test_the_key_is_nowhere() -> None:
    exchanges = redacted(
        chat(f"data: {KEY}\n\n".encode(), request={KEY: [f"x{KEY}", 1]}),
        chat(b"\xff" + KEY.encode(), status=500),
        get(f"/users/me?key={KEY}", {"token": KEY, KEY: 1}),
        get("/users/me", f"<html>{KEY}</html>".encode()),
    )
    assert KEY not in repr(exchanges)
    assert exchanges[0].request == {"[key]": ["x[key]", 1]}
    assert exchanges[1].body == b"\xff[key]"


def test_a_page_in_the_place_of_an_account_has_no_address() -> None:
    (page,) = redacted(get("/users/me", b"<p>Hello ann@corp.example, you have $3</p>"))
    assert page.body == f"<p>Hello {EMAIL}, you have $0.01</p>".encode()


@pytest.mark.parametrize(
    "path", ["/ai/cline/models", "/ai/cline/recommended-models", "/models?a=b"]
)
def test_lists_of_models_stay_as_they_are(path: str) -> None:
    exchange = get(path, {"data": [{"id": "a/b", "name": "B", "pricing": {"prompt": "0.1"}}]})
    assert redacted(exchange) == [exchange]


@given(st.text(max_size=60), st.integers(200, 599))
def test_any_text_is_taken(text: str, status: int) -> None:
    for path in ("/users/me", "/chat/completions"):
        (exchange,) = redacted(get(path, text.encode("utf-8", "replace"), status))
        assert exchange.status == status


def test_long_words_take_no_time() -> None:
    body = b"a" * 1_000_000 + b" " + b"1,2." * 200_000 + b"9" * 500_000 + b"\\" * 200_000
    assert redacted(chat(body, status=500))[0].body == body


EXCHANGES = st.builds(
    Exchange,
    method=st.sampled_from(["GET", "POST"]),
    path=st.just("/api/v1/x"),
    status=st.integers(200, 599),
    content_type=st.sampled_from(["application/json", "text/event-stream", "text/html"]),
    body=st.binary(max_size=20) | st.sampled_from([b'{"a":1.10}', b"[]", b"data: \xc3\xb6\n\n"]),
    request=st.none() | st.text(max_size=5) | st.just({"a": [1]}),
    retry_after=st.none() | st.just("7"),
    seconds=st.just(0.5),
    chunks=st.just(()) | st.just(((0.25, 3), (0.0, 2))),
    cut=st.booleans(),
    flaw=st.just(""),
)


@given(EXCHANGES)
def test_what_is_written_is_read(exchange: Exchange) -> None:
    (read,) = read_exchanges([exchange.as_dict()], "file")
    assert read == exchange
