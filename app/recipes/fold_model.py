#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A U-Net whose first level is folded into channels, from one that has it.

    fold_model.py FROM TO [--plain-upsampling] [--style] [--thumbnail-with-references]

FROM is a model folder of limn (bf16 or f32). TO gets the same model without the level of the whole
picture: squares of 2 x 2 pixels become one place of 12 channels (pixel_unshuffle, docs/model.md). What
the levels below know is taken over as it is. What touches the level that went is made from it where
that can be done by algebra, and left out otherwise: limn train starts what a folder lacks anew.

- conv_in: the old one, the mean of 2 x 2 that followed it, and the shortcut into the next level, as
  one convolution over folded pixels.
- conv_thumbnail: the sums of its kernels, through the same shortcut.
- time_embedding.linear_1: its sinusoids are as many as the first level has channels, so it is fitted
  to the old one's answers at all timesteps, by least squares.
- Convolutions with more inputs than before: zeros for those.

Standard library only.
"""
import json
import math
import os
import random
import shutil
import struct
import sys

N = 2  # pixels a side that become one place


def read_tensors(path):
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, t in header.items():
        if name != "__metadata__":
            first, last = t["data_offsets"]
            tensors[name] = (t["dtype"], t["shape"], data[8 + size + first:8 + size + last])
    return tensors


def write_tensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, raw) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            f.write(tensors[name][2])


def numbers(tensor):
    dtype, _, raw = tensor
    if dtype == "F32":
        return list(struct.unpack("<%df" % (len(raw) // 4), raw))
    halves = struct.unpack("<%dH" % (len(raw) // 2), raw)
    return list(struct.unpack("<%df" % len(halves),
                              struct.pack("<%dI" % len(halves), *(h << 16 for h in halves))))


def tensor(shape, values):
    return ("F32", shape, struct.pack("<%df" % len(values), *values))


def sinusoids(channels, t, config):
    """As op_timestep_embed()."""
    half = channels // 2
    step = -math.log(10000) / (half - config.get("freq_shift", 0))
    angles = [t * math.exp(step * i) for i in range(half)]
    sin, cos = [math.sin(a) for a in angles], [math.cos(a) for a in angles]
    return cos + sin if config.get("flip_sin_to_cos", True) else sin + cos


def solve(a, b):
    """a (n,n) positive, b (n,m); Gauss."""
    n = len(a)
    rows = [ra + rb for ra, rb in zip(a, b)]
    for i in range(n):
        best = max(range(i, n), key=lambda k: abs(rows[k][i]))
        rows[i], rows[best] = rows[best], rows[i]
        inverse = 1 / rows[i][i]
        rows[i] = [x * inverse for x in rows[i]]
        for k in range(n):
            if k != i and rows[k][i]:
                f = rows[k][i]
                rows[k] = [x - f * y for x, y in zip(rows[k], rows[i])]
    return [r[n:] for r in rows]


def refit_time(old, config, before, after):
    """Weights of time_embedding.linear_1 for another number of sinusoids."""
    w = numbers(old)
    out = old[1][0]
    gram = [[0.0] * after for _ in range(after)]
    right = [[0.0] * before for _ in range(after)]
    for t in range(1000):
        x, y = sinusoids(after, t, config), sinusoids(before, t, config)
        for i, xi in enumerate(x):
            gram[i] = [g + xi * xk for g, xk in zip(gram[i], x)]
            right[i] = [r + xi * yk for r, yk in zip(right[i], y)]
    for i in range(after):
        gram[i][i] += 1e-2
    m = solve(gram, right)  # old sinusoids = m^T new sinusoids
    values = []
    for o in range(out):
        row = w[o * before:(o + 1) * before]
        values += [sum(r * mk for r, mk in zip(row, m[i])) for i in range(after)]
    return tensor([out, after], values)


def fold_conv_in(w, shortcut, out, middle):
    """(middle,3,3,3) at whole pixels, mean of 2 x 2, shortcut (out,middle) -> (out,12,3,3)."""
    pooled = [[[[0.0] * 6 for _ in range(6)] for _ in range(3)] for _ in range(middle)]
    for m in range(middle):
        for c in range(3):
            for ky in range(3):
                for kx in range(3):
                    v = w[((m * 3 + c) * 3 + ky) * 3 + kx] / 4
                    for dy in range(N):  # places of the square whose mean is taken
                        for dx in range(N):
                            pooled[m][c][N + dy + ky - 1][N + dx + kx - 1] += v
    noise = random.Random(1)
    values = []
    for o in range(out):
        for channel in range(12):  # (row, column, colour) inside the square
            row, column, c = channel // 6, channel // 3 % 2, channel % 3
            for ky in range(3):
                for kx in range(3):
                    v = sum(shortcut[o * middle + m] * pooled[m][c][N * ky + row][N * kx + column]
                            for m in range(middle))
                    values.append(v + noise.gauss(0, 0.5 / math.sqrt(3 * 12 * 9)))
    return tensor([out, 12, 3, 3], values)


def grow_inputs(old, count):
    """(out,in,k,k) or a vector, to `count` inputs: zeros, or ones for the gains of norms."""
    _, shape, _ = old
    values, inputs = numbers(old), shape[1]
    rest = shape[2] * shape[3]
    grown = []
    for o in range(shape[0]):
        grown += values[o * inputs * rest:(o + 1) * inputs * rest] + [0.0] * (count - inputs) * rest
    return tensor([shape[0], count] + shape[2:], grown)


def renamed(name, levels, plain):
    """The name in the folded model; None: it goes."""
    parts = name.split(".")
    if parts[0] in ("down_blocks", "context_positions"):
        level = int(parts[1]) - 1
        return None if level < 0 else ".".join([parts[0], str(level)] + parts[2:])
    if parts[0] == "up_blocks":
        last = int(parts[1]) == levels - 2  # now the first level: it is not doubled any more
        gone = int(parts[1]) == levels - 1 or (parts[2] == "upsamplers" and (plain or last))
        return None if gone else name
    return None if parts[0] in ("conv_in", "conv_thumbnail", "conv_out", "conv_norm_out") else name


def fold_tensors(old, config, plain):
    widths = config["block_out_channels"]
    before, after = widths[0], widths[1]
    new = {}
    for name, t in old.items():
        to = renamed(name, len(widths), plain)
        if to:
            new[to] = t
    shortcut = numbers(old["down_blocks.1.resnets.0.conv_shortcut.weight"])
    offset = numbers(old["down_blocks.1.resnets.0.conv_shortcut.bias"])
    through = lambda v: [sum(shortcut[o * before + m] * v[m] for m in range(before))
                         for o in range(after)]
    new["conv_in.weight"] = fold_conv_in(numbers(old["conv_in.weight"]), shortcut, after, before)
    new["conv_in.bias"] = tensor([after], [a + b for a, b in zip(
        through(numbers(old["conv_in.bias"])), offset)])
    if "conv_thumbnail.weight" in old:
        w = numbers(old["conv_thumbnail.weight"])
        sums = [[sum(w[(m * 3 + c) * 9:(m * 3 + c) * 9 + 9]) for m in range(before)]
                for c in range(3)]
        columns = [through(s) for s in sums]
        values = []
        for o in range(after):
            for c in range(3):
                values += [0.0] * 4 + [columns[c][o]] + [0.0] * 4
        new["conv_thumbnail.weight"] = tensor([after, 3, 3, 3], values)
        new["conv_thumbnail.bias"] = tensor(
            [after], through(numbers(old["conv_thumbnail.bias"])))
    new["time_embedding.linear_1.weight"] = refit_time(
        old["time_embedding.linear_1.weight"], config, before, after)
    # The first block has as many inputs as outputs now; the last one's skip comes from conv_in.
    first, last = "down_blocks.0.resnets.0", "up_blocks.%d.resnets.1" % (len(widths) - 2)
    for part in ("weight", "bias"):
        del new["%s.conv_shortcut.%s" % (first, part)]
        for block in (first, last):
            del new["%s.norm1.%s" % (block, part)]
    new[first + ".conv1.weight"] = grow_inputs(new[first + ".conv1.weight"], after)
    for conv in ("conv1", "conv_shortcut"):
        name = "%s.%s.weight" % (last, conv)
        new[name] = grow_inputs(new[name], 2 * after)
    return new


def fold_config(config, options):
    new = dict(config)
    new.setdefault("time_embedding_dim", 4 * config["block_out_channels"][0])
    new["block_out_channels"] = config["block_out_channels"][1:]
    new["down_block_types"] = config["down_block_types"][1:]
    new["up_block_types"] = config["up_block_types"][:-1]
    for key in ("layers_per_block", "attention_head_dim"):
        if isinstance(config.get(key), list):
            new[key] = config[key][1:]
    for key in ("context_levels", "style_levels"):
        if 0 in config.get(key, []):
            sys.exit("config.json: %s has the level that goes" % key)
        if key in config:
            new[key] = [level - 1 for level in config[key]]
    new["pixel_unshuffle"] = N
    if "--plain-upsampling" in options:
        new["plain_upsampling"] = True
    if "--style" in options:
        new.setdefault("style_levels", [0, 1])
    if "--thumbnail-with-references" in options:
        new.setdefault("text_thumbnail_size", 16)
        new["text_thumbnail_with_references"] = True
    return new


def main():
    options = {a for a in sys.argv[1:] if a.startswith("--")}
    known = {"--plain-upsampling", "--style", "--thumbnail-with-references"}
    folders = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(folders) != 2 or options - known:
        sys.exit(__doc__.split("\n\n")[1])
    source, target = folders
    with open(os.path.join(source, "unet/config.json"), encoding="utf-8") as f:
        config = json.load(f)
    if config.get("pixel_unshuffle", 1) != 1:
        sys.exit("%s is folded already" % source)
    shutil.copytree(source, target)
    with open(os.path.join(target, "unet/config.json"), "w", encoding="utf-8") as f:
        json.dump(fold_config(config, options), f, indent=1, sort_keys=True)
        f.write("\n")
    name = "unet/diffusion_pytorch_model.safetensors"
    old = read_tensors(os.path.join(source, name))
    write_tensors(os.path.join(target, name),
                  fold_tensors(old, config, "--plain-upsampling" in options))


if __name__ == "__main__":
    main()
