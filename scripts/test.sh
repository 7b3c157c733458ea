#!/usr/bin/env bash
# Sets everything up, the browser too, and passes the tests: bash scripts/test.sh [pytest options]
cd "$(dirname "$0")/.."
. scripts/setup.sh
setup_venv requirements-dev.txt
install_system chromium chromium
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/codespell
.venv/bin/mypy
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
