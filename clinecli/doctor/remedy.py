"""Remedies that fit the settings and what a server asks for. Pure."""

from __future__ import annotations

from clinecli.config.hints import fit_hint, fit_hints
from clinecli.config.settings import Settings
from clinecli.doctor.check import Finding
from clinecli.errors import TransientError


def fitted(finding: Finding, settings: Settings) -> Finding:
    """The finding with a remedy for the server that is asked."""
    error, remedy = finding.error, finding.remedy
    base_url = settings.base_url
    if error and remedy == error.hint:
        remedy = fit_hints(error, base_url).hint
        if isinstance(error, TransientError) and error.retry_after and error.hints == _LATER:
            remedy = f"try again in {duration(error.retry_after)}, as the server asks"
    remedy = fit_hint(remedy, base_url)
    return finding._replace(remedy=remedy)


_LATER = (TransientError.default_hint,)


def duration(seconds: float) -> str:
    """A time span in its largest unit: `20 s`, `2 min`, `1.5 h`."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
