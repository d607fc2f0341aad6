"""The check of the TLS handshake with the API, and what a certificate that is refused tells."""

from __future__ import annotations

import shlex
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from clinecli.doctor.addresses import Addresses
from clinecli.doctor.certificate import Certificate, read_certificate
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.env import FOREIGN_TRUST, trust_source
from clinecli.doctor.interceptors import interceptor
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import ClinecliError, Code, OutputError, TlsError
from clinecli.transport.dial import connect, handshake, reach, resolve
from clinecli.transport.route import Stage
from clinecli.transport.tls import trust

_DAYS_LEFT = 7
_SLOW_SECONDS = 3.0
_UNKNOWN_CA = {Code.VERIFY_18, Code.VERIFY_19, Code.VERIFY_20, Code.VERIFY_21, Code.VERIFY_85}
_TIMES = {Code.VERIFY_9, Code.VERIFY_10}
_AGREEMENT = {Code.TLS_VERSION, Code.TLS_CIPHER, Code.TLS_WEAK, Code.HANDSHAKE}


class Handshake(NamedTuple):
    """What was agreed on with the API, and the certificates that were sent, the API's first."""

    version: str
    chain: tuple[Certificate, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {"tls_version": self.version, "chain": [_as_dict(one) for one in self.chain]}


class RefusedChain(NamedTuple):
    """The certificates of a handshake that failed."""

    chain: tuple[Certificate, ...]
    interceptor: str | None

    def as_dict(self) -> dict[str, Any]:
        return {"chain": [_as_dict(one) for one in self.chain], "interceptor": self.interceptor}


def _as_dict(certificate: Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
    }


def tls(setup: Setup, known: Findings) -> Finding:
    """The handshake with the API."""
    line = known[Line]
    if not line.route.is_encrypted:
        return skip("not used: http:// has no encryption, and stays on this machine")
    began = time.monotonic()
    try:
        dialled = line.transport.dial(line.whole())
    except TlsError as error:
        return _with_doubt(refused(line, error, with_proxy=False, setup=setup), known)
    seconds = time.monotonic() - began
    dialled.socket.close()
    version, der = dialled.tls or ("TLS", b"")
    certificate = read_certificate(der)
    saved = _save(setup, line, None)
    if not certificate:
        return ok(version, *saved).knowing(Handshake(version, (), seconds))
    fact = Handshake(version, (certificate,), dialled.timings.tls or seconds)
    days = int((certificate.not_after.timestamp() - setup.now()) // 86400)
    summary = f"{version}, issued by {certificate.issuer}, {days} days left"
    product = interceptor(certificate)
    if product:
        summary += f"; {product} opens the connection, with a CA that is trusted here"
    details = (*_described(certificate), *saved)
    if days < _DAYS_LEFT:
        remedy = "the server's operator must renew the certificate soon"
        return warn(summary, *details, remedy=remedy).knowing(fact)
    if fact.seconds > _SLOW_SECONDS:
        remedy = "the way is slow or loses packets: check the network"
        said = f"{summary}; the handshake took {fact.seconds:.1f} s"
        return warn(said, *details, remedy=remedy).knowing(fact)
    return ok(summary, *details).knowing(fact)


def _with_doubt(finding: Finding, known: Findings) -> Finding:
    """A failure where DNS was odd already: that is the likely cause."""
    found = known.get(Addresses)
    if not found or not found.doubt or not finding.error:
        return finding
    remedy = "ask who runs this network's DNS, or correct the hosts file, VPN or DNS filter"
    return finding._replace(summary=f"{finding.summary}; {found.doubt}", remedy=remedy)


def refused(
    line: Line, error: TlsError, *, with_proxy: bool, setup: Setup | None = None
) -> Finding:
    """A failed handshake, and what there is to see of the certificate."""
    ders: tuple[bytes, ...] = ()
    version = ""
    if error.code in _AGREEMENT or (error.code or "").startswith("verify"):
        with suppress(ClinecliError, OSError):
            version, ders = unverified(line, with_proxy=with_proxy)
    if error.code in _AGREEMENT:
        details = [f"it would speak {version}"] if version else []
        return failed(error, *details)
    chain = tuple(found for der in ders if (found := read_certificate(der)))
    if not chain:
        return failed(error)
    leaf = chain[0]
    product = interceptor(leaf)
    saved = _save(setup, line, ders) if setup else []
    details = [*_described(leaf), *_others(chain), *saved]
    if error.code in _TIMES:
        now = datetime.fromtimestamp(time.time(), UTC)
        details.append(f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC")
        finding = failed(error, *details, remedy=_of_times(leaf, now))
    elif error.code in _UNKNOWN_CA:
        finding = _untrusted(line, error, chain, details)
    else:
        finding = failed(error, *details)
    return finding.knowing(RefusedChain(chain, product))


def _of_times(leaf: Certificate, now: datetime) -> str:
    if now < leaf.not_before:
        return "set this machine's clock, which is behind; else the certificate is really not valid"
    return "check this machine's clock; else the server's operator must renew the certificate"


def _untrusted(
    line: Line, error: TlsError, chain: tuple[Certificate, ...], details: list[str]
) -> Finding:
    """A CA that is not known: a product that opens TLS, a chain that is not whole, a CA file
    without it, or a private CA."""
    environ, settings = line.environ, line.settings
    issuer = chain[0].issuer
    error = error.but(message=f"{error.message}: {issuer}")
    remedy = error.hint
    source = trust_source(settings, environ)
    product = interceptor(chain[0])
    foreign = next((name for name in FOREIGN_TRUST if environ.get(name)), None)
    alone = len(chain) == 1 and error.code in {Code.VERIFY_20, Code.VERIFY_21}
    if alone:
        details.append("the server sends its own certificate alone: an intermediate may be missing")
    if product:
        error = error.but(message=f"{error.message}; {product} opens the connection")
        remedy = f"get the CA of {product} from your IT department: --ca-file or SSL_CERT_FILE"
    if source and _trusted_by(line, None, {}):
        error = error.but(message=f"{error.message}; {source} lacks it, the system's CAs have it")
        remedy = f"unset {source.split()[0]}, or add the CA to that file"
    elif foreign and (not source) and _trusted_by(line, environ[foreign], {}):
        details.append(f"{foreign} has the CA, but does not count here")
        remedy = f'export SSL_CERT_FILE="${foreign}", or pass the CA with --ca-file'
    elif foreign and not source:
        details.append(f"{foreign} is set, which does not count here")
        remedy = f'export SSL_CERT_FILE="${foreign}", or pass the CA with --ca-file'
    elif source:
        error = error.but(message=f"{error.message}; {source} lacks it")
        remedy = f"add the CA to {source}, or correct which file that is"
        remedy += "; or the server's operator must send the whole chain" if alone else ""
    elif alone and not product:
        remedy = (
            "the server's operator must send the whole chain (fullchain.pem); if the CA is a "
            "private one, pass it with --ca-file or SSL_CERT_FILE"
        )
    return failed(error, *details, remedy=remedy)


def _trusted_by(line: Line, ca_file: str | None, environ: Mapping[str, str]) -> bool:
    """Whether other CAs would do."""
    try:
        context = trust(ca_file, environ)
        reached = reach(line.route, lambda _: context, line.whole(), line.settings.connect_timeout)
    except ClinecliError:
        return False
    try:
        handshake(reached.socket, context, line.route.origin.host, line.step(), Stage.TLS)
    except ClinecliError:
        return False
    finally:
        reached.socket.close()
    return True


def unverified(line: Line, *, with_proxy: bool) -> tuple[str, tuple[bytes, ...]]:
    """The version and the certificates (DER) that the API, or the proxy, shows to whoever comes.

    Old versions and ciphers included. Raises `ClinecliError`. The proxy gets its credentials after
    the handshake with it: on the way to the API's certificate, that one stays verified.
    """
    route = line.route
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    lenient.set_ciphers("ALL:@SECLEVEL=0")
    lenient.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if with_proxy and route.proxy:
        limit = line.step()
        host = route.proxy.host
        plain: Any = connect(line.hop, resolve(line.hop, limit), limit)[0]
    else:
        host = route.origin.host
        timeout = line.settings.connect_timeout
        plain = reach(route, line.transport.trust, line.whole(), timeout).socket
    try:
        plain, facts = handshake(plain, lenient, host, line.step(), Stage.TLS)
        return facts.version, _chain(plain) or (facts.certificate,)
    finally:
        plain.close()


def _chain(encrypted: Any) -> tuple[bytes, ...]:
    """What the peer sent, on Pythons that tell: 3.13 does officially."""
    source = encrypted if hasattr(encrypted, "get_unverified_chain") else None
    source = source or getattr(encrypted, "_sslobj", None)
    if source is None or not hasattr(source, "get_unverified_chain"):
        return ()
    chain = source.get_unverified_chain() or ()
    return tuple(one if isinstance(one, bytes) else one.public_bytes(2) for one in chain)


def _save(setup: Setup, line: Line, ders: tuple[bytes, ...] | None) -> list[str]:
    """Write the chain to the file of `--save-chain`, and say what to do with it."""
    path = setup.options.save_chain
    if not path:
        return []
    if ders is None:
        with suppress(ClinecliError, OSError):
            ders = unverified(line, with_proxy=False)[1]
    if not ders:
        return []
    pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in ders)
    try:
        Path(path).write_text(pem, "ascii")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from None
    shown = shlex.quote(path)
    return [
        (
            f"{len(ders)} certificate(s) saved to {path}; if you trust the network's operator: "
            f"clinecli ask --ca-file {shown} …"
        )
    ]


def _others(chain: tuple[Certificate, ...]) -> Iterator[str]:
    for certificate in chain[1:]:
        yield f"with it: {certificate.subject}, issued by {certificate.issuer}"


def _described(certificate: Certificate) -> Iterator[str]:
    yield f"certificate of {certificate.subject}, issued by {certificate.issuer}"
    yield (
        f"valid from {certificate.not_before:%Y-%m-%d %H:%M} "
        f"to {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    )
    if certificate.names:
        more = f" and {len(certificate.names) - 8} more" if len(certificate.names) > 8 else ""
        yield f"for {', '.join(certificate.names[:8])}{more}"
