#!/usr/bin/env bash
# Finds a Python that is new enough, and runs a script of this folder with it.
set -euo pipefail

case $(uname -s) in
  Linux | Darwin) ;;
  *)
    echo '::error title=clinecli::Only Linux and macOS runners are supported'
    exit 1
    ;;
esac

is_new_enough() {
  "$1" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in python3 python python3.14 python3.13 python3.12 python3.11 \
  "${RUNNER_TOOL_CACHE:-/opt/hostedtoolcache}"/Python/3.1[1-9]*/*/bin/python3; do
  if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
    python=$candidate
    break
  fi
done
if [[ -z $python ]]; then
  echo '::error title=clinecli::Python 3.11 or newer is needed, with venv: add actions/setup-python before this step'
  exit 1
fi
exec "$python" -I "$(dirname "${BASH_SOURCE[0]}")/environment.py" "$@"
