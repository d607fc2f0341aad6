"""Installs clinecli into a virtual environment of its own, once per version and Python.

`locate` says where that is and whether it is there; `install` makes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path.insert(0, str(HERE))

from action_outputs import Outcome, line, record  # noqa: E402
from conclude import conclude  # noqa: E402

# Written last: an environment without it was never finished.
MARK = "complete"
# The first pip that installs for another Python.
PIP_WITH_PYTHON = (22, 3)


def fingerprint(version: str) -> str:
    """What an installation depends on: what is installed, Python, and the machine's kind."""
    digest = hashlib.sha256()
    for part in (version, sys.version, sys.base_prefix, platform.system(), platform.machine()):
        digest.update(f"{part}\0".encode())
    found = [] if version else (REPOSITORY / "clinecli").rglob("*")
    sources = sorted(path for path in found if path.is_file() and path.suffix != ".pyc")
    for path in (HERE / "requirements.txt", REPOSITORY / "pyproject.toml", *sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def directory(version: str) -> Path:
    """Where the environment belongs: kept between the runs of a runner that is kept."""
    tools = os.environ.get("RUNNER_TOOL_CACHE") or os.environ.get("RUNNER_TEMP")
    # Not a shared folder: another user could put an environment there.
    place = Path(tools) if tools else Path.home() / ".cache"
    return place / "clinecli" / fingerprint(version)


def locate(version: str) -> dict[str, str]:
    """The outputs of the first step."""
    place = directory(version)
    # The link dangles when the Python that it leads to has gone.
    is_ready = (place / MARK).exists() and (place / "bin" / "python").exists()
    return {
        "directory": str(place),
        "key": f"clinecli-{place.name}",
        "ready": str(is_ready).lower(),
    }


def install(version: str) -> None:
    """Make the environment. Raises `subprocess.CalledProcessError`.

    Dependencies are pinned with hashes; only then comes clinecli itself, of this checkout or of
    the package index.
    """
    place = directory(version)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        # Runners of one machine share the folder.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if locate(version)["ready"] != "true":
            _make(place, version)


def _make(place: Path, version: str) -> None:
    shutil.rmtree(place, ignore_errors=True)
    python = str(place / "bin" / "python")
    pip = [sys.executable, "-I", "-m", "pip", "--python", python]
    # A pip of its own would take as long as all the rest.
    has_pip = _pip_version() >= PIP_WITH_PYTHON
    subprocess.run(
        [sys.executable, "-I", "-m", "venv", *(["--without-pip"] if has_pip else []), str(place)],
        check=True,
    )
    command = [*(pip if has_pip else [python, "-I", "-m", "pip"]), "--quiet", "--no-input"]
    # What is imported is compiled when it is: most of it never is.
    command += ["--disable-pip-version-check", "install", "--no-compile"]
    pinned = [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
        str(HERE / "requirements.txt"),
    ]
    what = f"clinecli=={version}" if version else str(REPOSITORY)
    for arguments in (pinned, ["--no-deps", "--no-build-isolation", what]):
        subprocess.run([*command, *arguments], check=True)
    # A folder of its own, so that adding it to PATH brings no other Python along.
    (place / "path").mkdir()
    (place / "path" / "clinecli").symlink_to(place / "bin" / "clinecli")
    (place / MARK).touch()


def _pip_version() -> tuple[int, ...]:
    """The version of the pip that this Python has; empty without one."""
    try:
        found = re.findall(r"\d+", metadata.version("pip"))
    except metadata.PackageNotFoundError:
        return ()
    return tuple(map(int, found))


def main(arguments: list[str]) -> int:
    """Run one of the two steps; the status is that of the step."""
    version = os.environ.get("CLINECLI_INPUT_VERSION", "").strip().removeprefix("v")
    found = locate(version)
    if arguments == ["install"] and found["ready"] != "true":
        try:
            install(version)
        except (OSError, subprocess.CalledProcessError) as error:
            print(line(error), file=sys.stderr)
            return conclude(_not_installed(), os.environ)
        found = locate(version)
    if found["ready"] == "true":
        _append("GITHUB_PATH", f"{found['directory']}/path\n")
    _append("GITHUB_OUTPUT", "".join(record(*pair) for pair in found.items()))
    return 0


def _not_installed() -> Outcome:
    error = {
        "kind": "connection",
        "message": "clinecli could not be installed: pip failed, as the log above says",
        "hint": "run the job again; where the package index is not reachable, set PIP_INDEX_URL",
        "retryable": True,
    }
    return Outcome(status=7, error=error)


def _append(variable: str, text: str) -> None:
    if os.environ.get(variable):
        with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
