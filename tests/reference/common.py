# SPDX-License-Identifier: MIT
"""What the scripts share: random weights that exercise every parameter, and saving."""
import json
import pathlib

import torch
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"


def randomise(model, seed):
    """Gives every parameter a value that matters and rounds it to f16.

    Initial values of the libraries leave norms at (1, 0) and some projections at zero, so a reader
    that forgot them would still pass. Weights get a standard deviation of 1/sqrt(fan in), which
    keeps activations of order one; the f16 rounding makes the file half as large while f16 and f32
    readers compute with the same numbers.
    """
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            r = torch.randn(p.shape, generator=g)
            if p.dim() >= 2:
                fan_in = p[0].numel()
                value = r / fan_in**0.5
            elif name.endswith("weight"):  # scale of a norm
                value = 1 + 0.2 * r
            else:
                value = 0.1 * r
            p.copy_(value.half().float())


def normal(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def save_folder(folder, part, model, index):
    """The folder of a pipeline with one part, in the layout of diffusers, weights in f16."""
    model.half().save_pretrained(GOLDEN / folder / part, safe_serialization=True)
    for file in (GOLDEN / folder / part).iterdir():
        file.chmod(0o644)
    config = GOLDEN / folder / part / "config.json"
    keep = {k: v for k, v in json.loads(config.read_text()).items() if k != "_name_or_path"}
    config.write_text(json.dumps(keep, indent=2, sort_keys=True) + "\n")
    (GOLDEN / folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def save(path, tensors, **metadata):
    """Floats in f32; metadata values are text."""
    out = {}
    for name, value in tensors.items():
        value = value.detach()
        out[name] = (value.float() if value.is_floating_point() else value).contiguous()
    path = GOLDEN / path
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(out, path, metadata={k: str(v) for k, v in metadata.items()})
    path.chmod(0o644)
    print(path.relative_to(GOLDEN), path.stat().st_size)
