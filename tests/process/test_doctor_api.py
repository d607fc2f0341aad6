"""`doctor` about what servers and gateways say of key, credit, model and request: the cause and a
remedy that cures in the last lines, and no verdict that a real answer refutes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.doctor import (
    UNAUTHORIZED,
    Answers,
    api,
    broken,
    diagnose,
    enveloped,
    listed,
    reported,
)
from tests.helpers.env import KEY
from tests.helpers.process import run
from tests.helpers.replies import completion, response
from tests.helpers.servers import RawServer

ME, CHAT, BALANCE = "GET /users/me", "POST /chat/completions", "GET /users/usr-1/balance"
OPENROUTER = "sk-or-v1-0123456789abcdef0123456789abcdef"


def refusal(status: int, message: str = "no", *, code: str = "", **headers: str) -> bytes:
    body = json.dumps({"error": {"code": code or status, "message": message}}).encode()
    return response(body, status=f"{status} No", **headers)


def page(status: int, title: str, **headers: str) -> bytes:
    text = f"<!doctype html><html><head><title>{title}</title></head></html>"
    return response(text.encode(), status=f"{status} No", content_type="text/html", **headers)


def unbilled(_: bytes, body: bytes) -> bytes:
    return response(completion("hello")) if json.loads(body)["messages"] else refusal(400)


def keyed(head: bytes, body: bytes) -> bytes:
    return unbilled(head, body) if b"Bearer" in head else UNAUTHORIZED


def settle(env: dict[str, str], url: str, **variables: str) -> dict[str, str]:
    env |= {"CLINE_API_BASE_URL": url, **variables}
    return env


def last_lines(env: dict[str, str], *flags: str) -> str:
    """What a report in text says after its checks."""
    text = run(["doctor", *flags], env).stdout.decode()
    return text[text.index("root cause") :]


# The key


def test_a_refused_key_is_told_with_its_likely_cause(env: dict[str, str]) -> None:
    """A key of Cline's is compared at Cline's hosts alone: an expired token is one anywhere."""
    expired = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2lnbmF0dXJl"
    with RawServer(UNAUTHORIZED) as server:
        said = last_lines(settle(env, server.url, CLINE_API_KEY=expired))
        report = broken("api.auth", 4, env)
    assert "the API refused the key: no key; it is a token that expired on 2023-11-14" in said
    assert report.ids("warn") == []


def test_a_key_that_hides_another(env: dict[str, str], tmp_path: Any) -> None:
    good = tmp_path / "good"
    good.write_text("a-good-key-0123456789")
    good.chmod(0o600)
    answers: Answers = {
        ME: lambda head, _: enveloped({"id": "u"}) if b"a-good-key" in head else UNAUTHORIZED,
        CHAT: lambda head, body: unbilled(head, body) if b"a-good-key" in head else UNAUTHORIZED,
    }
    env["CLINE_API_KEY_FILE"] = str(good)
    with api(answers) as server:
        settle(env, server.url)
        said = last_lines(env)
        # The remedy, carried out.
        del env["CLINE_API_KEY"]
        assert diagnose(env).status == 0
    assert "another key, which is not used, is in CLINE_API_KEY_FILE" in said
    assert "→ unset CLINE_API_KEY: then that of CLINE_API_KEY_FILE" in said.replace("->", "→")


def test_a_key_that_is_accepted_is_not_doubted(env: dict[str, str], tmp_path: Any) -> None:
    other = tmp_path / "other"
    other.write_text("another-key-0123456789")
    other.chmod(0o600)
    env["CLINE_API_KEY_FILE"] = str(other)
    with api() as server:
        report = reported(settle(env, server.url), "--strict")
    assert (report.status, report.ids("warn")) == (0, [])
    assert "another key, which is not used" in report["key"]["summary"]


MISTAKEN_KEYS = {
    "URL": ("https://app.cline.bot/dashboard/account?tab=api-keys", "a web address"),
    "path": ("/home/me/.config/clinecli/key", "the path of a file"),
    "JSON": ('{"apiKey":"abcdefghijkl"}', "it is JSON"),
    "line end": ("abcdefgh12345678\\n", "a backslash and a letter"),
    "zsh": ("abcdefgh12345678%", "it ends with %"),
    "one letter": ("xxxxxxxxxxxxxxxx", "a placeholder"),
    "dots": ("sk-...", "a placeholder"),
    "null": ("null", "no value"),
    "undefined": ("undefined", "no value"),
    "None": ("None", "no value"),
}


@pytest.mark.parametrize(("key", "said"), MISTAKEN_KEYS.values(), ids=MISTAKEN_KEYS)
def test_a_key_that_is_something_else(key: str, said: str, env: dict[str, str]) -> None:
    env["CLINE_API_KEY"] = key
    report = diagnose(env, "key")
    assert (report.status, report["key"]["status"]) == (0, "warn")
    assert said in report["key"]["summary"]
    assert report["key"]["remedy"]


@pytest.mark.parametrize("key", ["none", "xxxxxxxx", "test"])
def test_any_key_will_do_for_a_local_server(key: str, env: dict[str, str]) -> None:
    env["CLINE_API_KEY"] = key
    assert diagnose(env, "key", "--base-url", "http://localhost:1/v1")["key"]["status"] == "ok"


@pytest.mark.parametrize("name", ["CLINE_APIKEY", "CLINE_KEY", "CLINE_API_TOKEN", "cline_api_key"])
def test_a_variable_that_is_misspelt(name: str, env: dict[str, str]) -> None:
    env[name] = env.pop("CLINE_API_KEY")
    report = diagnose(env, "key")
    assert (report.root_cause, report.status) == ("key", 3)
    assert f"{name} is set, but the name is CLINE_API_KEY" in report["key"]["summary"]
    assert report["key"]["remedy"] == f'export CLINE_API_KEY="${name}"'


def test_a_key_where_the_name_of_its_file_belongs(env: dict[str, str]) -> None:
    key = env["CLINE_API_KEY_FILE"] = env.pop("CLINE_API_KEY")
    report = diagnose(env, "key")
    assert report.status == 3
    assert "a key itself goes into CLINE_API_KEY" in report.text("key")
    assert key not in report.text("key")


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_an_account_that_is_not_to_be_had_is_refuted_by_chat(
    status: int, env: dict[str, str]
) -> None:
    refused = refusal(status)
    answers: Answers = {ME: lambda head, _: refused if b"Bearer" in head else UNAUTHORIZED}
    with api({**answers, CHAT: keyed}) as server:
        report = reported(settle(env, server.url), "--strict", "api.auth")
    assert (report.status, report.ids("warn")) == (0, [])
    assert f"HTTP {status}" in report["api.auth"]["details"][0]


def test_with_live_chat_decides_about_the_key(env: dict[str, str]) -> None:
    """The form is looked at first, and the account is for browsers alone."""
    with api({ME: UNAUTHORIZED, CHAT: unbilled}) as server:
        report = diagnose(settle(env, server.url), "--live")
    assert (report.status, report["api.auth"]["status"]) == (0, "skip")


# Gateways


GATEWAYS = {
    "Cloudflare": (
        page(403, "Attention Required! | Cloudflare", Server="cloudflare", CF_Ray="8f1e-FRA"),
        "Cloudflare (cf-ray 8f1e-FRA) refuses, with the key and without: "
        "“Attention Required! | Cloudflare” (HTTP 403",
    ),
    "Akamai": (page(403, "Access Denied", Server="AkamaiGHost"), "Akamai refuses"),
    "Envoy": (
        response(
            b"RBAC: access denied", status="403 No", content_type="text/plain", Server="envoy"
        ),
        "Envoy refuses, with the key and without: “RBAC: access denied” (HTTP 403)",
    ),
    "a rule": (
        response(
            b"error code: 1020", status="403 No", content_type="text/plain", Server="cloudflare"
        ),
        "a firewall rule bars this request",
    ),
    "login": (
        page(401, "Authorization Required", WWW_Authenticate='Basic realm="Staging area"'),
        'it asks for user and password (Basic realm="Staging area")',
    ),
}


@pytest.mark.parametrize(("answer", "said"), GATEWAYS.values(), ids=GATEWAYS)
def test_who_refuses(answer: bytes, said: str, env: dict[str, str]) -> None:
    with RawServer(answer) as server:
        report = broken("api.auth", 4, settle(env, server.url))
    assert said in report["api.auth"]["summary"]
    assert "the key may not do this" not in report["api.auth"]["summary"]
    assert report["api.auth"]["remedy"].startswith("it is not the key: ")


@pytest.mark.parametrize("padding", range(160, 200, 7))
@pytest.mark.parametrize("make", [page, refusal], ids=["page", "JSON"])
def test_a_key_that_a_gateway_quotes_where_its_words_are_cut(
    make: Any, padding: int, env: dict[str, str]
) -> None:
    with RawServer(make(403, f"{'x' * padding} {KEY} and so on {'y' * 40}")) as server:
        report = diagnose(settle(env, server.url))
    assert report.status == 4
    text = json.dumps(report.document)
    assert not any(KEY[start : start + 6] in text for start in range(len(KEY) - 5))


def test_a_gateway_that_refuses_chat_alone(env: dict[str, str]) -> None:
    with api({CHAT: page(403, "403 Forbidden", Server="nginx/1.24.0")}) as server:
        report = broken("api.chat", 4, settle(env, server.url))
    assert report["api.auth"]["status"] == "ok"
    said = "nginx refuses POST /chat/completions: “403 Forbidden”"
    assert report["api.chat"]["summary"].startswith(said)
    assert "not the key" in report["api.chat"]["remedy"]


REGIONS = {
    "code": ({CHAT: refusal(403, code="unsupported_country_region_territory")}, "api.chat"),
    "Cloudflare": (
        response(
            b"error code: 1009", status="403 No", content_type="text/plain", Server="cloudflare"
        ),
        "api.auth",
    ),
}


@pytest.mark.parametrize(("answers", "check"), REGIONS.values(), ids=REGIONS)
def test_a_blocked_region(answers: Any, check: str, env: dict[str, str]) -> None:
    server = RawServer(answers) if isinstance(answers, bytes) else api(answers)
    with server:
        report = broken(check, 4, settle(env, server.url))
    assert report[check]["failure_class"] == "blocked_region"
    assert "not offered to this region" in report[check]["remedy"]


# What pages and headers say


def test_the_title_of_a_page(env: dict[str, str]) -> None:
    with RawServer(page(200, "Sign in to Guest WiFi")) as server:
        assert "Sign in to Guest WiFi" in last_lines(settle(env, server.url))
    with RawServer(page(503, "Down for maintenance", Retry_After="3600")) as server:
        said = last_lines(settle(env, server.url))
    assert "Down for maintenance" in said
    assert "try again in 1 h, as the server asks" in said


PORTALS = {
    "page": (page(200, "Sign in"), "captive_portal"),
    "redirect": (
        response(b"", status="302 Found", Location="https://x.example/"),
        "captive_portal",
    ),
    "text": (response(b"OK", content_type="text/plain"), "not_the_api"),
    "other JSON": (response(b'{"service":"grafana"}'), "not_the_api"),
}


@pytest.mark.parametrize(("answer", "expected"), PORTALS.values(), ids=PORTALS)
def test_what_may_be_a_captive_portal(answer: bytes, expected: str, env: dict[str, str]) -> None:
    with RawServer(answer) as server:
        report = broken("api.http", 11, settle(env, server.url))
    assert report.document["failure_class"] == expected


def test_retry_after_is_the_remedy(env: dict[str, str]) -> None:
    with api({CHAT: refusal(429, Retry_After="20")}) as server:
        assert "try again in 20 s, as the server asks" in last_lines(settle(env, server.url))


@pytest.mark.parametrize("status", [405, 415, 421, 464])
def test_a_status_of_a_gateway_is_not_the_requests_fault(status: int, env: dict[str, str]) -> None:
    with api({CHAT: refusal(status)}) as server:
        report = broken("api.chat", 9, settle(env, server.url))
    assert "--dry-run" not in report["api.chat"]["remedy"]


# Credit

FREE = response(
    json.dumps(
        {"data": [{"id": "free/one", "pricing": {"prompt": "0", "completion": "0"}}]}
    ).encode()
)
PRICED = response(
    json.dumps(
        {"data": [{"id": "free/one", "pricing": {"prompt": "0.1", "completion": "0.1"}}]}
    ).encode()
)


@pytest.mark.parametrize("balance", [0, -140_000])
def test_no_credit_is_needed_for_a_free_model(balance: int, env: dict[str, str]) -> None:
    answers: Answers = {BALANCE: enveloped({"balance": balance}), CHAT: keyed}
    env["CLINE_MODEL"] = "free/one"
    with api({**answers, "GET /ai/cline/models": FREE}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, ["api.credit"])
    assert "the model free/one is listed as free" in report["api.credit"]["summary"]
    with api({**answers, "GET /ai/cline/models": PRICED}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.root_cause, report.status) == ("api.credit", 5)


def test_with_live_the_answer_decides_about_the_balance(env: dict[str, str]) -> None:
    answers: Answers = {BALANCE: enveloped({"balance": -140_000}), CHAT: keyed}
    with api(answers) as server:
        assert diagnose(settle(env, server.url)).root_cause == "api.credit"
        report = diagnose(env, "--live")
        assert (report.status, report.ids("warn")) == (0, ["api.credit"])
        assert report["api.chat"]["status"] == "ok"
        # Nothing would decide here.
        assert diagnose(env, "--live", "api.credit").status == 5


# Models, requests


def test_a_server_without_models(env: dict[str, str]) -> None:
    with api({"GET /models": listed(), CHAT: unbilled}, base={}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, ["api.model"])
    with api({"GET /models": listed(), CHAT: refusal(404, "model not found")}, base={}) as server:
        broken("api.model", 9, settle(env, server.url))


def test_the_catalogue_does_not_repeat_that_the_key_is_refused(env: dict[str, str]) -> None:
    with RawServer(UNAUTHORIZED) as server:
        report = broken("api.auth", 4, settle(env, server.url))
    assert report["api.model"]["summary"] == "the catalogue is not to be had with this key"


def question(content: Any, **fields: Any) -> str:
    earlier = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "x"}]
    return json.dumps({"messages": [*earlier, {"role": "user", "content": content}], **fields})


DOUBTS = {
    "too hot": (question("hi", temperature=9), "temperature is 9"),
    "temperature spelled oddly": (
        '{"temperature":3.10,"messages":[{"role":"user","content":"x"}]}',
        "temperature is 3.1",
    ),
    "empty": (question(""), "message 3: the last question is empty"),
    "null": (question(None), "message 3: the last question is empty"),
    "invisible": (question("\u200b\ufeff"), "has invisible characters alone"),
    "invisible part": (question([{"type": "text", "text": "\u200b"}]), "invisible"),
}


@pytest.mark.parametrize(("text", "said"), DOUBTS.values(), ids=DOUBTS)
def test_what_a_server_may_take_is_a_warning(text: str, said: str, env: dict[str, str]) -> None:
    report = diagnose(env, "message", "--request", "-", stdin=text.encode())
    assert (report.status, report["message"]["status"]) == (0, "warn")
    assert said in report["message"]["summary"]
