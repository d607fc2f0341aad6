"""Why a TLS handshake fails, and what there is to see of the certificates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from clinecli.doctor.certificate import Certificate, client_certificate_of, read_certificate
from clinecli.doctor.chain import Shown, described, save_chain, shown, wants_certificate
from clinecli.doctor.check import Finding, failed
from clinecli.doctor.clock import files_from_later
from clinecli.doctor.env import FOREIGN_TRUST, trust_source
from clinecli.doctor.interceptors import interceptor
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import ClinecliError, Code
from clinecli.transport.dial import handshake, reach
from clinecli.transport.route import Stage
from clinecli.transport.tls import trust

_UNKNOWN_CA = {Code.VERIFY_18, Code.VERIFY_19, Code.VERIFY_20, Code.VERIFY_21, Code.VERIFY_85}
_TIMES = {Code.VERIFY_9, Code.VERIFY_10}
_AGREEMENT = {Code.TLS_VERSION, Code.TLS_CIPHER, Code.TLS_WEAK, Code.HANDSHAKE}
_OTHER_HOST = {Code.VERIFY_62, Code.VERIFY_64}
_SET_CLOCK = "set this machine's clock, best by NTP (timedatectl set-ntp true)"


class RefusedChain(NamedTuple):
    """The certificates of a handshake that failed."""

    chain: tuple[Certificate, ...]
    interceptor: str | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "chain": [one.as_dict() for one in self.chain],
            "interceptor": self.interceptor,
        }


def refused(
    line: Line, error: ClinecliError, *, with_proxy: bool, setup: Setup | None = None
) -> Finding:
    """A failed handshake, and what there is to see of the certificate."""
    seen = Shown("", ())
    looks = error.code in _AGREEMENT or (error.code or "").startswith("verify")
    if looks:
        with suppress(ClinecliError, OSError):
            seen = shown(line, with_proxy=with_proxy)
    if error.code is Code.TLS_CIPHER and not with_proxy and wants_certificate(line):
        error = _without_certificate(line, error)
    if error.code is Code.CLIENT_CERTIFICATE:
        return failed(error, *client_certificate(line.settings.cert))
    chain = tuple(found for der in seen.ders if (found := read_certificate(der)))
    saved = save_chain(setup.options.save_chain, line, seen.ders) if setup and chain else []
    if error.code in _AGREEMENT or not chain:
        details = [f"it would speak {seen.version}"] if seen.version else []
        return failed(error, *details, *saved)
    details = [*described(chain[0]), *_others(chain), *saved]
    product = interceptor(chain[0])
    if error.code in _TIMES:
        finding = _of_times(line, error, chain, details)
    elif error.code in _UNKNOWN_CA:
        finding = _untrusted(line, error, chain, details, with_proxy=with_proxy)
    elif error.code in _OTHER_HOST:
        finding = _of_names(line, error, chain[0], details)
    else:
        finding = failed(error, *details)
    return finding.knowing(RefusedChain(chain, product))


def _without_certificate(line: Line, error: ClinecliError) -> ClinecliError:
    """A refusal that names no reason, of a client whose certificate is missing or no good."""
    host = line.route.origin.host
    if line.settings.cert:
        message = f"{host} asks for a client certificate, and refuses the one of --cert"
        hint = "pass a current one that its operator issued to you (--cert, --cert-key)"
    else:
        message = f"{host} asks for a client certificate, which clinecli does not have"
        hint = "pass the one that you were given (--cert, --cert-key), or check the base URL"
    return error.but(message=message, hints=(hint,), code=Code.CLIENT_CERTIFICATE)


def client_certificate(path: str | None) -> list[str]:
    """What the certificate of `--cert` says of itself."""
    found = client_certificate_of(path)
    if not found:
        return []
    first, *rest = described(found)
    return [f"--cert {path}: {first}", *rest]


def _of_times(
    line: Line, error: ClinecliError, chain: tuple[Certificate, ...], details: list[str]
) -> Finding:
    """A certificate out of its time: by its own fault, or by that of this machine's clock. What
    the server says of the time is no proof: nobody knows yet who it is."""
    now = datetime.fromtimestamp(time.time(), UTC)
    clock = f"{now:%Y-%m-%d %H:%M} UTC"
    details.append(f"this machine's clock says {clock}")
    later = files_from_later(now.timestamp(), line.environ.get("HOME", "/"))
    if later:
        said = f"this machine's clock is behind: it says {clock}, and has files of {later:%Y-%m-%d}"
        error = error.but(message=f"{error.message}: {said}")
        return failed(error, *details, remedy=f"{_SET_CLOCK}: {clock} is not now")
    wrong = next((one for one in chain if not one.not_before <= now <= one.not_after), None)
    if wrong is None:
        message = f"{error.message}: not its own, that of a CA in this machine's store"
        remedy = "update this machine's CAs (package ca-certificates), or the file of --ca-file"
        return failed(error.but(message=message), *details, remedy=remedy)
    is_early = now < wrong.not_before
    when = f"is valid from {wrong.not_before:%Y-%m-%d}" if is_early else ""
    when = when or f"expired on {wrong.not_after:%Y-%m-%d}"
    is_own = wrong is chain[0]
    said = f" (it {when})" if is_own else f": not its own, the CA {wrong.subject} {when}"
    whose = "certificate" if is_own else "CA certificate that it sends"
    remedy = (
        f"if it is not {clock} now, {_SET_CLOCK}; else the server's operator must renew the {whose}"
    )
    return failed(error.but(message=f"{error.message}{said}"), *details, remedy=remedy)


def _of_names(line: Line, error: ClinecliError, leaf: Certificate, details: list[str]) -> Finding:
    """A certificate for others: for whom."""
    host = line.route.origin.host
    names = ", ".join(leaf.names[:3]) or leaf.subject
    more = f" and {len(leaf.names) - 3} more" if len(leaf.names) > 3 else ""
    error = error.but(message=f"{error.message}: for {names}{more}, not for {host}")
    product = interceptor(leaf)
    if product:
        error = error.but(message=f"{error.message}; {product} opens the connection")
        remedy = f"{product} blocks or inspects {host}: ask who runs the network"
        return failed(error, *details, remedy=remedy)
    wide = next((n for n in leaf.names if n[:2] == "*." and host.endswith(n[1:])), None)
    remedy = error.hint
    if wide:
        remedy = f"{wide} covers one label alone: use such a name, or have {host} added to it"
    elif leaf.names and not leaf.names[0].startswith("*"):
        remedy = (
            f"if {leaf.names[0]} is the server that is meant, put it into the base URL; else "
            "something intercepts, or DNS leads to a wrong address"
        )
    return failed(error, *details, remedy=remedy)


def _untrusted(
    line: Line,
    error: ClinecliError,
    chain: tuple[Certificate, ...],
    details: list[str],
    *,
    with_proxy: bool,
) -> Finding:
    """A CA that is not known: a product that opens TLS, a chain that is not whole, a CA file
    without it, or a private CA."""
    environ, settings = line.environ, line.settings
    error = error.but(message=f"{error.message}: {chain[0].issuer}")
    remedy = f"{error.hint}; or look at it: clinecli doctor --save-chain FILE"
    source = trust_source(settings, environ)
    product = interceptor(chain[0])
    foreign = next((name for name in FOREIGN_TRUST if environ.get(name)), None)
    alone = len(chain) == 1 and error.code in {Code.VERIFY_20, Code.VERIFY_21}
    strays = len(chain) > 1 and chain[0].issuer != chain[1].subject
    if alone:
        details.append("the server sends its own certificate alone: an intermediate may be missing")
    if product:
        error = error.but(message=f"{error.message}; {product} opens the connection")
        remedy = f"get the CA of {product} from your IT department: --ca-file or SSL_CERT_FILE"
    if with_proxy:
        remedy = "get the CA of the proxy from your IT department: --ca-file or SSL_CERT_FILE"
    if strays and not product:
        said = f"the server sends {chain[1].subject} with it, which did not issue it"
        error = error.but(message=f"{error.message}; {said}")
        remedy = "the server's operator must send the chain of this certificate (fullchain.pem)"
    elif source and _trusted_by(line, None, {}):
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
        remedy += (
            "; or the server's operator must send the intermediate certificate, too"
            if alone
            else ""
        )
    elif alone and not product and not with_proxy:
        remedy = (
            "the server's operator must send the intermediate certificate, too (fullchain.pem); if "
            "the CA is a private one, pass it with --ca-file or SSL_CERT_FILE"
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


def _others(chain: tuple[Certificate, ...]) -> Iterator[str]:
    for certificate in chain[1:]:
        yield f"with it: {certificate.subject}, issued by {certificate.issuer}"
