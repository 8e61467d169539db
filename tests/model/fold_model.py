#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""fold_model.py LIMN SOURCE: what app/recipes/fold_model.py says it does, on the shipped model.

The folded conv_in is the old one, the mean of 2 x 2 and the shortcut, computed here place by place; the
first layer of the time embedding answers as the old one does; every tensor that is taken over has its
bytes; and limn finds the folder whole but for what is said to start anew."""
import importlib.util
import json
import pathlib
import random
import subprocess
import sys
import tempfile

limn, source = sys.argv[1], pathlib.Path(sys.argv[2])
spec = importlib.util.spec_from_file_location('fold', source / 'app/recipes/fold_model.py')
fold = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fold)
shipped = source / 'app/models/limn-icons'
WEIGHTS = 'unet/diffusion_pytorch_model.safetensors'


def read(folder):
    return json.loads((folder / 'unet/config.json').read_text()), fold.read_tensors(folder / WEIGHTS)


def convolve(picture, w, bias, inputs, out, y, x):
    """3 x 3 at one place; picture[y][x][channel]."""
    return [bias[o] + sum(w[((o * inputs + c) * 3 + ky) * 3 + kx] * picture[y + ky - 1][x + kx - 1][c]
                          for c in range(inputs) for ky in range(3) for kx in range(3))
            for o in range(out)]


def check_conv_in(old, new, before, after):
    noise = random.Random(5)
    picture = [[[noise.gauss(0, 1) for _ in range(3)] for _ in range(8)] for _ in range(8)]
    w, b = fold.numbers(old['conv_in.weight']), fold.numbers(old['conv_in.bias'])
    s = fold.numbers(old['down_blocks.1.resnets.0.conv_shortcut.weight'])
    sb = fold.numbers(old['down_blocks.1.resnets.0.conv_shortcut.bias'])
    places = [convolve(picture, w, b, 3, before, y, x) for y in (4, 5) for x in (4, 5)]
    mean = [sum(p[m] for p in places) / 4 for m in range(before)]
    want = [sb[o] + sum(s[o * before + m] * mean[m] for m in range(before)) for o in range(after)]
    folded = [[[picture[2 * y + i // 6][2 * x + i // 3 % 2][i % 3] for i in range(12)]
               for x in range(4)] for y in range(4)]
    grain = fold.fold_conv_in([0.0] * len(w), s, after, before)  # the noise it adds, alone
    exact = [a - g for a, g in zip(fold.numbers(new['conv_in.weight']), fold.numbers(grain))]
    got = convolve(folded, exact, fold.numbers(new['conv_in.bias']), 12, after, 2, 2)
    assert max(abs(a - b) for a, b in zip(got, want)) < 1e-4, (got[:4], want[:4])


def check_time(old, new, config, before, after):
    name = 'time_embedding.linear_1.weight'
    w, v = fold.numbers(old[name]), fold.numbers(new[name])
    away = size = 0
    for t in range(7, 1000, 31):
        x, y = fold.sinusoids(before, t, config), fold.sinusoids(after, t, config)
        for o in range(old[name][1][0]):
            a = sum(p * q for p, q in zip(w[o * before:(o + 1) * before], x))
            b = sum(p * q for p, q in zip(v[o * after:(o + 1) * after], y))
            away, size = away + (a - b) ** 2, size + a * a
    assert away < 0.1 * size, (away, size)


with tempfile.TemporaryDirectory() as work:
    to = pathlib.Path(work) / 'folded'
    subprocess.run([sys.executable, source / 'app/recipes/fold_model.py', shipped, to, '--plain-upsampling',
                    '--style', '--thumbnail-with-references'], check=True)
    config, old = read(shipped)
    folded, new = read(to)
    before, after = config['block_out_channels'][:2]
    assert folded['block_out_channels'] == config['block_out_channels'][1:]
    assert folded['pixel_unshuffle'] == 2 and folded['style_levels'] == [0, 1]
    check_conv_in(old, new, before, after)
    check_time(old, new, config, before, after)
    levels, kept = len(config['block_out_channels']), 0
    for name, tensor in old.items():
        same = fold.renamed(name, levels, True)
        if same in new and new[same][1] == tensor[1] and same != 'time_embedding.linear_1.weight':
            assert new[same] == tensor, name
            kept += 1
    assert kept > 0.6 * len(old), kept
    said = subprocess.run([limn, 'models', 'check', to], capture_output=True, text=True).stdout
    missing = [line.split('unet/')[1] for line in said.splitlines() if 'missing: unet/' in line]
    wrong = [line for line in said.splitlines() if 'surplus' in line or 'shape' in line]
    anew = ('style_embedding', 'text_thumbnail', 'conv_thumbnail', 'conv_norm_out', 'conv_out',
            'down_blocks.0.resnets.0.norm1', 'up_blocks.2.resnets.1.norm1')
    assert missing and not wrong and all(m.startswith(anew) for m in missing), said
    again = subprocess.run([sys.executable, source / 'app/recipes/fold_model.py', to, to / 'x'],
                           capture_output=True, text=True)
    assert again.returncode and 'is folded already' in again.stderr, again
