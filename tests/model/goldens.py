#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Goldens that are spoilt: limn models check says what is wrong, or that the numbers differ; and goldens that other
writers make otherwise.
usage: goldens.py LIMN SOURCE"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

limn, source = sys.argv[1], pathlib.Path(sys.argv[2])
golden = source / 'tests/reference/golden'


class Golden:
    """A safetensors file: {name: [type, shape, bytes]} and its metadata."""

    def __init__(self, path):
        data = path.read_bytes()
        size = struct.unpack('<Q', data[:8])[0]
        header = json.loads(data[8:8 + size])
        self.metadata = header.pop('__metadata__')
        self.tensors = {k: [v['dtype'], v['shape'], data[8 + size:][slice(*v['data_offsets'])]]
                        for k, v in header.items()}

    def write(self, path):
        header, body = {'__metadata__': self.metadata}, b''
        for name, (dtype, shape, data) in self.tensors.items():
            header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(body), len(body) + len(data)]}
            body += data
        text = json.dumps(header).encode()
        text += b' ' * (-len(text) % 8)
        path.write_bytes(struct.pack('<Q', len(text)) + text + body)

    def floats(self, name, change):
        dtype, shape, data = self.tensors[name]
        n = len(data) // 4
        self.tensors[name] = ['F32', shape, struct.pack(f'<{n}f', *map(change, struct.unpack(f'<{n}f', data)))]

    def ids(self, name, change, dtype='F32'):
        was, shape, data = self.tensors[name]
        letters = {'F32': 'f', 'I32': 'i', 'I64': 'q'}
        n = len(data) // struct.calcsize(f'<{letters[was]}')
        letter, values = letters[dtype], map(change, struct.unpack(f'<{n}{letters[was]}', data))
        self.tensors[name] = [dtype, shape, struct.pack(f'<{n}{letter}', *values)]

    def narrowed(self, name):
        """bf16 by rounding half to even."""
        _, shape, data = self.tensors[name]
        words = struct.unpack(f'<{len(data) // 4}I', data)
        self.tensors[name] = ['BF16', shape, struct.pack(f'<{len(words)}H',
                                                         *((w + 0x7fff + (w >> 16 & 1)) >> 16 for w in words))]

    def without(self, *keys):
        for key in keys:
            self.metadata.pop(key)

    def renumbered(self, change):
        """References under other numbers."""
        self.tensors = {f'references.{change(int(k[11:]))}' if k.startswith('references.') else k: v
                        for k, v in self.tensors.items()}

    def shape(self, name, change):
        self.tensors[name][1] = change(self.tensors[name][1])


# (folder, golden, what is done to it, exit code, words that must be there)
CASES = [
    ('flux2-last', 'transformer', lambda g: g.floats('output', lambda v: v + 0.01), 1, 'ABOVE'),
    ('flux2-last', 'transformer', lambda g: g.shape('output', lambda s: [s[0] * s[1], s[2]]), 2, "the model's answer"),
    ('flux2-last', 'transformer', lambda g: g.ids('img_ids', lambda v: v + 0.25), 2, "'img_ids' has a 0.25, where a whole"),
    ('flux2-last', 'transformer', lambda g: g.ids('img_ids', lambda v: v + (1 << 40), 'I64'), 2, 'a whole number of 32 bits'),
    ('flux2-last', 'text_encoder', lambda g: g.ids('input_ids', lambda v: v + (1 << 20), 'I64'), 2, 'spoilt.safetensors: id 1'),
    ('flux2', 'pipeline', lambda g: g.metadata.update(steps='4.5'), 2, 'steps, a whole number'),
    ('flux2-last', 'transformer', lambda g: g.shape('img_ids', lambda s: [s[0] * s[1] // 4, 4, 4]), 2, 'img_ids (1,T,4)'),
    ('flux2', 'pipeline', lambda g: g.renumbered(lambda k: k + 1), 0, 'within'),
    ('flux2', 'pipeline', lambda g: g.renumbered(lambda k: 2 * k), 2, "of 2 tensors 'references.…' 1 can be used"),
    ('flux2', 'pipeline', lambda g: g.without('height', 'width'), 0, 'within'),
    ('flux2', 'pipeline', lambda g: g.narrowed('output'), 0, 'within'),
    ('flux2', 'vae_decoder', lambda g: g.without('height', 'width'), 0, 'within'),
    ('flux2-last', 'text_encoder', lambda g: g.narrowed('output'), 0, 'within'),
]



def check(folder, golden_file, *options):
    run = subprocess.run([limn, 'models', 'check', golden / folder, '--golden', golden_file, '--device', 'cpu', *options],
                         env={'HOME': home, 'PATH': '/usr/bin:/bin'}, capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


def lora(change):
    """PEFT's LoRA of lora.py, changed, with its answer."""
    g = Golden(golden / 'flux2/lora-peft.safetensors')
    change(g)
    g.write(spoilt)
    return check('flux2', golden / 'flux2/lora-peft-golden.safetensors', '--lora', f'{spoilt}:0.75')


def by_ends(g):
    """The alphas of all modules by the ends of their names, and a tensor that is nothing of a LoRA."""
    said = json.loads(g.metadata['lora_adapter_metadata'])
    alpha, said['transformer.lora_alpha'] = said['transformer.lora_alpha'], 1
    said['transformer.alpha_pattern'] = {name.split('.', i % 3)[-1]: alpha
                                         for i, name in enumerate(said['transformer.target_modules'])}
    g.metadata['lora_adapter_metadata'] = json.dumps(said)
    g.tensors['norm_out.linear.diff'] = ['F32', [1], b'\0\0\0\0']


def not_finite(g):
    name = min(g.tensors)
    dtype, shape, data = g.tensors[name]
    g.tensors[name] = [dtype, shape, b'\xff\x7f' + data[2:]]


faults = 0
with tempfile.TemporaryDirectory() as home:
    spoilt = pathlib.Path(home) / 'spoilt.safetensors'
    for folder, name, spoil, code, words in CASES:
        g = Golden(golden / folder / f'{name}.safetensors')
        spoil(g)
        g.write(spoilt)
        rc, said = check(folder, spoilt)
        if rc != code or words not in said:
            print(f'{name}: exit code {rc}, not {code}, or no "{words}":\n{said}')
            faults += 1
    for change, code, words in ((by_ends, 0, 'does not know norm_out.linear.diff'), (not_finite, 2, 'not finite')):
        rc, said = lora(change)
        if rc != code or words not in said:
            print(f'{change.__name__}: exit code {rc}, not {code}, or no "{words}":\n{said}')
            faults += 1
sys.exit(faults > 0)
