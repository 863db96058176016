#!/usr/bin/env bash
# The original engines (alfworld, textworld) in a virtual environment, for the tests that play them beside our own.
#
#   scripts/ci_engines.sh VENV    install the extra [alfworld] into VENV; doing it again changes nothing
#
# Building them takes minutes and a C++ compiler with cmake, so the time is bounded: TURNWISE_ENGINES_TIMEOUT seconds, or 900.
# Never fails: where they cannot be had, the tests that need them are skipped. Prints one line that says whether they are there.
set -u -o pipefail
cd "$(dirname "$0")/.."

[ $# -eq 1 ] && [ -x "$1/bin/python" ] || {
  echo "usage: scripts/ci_engines.sh VENV, a virtual environment that exists: make .venv/.dev makes one" >&2
  exit 2
}
python=$1/bin/python
limit=${TURNWISE_ENGINES_TIMEOUT:-900}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

versions() {
  ALFWORLD_DATA=${TMPDIR:-/tmp}/turnwise-alfworld "$python" -c '
import importlib.metadata as about
import alfworld.agents.environment.alfred_tw_env, fast_downward
print(", ".join(f"{name} {about.version(name)}" for name in ("alfworld", "textworld", "fast-downward-textworld")))' 2>>"$log" | tail -n 1
}

if ! found=$(versions) || [ -z "$found" ]; then
  start=$SECONDS
  timeout "$limit" "$python" -m pip install --disable-pip-version-check -q -e ".[alfworld]" >>"$log" 2>&1
  status=$?
  if ! found=$(versions) || [ -z "$found" ]; then
    why=$([ $status -eq 124 ] && echo "not installed within $limit s" || tail -n 1 "$log")
    echo "no original ALFWorld engine ($why): its tests are skipped"
    exit 0
  fi
  found+=", installed in $((SECONDS - start)) s"
fi
echo "original ALFWorld engine: $found"
