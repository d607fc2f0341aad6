"""Install a wheel or an sdist into a fresh virtual environment, and try what a user gets.

`python scripts/try_package.py dist/clinecli-….whl`; the status is 0 when all of it works.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUESTION, ANSWER = "What is the capital of France?", "The capital of France is Paris.\n"


def main(archive: Path) -> None:
    """Raise `SystemExit` with what is wrong, or `CalledProcessError` with what failed."""
    with tempfile.TemporaryDirectory() as directory:
        prefix = Path(directory) / "environment"
        venv.create(prefix, with_pip=True)
        pip = [str(prefix / "bin/python"), "-m", "pip"]
        subprocess.run([*pip, "-q", "install", str(archive.resolve())], check=True)
        try_commands(prefix, Path(directory))
        try_files(prefix)
    print(f"{archive.name}: installed and tried")


def try_commands(prefix: Path, home: Path) -> None:
    """The command as installed, away from the repository and from anybody's settings."""
    cli = str(prefix / "bin/clinecli")
    path = os.pathsep.join([str(prefix / "bin"), os.defpath])
    env = {"PATH": path, "HOME": str(home), "NO_PROXY": "127.0.0.1"}

    def output(*words: str) -> str:
        return subprocess.run(
            [cli, *words], env=env, cwd=home, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    version = output("--version")
    if not version.startswith("clinecli "):
        raise SystemExit(f"--version printed {version!r}")
    for command in ("ask", "stream"):
        reply = output("mock", "--", "clinecli", command, QUESTION)
        if reply != ANSWER:
            raise SystemExit(f"{command} printed {reply!r}")


def try_files(prefix: Path) -> None:
    """Completions and man pages, where shells and `man` look for them below a prefix."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    places = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    for source, place in places.items():
        installed = prefix / place
        if not installed.is_file() or installed.read_bytes() != (ROOT / source).read_bytes():
            raise SystemExit(f"{place} is missing, or is not {source}")
    if not list(prefix.glob("lib/python*/site-packages/clinecli/py.typed")):
        raise SystemExit("py.typed is missing")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
