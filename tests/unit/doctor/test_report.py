"""The pure parts of `doctor`: order, verdict, symbols, workflow commands, certificates, clock."""

from __future__ import annotations

import pytest

from clinecli.doctor.check import Result, verdict
from clinecli.doctor.report import Style, check_text, ending, style_for, workflow_commands
from clinecli.errors import ExitStatus
from tests.helpers.doctor import result

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
    style = Style(unicode=False, width=1)
    text = check_text(failure, style) + ending([failure], verdict([failure], strict=False), style)
    assert text.isascii()
    assert text.splitlines()[0] == "FAIL a  so ... - \\xe9"


def test_workflow_commands() -> None:
    failure = Result("a", "", "fail", "50% of\r\nit", (), "no: yes, no", None, ExitStatus.AUTH, 0.0)
    results = [failure, result("b", "warn")]
    assert workflow_commands(results, verdict(results, strict=True)) == (
        "::error::clinecli doctor: a: 50%25 of%0D%0Ait%0Ano: yes, no\n"
    )
