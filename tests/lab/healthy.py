"""Set-ups that are odd, and work: doctor must not raise an alarm."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import trustme

from tests.helpers.doctor import ACCOUNT, HEALTHY, NOT_FOUND, UNAUTHORIZED, api, enveloped, listed
from tests.helpers.proxies import ForwardProxy
from tests.helpers.replies import completion, response
from tests.lab.bench import Bench, Case, connect_answer, refusal
from tests.lab.names import NAMES

_HTML = response(b"<!DOCTYPE html><html>sign in</html>", content_type="text/html")


def _late(seconds: float) -> Callable[[Bench], object]:
    def late(answer: Any) -> Any:
        def wait(head: bytes, body: bytes) -> bytes:
            threading.Event().wait(seconds)
            found: bytes = answer(head, body) if callable(answer) else answer
            return found

        return wait

    return lambda bench: bench.api({name: late(answer) for name, answer in HEALTHY.items()})


def _limited(bench: Bench) -> None:
    seen: list[bytes] = []

    def count(answer: Any) -> Any:
        def limit(head: bytes, body: bytes) -> bytes:
            seen.append(head)
            if len(seen) > 3 and not body:
                return refusal(429)
            found: bytes = answer(head, body) if callable(answer) else answer
            return found

        return limit

    bench.api({name: count(answer) for name, answer in HEALTHY.items()})


def _one_a_second(bench: Bench) -> None:
    """A limit that lets a second request through when it comes later."""
    refused: list[bytes] = []

    def limit(head: bytes, _: bytes) -> bytes:
        if not refused:
            refused.append(head)
            return refusal(429)
        return response(completion("hello"))

    def first(head: bytes, body: bytes) -> bytes:
        # `ask`, which comes after doctor, is alone.
        return limit(head, body) if not json.loads(body)["messages"] else response(completion("x"))

    bench.api({"POST /chat/completions": first})


def _other_server(missing: bytes) -> Callable[[Bench], object]:
    answers = {
        "POST /chat/completions": response(completion("hello")),
        "GET /models": listed("anthropic/claude-sonnet-4-6"),
    }
    return lambda bench: bench.api(answers, base={}, default=missing)


def _named(name: str) -> Callable[[Bench], object]:
    return lambda bench: bench.tls(bench.authority.valid(name), name)


def _families(bench: Bench) -> None:
    address = bench.public("families.com")
    six = bench.six()
    bench.run(api(context=bench.server.context, address=(six, 443)))
    NAMES["families.com"] = [six, address]


def _private(name: str, address: str) -> Callable[[Bench], object]:
    """A public name with an address of its own network, whose certificate is right."""

    def make(bench: Bench) -> None:
        bench.tls(bench.authority.valid(name), name)
        NAMES[name] = [address]

    return make


def _hosts(bench: Bench) -> None:
    bench.tls(bench.authority.valid("tunnelled.com"), "tunnelled.com")
    bench.hosts("tunnelled.com", "127.0.0.1")


def _model(name: str) -> Callable[[Bench], object]:
    def make(bench: Bench) -> None:
        bench.api()
        bench.env["CLINE_MODEL"] = name

    return make


def _ending(bench: Bench) -> None:
    bench.tls(bench.authority.ending(datetime.now(UTC) + timedelta(days=2)))


def _chat(answer: Any) -> Callable[[Bench], object]:
    return lambda bench: bench.api({"POST /chat/completions": answer})


def _account(answer: Any) -> Callable[[Bench], object]:
    return lambda bench: bench.api({"GET /users/me": answer})


def _stumbles(_: bytes, body: bytes) -> bytes:
    return response(completion("hello")) if json.loads(body)["messages"] else refusal(500)


def _fails_with_key(head: bytes, _: bytes) -> bytes:
    return refusal(503) if b"Bearer" in head else UNAUTHORIZED


def _known(head: bytes, _: bytes) -> bytes:
    return enveloped(ACCOUNT) if b"Bearer" in head else UNAUTHORIZED


def _hangs(_: bytes, __: bytes) -> bytes:
    threading.Event().wait(30)
    return b""


def _live(bench: Bench) -> None:
    bench.api()
    bench.live = True


def _live_by_proxy(bench: Bench) -> None:
    bench.through()
    bench.live = True


def _proxy_by_name(bench: Bench) -> None:
    """As in most companies: its address is private."""
    proxy = bench.through()
    NAMES["proxy.corp.example"] = ["127.0.0.1"]
    bench.via(f"http://proxy.corp.example:{proxy.port}")


def _tls_proxy(bench: Bench) -> None:
    address = bench.public("behind.com")
    del NAMES["behind.com"]
    proxy = bench.run(
        ForwardProxy(context=bench.authority.valid(), upstream=443, upstream_host=address)
    )
    bench.via(f"https://localhost:{proxy.port}")


def _proxy_stumbles(bench: Bench) -> None:
    """Its first answer is 503, as of one that has just started."""
    proxy = bench.through()

    class Once(ForwardProxy):
        def _proxy(self, connection: Any) -> None:
            self.answer = connect_answer("503 Busy") if self.connections == 1 else None
            super()._proxy(connection)

    (host, port) = proxy._upstream or ("", 0)
    once = bench.run(Once(upstream=port, upstream_host=host))
    bench.via(once.url)
    bench.may_retry = True


def _client_certificate(bench: Bench) -> None:
    context = bench.authority.valid()
    context.verify_mode = ssl.CERT_REQUIRED
    clients = trustme.CA()
    clients.configure_trust(context)
    path = bench.directory / "me.pem"
    clients.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(str(path))
    bench.tls(context)
    bench.flags += ["--cert", str(path)]


def _ca_file(bench: Bench) -> None:
    bench.tls()
    bench.flags += ["--ca-file", bench.env.pop("SSL_CERT_FILE")]


def _stale_proxy_of_git(bench: Bench) -> None:
    bench.public("stale.com")
    bench.home(".gitconfig", "[http]\n\tproxy = http://127.0.0.1:9\n")


HEALTHY_CASES = (
    Case("plain", lambda bench: bench.api()),
    Case("live", _live),
    Case("TLS", _named("localhost")),
    Case("TLS by name", _named("api.test")),
    Case("both families", _families),
    Case("dead IPv6", _named("both.test")),
    Case("dead IPv6, second", _named("v4first.test")),
    Case("slow DNS", _named("slow.test")),
    Case("slow answers", _late(0.8)),
    Case("slower answers than a network check had", _late(3)),
    Case("rate limit for four requests", _limited),
    Case("one request a second", _one_a_second),
    Case("HTTP proxy", lambda bench: bench.through()),
    Case("HTTP proxy, live", _live_by_proxy),
    Case("HTTP proxy by name", _proxy_by_name),
    Case("HTTPS proxy", _tls_proxy),
    Case("SOCKS proxy", lambda bench: bench.socks()),
    Case("proxy that stumbles once", _proxy_stumbles),
    Case("proxy of git that is out of date", _stale_proxy_of_git),
    Case("private address with its certificate", _private("split.com", "127.0.0.1")),
    Case("hosts file that is meant", _hosts),
    Case("client certificate", _client_certificate),
    Case("--ca-file", _ca_file),
    Case("server without accounts", _other_server(NOT_FOUND)),
    Case("server with a web page", _other_server(_HTML)),
    Case("server that says 405", _other_server(refusal(405))),
    Case("server that says 501", _other_server(refusal(501))),
    Case("account fails", _account(_fails_with_key)),
    Case("account hangs", _account(_hangs)),
    Case("account is cut", _account(b"")),
    Case("account alone", _account(_known)),
    Case("model by case", _model("Anthropic/Claude-Sonnet-4-6")),
    Case("model that is not listed", _model("hidden/model")),
    Case("certificate ends soon", _ending),
    Case("500 to the empty request", _chat(_stumbles)),
    Case("no catalogue", lambda bench: bench.api({"GET /ai/cline/models": refusal(500)})),
    Case("no balance", lambda bench: bench.api({"GET /users/usr-1/balance": NOT_FOUND})),
)
