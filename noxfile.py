"""What there is to run, each in a virtual environment of its own: `nox -l` lists it.

`nox` alone runs what must pass before a change lands; `nox -s tests-3.13 -- tests/unit -k sse`
passes what follows `--` to the session. A Python that this machine does not have is skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from shutil import which

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "docs", "tests", "package"]
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
OLDEST = PYTHONS[0]
WORKERS = ("-n", "4")
FUZZ_EXAMPLES = "2000"
ATHERIS_SECONDS = 60
# Shell code of this repository that shellcheck can read; the tests check that of `--curl`.
SHELL_CODE = (".ci/run", "completions/clinecli.bash", "action/find_python.sh")


def reveal_pyenv() -> None:
    """Put the Pythons of pyenv where nox finds them: pyenv's shims offer only those activated."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = [path for each in PYTHONS for path in sorted(root.glob(f"versions/{each}.*/bin"))]
    os.environ["PATH"] = os.pathsep.join([*map(str, versions), os.environ["PATH"]])


reveal_pyenv()


def group(name: str) -> list[str]:
    """The requirements of a dependency group, which plain pip learns to read in version 25.1."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The test suite (`-- -m smoke`: unit tests and a part of the others)."""
    session.install("-e", ".[test]")
    session.run("pytest", *WORKERS, *session.posargs)


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Style, the rooms' imports, and shell code."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", env={"PYTHONPATH": str(ROOT)})
    session.run("shellcheck", *SHELL_CODE)


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Types of the product, the tests, the scripts and this file."""
    session.install("-e", ".[test]", *group("types"))
    session.run("mypy", *session.posargs)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Generated files are up to date, and what README and man pages say is true."""
    session.install("-e", ".[test]")
    session.run("python", "scripts/generate.py", "--check")
    session.run("pytest", *WORKERS, "tests/docs", *session.posargs)


@nox.session(python=OLDEST)
def package(session: nox.Session) -> None:
    """The wheel and the sdist, each installed into a fresh environment and tried."""
    session.install(*group("package"))
    directory = Path(session.create_tmp())
    archives = directory / "dist"
    shutil.rmtree(archives, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(archives))
    for archive in sorted(archives.iterdir()):
        session.run("python", "scripts/try_package.py", str(archive))
    session.log(f"wheel and sdist are in {archives}")


@nox.session(python=OLDEST)
def fuzz(session: nox.Session) -> None:
    """Every property test with 2,000 examples (CLINECLI_FUZZ)."""
    session.install("-e", ".[test]")
    examples = os.environ.get("CLINECLI_FUZZ", FUZZ_EXAMPLES)
    arguments = ("-m", "hypothesis", "tests/unit", *session.posargs)
    session.run("pytest", "-n", "logical", *arguments, env={"CLINECLI_FUZZ": examples})


@nox.session(python=OLDEST)
def atheris(session: nox.Session) -> None:
    """A minute of coverage-guided input for the decoder and the codec."""
    session.install("-e", ".[test]", *group("atheris"))
    directory = session.create_tmp()
    corpus = Path(directory) / "corpus"
    corpus.mkdir(exist_ok=True)
    limits = (f"-max_total_time={ATHERIS_SECONDS}", "-max_len=4096", "-rss_limit_mb=2048")
    session.log(f"an input that breaks a check is left in {directory}")
    session.run(
        "python",
        "-m",
        "tests.fuzz.codec",
        *limits,
        f"-artifact_prefix={directory}/",
        *session.posargs,
        str(corpus),
    )


@nox.session(python=OLDEST)
def bench(session: nox.Session) -> None:
    """CPU time and memory beside what they are compared with, as ratios."""
    session.install(".[test]")
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session(python=OLDEST)
def engines(session: nox.Session) -> None:
    """Shards of a batch on a Slurm cluster whose node dies, and under GNU parallel; needs root."""
    session.install("-e", ".[test]")
    missing = [name for name in ("slurmctld", "slurmd", "munged", "parallel") if not which(name)]
    if missing:
        packages = ("slurmctld", "slurmd", "slurm-client", "munge", "parallel")
        session.run("apt-get", "-qq", "update", external=True)
        session.run(
            "apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages, external=True
        )
    session.run("python", "-m", "tests.engines", *session.posargs)


@nox.session(python=OLDEST)
def coverage(session: nox.Session) -> None:
    """Lines and branches that the tests reach, those of the processes they start included."""
    session.install("-e", ".[test]", *group("coverage"))
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *WORKERS, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=OLDEST)
def mutation(session: nox.Session) -> None:
    """Changes to the pure modules that no unit test notices (CONTRIBUTING.md has the score)."""
    session.install("-e", ".[test]", *group("mutation"))
    session.run("mutmut", "run", *session.posargs, env={"CLINECLI_FUZZ": "20"})
    session.run("mutmut", "results")


if __name__ == "__main__":
    sys.exit("run me with nox, such as: nox -l")
