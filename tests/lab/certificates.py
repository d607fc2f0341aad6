"""Broken trust and handshakes; and clocks that are off."""

from __future__ import annotations

import re
import socket
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from tests.helpers.servers import TcpServer, reset
from tests.helpers.tls import Authority, self_signed
from tests.lab.bench import Bench, Case, NotCured, command, does, proposed, renewed

Make = Callable[[Bench], object]
_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _certificate(make_context: Callable[[Authority], ssl.SSLContext]) -> Make:
    return lambda bench: bench.tls(make_context(bench.authority))


def _no_intermediate(authority: Authority) -> ssl.SSLContext:
    child = authority.child()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = child._ca.issue_cert("localhost")
    with leaf.cert_chain_pems[0].tempfile() as cert, leaf.private_key_pem.tempfile() as key:
        context.load_cert_chain(cert, key)
    return context


def _old_tls(authority: Authority) -> ssl.SSLContext:
    context = authority.valid()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _old_cipher(authority: Authority) -> ssl.SSLContext:
    context = authority.valid()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    return context


def _weak_key(authority: Authority) -> ssl.SSLContext:
    """A key of 1,024 bits, as old machines have it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority._ca._certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(authority._ca._private_key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with tempfile.NamedTemporaryFile() as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _wants_certificate(version: ssl.TLSVersion) -> Make:
    def make(bench: Bench) -> None:
        context = bench.authority.valid()
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        clients = trustme.CA()
        clients.configure_trust(context)
        clients.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(
            str(bench.directory / "client.pem")
        )
        bench.tls(context)

    return make


def _wrong_certificate(bench: Bench) -> None:
    _wants_certificate(ssl.TLSVersion.TLSv1_3)(bench)
    other = bench.directory / "other.pem"
    pem = trustme.CA().issue_cert("me@example.com").private_key_and_cert_chain_pem
    pem.write_to_path(str(other))
    bench.env["CLINE_CERT"] = str(other)
    bench.flags += ["--cert", str(other)]


def _shows_certificate(bench: Bench) -> None:
    bench.flags += ["--cert", str(bench.directory / "client.pem")]


def _refuses_names(bench: Bench) -> None:
    context = bench.authority.valid()
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    bench.tls(context)


def _wrong_ca(bench: Bench) -> None:
    bench.other = Authority()
    bench.tls(bench.other.valid())


def _adds_the_ca(bench: Bench) -> None:
    bench.trusts(bench.other)


def _product(organization: str) -> Make:
    def make(bench: Bench) -> None:
        bench.other = Authority()
        ca = trustme.CA(organization_name=organization)
        bench.other._ca = ca
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
        bench.tls(context)

    return make


def _trusts_it(bench: Bench) -> None:
    """The CA, as IT gives it out."""
    bench.flags += ["--ca-file", bench.other.write(bench.directory / "it.pem")]


def _other_tool(bench: Bench) -> None:
    bench.tls()
    bench.env["REQUESTS_CA_BUNDLE"] = bench.env.pop("SSL_CERT_FILE")


def _missing_file(bench: Bench) -> None:
    bench.tls()
    bench.right = bench.env["SSL_CERT_FILE"]
    bench.env["SSL_CERT_FILE"] = "/nowhere.pem"


def _right_file(bench: Bench) -> None:
    bench.env["SSL_CERT_FILE"] = bench.right


def _self_signed(bench: Bench) -> None:
    """By the system's CAs, which lack it."""
    bench.tls(self_signed())
    del bench.env["SSL_CERT_FILE"]


def _saved(bench: Bench, remedy: str) -> None:
    """Save what was sent, and trust it as doctor says."""
    import subprocess

    from tests.helpers.process import CLI

    if "--save-chain FILE" not in remedy:
        raise NotCured("no --save-chain")
    path = bench.directory / "chain.pem"
    done = subprocess.run(
        [*CLI, "doctor", "-v", "--save-chain", str(path), *bench.flags],
        env=bench.env,
        capture_output=True,
        check=False,
    )
    found = re.search(r"clinecli ask (--ca-file) (\S+)", done.stdout.decode())
    if not found:
        raise NotCured("no command that trusts it")
    bench.flags += [found[1], found[2]]


def _tcp(handle: Callable[[socket.socket], Any]) -> Make:
    def make(bench: Bench) -> None:
        bench.tls()
        bench.right = bench.env["CLINE_API_BASE_URL"]
        server = bench.run(TcpServer(handle))
        bench.url(f"https://{server.address}")

    return make


def _right_url(bench: Bench) -> None:
    bench.url(bench.right)


def _reset_after_hello(connection: socket.socket) -> None:
    connection.recv(1000)
    reset(connection)


def _plain_to_tls(bench: Bench) -> None:
    bench.tls(bench.authority.valid())
    bench.url(f"http://127.0.0.1:{bench.server.port}")


# Clocks


def _clock(days: int) -> Make:
    """A machine whose clock is off by so many days."""

    def make(bench: Bench) -> None:
        bench.tls()
        now, day = datetime.now(UTC), timedelta(days=1)
        bench.server.context = bench.authority.between(now - day, now + 90 * day)
        bench.env |= {
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME": f"{days:+d}d",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # Files keep the times that they have.
            "NO_FAKE_STAT": "1",
        }

    return make


def _set(bench: Bench, remedy: str) -> None:
    """Set the clock, where what the remedy takes for now is not now."""
    found = re.search(r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC", remedy)
    if not found or "set this machine's clock" not in remedy:
        raise NotCured("no clock")
    said = datetime.strptime(found[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    if abs(said - datetime.now(UTC)) < timedelta(hours=1):
        raise NotCured("the clock is right")
    bench.env["FAKETIME"] = "+0"


_OPERATOR = "the server's operator must"
CLOCKS = (
    Case(
        "clock is behind",
        _clock(-4000),
        "net.tls",
        8,
        ("this machine's clock is behind", "has files of"),
        _set,
    ),
    Case(
        "clock is ahead",
        _clock(400),
        "net.tls",
        8,
        ("expired on", "this machine's clock says"),
        _set,
    ),
)
TLS = (
    Case(
        "expired",
        _certificate(lambda ca: ca.expired()),
        "net.tls",
        8,
        ("expired on 2010-01-01", "this machine's clock says"),
        does("server's operator must renew", by=renewed()),
    ),
    Case(
        "not yet",
        _certificate(lambda ca: ca.not_yet_valid()),
        "net.tls",
        8,
        ("valid from 2090-01-01",),
        does("server's operator must renew", by=renewed()),
    ),
    Case(
        "wrong host",
        _certificate(lambda ca: ca.wrong_host()),
        "net.tls",
        8,
        ("for another.example, not for localhost",),
        does("DNS leads to a wrong address", by=renewed()),
    ),
    Case(
        "wildcard",
        _certificate(lambda ca: ca.valid("*.example.org")),
        "net.tls",
        8,
        ("*.example.org",),
        does("check the host of the base URL", by=renewed()),
    ),
    Case("self-signed", _self_signed, "net.tls", 8, ("self-signed",), _saved),
    Case(
        "CA file lacks the CA",
        _wrong_ca,
        "net.tls",
        8,
        ("SSL_CERT_FILE", "lacks it"),
        does("add the CA to SSL_CERT_FILE", by=_adds_the_ca),
    ),
    *(
        Case(
            product,
            _product(product),
            "net.tls",
            8,
            (f"{product.split()[0]} opens", "issued by"),
            does("the CA", by=_trusts_it),
        )
        for product in ("Zscaler Inc.", "Netskope", "Fortinet", "Sophos")
    ),
    Case(
        "CA for another tool",
        _other_tool,
        "net.tls",
        8,
        ("REQUESTS_CA_BUNDLE has the CA",),
        command("SSL_CERT_FILE"),
    ),
    Case(
        "no intermediate",
        _certificate(_no_intermediate),
        "net.tls",
        8,
        ("alone",),
        does("send the intermediate certificate", by=renewed()),
    ),
    Case(
        "old TLS",
        _certificate(_old_tls),
        "net.tls",
        8,
        ("TLS from 1.2 on", "TLSv1"),
        does(_OPERATOR, by=renewed()),
    ),
    Case(
        "old cipher",
        _certificate(_old_cipher),
        "net.tls",
        8,
        ("no cipher",),
        does("operator must allow current ciphers", by=renewed()),
    ),
    Case(
        "weak key",
        _certificate(_weak_key),
        "net.tls",
        8,
        ("too weak",),
        does("2048 bits", by=renewed()),
    ),
    Case(
        "name that the server does not know",
        _refuses_names,
        "net.tls",
        8,
        ("does not know this host name",),
        does("check the host of the base URL", by=renewed()),
    ),
    Case(
        "client certificate",
        _wants_certificate(ssl.TLSVersion.TLSv1_3),
        "api.http",
        8,
        ("--cert",),
        does("--cert", by=_shows_certificate),
    ),
    Case(
        "client certificate, TLS 1.2",
        _wants_certificate(ssl.TLSVersion.TLSv1_2),
        "net.tls",
        8,
        ("asks for a client certificate",),
        does("--cert", by=_shows_certificate),
    ),
    Case(
        "client certificate of another CA",
        _wrong_certificate,
        "api.http",
        8,
        ("refuses the client certificate", "other.pem"),
        does("pass a current one", by=_shows_certificate),
    ),
    Case(
        "no TLS",
        _tcp(lambda c: c.sendall(b"220 x\r\n")),
        "net.tls",
        8,
        ("TLS",),
        does("check the port of the base URL", by=_right_url),
    ),
    Case(
        "cut TLS",
        _tcp(_reset_after_hello),
        "net.tls",
        8,
        ("cut",),
        does("check host and port", by=_right_url),
    ),
    Case(
        "missing CA file",
        _missing_file,
        "env.ca",
        8,
        ("/nowhere.pem",),
        does("point it at a PEM file", by=_right_file),
    ),
    Case("plain HTTP to a TLS port", _plain_to_tls, "api.http", 7, ("speaks TLS",), proposed),
)
WITH_CLOCKS = (*CLOCKS, *TLS) if _FAKETIME else TLS
HINT = "" if _FAKETIME else "no libfaketime: the clock's cases are left out"
