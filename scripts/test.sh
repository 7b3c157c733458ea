#!/usr/bin/env bash
# Sets everything up, the browser too, and passes the tests: bash scripts/test.sh [pytest options]
cd "$(dirname "$0")/.."
. scripts/setup.sh
setup_venv requirements-dev.txt
install_system chromium chromium

# Known vulnerabilities that do not reach this project, each with its reason: (--ignore-vuln ID)
ACCEPTED=(
  # Ray, of the extra "cluster": whoever reaches it runs anything. Our clusters ask for a token; docs/visitors.md
  --ignore-vuln GHSA-6wgj-66m2-xxp2
)

# audit: fails for known vulnerabilities of what is installed; without the network it says so
audit() {
  local report
  report=$(timeout 300 .venv/bin/pip-audit --progress-spinner off ${ACCEPTED[@]+"${ACCEPTED[@]}"} 2>&1) || {
    case $report in *" known vulnerab"*) printf '%s\n' "$report"; return 1 ;; esac
    printf 'Dependencies are not audited: https://pypi.org does not answer.\n'
    return
  }
  printf '%s\n' "$report" | awk '/Skip Reason/ {rest = 1} !rest {print} rest && /not found/ {n++}
    END {if (n) print n " packages are not known there."}'
}

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/codespell
.venv/bin/mypy
audit
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
