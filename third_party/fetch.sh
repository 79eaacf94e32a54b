#!/usr/bin/env bash
# Fetches the pinned parts into the cache, outside the tree. What is there and matches its lock is skipped.
#
# usage: third_party/fetch.sh [--verify] [PART…]
#   without PART: llama.cpp onnxruntime smollm2 joe espeak
#   PART: the name of a file in locks/ (kokoro, kokoro-styles, onnxruntime-gpu, cuda are optional)
#   --verify: read every byte of what is there and fetch again what is not as it was
#
# The package client checks each archive against the SHA-256 in its lock (--require-hashes) before this
# script looks into it. Everything works without a network once it has been fetched.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${REPARTEE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/repartee}
default=(llama.cpp onnxruntime smollm2 joe espeak)

fail() {
  printf 'fetch: %s\n' "$*" >&2
  exit 1
}

field() { sed -n "s/^# $1: //p" "$2" | head -n 1; }

# archives LOCK DIR: downloads the archives of one lock into DIR.
archives() {
  local lock=$1 dir=$2 log=$2.log kind
  kind=$(field needs "$lock")
  case $kind in
  source)
    set -- --no-binary=:all:
    ;;
  wheel)
    set -- --only-binary=:all: --python-version 3.11 --implementation cp \
      --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
      --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
      --platform manylinux2010_x86_64 --platform manylinux_2_12_x86_64
    ;;
  npm)
    command -v npm >/dev/null || fail "$(field part "$lock"): needs npm, which is not installed"
    (cd "$dir" && npm pack --silent --ignore-scripts "$(field npm "$lock" | cut -d' ' -f1)") >"$log" 2>&1
    return
    ;;
  *) fail "$lock: \"needs: $kind\" is not source, wheel or npm" ;;
  esac
  python3 -m pip download --disable-pip-version-check --no-input --no-deps --require-hashes \
    "$@" -d "$dir" -r "$lock" 2>"$log"
}

# reason LOG: the line of a client's output that says why it failed.
reason() {
  local line
  line=$(grep -E '^ *(ERROR|npm error)' "$1" | head -n 1 || true)
  if grep -q 'DO NOT MATCH THE HASHES' "$1"; then line="the archive does not match the pinned SHA-256"; fi
  printf '%s' "${line:-$(tail -n 1 "$1")}"
}

fetch() {
  local name=$1 place=$2 mode=$3 lock=$here/locks/$1.lock part why dir
  [ -f "$lock" ] || fail "no part \"$name\": there are $(cd "$here/locks" && echo *.lock | sed 's/\.lock//g')"
  part=$(field part "$lock")
  if why=$(python3 "$here/unpack.py" "$mode" "$lock" "$cache"); then
    if [ "$mode" = --verify ]; then echo "fetch $place $part: verified"; fi
    return
  fi
  case $(field needs "$lock"):$(uname -sm) in
  wheel:"Linux x86_64" | source:* | npm:*) ;;
  *) fail "$part: pinned for Linux on x86_64 only, this is $(uname -sm)" ;;
  esac
  echo "fetch $place $part: $why, downloading"
  dir=$cache/downloads/$name
  rm -rf "$dir"
  mkdir -p "$dir"
  archives "$lock" "$dir" || fail "$part: download failed: $(reason "$dir.log")"
  why=$(python3 "$here/unpack.py" "$lock" "$dir" "$cache" 2>&1) || fail "$part: cannot unpack: $why"
  rm -rf "$dir" "$dir.log"
  echo "fetch $place $part: done"
}

mode=--check
parts=()
for arg in "$@"; do
  case $arg in
  --verify) mode=--verify ;;
  -*) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  *) parts+=("$arg") ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=("${default[@]}")

command -v python3 >/dev/null || fail "python3 is not installed: apt-get install -y python3 python3-pip"
mkdir -p "$cache" 2>/dev/null || fail "cannot make the cache folder $cache (REPARTEE_CACHE names another)"
exec 9>"$cache/fetch.lock"
flock -n 9 || {
  echo "fetch: waiting for another fetch to end"
  flock 9
}
n=0
for part in "${parts[@]}"; do
  n=$((n + 1))
  fetch "$part" "[$n/${#parts[@]}]" "$mode"
done
