#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The pictures of the documents are of the weights that are here, and draw.py --check would say if not.
# usage: pictures.py SOURCE
import pathlib, shutil, subprocess, sys, tempfile

source = pathlib.Path(sys.argv[1])
MODEL, PICTURES, SAMPLES = 'app/models/limn-icons', 'docs/pictures', 'app/templates/results'


def check(root, code):
    p = subprocess.run([sys.executable, str(root / PICTURES / 'draw.py'), '--check'], capture_output=True, text=True)
    if p.returncode != code:
        sys.exit(f'--check says {p.returncode}, not {code}: {p.stdout}{p.stderr}')
    return p.stdout


check(source, 0)
with tempfile.TemporaryDirectory() as work:
    root = pathlib.Path(work)
    for part in (MODEL, PICTURES, SAMPLES):
        shutil.copytree(source / part, root / part)
    check(root, 0)
    weights = root / MODEL / 'unet/diffusion_pytorch_model.safetensors'
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    if 'unet/diffusion_pytorch_model.safetensors changed' not in check(root, 1):
        sys.exit('other weights are not named')
    shutil.copy(source / MODEL / 'unet/diffusion_pytorch_model.safetensors', weights)
    shutil.copy(root / PICTURES / 'text.png', root / PICTURES / 'sheet.png')
    shutil.copy(root / PICTURES / 'text.png', root / PICTURES / 'more.png')
    shutil.copy(root / SAMPLES / 'text.png', root / SAMPLES / 'edge.png')
    said = check(root, 1)
    if any(f'{name} is not' not in said for name in ('sheet.png', 'more.png', 'results/edge.png')) or 'weights' in said:
        sys.exit(f'other pictures, and one more: {said}')
