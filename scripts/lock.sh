#!/usr/bin/env bash
# Makes requirements.lock anew: every package of requirements.txt and what these need, with hashes.
# PyTorch and the CUDA packages that it brings are left out: processors have builds of their own.
cd "$(dirname "$0")/.."
set -euo pipefail
cuda=$(uvx --from uv==0.13.9 uv pip compile -q requirements.txt --python-version 3.11 --no-header --no-annotate |
  sed -n -E 's/^((nvidia|cuda|triton)[a-z0-9-]*)==.*/--no-emit-package \1/p')
# shellcheck disable=SC2086  # each word is an option of its own
uvx --from uv==0.13.9 uv pip compile -q requirements.txt --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command "bash scripts/lock.sh" --no-emit-package torch $cuda -o requirements.lock
