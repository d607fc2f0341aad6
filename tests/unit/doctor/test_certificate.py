"""The reader of certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from clinecli.doctor.certificate import Certificate, read_certificate

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
