"""Where things are, and an environment of nobody's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Responses of the real API, recorded by others and not copied into this repository: the tests
# that use them skip where they are not.
RECORDINGS = Path(os.environ.get("CLINECLI_RECORDINGS") or ROOT.parent / "shared/recordings")
KEY = "sk-test-0123456789abcdef"


def clean_environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment without proxies, keys or config files of whoever runs the tests."""
    keep = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COVERAGE_PROCESS_CONFIG")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    return environment | {"HOME": str(home), "NO_PROXY": "127.0.0.1,localhost,::1"} | extra


def provider(key: Any) -> str:
    """The `providers.json` of the official CLI."""
    return json.dumps({"providers": {"cline": {"settings": {"apiKey": key}}}})
