#!/usr/bin/env bash
# Installs the Debian packages that a build needs where that is possible, and
# names them in one line where it is not. "packages.sh e2e": those that the
# end-to-end tests need.
set -euo pipefail
need=()
have() { command -v "$1" >/dev/null 2>&1; }
have g++ || need+=(build-essential)
have cmake || need+=(cmake)
have ninja || need+=(ninja-build)
have pkg-config || need+=(pkg-config)
have git || need+=(git)
have patch || need+=(patch)
python3 -m pip --version >/dev/null 2>&1 || need+=(python3-pip)
[ -e /usr/include/lame/lame.h ] || need+=(libmp3lame-dev)
[ -e /usr/include/opus/opus.h ] || need+=(libopus-dev)
if [ "${1:-}" = e2e ]; then
  need=()
  have nginx || need+=(nginx-light)
  have ffmpeg || need+=(ffmpeg)
  have node || need+=(nodejs)
  have npm || need+=(npm)
  python3 -m ensurepip --version >/dev/null 2>&1 || need+=(python3-venv)
fi
[ ${#need[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && have apt-get; then
  echo "packages: installing ${need[*]}" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
else
  echo "packages missing; run: sudo apt-get update && sudo apt-get install -y ${need[*]}" >&2
  exit 1
fi
