#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Gives a model of the family limn that draws RGB a fourth channel, alpha: add_alpha.py MODEL OUT

OUT draws the same pictures as MODEL does, and nothing in their alpha until it has been trained (docs/training.md): new
weights of conv_in are zero, and those of conv_out too. A second pass stays as it is.
"""
import json
import shutil
import struct
import sys
from pathlib import Path


def read(path):
    """name: (dtype, shape, bytes), and the metadata."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + size])
    about = head.pop("__metadata__", {})
    at = 8 + size
    return {k: (v["dtype"], v["shape"], data[at + v["data_offsets"][0]:at + v["data_offsets"][1]])
            for k, v in head.items()}, about


def write(path, tensors, about):
    head, body = {"__metadata__": about}, b""
    for name, (dtype, shape, data) in tensors.items():
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def spread(data, width, groups, inner):
    """Rows of `width` bytes, in each of `groups` blocks of three; a row of zeros goes behind each block."""
    outer = len(data) // (groups * 3 * width * inner)
    rows = [data[i:i + 3 * width * inner] for i in range(0, len(data), 3 * width * inner)]
    assert len(rows) == outer * groups
    return b"".join(row + bytes(width * inner) for row in rows)


def grow(folder):
    """conv_in and conv_out of the U-Net in `folder`: channels lie innermost, below the squares of pixel_unshuffle."""
    config = json.loads((folder / "config.json").read_text())
    fold = config.get("pixel_unshuffle", 1) ** 2
    if config["in_channels"] != 3 or config["out_channels"] != 3:
        sys.exit(f"{folder}: draws no RGB")
    path = folder / "diffusion_pytorch_model.safetensors"
    tensors, about = read(path)
    for name, axis, groups in (("conv_in.weight", 1, fold), ("conv_out.weight", 0, fold),
                               ("conv_out.bias", 0, fold)):
        dtype, shape, data = tensors[name]
        rest = 1
        for n in shape[axis + 1:]:
            rest *= n
        item = len(data) // (rest * shape[axis] * (shape[0] if axis else 1))
        assert shape[axis] == 3 * groups, (name, shape)
        shape = shape[:axis] + [4 * groups] + shape[axis + 1:]
        tensors[name] = dtype, shape, spread(data, item, groups, rest)
    write(path, tensors, about)
    config["in_channels"] = config["out_channels"] = 4
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model, out = Path(sys.argv[1]), Path(sys.argv[2])
    shutil.copytree(model, out, ignore=shutil.ignore_patterns("index.db"))
    grow(out / "unet")


main()
