"""`doctor` where the account endpoints and the chat endpoint tell different stories."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.doctor import (
    ACCOUNT,
    HEALTHY,
    NOT_FOUND,
    UNAUTHORIZED,
    Answers,
    api,
    broken,
    diagnose,
    enveloped,
    listed,
    reported,
    targets,
)
from tests.helpers.env import KEY
from tests.helpers.process import CLI, no_traceback
from tests.helpers.proxies import ForwardProxy
from tests.helpers.replies import completion, response
from tests.helpers.servers import RawServer, TcpServer, stall
from tests.helpers.tls import Authority

ME, CHAT = "GET /users/me", "POST /chat/completions"
HTML = response(b"<!DOCTYPE html><html>sign in</html>", content_type="text/html")


def settle(env: dict[str, str], url: str) -> dict[str, str]:
    env["CLINE_API_BASE_URL"] = url
    return env


def refusal(status: int, *, page: bool = False, code: str = "") -> bytes:
    if page:
        return response(b"<html>no</html>", status=f"{status} No", content_type="text/html")
    body = json.dumps({"error": {"code": code or status, "message": "no"}}).encode()
    return response(body, status=f"{status} No")


def unbilled(_: bytes, body: bytes) -> bytes:
    """A chat endpoint as the API's: it refuses what has no message."""
    return response(completion("hello")) if json.loads(body)["messages"] else refusal(400)


def keyed(answer: Any) -> Any:
    """The same for those with the key alone."""

    def choose(head: bytes, body: bytes) -> bytes:
        if b"Bearer" not in head:
            return UNAUTHORIZED
        found: bytes = answer(head, body) if callable(answer) else answer
        return found

    return choose


# The chat endpoint alone


CHAT_FAULTS = {
    "401": (refusal(401), 4),
    "402": (refusal(402), 5),
    "403": (refusal(403), 4),
    "404": (refusal(404), 9),
    "409": (refusal(409), 9),
    "429": (refusal(429), 10),
    "spend limit": (refusal(429, code="SPEND_LIMIT_EXCEEDED"), 5),
    "400 credit": (refusal(400, code="insufficient_credits"), 5),
    "400 page": (refusal(400, page=True), 9),
    "page": (HTML, 11),
    "redirect": (response(b"", status="302 Found", Location="https://x.example/"), 11),
    "not JSON": (response(b"hello", content_type="text/plain"), 11),
    "other JSON": (response(b'{"id":1}'), 11),
}


@pytest.mark.parametrize(("answer", "status"), CHAT_FAULTS.values(), ids=CHAT_FAULTS)
def test_only_the_chat_endpoint_fails(answer: bytes, status: int, env: dict[str, str]) -> None:
    with api({CHAT: answer}) as server:
        broken("api.chat", status, settle(env, server.url))


@pytest.mark.parametrize("answer", [refusal(500), refusal(503, page=True)], ids=["500", "503 page"])
def test_a_server_error_is_the_empty_requests_own_until_a_real_one_fails(
    answer: bytes, env: dict[str, str]
) -> None:
    def stumbles(_: bytes, body: bytes) -> bytes:
        return response(completion("hello")) if json.loads(body)["messages"] else answer

    with api({CHAT: stumbles}) as server:
        report = diagnose(settle(env, server.url))
        assert (report.status, report.ids("warn")) == (0, ["api.chat"])
        assert "--live" in report.text("api.chat")
        assert diagnose(env, "--live")["api.chat"]["status"] == "ok"
    with api({CHAT: answer}) as server:
        broken("api.chat", 10, settle(env, server.url), live=True)


def test_the_request_without_a_message_may_cost_a_token(env: dict[str, str]) -> None:
    with api() as server:
        diagnose(settle(env, server.url))
    (body,) = [json.loads(body) for _, body in server.requests if body]
    assert (body["messages"], body["max_tokens"]) == ([], 1)


def test_a_rate_limit_of_doctors_own_making(env: dict[str, str]) -> None:
    """The third request is one too many, as of nobody who asks once."""
    seen: list[bytes] = []

    def limited(answer: Any) -> Any:
        def count(head: bytes, body: bytes) -> bytes:
            seen.append(head)
            if len(seen) > 2:
                return refusal(429)
            found: bytes = answer(head, body) if callable(answer) else answer
            return found

        return count

    answers = {name: limited(answer) for name, answer in HEALTHY.items()}
    with api(answers, base={}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("fail")) == (0, [])
    assert report["api.chat"]["status"] == "ok"


def test_a_server_that_streams_whatever_it_is_asked(env: dict[str, str]) -> None:
    """It fails `ask` alone."""
    chunk = json.dumps({"choices": [{"delta": {"content": "OK"}, "finish_reason": "stop"}]})
    events = response(
        f"data: {chunk}\n\ndata: [DONE]\n\n".encode(), content_type="text/event-stream"
    )

    def streams(_: bytes, body: bytes) -> bytes:
        return events if json.loads(body)["messages"] else refusal(400)

    with api({CHAT: streams}) as server:
        assert diagnose(settle(env, server.url)).status == 0
        broken("api.chat", 11, env, live=True)


def test_a_server_that_cannot_stream(env: dict[str, str]) -> None:
    def whole(_: bytes, body: bytes) -> bytes:
        return refusal(500) if json.loads(body)["stream"] else response(completion("hello"))

    with api({CHAT: whole}) as server:
        report = diagnose(settle(env, server.url), "--live")
    assert (report.status, report["api.chat"]["status"]) == (0, "warn")
    assert "`ask` works, but `stream` does not" in report["api.chat"]["summary"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [("spend-limit", 5), ("rate-limit", 10)],
)
def test_mock_faults_are_found_for_free(fault: str, status: int, env: dict[str, str]) -> None:
    with mock_server(MockOptions(fault=[fault])) as server:
        broken("api.chat", status, settle(env, server.base_url))


def test_a_request_without_a_message_is_refused(env: dict[str, str]) -> None:
    with api({CHAT: keyed(unbilled)}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, [])
    assert report["api.chat"]["summary"].startswith("refuses a request without a message")
    assert [target for target in targets(server) if "POST" in target] == [
        "POST /api/v1/chat/completions"
    ]


@pytest.mark.parametrize(("answer", "status"), [(refusal(402), 5), (b"", 7)])
def test_an_unlisted_model_is_no_excuse(answer: bytes, status: int, env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = "hidden/model"
    with api({CHAT: answer}) as server:
        report = broken("api.chat", status, settle(env, server.url))
    assert report["api.model"]["status"] == "warn"
    assert sum("POST" in target for target in targets(server)) == 2


# JSON that is not the API


@pytest.mark.parametrize("body", ['{"id":1}', '{"data":[]}', '{"success":true,"data":{}}'])
def test_json_that_is_not_the_api(body: str, env: dict[str, str]) -> None:
    with RawServer(response(body.encode())) as server:
        broken("api.http", 11, settle(env, server.url))


@pytest.mark.parametrize("status", [405, 409, 410, 413, 418, 421, 426, 451])
def test_a_refusal_on_every_path(status: int, env: dict[str, str]) -> None:
    with RawServer(refusal(status)) as server:
        broken("api.http", 9, settle(env, server.url))


def test_a_server_that_takes_nothing_is_not_told_apart(env: dict[str, str]) -> None:
    with RawServer(refusal(400)) as server:
        assert diagnose(settle(env, server.url)).status == 0


# Account and chat disagree


def test_no_credit_is_told_by_chat_alone(env: dict[str, str]) -> None:
    with api({CHAT: refusal(402)}, base={}) as server:
        broken("api.credit", 5, settle(env, server.url))


OTHER_SERVERS = {
    "405": refusal(405),
    "501": refusal(501),
    "403 page": refusal(403, page=True),
    "400": refusal(400),
    "500": refusal(500),
    "404": NOT_FOUND,
}


@pytest.mark.parametrize("missing", OTHER_SERVERS.values(), ids=OTHER_SERVERS)
@pytest.mark.parametrize("chat", [unbilled, keyed(unbilled)], ids=["open", "with a key"])
def test_a_server_without_accounts(missing: bytes, chat: Any, env: dict[str, str]) -> None:
    with api({CHAT: chat}, base={}, default=missing) as server:
        report = diagnose(settle(env, server.url))
    assert report.status == 0
    if missing is NOT_FOUND:
        assert report.ids("warn") == []
        assert "no account endpoints" in report["api.auth"]["summary"]
    elif chat is not unbilled:
        assert report.ids("warn") == []
        assert report["api.auth"]["summary"] == "the chat endpoint takes the key"
    else:
        assert report.ids("warn") == ["api.auth"]
        assert "could not verify the key" in report["api.auth"]["summary"]


def test_a_server_without_accounts_that_refuses_the_key(env: dict[str, str]) -> None:
    with api({CHAT: UNAUTHORIZED}, base={}, default=refusal(501)) as server:
        broken("api.auth", 4, settle(env, server.url))


def test_a_server_without_accounts_that_fails(env: dict[str, str]) -> None:
    with api({CHAT: refusal(500)}, base={}) as server:
        broken("api.chat", 10, settle(env, server.url), live=True)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("chat", [keyed(unbilled), response(completion("hello"))])
def test_a_key_for_chat_alone(status: int, chat: Any, env: dict[str, str]) -> None:
    with api({ME: refusal(status), CHAT: chat}) as server:
        report = diagnose(settle(env, server.url))
    assert (report.status, report.ids("warn")) == (0, [])
    assert report["api.auth"]["summary"] == "the chat endpoint takes the key"
    assert f"HTTP {status}" in report["api.auth"]["details"][0]


def test_a_refused_key_where_chat_tells_nothing(env: dict[str, str]) -> None:
    def late(_: bytes, body: bytes) -> bytes:
        return UNAUTHORIZED if json.loads(body)["messages"] else refusal(400)

    with api({ME: UNAUTHORIZED, CHAT: late}) as server:
        broken("api.auth", 4, settle(env, server.url))


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_refuses(status: int, env: dict[str, str]) -> None:
    with RawServer(refusal(status, page=True)) as server:
        report = broken("api.auth", 4, settle(env, server.url))
    assert report["api.auth"]["summary"].startswith("a proxy or gateway refuses")
    assert "not the key" in report["api.auth"]["remedy"]


# Proxies


def test_the_proxy_that_fails_is_named(env: dict[str, str]) -> None:
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    del env["NO_PROXY"]
    with api() as server, ForwardProxy(answer) as proxy:
        env["HTTP_PROXY"] = proxy.url.replace("://", "://user:pass-word-123@")
        report = broken("api.http", 7, settle(env, server.url))
    assert f"the proxy {proxy.url} (from HTTP_PROXY): " in report["api.http"]["summary"]
    assert "pass-word" not in json.dumps(report.document)


def plain(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("handle", "status"), [(plain, 8), (stall, 7)])
def test_plain_http_behind_an_https_proxy(
    handle: Any, status: int, scheme: str, env: dict[str, str]
) -> None:
    del env["NO_PROXY"]
    with api() as server, TcpServer(handle) as proxy:
        env["ALL_PROXY"] = url = f"https://{proxy.address}"
        cause = "net.proxy"
        url_of_api = server.url.replace("http://", f"{scheme}://")
        report = broken(cause, status, settle(env, url_of_api), "--connect-timeout", "0.5")
    assert f"the proxy {url} (from ALL_PROXY): " in report[cause]["summary"]
    assert "name it with http://" in report[cause]["remedy"]


def test_an_untrusted_proxy_is_named(env: dict[str, str], tmp_path: Path) -> None:
    env["SSL_CERT_FILE"] = Authority().write(tmp_path / "ca.pem")
    del env["NO_PROXY"]
    with ForwardProxy(context=Authority().valid()) as proxy:
        env["HTTPS_PROXY"] = proxy.url
        report = broken("net.proxy", 8, settle(env, "https://localhost:1"))
    assert f"the proxy {proxy.url} (from HTTPS_PROXY): " in report["net.proxy"]["summary"]


# Requests and models


def test_a_request_from_a_pipe_is_read_once(env: dict[str, str]) -> None:
    source, sink = os.pipe()
    os.write(sink, b"{bad")
    os.close(sink)
    with api() as server:
        settle(env, server.url)
        report = diagnose(env, "--request", f"/dev/fd/{source}")
    os.close(source)
    assert (report.root_cause, report.status) == ("message", 2)
    assert "not JSON" in report["message"]["summary"]


def test_a_request_from_a_terminal(env: dict[str, str]) -> None:
    master, terminal = os.openpty()
    done = subprocess.run(
        [*CLI, "doctor", "--request", "-"],
        env=env,
        stdin=terminal,
        capture_output=True,
        check=False,
        timeout=30,
    )
    os.close(master)
    os.close(terminal)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"stdin is a terminal" in done.stderr


def test_a_silent_stdin_is_told(env: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*CLI, "doctor", "message", "--request", "-"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr
    assert b"waiting for the request on stdin" in process.stderr.readline()
    out, _ = process.communicate(b'{"messages":[{"role":"user","content":"x"}]}', timeout=30)
    assert (process.returncode, b"1 message(s)" in out) == (0, True)


def test_a_model_that_is_no_string(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"model":5,"messages":[{"role":"user","content":"x"}]}')
    with api({CHAT: refusal(400)}) as server:
        report = broken("message", 9, settle(env, server.url), request=str(path))
    assert "the model is no string" in report["message"]["summary"]


def test_a_blank_model(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"model":" ","messages":[{"role":"user","content":"x"}]}')
    with api({CHAT: refusal(404)}) as server:
        report = broken("api.model", 9, settle(env, server.url), request=str(path))
    assert report["api.model"]["summary"] == "the name of the model is empty"


def test_the_model_flag(env: dict[str, str]) -> None:
    env["CLINE_MODEL"] = "no/such-model"
    with api() as server:
        settle(env, server.url)
        report = diagnose(env, "-m", "openai/gpt-4o-mini")
        assert (report.status, report["api.model"]["status"]) == (0, "ok")
    with api({CHAT: refusal(404), "GET /ai/cline/models": listed("a/b")}) as server:
        broken("api.model", 9, settle(env, server.url), "-m", "a/c")


# Balances


BALANCES = {
    "zero as text": ("0", "fail", "$0.00"),
    "debt as text": ("-1.5", "fail", "-$0.0000015"),
    "text": ("12500000", "ok", "$12.50"),
    "no number": ("1e5", "skip", "no number"),
    "below a cent": (4200, "warn", "$0.0042"),
}


@pytest.mark.parametrize(("balance", "status", "said"), BALANCES.values(), ids=BALANCES)
def test_balances(balance: Any, status: str, said: str, env: dict[str, str]) -> None:
    answers: Answers = {
        "GET /users/usr-1/balance": enveloped({"balance": balance}),
        CHAT: keyed(unbilled),
    }
    with api(answers) as server:
        report = diagnose(settle(env, server.url))
    assert report["api.credit"]["status"] == status
    assert said in report["api.credit"]["summary"]


# Time and the last line


@pytest.mark.parametrize("check", ["api.auth", "api.credit"])
def test_an_endpoint_that_ask_never_needs_may_stay_silent(check: str, env: dict[str, str]) -> None:
    done = threading.Event()

    def silent(head: bytes, _: bytes) -> bytes:
        if b"Bearer" not in head:
            return UNAUTHORIZED
        done.wait(30)
        return enveloped(ACCOUNT)

    path = ME if check == "api.auth" else "GET /users/usr-1/balance"
    with api({path: silent}) as server:
        report = diagnose(settle(env, server.url), "--timeout", "1.5")
        done.set()
    assert (report.status, report.ids("fail")) == (0, [])


def finish(env: dict[str, str], *arguments: str) -> tuple[bytes, bytes]:
    done = subprocess.run(
        [*CLI, "doctor", *arguments], env=env, capture_output=True, check=False, timeout=30
    )
    return done.stdout.splitlines()[-1], done.stderr


def test_nothing_was_checked(env: dict[str, str]) -> None:
    last, _ = finish(env, "message")
    assert last == b"nothing was checked: message was skipped (exit status 0)"


def test_a_warning_that_decides(env: dict[str, str]) -> None:
    env |= {"CLINE_API_KEY": "workos:0123456789abcdef", "GITHUB_ACTIONS": "true"}
    last, errors = finish(env, "key", "--strict")
    assert last.endswith(b"exit status 1: a warning counts as a failure (--strict)")
    assert errors.startswith(b"::error::clinecli doctor: key: ")
    assert finish(env, "key")[1] == b""
    assert KEY.encode() not in last


def test_a_key_that_a_server_quotes_where_its_message_is_cut(env: dict[str, str]) -> None:
    for padding in range(340, 400, 13):
        error = {"error": {"code": 401, "message": "x" * padding + f" {KEY} tail"}}
        refused = response(json.dumps(error).encode(), status="401 No")
        with RawServer(refused) as server:
            settle(env, server.url)
            done = subprocess.run(
                [*CLI, "doctor"],
                env=env,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        assert done.returncode == 4
        for start in range(len(KEY) - 5):
            assert KEY[start : start + 6].encode() not in done.stdout + done.stderr


def test_an_account_endpoint_that_hangs_is_no_failure(env: dict[str, str]) -> None:
    def hang(_: bytes, __: bytes) -> bytes:
        hung.wait(20)
        return b""

    hung = threading.Event()
    with api({"GET /users/me": hang}) as server:
        env["CLINE_API_BASE_URL"] = server.url
        report = reported(env, "--timeout", "1")
        hung.set()
    assert (report.status, report["api.http"]["status"]) == (0, "warn")
    assert "answers at /chat/completions" in report["api.http"]["summary"]
    assert report["api.chat"]["status"] == "ok"


def test_what_takes_long_again_and_again_takes_no_more_than_a_call_may(
    env: dict[str, str],
) -> None:
    def late(answer: Any) -> Any:
        def wait(head: bytes, body: bytes) -> bytes:
            pause.wait(0.6)
            found: bytes = answer(head, body) if callable(answer) else answer
            return found

        return wait

    pause = threading.Event()
    with api({name: late(answer) for name, answer in HEALTHY.items()}) as server:
        env["CLINE_API_BASE_URL"] = server.url
        report = reported(env, "--timeout", "2", "--live")
    assert report.status == 0, report.document
