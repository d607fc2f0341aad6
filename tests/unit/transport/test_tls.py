"""Trust, and the reasons of TLS failures."""

from __future__ import annotations

import ssl

import pytest
import truststore

from clinecli.errors import Code, ConfigError, TlsError
from clinecli.transport.failures import tls_failure
from clinecli.transport.tls import trust


def test_the_systems_store_is_the_default() -> None:
    assert isinstance(trust(None, {}), truststore.SSLContext)


def test_an_empty_variable_is_not_set() -> None:
    assert isinstance(trust("", {"SSL_CERT_FILE": ""}), truststore.SSLContext)


def test_certifi_is_trusted_where_there_is_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinecli.transport.tls.has_system_store", lambda: False)
    context = trust(None, {})
    assert not isinstance(context, truststore.SSLContext)
    assert len(context.get_ca_certs()) > 50


@pytest.mark.parametrize("ca_flag", [True, False], ids=["private CA", "system store"])
def test_nobody_is_trusted_unseen(ca_flag: bool, ca_file: str) -> None:
    context = trust(ca_file if ca_flag else None, {})
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_old_server_is_told_by_openssls_reason() -> None:
    error = ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version")
    error.reason = "TLSV1_ALERT_PROTOCOL_VERSION"
    failure = tls_failure(error, "api.example")
    assert isinstance(failure, TlsError)
    assert "api.example" in failure.message
    assert "TLSV1_ALERT_PROTOCOL_VERSION" in failure.message


def test_an_unknown_verification_code_is_quoted() -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = 23, "certificate revoked"
    failure = tls_failure(error, "api.example")
    assert failure.message == "the certificate of api.example is refused: certificate revoked"
    assert failure.code is Code.VERIFY


@pytest.mark.parametrize(
    ("ca_flag", "environ", "kind", "message"),
    [
        (None, {"SSL_CERT_DIR": "/nonexistent"}, TlsError, "SSL_CERT_DIR is not a directory"),
        ("/", {}, ConfigError, "the CA file of --ca-file"),
        (None, {"SSL_CERT_FILE": "/"}, TlsError, "the CA file of SSL_CERT_FILE"),
    ],
    ids=["directory missing", "--ca-file is a directory", "SSL_CERT_FILE is a directory"],
)
def test_trust_names_the_setting_at_fault(
    ca_flag: str | None, environ: dict[str, str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        trust(ca_flag, environ)
