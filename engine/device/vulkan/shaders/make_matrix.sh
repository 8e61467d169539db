#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes gemm_matrix.spv and notes what it was made of and with (glslang 13 or newer, spirv-val).
# make_matrix.sh --check: says whether the committed file is of these sources.
set -eu
cd "$(dirname "$0")"
sources() { cat gemm_matrix.comp head.glsl product.glsl | sha256sum | cut -d' ' -f1; }
version() { glslangValidator --version 2>/dev/null | sed -n 's/^Glslang Version: //p'; }
if [ "${1:-}" = --check ]; then
  read -r sum < gemm_matrix.made
  [ "$sum" = "$(sources)" ] || { echo "gemm_matrix.spv is older than its sources: run make_matrix.sh"; exit 1; }
  out=$(mktemp)
  trap 'rm -f "$out"' EXIT
  if ! glslangValidator -V --target-env vulkan1.2 -I. gemm_matrix.comp -o "$out" >/dev/null 2>&1; then
    echo "made of these sources; this compiler ($(version)) is too old to make it again"
    exit 0
  fi
  spirv-val --target-env vulkan1.2 "$out"
  if [ "$(sed -n 2p gemm_matrix.made)" = "$(version)" ]; then
    cmp "$out" gemm_matrix.spv
  fi
  echo "made of these sources"
  exit 0
fi
glslangValidator -V --target-env vulkan1.2 -I. gemm_matrix.comp -o gemm_matrix.spv
spirv-val --target-env vulkan1.2 gemm_matrix.spv
{ sources; version; } > gemm_matrix.made
