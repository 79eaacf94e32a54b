#!/usr/bin/env bash
# Builds the native part once for every combination of pins, sources, flags,
# compiler and processor, into the cache, and writes the cgo flags that point to
# it. Doing it again with nothing changed does nothing.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${REPARTEE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/repartee}
src=$cache/llama.cpp/0c1e57098b
cd "$root"

hash_of() { sha256sum | cut -c1-16; }
# GGML_NATIVE compiles for this very processor: its name and flags count.
machine=$(g++ -dumpfullversion -dumpmachine; grep -m2 -E '^(model name|flags)' /proc/cpuinfo || true)
llama=$( { echo "$machine"; cat third_party/locks/llama.cpp.lock CMakeLists.txt; cat third_party/patches/llama.cpp-*.patch third_party/patches/native/*.patch 2>/dev/null || true; } | hash_of)
own=$( { echo "$llama"; cat inference/llama/shim.h inference/llama/shim/* tts/espeak/helper/*.c; } | hash_of)
lib=$cache/native/llama-$llama
out=$cache/native/$own
jobs=${JOBS:-$(nproc)}

# One build at a time: two checkouts may share the cache.
mkdir -p "$cache/native"
exec 9>"$cache/native/.lock"
flock -n 9 || { echo "native: waiting for another build to end" >&2; flock 9; }

if [ ! -e "$lib/ok" ]; then
  echo "native: llama.cpp for this machine (minutes, once) -> $lib" >&2
  build=$cache/native/.build-$llama
  # Kernels of our own go into a copy, whose unchanged files are links: the fetched
  # tree stays what the peers of the benches are built from.
  tree=$cache/native/.tree-$llama
  rm -rf "$tree" "$build"
  cp -al "$src" "$tree"
  for diff in third_party/patches/native/*.patch; do
    patch -p1 -s -d "$tree" <"$diff"
  done
  cmake -S "$root" -B "$build" -G Ninja -DSTAGE=llama -DLLAMA_SRC="$tree" -DCMAKE_BUILD_TYPE=Release >"$cache/native-llama.log" 2>&1 ||
    { tail -n 20 "$cache/native-llama.log" >&2; exit 1; }
  # Compiler warnings of other people's code go to the log; what is shown is
  # ninja's progress, every line on a terminal, one in ten elsewhere.
  every=10
  [ -t 2 ] && every=1
  if ! ninja -C "$build" -j "$jobs" llama llama-common 2>&1 | tee "$cache/native-llama.log" |
    awk -v every=$every '/^\[[0-9]+\// && NR && (++n % every == 0) { print substr($0, 1, 110); fflush() }' >&2; then
    grep -E 'FAILED|error:' "$cache/native-llama.log" | tail -n 20 >&2
    exit 1
  fi
  mkdir -p "$lib.new/lib"
  find "$build" -name '*.a' -exec cp {} "$lib.new/lib/" \;
  touch "$lib.new/ok"
  rm -rf "$lib"
  mv "$lib.new" "$lib"
  rm -rf "$build" "$tree"
fi

if [ ! -e "$out/ok" ]; then
  echo "native: shim and phonemizer -> $out" >&2
  build=$cache/native/.build-$own
  cmake -S "$root" -B "$build" -G Ninja -DSTAGE=own -DLLAMA_SRC="$src" -DCMAKE_BUILD_TYPE=Release >"$cache/native-own.log" 2>&1 ||
    { tail -n 20 "$cache/native-own.log" >&2; exit 1; }
  ninja -C "$build" -j "$jobs" --quiet
  rm -rf "$out.new"
  mkdir -p "$out.new/lib" "$out.new/bin"
  cp "$build/librepartee_shim.a" "$out.new/lib/"
  cp "$build/repartee-phonemize" "$out.new/bin/"
  touch "$out.new/ok"
  rm -rf "$out"
  mv "$out.new" "$out"
  rm -rf "$build"
fi
ln -sfn "$own" "$cache/native/current"

flags=inference/llama/native_flags.go
libs=$(cd "$lib/lib" && for a in *.a; do n=${a#lib}; printf -- '-l%s ' "${n%.a}"; done)
new=$(cat <<GO
//go:build cgo && !modular

// Written by "make native": where the native part lies. The folder's name is a
// hash of everything it was built from, so that Go links anew when it changes.

package llama

/*
#cgo LDFLAGS: -L$out/lib -L$lib/lib -Wl,--wrap=ggml_compute_forward_flash_attn_ext -lrepartee_shim -Wl,--start-group $libs-lrepartee_shim -Wl,--end-group -lgomp -lstdc++ -lm -lpthread -ldl
*/
import "C"

// runMakeNativeFirst exists when the native part was built.
const runMakeNativeFirst = true

const nativeBuild = "$own"
GO
)
if [ "$(cat "$flags" 2>/dev/null)" != "$new" ]; then
  printf '%s\n' "$new" >"$flags"
  echo "native: wrote $flags" >&2
fi
