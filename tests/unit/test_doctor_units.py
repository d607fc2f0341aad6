"""The pure parts of `doctor`: order, verdict, symbols, workflow commands, certificates, clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from clinecli.config.secret import Secret
from clinecli.doctor.api import clock
from clinecli.doctor.certificate import Certificate, read_certificate
from clinecli.doctor.check import Check, Outcome, Result, ok, select, skip, verdict, warn
from clinecli.doctor.checks import CHECKS
from clinecli.doctor.context import Context
from clinecli.doctor.report import Style, style_for, text_report, workflow_commands
from clinecli.doctor.runner import run_checks
from clinecli.errors import AuthError, ExitStatus, TlsError, UsageError
from clinecli.options.doctor import DoctorOptions
from clinecli.streams.stdio import Messages

ISSUE_ORDER = [
    *("runtime", "config", "key", "env.proxy", "env.ca"),
    *("net.dns", "net.tcp", "net.proxy", "net.tls"),
    *("api.http", "api.clock", "api.auth", "api.credit", "api.model", "message", "api.chat"),
]


def context(**attributes: Any) -> Context:
    made = Context(DoctorOptions(), {}, Messages(quiet=True))
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def result(name: str, status: Any = "ok", exit_status: ExitStatus | None = None) -> Result:
    return Result(name, name, status, f"about {name}", (), "do it", None, exit_status, 0.0)


# Checks are data


def test_the_order_of_the_checks() -> None:
    assert [check.id for check in CHECKS] == ISSUE_ORDER


def test_a_check_needs_only_those_before_it() -> None:
    for position, check in enumerate(CHECKS):
        assert set(check.needs) <= set(ISSUE_ORDER[:position])


def test_all_are_selected_when_none_is_named() -> None:
    assert select(CHECKS, []) == list(CHECKS)


def test_needs_are_selected_too() -> None:
    chosen = [check.id for check in select(CHECKS, ["api.http", "runtime"])]
    assert chosen == [name for name in ISSUE_ORDER[:10] if name not in {"key"}]


def test_an_unknown_name() -> None:
    with pytest.raises(UsageError, match="no such check: 'nope'"):
        select(CHECKS, ["nope"])


# The runner


def _raise(error: Exception) -> Any:
    def run(_: Context) -> Outcome:
        raise error

    return run


def test_the_runner() -> None:
    checks = [
        Check("a", "", (), lambda _: ok("fine")),
        Check("b", "", ("a",), _raise(TlsError("untrusted", hint="trust it"))),
        Check("c", "", ("b",), lambda _: ok("never")),
        Check("d", "", ("a", "c"), lambda _: ok("never")),
        Check("e", "", ("a",), _raise(ValueError("sk-secret"))),
        Check("f", "", ("e",), lambda _: ok("never")),
        Check("g", "", (), lambda _: skip("nothing to do")),
        Check("h", "", ("g",), lambda _: warn("odd", remedy="look")),
    ]
    results = run_checks(checks, context())
    assert [(r.id, r.status, r.blocked_by, r.exit_status) for r in results] == [
        ("a", "ok", None, None),
        ("b", "fail", None, 8),
        ("c", "skip", "b", None),
        ("d", "skip", "b", None),
        ("e", "error", None, 1),
        ("f", "skip", "e", None),
        ("g", "skip", None, None),
        ("h", "warn", None, None),
    ]
    assert (results[1].summary, results[1].remedy) == ("untrusted", "trust it")
    assert "sk-secret" not in repr(results)


def test_what_comes_from_outside_is_made_harmless() -> None:
    outcome = Outcome(
        "fail",
        "a\nb\x1b[31m\ud800 my-secret-key",
        ("x\r\ny my-secret-key",),
        "r\n",
        ExitStatus.AUTH,
    )
    (found,) = run_checks(
        [Check("a", "", (), lambda _: outcome)], context(secrets=[Secret("my-secret-key")])
    )
    assert found.summary == "a b [31m� [key]"
    assert found.details == ("x y [key]",)
    assert found.remedy == "r"


# The verdict


VERDICTS: dict[str, tuple[list[Result], bool, tuple[int, str | None]]] = {
    "all is well": ([result("key")], False, (0, None)),
    "a warning": ([result("key", "warn")], False, (0, None)),
    "a strict warning": ([result("key", "warn")], True, (1, "key")),
    "the first failure": (
        [result("net.dns", "fail", ExitStatus.CONNECTION), result("x", "fail", ExitStatus.AUTH)],
        True,
        (7, "net.dns"),
    ),
    "a failure before a crash": (
        [result("a", "error", ExitStatus.INTERNAL), result("key", "fail", ExitStatus.CONFIG)],
        False,
        (3, "key"),
    ),
    "a crash": ([result("a", "error", ExitStatus.INTERNAL)], False, (1, "a")),
    "an empty message before the key": (
        [
            result("key", "fail", ExitStatus.CONFIG),
            result("message", "fail", ExitStatus.EMPTY_MESSAGE),
        ],
        False,
        (6, "message"),
    ),
    "the config before the message": (
        [
            result("config", "fail", ExitStatus.CONFIG),
            result("message", "fail", ExitStatus.USAGE),
        ],
        False,
        (3, "config"),
    ),
    "a message that the API refuses after the key": (
        [
            result("key", "fail", ExitStatus.CONFIG),
            result("message", "fail", ExitStatus.REJECTED),
        ],
        False,
        (3, "key"),
    ),
}


@pytest.mark.parametrize(("results", "strict", "expected"), VERDICTS.values(), ids=VERDICTS)
def test_verdict(results: list[Result], strict: bool, expected: tuple[int, str | None]) -> None:
    found = verdict(results, strict=strict)
    assert (found.exit_status, found.root_cause and found.root_cause.id) == expected


# The report


UTF8_STYLES = [
    ({"LC_ALL": "C.UTF-8"}, True),
    ({"LANG": "en_US.utf8"}, True),
    ({"LC_CTYPE": "de_DE.UTF-8"}, True),
    ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
    ({"LANG": "C"}, False),
    ({"LANG": "de_DE.ISO-8859-1"}, False),
    ({"LC_CTYPE": "C.UTF-8"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("environ", "expected"), UTF8_STYLES, ids=str)
def test_the_locale_decides_about_symbols(environ: dict[str, str], expected: bool) -> None:
    assert style_for(environ, terminal=False, verbose=False).unicode is expected


def test_ascii_has_no_other_character() -> None:
    failure = Result("a", "", "fail", "so … – é", ("→",), "do ✓", None, ExitStatus.AUTH, 0.0)
    text = text_report([failure], verdict([failure], strict=False), Style(unicode=False))
    assert text.isascii()
    assert text.splitlines()[0] == "FAIL a  so ... - \\xe9"


def test_workflow_commands() -> None:
    failure = Result("a", "", "fail", "50% of\r\nit", (), "no: yes, no", None, ExitStatus.AUTH, 0.0)
    results = [failure, result("b", "warn")]
    assert workflow_commands(results, verdict(results, strict=True)) == (
        "::error::clinecli doctor: a: 50%25 of%0D%0Ait%0Ano: yes, no\n"
    )


# The clock


CLOCKS = {
    "right": (0, "ok", "within 1 s"),
    "a minute off": (60, "ok", "within 60 s"),
    "three minutes ahead": (180, "warn", "3 minutes ahead of"),
    "a day behind": (-200_000, "warn", "2 days behind"),
}


@pytest.mark.parametrize(("skew", "status", "said"), CLOCKS.values(), ids=CLOCKS)
def test_clock(skew: float, status: str, said: str) -> None:
    header = "Sun, 22 Nov 2026 10:00:00 GMT"
    seen = datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp() + skew
    outcome = clock(context(date_header=header, date_seen=seen))
    assert outcome.status == status
    assert said in outcome.summary


@pytest.mark.parametrize("header", [None, "", "yesterday", "Sun, 99 Nov 2026 10:00:00 GMT"])
def test_no_clock(header: str | None) -> None:
    assert clock(context(date_header=header, date_seen=0.0)).status == "skip"


# Certificates


START = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)


def make(
    *,
    subject: list[tuple[x509.ObjectIdentifier, str]],
    end: datetime = START + timedelta(days=365),
    names: list[x509.GeneralName] | None = None,
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_certificate() -> None:
    import ipaddress

    der = make(
        subject=[
            (x509.NameOID.COUNTRY_NAME, "DE"),
            (x509.NameOID.ORGANIZATION_NAME, "Bürobedarf & Söhne"),
            (x509.NameOID.COMMON_NAME, "proxy.example"),
        ],
        names=[
            x509.DNSName("a.example"),
            x509.RFC822Name("x@a.example"),
            x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        ],
    )
    assert read_certificate(der) == Certificate(
        "proxy.example, Bürobedarf & Söhne",
        "proxy.example, Bürobedarf & Söhne",
        START,
        START + timedelta(days=365),
        ("a.example", "192.0.2.1", "::1"),
    )


def test_a_certificate_without_names() -> None:
    # From 2050 on, times have another type.
    end = datetime(2050, 1, 1, tzinfo=UTC)
    found = read_certificate(make(subject=[(x509.NameOID.LOCALITY_NAME, "Here")], end=end))
    assert found == Certificate("Here", "Here", START, end, ())
    nobody = read_certificate(make(subject=[]))
    assert nobody
    assert nobody.issuer == "nobody"


WHOLE = make(subject=[(x509.NameOID.COMMON_NAME, "x")], names=[x509.DNSName("a.example")])


@pytest.mark.parametrize("end", range(0, len(WHOLE), 7))
def test_a_certificate_that_is_cut_off(end: int) -> None:
    assert read_certificate(WHOLE[:end]) is None


@given(st.binary(max_size=200), st.integers(0, len(WHOLE) - 1))
def test_no_bytes_are_too_odd(junk: bytes, position: int) -> None:
    read_certificate(junk)
    read_certificate(WHOLE[:position] + junk + WHOLE[position + len(junk) :])


def test_failed_outcomes_take_after_the_error() -> None:
    from clinecli.doctor.check import failed

    outcome = failed(AuthError("no"), "detail")
    assert outcome == Outcome("fail", "no", ("detail",), AuthError.default_hint, ExitStatus.AUTH)
