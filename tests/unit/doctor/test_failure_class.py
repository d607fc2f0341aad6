"""One word for what failed."""

from __future__ import annotations

import json

import pytest

from clinecli.doctor.failure_class import CLASSES, failure_class
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConfigError,
    ConnectionFailed,
    CreditError,
    IncompleteError,
    TlsError,
    TransientError,
)
from tests.helpers.doctor import SCHEMA

CASES: dict[str, ClinecliError] = {
    "dns_not_found": ConnectionFailed("x", code=Code.DNS_NOT_FOUND),
    "refused": ConnectionFailed("x", code=Code.REFUSED),
    "proxy_auth": ConnectionFailed("x", code=Code.PROXY_407, http_status=407),
    "tls_untrusted": TlsError("x", code=Code.VERIFY_20),
    "unauthorized": AuthError("x", http_status=401),
    "forbidden": AuthError("x", http_status=403),
    "throttled": TransientError("x", http_status=429),
    "server_error": TransientError("x", http_status=502),
    "timeout": TransientError("x", code=Code.TIMEOUT),
    "no_credit": CreditError("x", http_status=429),
    "captive_portal": IncompleteError("x", code=Code.NOT_THE_API),
    "config": ConfigError("x"),
}


@pytest.mark.parametrize(("expected", "error"), CASES.items(), ids=CASES)
def test_class(expected: str, error: ClinecliError) -> None:
    assert failure_class(error) == expected


def test_an_interceptor_outranks_the_code() -> None:
    assert failure_class(CASES["tls_untrusted"], is_intercepted=True) == "tls_intercepted"


def test_the_schema_lists_every_class() -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    assert schema["$defs"]["failure_class"]["enum"] == [None, *CLASSES]
