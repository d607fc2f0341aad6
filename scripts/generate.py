"""Write what is generated: completions/*, man/*.1, and tables of README.md.

With --check nothing is written, and the status is 1 when something would change.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from manpages import pages

from clinecli.errors import Code, ExitStatus
from clinecli.flags.completion import SCRIPTS

ROOT = Path(__file__).parents[1]
COMPLETIONS = {"bash": "clinecli.bash", "zsh": "_clinecli", "fish": "clinecli.fish"}


def generated() -> dict[Path, str]:
    """Every generated file and what belongs into it."""
    scripts = {ROOT / "completions" / COMPLETIONS[shell]: SCRIPTS[shell]() for shell in SCRIPTS}
    manual = {ROOT / "man" / name: text for name, text in pages(ROOT / "man/prose").items()}
    readme = ROOT / "README.md"
    return scripts | manual | {readme: with_tables(readme.read_text("utf-8"))}


def with_tables(text: str) -> str:
    """README.md with the tables that stand in `errors.py`."""
    statuses = [f"| {int(each)} | {each.label} | {each.when} |" for each in ExitStatus]
    codes = [f"| `{code}` | {code.meaning} |" for code in Code]
    for head, rows in (("| status | name | when |", statuses), ("| code | means |", codes)):
        before, found, rest = text.partition(f"\n{head}\n")
        if not found:
            raise ValueError(f"README.md has no table {head}")
        after = rest[rest.index("\n\n") :]
        rule = "|---" * head.count(" | ") + "|---|"
        text = "\n".join([before, head, rule, *rows]) + after
    return text


def main(arguments: list[str]) -> int:
    """Write or compare, and give the exit status."""
    files = generated()
    changed = [path for path, text in files.items() if _read(path) != text]
    obsolete = sorted({*ROOT.glob("man/*.1"), *ROOT.glob("completions/*")} - {*files})
    if "--check" in arguments:
        for path in [*changed, *obsolete]:
            _print_difference(path, files.get(path, ""))
        if changed or obsolete:
            print("out of date: run python scripts/generate.py", file=sys.stderr)
        return 1 if changed or obsolete else 0
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path], "utf-8")
    for path in obsolete:
        path.unlink()
    return 0


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def _print_difference(path: Path, text: str) -> None:
    name = str(path.relative_to(ROOT))
    old, new = _read(path).splitlines(keepends=True), text.splitlines(keepends=True)
    sys.stdout.writelines(difflib.unified_diff(old, new, name, f"{name} (generated)"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
