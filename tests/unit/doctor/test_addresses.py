"""What is odd about addresses, and what mends it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clinecli.doctor.addresses import (
    doubt_about,
    has_default_route,
    read_small,
    remedy_for,
    version,
)

DOUBTS = {
    "public": ("api.cline.bot", ["104.18.20.5"], ""),
    "public by IPv6": ("api.cline.bot", ["2606:4700::6812:1405"], ""),
    "sinkhole": ("api.cline.bot", ["0.0.0.0"], "leads nowhere"),
    "sinkhole by IPv6": ("api.cline.bot", ["::"], "leads nowhere"),
    "loopback": ("api.cline.bot", ["127.0.0.1"], "this machine itself"),
    "private": ("api.cline.bot", ["10.1.2.3"], "a private address"),
    "unique local": ("api.cline.bot", ["fd00::1"], "a private address"),
    "link-local with its zone": ("api.cline.bot", ["fe80::1%eth0"], "a private address"),
    "carrier-grade": ("api.cline.bot", ["100.64.3.7"], "a private address"),
    "benchmark network": ("api.cline.bot", ["198.18.0.1"], "a private address"),
    "the second one is odd": ("api.cline.bot", ["104.18.20.5", "10.0.0.1"], "10.0.0.1"),
    "a name without a dot": ("server", ["10.1.2.3"], ""),
    "a local name": ("llm.corp", ["10.1.2.3"], ""),
    "a name of a cluster": ("llm.default.svc.cluster.local", ["10.1.2.3"], ""),
    "a name with its last dot": ("llm.internal.", ["10.1.2.3"], ""),
}


@pytest.mark.parametrize(("host", "addresses", "said"), DOUBTS.values(), ids=DOUBTS)
def test_doubts(host: str, addresses: list[str], said: str) -> None:
    doubt = doubt_about(host, addresses)
    assert said in doubt
    assert bool(doubt) is bool(said)


def test_a_name_that_is_not_in_the_hosts_file_is_for_who_runs_dns() -> None:
    assert "DNS" in remedy_for("no-such-name.example")


def test_this_machine_has_a_route_or_not() -> None:
    assert has_default_route() in {True, False, None}


def test_versions() -> None:
    assert [version("127.0.0.1"), version("::1")] == [4, 6]


def test_what_is_only_looked_at_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff text")
    assert read_small(tmp_path / "pipe") == ""
    assert read_small(Path("/dev/zero")) == ""
    assert read_small(tmp_path / "missing") == ""
    assert read_small(tmp_path / "bytes") == "\ufffd text"
