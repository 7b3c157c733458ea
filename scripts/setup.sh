#!/usr/bin/env bash
# Makes .venv with the packages of one requirements file. Sourced by run.sh and test.sh.
#   setup_venv requirements.txt [--system PACKAGE ...]   system packages through apt, where missing
set -euo pipefail

fail() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "This step needs root: $*. Run it yourself, then start again."; fi
}

# install_system COMMAND PACKAGE: apt-get install PACKAGE unless COMMAND is there
install_system() {
  command -v "$1" >/dev/null && return
  command -v apt-get >/dev/null || fail "$1 is missing. Install it (on Debian: apt install $2)."
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
}

# find_python: prints the first Python >= 3.11 on the PATH
find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"; return
    fi
  done
  fail "FlashTalk needs Python 3.11 or newer; set PYTHON=/path/to/python3.11 or install it."
}

setup_venv() {
  local requirements=$1 python stamp
  stamp=.venv/.installed-$(cat requirements*.txt | sha256sum | cut -c1-16)-$requirements
  if [ ! -x .venv/bin/pip ]; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
      install_system ensurepip-of-python python3-venv
    "$python" -m venv .venv || fail "The virtual environment could not be made in .venv."
  fi
  [ -e "$stamp" ] && return
  # Without an NVIDIA driver the CPU build of torch saves gigabytes; from its own index, if reached.
  local cpu=https://download.pytorch.org/whl/cpu
  if ! command -v nvidia-smi >/dev/null && [ "$(uname -s)" = Linux ] &&
    .venv/bin/python -c "import urllib.request as u; u.urlopen('$cpu/torch/', timeout=5)" 2>/dev/null
  then
    .venv/bin/pip install -q --disable-pip-version-check --index-url "$cpu" \
      "$(grep '^torch==' requirements.txt)" || fail "torch could not be installed from $cpu."
  fi
  .venv/bin/pip install -q --disable-pip-version-check -r "$requirements" ||
    fail "The packages of $requirements could not be installed; the reason is above."
  touch "$stamp"
}
