#!/usr/bin/env bash
# Proves the project on a machine with an NVIDIA GPU and no network, in less than
# nine minutes, and writes gpu-check.md and gpu-check.json.
#
#   gpucheck.sh pack     puts what such a machine lacks into gpu-pack/, at most 60 MiB
#   gpucheck.sh run      runs the check: from gpu-pack/ where that lies, else from bin/cuda
#
# DRY=1      the same over the stand-in GPU, with thinned models, on any machine
# OUT        folder of the report, default the current one
# HAVE       folder with larger parts: voices (*.onnx and what is beside them), onnxruntime-gpu/
# WORK       folder for what is unpacked and made, default $TMPDIR/repartee-gpu; used again
# LIMIT      longest time for the check itself, default 8m
# ONLY       steps to run, e.g. chat,plan
# CUDA_ARCHS as for cuda.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
say() { echo "gpu-check: $*" >&2; }

# tests puts test programs with their testdata into a folder.
tests() {
  local to=$1 package
  for package in gpu inference/llama; do
    local name
    name=$(basename "$package")
    mkdir -p "$to/$name"
    go test -c -tags=nolibopusfile,modular -ldflags "-s -w" -o "$to/$name/$name.test" "./$package"
    if [ -d "$package/testdata" ]; then cp -r "$package/testdata" "$to/$name/"; fi
  done
}

pack() {
  local cache src kit=gpu-pack
  cache=$(third_party/where.sh)
  src=$cache/llama.cpp/0c1e57098b
  [ -e bin/cuda/bin/repartee ] || third_party/cuda.sh all
  stage=$(mktemp -d)
  trap 'rm -rf "$stage"' EXIT
  cp -a bin/cuda/. "$stage/"
  strip "$stage/bin/repartee"
  tests "$stage/tests"
  # Libraries that a bare machine lacks.
  local lib
  for lib in libmp3lame.so.0 libopus.so.0 libgomp.so.1; do
    cp -L "$(ldconfig -p | awk -v l="$lib" '$1 == l { print $NF; exit }')" "$stage/lib/repartee/"
  done
  mkdir -p "$stage/lib/repartee/llama.cpp/models"
  cp "$src"/models/ggml-vocab-{phi-3,llama-bpe,qwen2}.gguf "$stage/lib/repartee/llama.cpp/models/"
  cp -r "$cache"/espeak-ng/1.52/. "$stage/lib/repartee/"
  rm -rf "$kit"
  mkdir "$kit"
  say "packing the program, its tests and three vocabularies"
  mv "$stage/lib/repartee/cuda/libggml-cuda.so" "$stage/module.so"
  tar -C "$stage" -c bin tests lib | xz -9 >"$kit/program.tar.xz"
  say "packing the CUDA module and the sources that make it"
  xz -T0 -6 -c "$stage/module.so" >"$kit/libggml-cuda.so.xz"
  tar -C "$src/ggml" -c CMakeLists.txt cmake include src/CMakeLists.txt $(cd "$src/ggml" && ls -d src/*.c src/*.cpp src/*.h src/*.in src/ggml-cpu/*.h src/ggml-cuda) | xz -T0 -6 >"$kit/ggml.tar.xz"
  say "$(du -sm "$kit" | cut -f1) MiB in $kit; git ignores it: carry it beside the checkout"
  if [ "$(du -sm "$kit" | cut -f1)" -gt 60 ]; then
    say "more than 60 MiB: leave processor variants out (CPU_VARIANTS) or compile for one card (CUDA_ARCHS)"
    exit 1
  fi
}

# home prints the folder of the program to check, unpacking or building it.
home() {
  local work=$1
  if [ "${DRY:-}" ] && [ ! -d gpu-pack ]; then
    third_party/cuda.sh standin >&2
    [ -d bin/standin/tests ] || tests bin/standin/tests
    echo "$root/bin/standin"
    return
  fi
  if [ ! -d gpu-pack ]; then
    [ -e bin/cuda/bin/repartee ] || third_party/cuda.sh all >&2
    [ -d bin/cuda/tests ] || tests bin/cuda/tests
    echo "$root/bin/cuda"
    return
  fi
  local to=$work/program${DRY:+-dry} # the stand-in is never taken for a card
  if [ ! -e "$to/ok" ] || [ gpu-pack/program.tar.xz -nt "$to/ok" ]; then
    rm -rf "$to"
    mkdir -p "$to"
    unxz gpu-pack/program.tar.xz | tar -C "$to" -x
    local module=$to/lib/repartee/cuda/libggml-cuda.so
    mkdir -p "$(dirname "$module")"
    if [ "${DRY:-}" ]; then
      standin "$to"
    elif [ "${COMPILE:-}" ] || [ ! -e gpu-pack/libggml-cuda.so.xz ]; then
      module "$work" "$module"
    else
      unxz gpu-pack/libggml-cuda.so.xz >"$module"
    fi
    touch "$to/ok"
  fi
  echo "$to"
}

# unxz prints a file; a machine without xz has Python.
unxz() {
  if command -v xz >/dev/null; then
    xz -dc "$1"
  else
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' "$1"
  fi
}

# module compiles the CUDA module from the packed sources for the card that is here.
module() {
  local work=$1 to=$2 archs
  archs=${CUDA_ARCHS:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | tr -d . | sort -un | paste -sd';')}
  say "compiling the CUDA module for $archs (three minutes on sixteen cores)"
  mkdir -p "$work/ggml"
  unxz gpu-pack/ggml.tar.xz | tar -C "$work/ggml" -x
  cmake -S third_party/cuda -B "$work/o" -G Ninja -DSTAGE=module -DLLAMA_SRC="$work/ggml" -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CUDA_ARCHITECTURES=$archs" >&2
  ninja -C "$work/o" ggml-cuda >&2
  cp "$work/o/bin/libggml-cuda.so" "$to"
}

# standin puts the stand-in into an unpacked program, for a dry run of the pack.
standin() {
  local to=$1
  [ -d bin/standin ] || { say "a dry run of the pack needs bin/standin: third_party/cuda.sh standin"; exit 1; }
  cp bin/standin/lib/repartee/cuda/libggml-cuda.so "$to/lib/repartee/cuda/"
  cp -r bin/standin/driver "$to/"
}

run() {
  local work=${WORK:-${TMPDIR:-/tmp}/repartee-gpu} at args=()
  mkdir -p "$work"
  at=$(home "$work")
  # A program without its toolchain has its libraries beside it.
  export LD_LIBRARY_PATH=$at/lib/repartee${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  if [ "${DRY:-}" ]; then args+=(--dry); fi
  if [ "${HAVE:-}" ]; then args+=(--have "$HAVE"); fi
  if [ "${ONLY:-}" ]; then args+=(--only "$ONLY"); fi
  exec "$at/bin/repartee" bench gpu --out "${OUT:-.}" --work "$work/models" --limit "${LIMIT:-8m}" "${args[@]}"
}

case "${1:-run}" in
pack) pack ;;
run) run ;;
*) say "pack or run"; exit 2 ;;
esac
