#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the SPIR-V of the shaders that use matrix units, and notes what it was made of and with
# (glslang 15.4 or newer for bf16, 13 for f16; spirv-val of the same year).
# make_matrix.sh --check: says whether the committed files are of these sources; with a compiler
# that knows matrices they are made again, and with the same version they must come out the same.
set -eu
cd "$(dirname "$0")"
names="gemm_matrix gemm_matrix_bf16 ceiling_matrix ceiling_matrix_bf16"
# Of what is compiled: without comments and spaces.
sources() {
  cat gemm_matrix.comp ceiling_matrix.comp head.glsl matrix.glsl product.glsl |
    sed 's://.*::' | tr -d ' \t\n' | sha256sum | cut -d' ' -f1
}
version() { glslangValidator --version 2>/dev/null | sed -n 's/^Glslang Version: //p'; }
compile() { # NAME OUTPUT
  macro=
  [ "$1" = "${1%_bf16}" ] || macro=-DBRAIN
  glslangValidator -V --target-env vulkan1.2 -I. $macro "${1%_bf16}.comp" -o "$2"
}
if [ "${1:-}" = --check ]; then
  read -r sum < matrix.made
  [ "$sum" = "$(sources)" ] || { echo "the SPIR-V is older than its sources: run make_matrix.sh"; exit 1; }
  out=$(mktemp)
  trap 'rm -f "$out"' EXIT
  for name in $names; do
    if ! compile $name "$out" >/dev/null 2>&1; then
      echo "$name: made of these sources; this compiler ($(version)) is too old to make it again"
      continue
    fi
    [ "$(sed -n 2p matrix.made)" != "$(version)" ] || cmp "$out" $name.spv
    spirv-val --target-env vulkan1.2 "$out"
    echo "$name: made of these sources"
  done
  exit 0
fi
for name in $names; do
  compile $name $name.spv
  spirv-val --target-env vulkan1.2 $name.spv
done
{ sources; version; } > matrix.made
