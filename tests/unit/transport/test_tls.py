"""Trust, and the reasons of TLS failures."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest

from clinecli.errors import Code, ConfigError, TlsError
from clinecli.transport.failures import tls_failure
from clinecli.transport.tls import has_system_store, trust


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where OpenSSL looks for the system's CAs: the file `cert.pem`, the directory `certs`."""
    paths = ssl.get_default_verify_paths()
    moved = paths._replace(
        openssl_cafile=str(tmp_path / "cert.pem"), openssl_capath=str(tmp_path / "certs")
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: moved)
    monkeypatch.setattr("clinecli.transport.tls._BUNDLES", (str(tmp_path / "bundle.pem"),))
    return tmp_path


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the system verifies by itself")
@pytest.mark.parametrize(
    ("files", "trusted"),
    [
        (["cert.pem"], 1),
        (["bundle.pem"], 1),
        (["certs/0123abcd.0"], 0),
        (["cert.pem", "certs/0123abcd.0"], 1),
        (["certs/0123abcd.0", "bundle.pem"], 0),
    ],
    ids=["file", "bundle", "directory, looked into later", "both", "no bundle is needed"],
)
@pytest.mark.parametrize("environ", [{}, {"SSL_CERT_FILE": ""}], ids=["unset", "empty"])
def test_the_systems_store_is_the_default(
    files: list[str], trusted: int, environ: dict[str, str], store: Path, ca_file: str
) -> None:
    (store / "certs").mkdir()
    for file in files:
        (store / file).write_bytes(Path(ca_file).read_bytes())
    assert len(trust("", environ).get_ca_certs()) == trusted


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the system verifies by itself")
def test_a_damaged_store_trusts_nobody(store: Path) -> None:
    (store / "cert.pem").write_text("no certificate")
    assert trust(None, {}).get_ca_certs() == []


def test_certifi_is_trusted_where_there_is_no_store(store: Path) -> None:
    assert not has_system_store()
    assert len(trust(None, {}).get_ca_certs()) > 50


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


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", Code.CLIENT_CERTIFICATE, "refuses the client certificate"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", Code.CLIENT_CERTIFICATE, "refuses the client"),
        ("TLSV1_UNRECOGNIZED_NAME", Code.HANDSHAKE, "does not know this host name"),
    ],
)
def test_an_alert_is_about_the_client(reason: str, code: Code, said: str) -> None:
    error = ssl.SSLError(1, "x")
    error.reason = reason
    failure = tls_failure(error, "api.example")
    assert failure.code is code
    assert f"api.example {said}" in failure.message
    assert "--ca-file" not in failure.hint


def test_a_key_that_is_too_weak_is_for_the_operator() -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = 66, "EE certificate key too weak"
    failure = tls_failure(error, "api.example")
    assert failure.code is Code.TLS_WEAK
    assert "2048 bits" in failure.hint


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
