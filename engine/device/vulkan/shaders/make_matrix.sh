#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes gemm_matrix.spv and gemm_matrix_bf16.spv and notes what they were made of and with (glslang 15.4
# or newer for bf16, 13 for f16; spirv-val of the same year).
# make_matrix.sh --check: says whether the committed files are of these sources; with a compiler that
# knows matrices they are made again, and with the same version they must come out the same.
set -eu
cd "$(dirname "$0")"
sources() { cat gemm_matrix.comp head.glsl product.glsl | sha256sum | cut -d' ' -f1; }
version() { glslangValidator --version 2>/dev/null | sed -n 's/^Glslang Version: //p'; }
compile() { # NAME OUTPUT
  macro=
  [ "$1" = gemm_matrix ] || macro=-DBRAIN
  glslangValidator -V --target-env vulkan1.2 -I. $macro gemm_matrix.comp -o "$2"
}
if [ "${1:-}" = --check ]; then
  read -r sum < gemm_matrix.made
  [ "$sum" = "$(sources)" ] || { echo "gemm_matrix.spv is older than its sources: run make_matrix.sh"; exit 1; }
  out=$(mktemp)
  trap 'rm -f "$out"' EXIT
  for name in gemm_matrix gemm_matrix_bf16; do
    if ! compile $name "$out" >/dev/null 2>&1; then
      echo "$name: made of these sources; this compiler ($(version)) is too old to make it again"
      continue
    fi
    [ "$(sed -n 2p gemm_matrix.made)" != "$(version)" ] || cmp "$out" $name.spv
    spirv-val --target-env vulkan1.2 "$out"
    echo "$name: made of these sources"
  done
  exit 0
fi
for name in gemm_matrix gemm_matrix_bf16; do
  compile $name $name.spv
  spirv-val --target-env vulkan1.2 $name.spv
done
{ sources; version; } > gemm_matrix.made
