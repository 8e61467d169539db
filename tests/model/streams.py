#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A FLUX.2 of 170 MB of random weights that stay in their file: the same picture, less memory, no more than was
# planned, and, where control groups can be made, drawn in one that has no room for the weights. streams.py LIMN SOURCE
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import GOLDEN, LIMN, check, environment, run, safetensors, skip, work

HOME = pathlib.Path(work.name)
WIDTH, MLP, BLOCKS, CHANNELS, TEXT = 512, 32, 3, 16, 72
CONFIG = f'''{{"_class_name": "Flux2Transformer2DModel", "in_channels": {CHANNELS}, "num_layers": 0,
"num_single_layers": {BLOCKS}, "attention_head_dim": 128, "num_attention_heads": {WIDTH // 128}, "mlp_ratio": {MLP},
"joint_attention_dim": {TEXT}, "timestep_guidance_channels": 32, "guidance_embeds": false}}'''
MODEL = HOME / 'flux2'
WEIGHTS = MODEL / 'transformer/diffusion_pytorch_model.safetensors'
env = environment(HOME / 'home')
env.pop('MALLOC_PERTURB_', None)  # it takes memory that nobody has asked for


def shapes():
    w, mlp = WIDTH, WIDTH * MLP
    yield 'x_embedder', (w, CHANNELS)
    yield 'context_embedder', (w, TEXT)
    yield 'time_guidance_embed.timestep_embedder.linear_1', (w, 32)
    yield 'time_guidance_embed.timestep_embedder.linear_2', (w, w)
    for name, times in (('double_stream_modulation_img', 6), ('double_stream_modulation_txt', 6),
                        ('single_stream_modulation', 3), ('norm_out', 2)):
        yield f'{name}.linear', (times * w, w)
    for i in range(BLOCKS):
        yield f'single_transformer_blocks.{i}.attn.to_qkv_mlp_proj', (3 * w + 2 * mlp, w)
        yield f'single_transformer_blocks.{i}.attn.to_out', (w, w + mlp)
        yield f'single_transformer_blocks.{i}.attn.norm_q', (128,)
        yield f'single_transformer_blocks.{i}.attn.norm_k', (128,)
    yield 'proj_out', (CHANNELS, w)


def numbers(count):
    """bf16 of about one hundredth and either sign."""
    data = bytearray(2 * count)
    data[0::2] = random.randbytes(count)
    data[1::2] = random.randbytes(count).translate(bytes(0x3c if b < 128 else 0xbc for b in range(256)))
    return bytes(data)


def make():
    random.seed(1)
    shutil.copytree(GOLDEN / 'flux2', MODEL, ignore=lambda folder, names: ['transformer'] if 'transformer' in names
                    else [])
    (MODEL / 'transformer').mkdir()
    (MODEL / 'transformer/config.json').write_text(CONFIG)
    tensors = {}
    for name, shape in shapes():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        tensors[f'{name}.weight'] = 'BF16', shape, numbers(count)
    safetensors(WEIGHTS, tensors)


def make_apart():
    """In a process of its own: what it takes would count as the most that limn takes, which begins as a copy of us."""
    child = os.fork()
    if not child:
        make()
        os._exit(0)
    check(os.waitpid(child, 0)[1] == 0, 'the model is made')
    return WEIGHTS.stat().st_size


def draw(out, *more, before=None):
    """The picture's bytes, what it said, and the most memory of one process."""
    p = subprocess.Popen([LIMN, 'instruct', 'a fox', '--no-library', '--model', MODEL, '--size', '64x64', '--steps', '2',
                          '--seed', '3', '--device', 'cpu', '-o', HOME / out, *more], env=env, text=True,
                         stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                         preexec_fn=before)
    said = p.stderr.read()
    _, status, used = os.wait4(p.pid, 0)
    check(status == 0, f'{out}: drawn', said)
    return (HOME / out).read_bytes() if status == 0 else b'', said, used.ru_maxrss * 1024


def planned(said):
    """Bytes: at the most, at the least."""
    found = re.search(r'up to ([\d.]+) (GB|MB) of memory for this, ([\d.]+) (GB|MB) at the least', said)
    check(found, 'what it takes is said', said)
    size = {'GB': 1e9, 'MB': 1e6}
    return (float(found[1]) * size[found[2]], float(found[3]) * size[found[4]]) if found else (0, 0)


def the_same_with_less():
    global weights, picture, limit
    weights = make_apart()
    picture, said, peak = draw('all.png')
    most, whole = planned(said)
    check(weights < peak <= 1.05 * most, f'{peak} bytes taken of {most} planned')
    other, said, peak = draw('streamed.png', '--offload')
    most, least = planned(said)
    print(f'{weights} bytes of weights: {peak} taken, {most} planned', flush=True)
    check(other == picture, 'streamed weights draw the same picture')
    check(peak <= 1.05 * most, f'streamed: {peak} bytes taken of {most} planned')
    check(peak >= 0.7 * most, f'streamed: {peak} bytes taken of {most} planned, which is too much')
    limit = (least + whole) / 2  # too little for the weights


def group_of(limit):
    """A control group with this limit, and the file that takes processes; None: none can be made here."""
    own = next((line[3:].strip() for line in open('/proc/self/cgroup') if line.startswith('0::')), '/')
    for parent, name in ((pathlib.Path('/sys/fs/cgroup/memory'), 'memory.limit_in_bytes'),
                         (pathlib.Path('/sys/fs/cgroup' + own), 'memory.max')):
        group = parent / f'limn-test-{os.getpid()}'
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / name).write_text(str(int(limit)))
            return group
        except OSError:
            group.rmdir()
    return None


def without_room_for_the_weights():
    group = group_of(limit)
    if not group:
        return skip('no control group can be made here')
    try:
        other, said, peak = draw('group.png', before=lambda: (group / 'cgroup.procs').write_text(str(os.getpid())))
    finally:
        group.rmdir()
    check('stays in its file' in said, 'it is said that weights stay in their file', said)
    check(other == picture, 'the picture is the same')
    print(f'in a group of {limit:.0f} bytes: {peak} taken', flush=True)


run([the_same_with_less, without_room_for_the_weights])
