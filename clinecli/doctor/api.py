"""Checks of what answers at the base URL: whether it is the API, and what its clock says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from clinecli.chat.api_errors import not_the_api
from clinecli.chat.endpoints import ACCOUNT, CHAT, OPENAI_MODELS
from clinecli.config.base_url import API_PATH, BaseUrl, parse_base_url
from clinecli.config.hints import is_cline
from clinecli.config.keys import Key
from clinecli.doctor.addresses import Addresses
from clinecli.doctor.answered import Answered, chat_failure, is_server_error
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.client import (
    GREETING_SECONDS,
    Client,
    wanted_model,
)
from clinecli.doctor.clock import http_date, skew_text
from clinecli.doctor.proxy import named_proxy
from clinecli.doctor.setup import Line, Setup
from clinecli.doctor.tcp import Open
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConnectionFailed,
    CreditError,
    RejectedError,
    TlsError,
    TransientError,
)
from clinecli.options.common import DEFAULT_BASE_URL
from clinecli.transport.client import Transport

_CLOCK_SECONDS = 120.0
# A first byte after more than this is told.
_SLOW_SECONDS = 5.0


class Greeting(NamedTuple):
    """The first answer, to a request without the key.

    `refusal` is "api" for a refusal as the API gives it, "page" for one by a web page, else empty.
    """

    status: int
    seconds: float
    date: str | None
    seen: float
    refusal: str
    headers: tuple[tuple[str, str], ...]
    request_id: str | None
    for_people: bool = False
    """Whether it is a page or leads to another place, as of a captive portal."""

    def as_dict(self) -> dict[str, Any]:
        return {"http_status": self.status, "headers": dict(self.headers)}


def http(setup: Setup, known: Findings) -> Finding:
    """Whether the API answers, asked without the key."""
    line = known[Line]
    log = setup.console.detail if setup.console.verbose else None
    dialled = known[Open].dialled
    client = Client(line, known.get(Key), wanted_model(line, known), log, dialled)
    try:
        answer = client.side(ACCOUNT, with_key=False, seconds=GREETING_SECONDS)
    except ClinecliError as error:
        return _elsewhere(setup, line, client, error)
    facts = (client, _greeting(answer, setup.now()))
    wrong = _wrong(answer)
    if wrong:
        wrong = _second_opinion(client, wrong)
    latency = f"{answer.seconds * 1000:.0f} ms"
    shown = [f"{name}: {value}" for name, value in facts[1].headers]
    if wrong:
        details = (f"GET {ACCOUNT}: HTTP {answer.status} after {latency}", *shown)
        wrong = _by_its_page(line, answer, wrong)
        found = known.get(Addresses)
        named = not_at_base_url(line, wrong)
        if found and found.doubt:
            said = named.but(message=f"{named.message}; {found.doubt}", hints=(found.remedy,))
            return failed(said, *details).knowing(*facts)
        return failed(named, *details).knowing(*facts)
    return _answers(answer, latency, shown).knowing(*facts)


def _elsewhere(setup: Setup, line: Line, client: Client, missed: ClinecliError) -> Finding:
    """A server without an answer at the account: `ask` never goes there. What it says at the chat
    endpoint counts, however long that takes."""
    try:
        answer = client.ask_nothing(with_key=False)
    except ClinecliError as error:
        from clinecli.doctor.refusal import client_certificate

        is_ours = error.code is Code.CLIENT_CERTIFICATE
        seen = client_certificate(line.settings.cert) if is_ours else []
        return failed(_unanswered(line, error), *seen).knowing(client)
    facts = (client, _greeting(answer, setup.now()))
    wrong = _wrong_at_chat(answer)
    if wrong and not is_server_error(wrong):
        details = (f"GET {ACCOUNT}: {missed.text}", f"POST {CHAT}: HTTP {answer.status}")
        return failed(not_at_base_url(line, wrong), *details).knowing(*facts)
    return warn(
        f"answers at {CHAT} (HTTP {answer.status} after {answer.seconds:.1f} s without a key), "
        f"but not at {ACCOUNT}: {missed.text}",
        remedy="`ask` needs nothing from there; --live asks for real",
        error=missed,
    ).knowing(*facts)


def _answers(answer: Answered, latency: str, shown: list[str]) -> Finding:
    leaving = [name for name in ("deprecation", "sunset") if name in answer.headers]
    if leaving:
        said = ", ".join(f"{name}: {answer.headers[name]}" for name in leaving)
        return warn(
            f"answers within {latency}, and says that it will be turned off ({said})",
            *shown,
            remedy="look for news of the API's operator: the base URL or the version will change",
        )
    if answer.seconds > _SLOW_SECONDS:
        return warn(
            f"answers, but after {answer.seconds:.1f} s (HTTP {answer.status} without a key)",
            *shown,
            remedy="the server or the way to it is slow: give --timeout time",
        )
    return ok(f"answers within {latency} (HTTP {answer.status} without a key)", *shown)


def _greeting(answer: Answered, now: float) -> Greeting:
    is_refusal = isinstance(answer.failure, AuthError)
    refusal = ("page" if answer.is_page else "api") if is_refusal else ""
    headers = tuple(answer.telling.items())
    return Greeting(
        answer.status,
        answer.seconds,
        answer.headers.get("date"),
        now,
        refusal,
        headers,
        answer.request_id,
        answer.is_page or 300 <= answer.status < 400,
    )


def not_at_base_url(line: Line, wrong: ClinecliError) -> ClinecliError:
    """A server that has nothing of the API, in terms of the base URL; a proxy by its name."""
    if wrong.http_status == 407 and line.route.proxy:
        return named_proxy(line, wrong)
    base_url, source = line.settings.base_url, line.settings.base_url_source
    if _is_web_site(base_url, wrong):
        url = f"{_with_host(base_url)}"
        hint = f"the API is not at the web site: use {url} (the base URL is from {source})"
        return wrong.but(hints=(hint,))
    if wrong.http_status not in {404, 405}:
        return wrong
    hint = f"check the base URL (from {source}): "
    found = next((url for url in _candidates(base_url) if _answers_at(line, url)), None)
    if found:
        hint += f"{found} answers: use that one"
    else:
        hint += f"an empty path means {API_PATH}, any other is used as it is"
    return RejectedError(
        f"the API is not at {base_url}: {wrong.message}", hint=hint, http_status=wrong.http_status
    )


def _is_web_site(base_url: BaseUrl, wrong: ClinecliError) -> bool:
    """Whether people go there, and no programs."""
    nothing = wrong.code is Code.NOT_THE_API or wrong.http_status in {404, 405}
    if is_cline(base_url):
        return nothing and not base_url.host.startswith("api.")
    return wrong.code is Code.NOT_THE_API and base_url.host.startswith("app.")


def _with_host(base_url: BaseUrl) -> BaseUrl:
    if is_cline(base_url):
        return parse_base_url(DEFAULT_BASE_URL, "")
    return base_url._replace(host="api." + base_url.host.partition(".")[2], path=API_PATH)


def _candidates(base_url: BaseUrl) -> Iterator[BaseUrl]:
    """Where the API may be instead, the likeliest first. Never on another host."""
    for path in (API_PATH, "/v1", "/api", "/openai/v1", f"{base_url.path}/v1"):
        if path != base_url.path:
            yield base_url._replace(path=path)


def _answers_at(line: Line, base_url: BaseUrl) -> bool:
    """Whether something like the API is there, asked without the key."""
    settings = line.settings._replace(base_url=base_url)
    try:
        transport = Transport(settings, line.environ)
        moved = line._replace(settings=settings, transport=transport)
        client = Client(moved, None, settings.model)
        try:
            for path in (ACCOUNT, OPENAI_MODELS):
                answer = client.side(path, with_key=False)
                is_json = not answer.is_page and answer.status != 404
                if is_json and (answer.failure is None or isinstance(answer.failure, AuthError)):
                    return True
        finally:
            client.close()
    except ClinecliError:
        return False
    return False


def _unanswered(line: Line, error: ClinecliError) -> ClinecliError:
    """An answer that does not come, in terms of what was asked here."""
    encrypted = line.route.is_encrypted
    from clinecli.doctor.chain import speaks_tls

    garbled = error.code in {Code.CLOSED, Code.NOT_THE_API}
    if garbled and not (encrypted or line.route.proxy) and speaks_tls(line):
        return _https(line, error)
    if isinstance(error, TlsError | ConnectionFailed):
        # Over http://, nobody but the proxy is connected to.
        return error if encrypted else named_proxy(line, error)
    if error.code is not Code.TIMEOUT:
        return error
    timeout, idle = line.settings.timeout, line.idle(streams=False)
    seconds = min(idle or timeout, timeout)
    flag = "--idle-timeout" if idle and idle < timeout else "--timeout"
    return TransientError(
        f"{line.hop.name} accepts connections but does not answer within {seconds:g} s",
        code=error.code,
        hint=f"try again later, raise {flag}, or check host and port of {line.base_url}",
    )


def _by_its_page(line: Line, answer: Answered, wrong: ClinecliError) -> ClinecliError:
    """The same error, where the title of a page tells what cures it."""
    title = answer.title
    if "plain HTTP request was sent to HTTPS" in title:
        return _https(line, wrong)
    if "SSL certificate" in title and wrong.http_status in {400, 495, 496}:
        hint = "pass the client certificate that you were given (--cert, --cert-key)"
        return wrong.but(hints=(hint,), code=Code.CLIENT_CERTIFICATE)
    return wrong


def _https(line: Line, error: ClinecliError) -> ClinecliError:
    """A port that speaks TLS where plain HTTP is asked."""
    base_url, source = line.settings.base_url, line.settings.base_url_source
    return error.but(
        message=f"{error.message}: this port speaks TLS",
        hints=(f"write {base_url._replace(scheme='https')} (base URL from {source})",),
    )


def _wrong(answer: Answered) -> ClinecliError | None:
    """What may be wrong with an answer to a GET without a key. The refusal of a missing key is
    what the API gives; a success is not, whatever its shape."""
    if isinstance(answer.failure, AuthError | CreditError):
        return None
    return answer.failure or not_the_api("a JSON document that is no account")


def _second_opinion(client: Client, wrong: ClinecliError) -> ClinecliError | None:
    """What is wrong with the server by what the endpoint that `ask` uses says, without the key.

    Other OpenAI-compatible servers have no accounts, and some show a web page where the API
    has them. A chat endpoint that is there refuses a request without a message.
    """
    missing = wrong.http_status == 404
    if missing and client.lists_models(with_key=False):
        return None
    try:
        failure = _wrong_at_chat(client.ask_nothing(with_key=False))
    except ClinecliError:
        return None if missing else wrong
    # A server without the other endpoints may only have stumbled over the missing key.
    return None if missing and failure and failure.http_status == 500 else failure


def _wrong_at_chat(answer: Answered) -> ClinecliError | None:
    """What is wrong with the chat endpoint by what it says without the key."""
    failure = chat_failure(answer)
    return None if isinstance(failure, AuthError | CreditError) else failure


def clock(_setup: Setup, known: Findings) -> Finding:
    """The local clock against the server's Date header."""
    greeting = known[Greeting]
    date = http_date(greeting.date or "")
    if not date:
        return skip("the server does not say what time it is")
    skew = greeting.seen - date.timestamp()
    if abs(skew) <= _CLOCK_SECONDS:
        return ok(f"within {max(abs(skew), 1):.0f} s of the server's")
    return warn(
        f"this machine's clock is {skew_text(skew)} the server's",
        f"the server says {greeting.date}",
        remedy="set the clock, best by NTP: certificates and tokens are judged by it",
    )
