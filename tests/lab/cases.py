"""All set-ups of the lab."""

from __future__ import annotations

from tests.lab.answers import ACCOUNT, ANSWERS, MESSAGES, SETTINGS
from tests.lab.bench import Case
from tests.lab.certificates import WITH_CLOCKS
from tests.lab.healthy import HEALTHY_CASES
from tests.lab.network import DNS, PROXIES, TCP

CASES: dict[str, Case] = {
    case.name: case
    for group in (
        *(DNS, TCP, PROXIES, WITH_CLOCKS, ANSWERS, ACCOUNT, SETTINGS, MESSAGES),
        HEALTHY_CASES,
    )
    for case in group
}
