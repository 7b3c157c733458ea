#!/usr/bin/env bash
# Sets everything up and opens the app: bash scripts/run.sh [options of app.py]
cd "$(dirname "$0")/.."
. scripts/setup.sh
setup_venv requirements.txt
exec .venv/bin/python app.py "$@"
