#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Times U-Net steps of IF-I-M's and IF-I-XL's size on a Vulkan device, and PyTorch's beside them where
# it is installed. Arguments: device (vulkan), limn (the program), then options for `limn bench`.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
device=${1:-vulkan} limn=${2:-$here/../../build/app/limn}
shift $(($# < 2 ? $# : 2))
for size in if-i-m if-i-xl; do
  for dtype in f16 bf16; do
    echo "== $size, batch 2, $dtype, $device"
    "$limn" bench step --device "$device" --size "$size" --dtype "$dtype" --batch 2 --text-tokens 77 \
      --forward "$@" || true
  done
done
python=${PYTHON:-python3}
if "$python" -c 'import torch, diffusers' 2>/dev/null; then
  for size in if-i-m if-i-xl; do
    for how in "" --compile; do
      "$python" "$here/../reference/speed.py" --size "$size" --device cuda --dtype float16 $how || true
    done
  done
else
  echo "PyTorch and diffusers are not installed here: no comparison"
fi
