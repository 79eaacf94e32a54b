#!/usr/bin/env bash
# Builds the CUDA flavour into the cache, once for every combination of pins,
# sources, architectures and compiler, and puts a program that runs by itself
# into bin/cuda. A build that is cut off goes on where it stopped.
#
#   cuda.sh [module|llama|own|all|standin|keys]
#
# keys prints where the module and the rest of llama.cpp are cached, as far as their
# sources decide it (without the version of nvcc).
# standin makes bin/standin: the same program with a stand-in in the place of the
# GPU, its driver and CUDA's libraries, for tests on machines without one.
#
# CUDA_ARCHS    compute capabilities, e.g. "90" or "86;90": default the GPU found,
#               else the common ones
# CUDA_HOME     an installed toolkit of CUDA 13; else nvcc in PATH, /usr/local/cuda,
#               else the pinned packages ("fetch.py cuda")
# CPU_VARIANTS  processor variants to bring along
# JOBS          compilers at a time
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=$("$root/third_party/where.sh")
src=${LLAMA_SOURCE:-$cache/llama.cpp/0c1e57098b}
jobs=${JOBS:-$(nproc)}
variants=${CPU_VARIANTS:-x64 sse42 haswell skylakex icelake zen4 alderlake sapphirerapids}
want=${1:-all}
cd "$root"
say() { echo "cuda: $*" >&2; }
hash_of() { sha256sum | cut -c1-16; }

# toolkit prints the root of a CUDA 13 toolkit, making one of the packages where
# none is installed.
toolkit() {
  local found
  for found in "${CUDA_HOME:-}" "$(dirname "$(dirname "$(command -v nvcc || echo /none/bin/nvcc)")")" /usr/local/cuda /usr/local/cuda-13*; do
    if [ -x "$found/bin/nvcc" ] && "$found/bin/nvcc" --version | grep -q 'release 13\.'; then
      echo "$found"
      return
    fi
  done
  third_party/fetch.py cuda >&2
  local kit=$cache/cuda/13.0/cu13
  chmod +x "$kit"/bin/* "$kit"/nvvm/bin/*
  local so name
  for so in "$kit"/lib/*.so.*; do
    name=$(basename "$so")
    ln -sfn "$name" "$kit/lib/${name%%.so.*}.so"
  done
  ln -sfn lib "$kit/lib64"
  mkdir -p "$kit/lib/stubs"
  if [ ! -e "$kit/lib/stubs/libcuda.so" ] || [ third_party/cuda/stub.c -nt "$kit/lib/stubs/libcuda.so" ]; then
    cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$kit/lib/stubs/libcuda.so" third_party/cuda/stub.c
  fi
  echo "$kit"
}

# architectures prints what to compile for: the GPUs that are here, else those
# that are common, the oldest as PTX for those between.
architectures() {
  local here
  here=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | sort -un | paste -sd';' || true)
  echo "${here:-75-virtual;80-virtual;86-real;89-real;90-real;120a-real}"
}

if [ "$want" = standin ] || [ "$want" = llama ] || [ "$want" = keys ]; then
  kit=/none # neither needs a compiler for CUDA
else
  kit=$(toolkit)
fi
archs=${CUDA_ARCHS:-$(architectures)}
nvcc=$("$kit/bin/nvcc" --version 2>/dev/null | grep -o 'V13[0-9.]*' || true)
ggml=$(cd "$src/ggml" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | hash_of)
# The processor's kernels are no part of the CUDA module: a patch to them does not
# compile it again.
cuda=$(cd "$src/ggml" && find . -path ./src/ggml-cpu -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | hash_of)
module=$cache/native/cuda-module-$( { echo "$cuda $archs $nvcc"; g++ -dumpfullversion; cat third_party/cuda/*; } | hash_of)
llama=$cache/native/cuda-llama-$( { echo "$ggml $variants"; g++ -dumpfullversion; cat third_party/cuda/* third_party/locks/llama.cpp.lock; cat third_party/patches/llama.cpp-*.patch 2>/dev/null || true; } | hash_of)
if [ "$want" = keys ]; then
  echo "module $(basename "$module")"
  echo "llama $(basename "$llama")"
  exit
fi
export PATH=$kit/bin:$PATH

mkdir -p "$cache/native"
# alone STAGE waits until no other build of the stage runs.
alone() {
  exec 8>"$cache/native/.cuda-$1-lock"
  flock -n 8 || { say "waiting for another build of $1 to end"; flock 8; }
}

# compile STAGE BUILD SOURCE TARGETS… configures once and goes on from there.
compile() {
  local stage=$1 build=$2 source=$3
  shift 3
  # The stage's sources are kept beside its objects: a fetch of the same text
  # gives every file a new date, and ninja would begin again.
  if [ ! -e "$build/src/ok" ]; then
    rm -rf "$build/src"
    mkdir -p "$build"
    cp -a "$source" "$build/src"
    touch "$build/src/ok"
  fi
  if [ ! -e "$build/o/build.ninja" ]; then
    local cuda=()
    [ "$stage" = module ] && cuda=("-DCMAKE_CUDA_ARCHITECTURES=$archs" "-DCMAKE_CUDA_COMPILER=$kit/bin/nvcc" "-DCUDAToolkit_ROOT=$kit"
      "-DCMAKE_SHARED_LINKER_FLAGS=-L$kit/lib/stubs" "-DCMAKE_MODULE_LINKER_FLAGS=-L$kit/lib/stubs")
    cmake -S third_party/cuda -B "$build/o" -G Ninja -DSTAGE="$stage" -DLLAMA_SRC="$build/src" -DCMAKE_BUILD_TYPE=Release "${cuda[@]}" >"$build/configure.log" 2>&1 ||
      { tail -n 20 "$build/configure.log" >&2; rm -f "$build/o/build.ninja"; exit 1; }
  fi
  if ! ninja -C "$build/o" -j "$jobs" "$@" 2>&1 | tee -a "$build/ninja.log" |
    awk '/^\[[0-9]+\// && (++n % 10 == 0) { print substr($0, 1, 110); fflush() }' >&2; then
    grep -E 'FAILED|error:' "$build/ninja.log" | tail -n 20 >&2
    exit 1
  fi
}

# keep BUILD TARGET FILES… moves what was built to its place and throws the rest
# away.
keep() {
  local build=$1 target=$2
  shift 2
  rm -rf "$target.new"
  mkdir -p "$target.new"
  local file
  for file in "$@"; do
    cp -P "$build/o/bin/"$file "$target.new/"
  done
  find "$target.new" -type f -exec strip --strip-unneeded {} +
  touch "$target.new/ok"
  rm -rf "$target"
  mv "$target.new" "$target"
  rm -rf "$build"
}

if [ "$want" = module ] || [ "$want" = all ]; then
  alone module
  if [ ! -e "$module/ok" ]; then
    say "ggml's CUDA backend for $archs with nvcc $nvcc (38 processor minutes an architecture, once) -> $module"
    compile module "$cache/native/.build-$(basename "$module")" "$src/ggml" ggml-cuda
    keep "$cache/native/.build-$(basename "$module")" "$module" 'libggml-cuda.so*'
  fi
fi
if [ "$want" = llama ] || [ "$want" = all ] || [ "$want" = standin ]; then
  alone llama
  if [ ! -e "$llama/ok" ]; then
    say "llama.cpp as shared libraries, processors $variants -> $llama"
    compile llama "$cache/native/.build-$(basename "$llama")" "$src" llama llama-common $(printf 'ggml-cpu-%s ' $variants) llama-server llama-bench
    keep "$cache/native/.build-$(basename "$llama")" "$llama" 'lib*.so*' llama-server llama-bench
  fi
fi

# program FOLDER puts the program over the shared libraries into FOLDER.
program() {
  local dir=$1
  alone own
  # The shim is the same; what it is linked to is not.
  third_party/native.sh
  # What "current" points to may be another checkout's by now.
  local own flags=inference/llama/native_flags_modular.go
  own=$(sed -n 's|^#cgo LDFLAGS: -L\([^ ]*\)/lib .*|\1|p' inference/llama/native_flags.go)
  cat >"$flags.new" <<GO
//go:build cgo && modular

// Written by "make cuda": the shim over shared libraries, which lie in
// lib/repartee beside the program's folder.

package llama

/*
#cgo LDFLAGS: -L$own/lib -L$llama -lrepartee_shim -lllama-common -lllama -lggml -lggml-base -lstdc++ -lm -lpthread -ldl -Wl,-rpath,\$ORIGIN/../lib/repartee -Wl,-rpath-link,$llama
*/
import "C"

// runMakeNativeFirst exists when the native part was built.
const runMakeNativeFirst = true

const nativeBuild = "$(basename "$(readlink -f "$own")")"
GO
  cmp -s "$flags.new" "$flags" && rm "$flags.new" || mv "$flags.new" "$flags"

  say "$dir"
  rm -rf "$dir.new"
  mkdir -p "$dir.new/bin" "$dir.new/lib/repartee/cuda"
  cp -P "$llama"/lib*.so* "$dir.new/lib/repartee/"
  cp "$llama"/llama-server "$llama"/llama-bench "$dir.new/lib/repartee/"
  go build -tags=nolibopusfile,modular -ldflags "-X repartee/cmd.Version=${VERSION:-0.1.0-dev}+cuda" -o "$dir.new/bin/repartee" .
  install -m 755 "$own/bin/repartee-phonemize" "$dir.new/bin/repartee-phonemize"
}

if [ "$want" = own ] || [ "$want" = all ]; then
  program bin/cuda
  cp "$module/libggml-cuda.so" bin/cuda.new/lib/repartee/cuda/
  rm -rf bin/cuda
  mv bin/cuda.new bin/cuda
fi

if [ "$want" = standin ]; then
  program bin/standin
  to=bin/standin.new/lib/repartee/cuda
  cc -shared -fPIC -O2 -Wl,-soname,libggml-cuda.so -DGGML_BACKEND_DL -DGGML_BACKEND_SHARED -DGGML_BACKEND_BUILD -I"$src/ggml/include" -I"$src/ggml/src" \
    -o "$to/libggml-cuda.so" gpu/testdata/card.c -L"$llama" -lggml -lggml-base
  # The driver's library, and empty ones in the place of CUDA's.
  mkdir bin/standin.new/driver
  cc -shared -fPIC -w -o bin/standin.new/driver/libnvidia-ml.so.1 gpu/testdata/nvml.c
  for name in libcuda.so.1 libcudart.so.13 libcublasLt.so.13 libcublas.so.13 libcurand.so.10 libcudnn.so.9; do
    cc -shared -fPIC -x c /dev/null -o "bin/standin.new/driver/$name" -Wl,-soname,"$name"
  done
  rm -rf bin/standin
  mv bin/standin.new bin/standin
fi
