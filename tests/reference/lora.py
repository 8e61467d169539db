# SPDX-License-Identifier: MIT
"""Changes of the tiny FLUX.2 transformer (flux2.py) in the three dialects of LoRA files, and what diffusers
and PEFT make of them.

Writes golden/flux2/lora-KIND.safetensors (a LoRA) and lora-KIND-golden.safetensors (a golden of the
transformer with it at a weight of 0.75): `original` (ai-toolkit, ComfyUI), `kohya` (with alpha), `peft`
(diffusers' own names, alpha in the metadata).
"""
import json

import torch
from diffusers import Flux2Transformer2DModel
from diffusers.loaders.lora_pipeline import Flux2LoraLoaderMixin
from safetensors.torch import load_file, save_file

import common

FOLDER = common.GOLDEN / "flux2"
WEIGHT, RANK = 0.75, 3
WIDTH, UNIT = 32, 96
ORIGINAL = {
    "double_blocks.0.img_attn.qkv": (3 * WIDTH, WIDTH), "double_blocks.0.txt_attn.qkv": (3 * WIDTH, WIDTH),
    "double_blocks.1.img_attn.proj": (WIDTH, WIDTH), "double_blocks.0.img_mlp.0": (2 * UNIT, WIDTH),
    "double_blocks.0.img_mlp.2": (WIDTH, UNIT), "single_blocks.0.linear1": (3 * WIDTH + 2 * UNIT, WIDTH),
    "single_blocks.1.linear2": (WIDTH, WIDTH + UNIT)}
PEFT = {
    "transformer_blocks.0.attn.to_q": (WIDTH, WIDTH), "transformer_blocks.1.attn.add_v_proj": (WIDTH, WIDTH),
    "transformer_blocks.0.ff_context.linear_out": (WIDTH, UNIT), "norm_out.linear": (2 * WIDTH, WIDTH),
    "single_transformer_blocks.1.attn.to_qkv_mlp_proj": (3 * WIDTH + 2 * UNIT, WIDTH), "context_embedder": (WIDTH, 72)}


def halves(modules, seed):
    for i, (name, (rows, columns)) in enumerate(modules.items()):
        yield (name, 0.3 * common.normal((RANK, columns), seed + 2 * i),
               0.3 * common.normal((rows, RANK), seed + 2 * i + 1))


def write(kind):
    out, metadata = {}, None
    if kind == "original":
        for name, a, b in halves(ORIGINAL, 300):
            out[f"diffusion_model.{name}.lora_A.weight"], out[f"diffusion_model.{name}.lora_B.weight"] = a, b
    elif kind == "kohya":
        for name, a, b in halves(ORIGINAL, 400):
            stem = "lora_unet_" + name.replace(".", "_")
            out[f"{stem}.lora_down.weight"], out[f"{stem}.lora_up.weight"] = a, b
            out[f"{stem}.alpha"] = torch.tensor(1.5)
    else:
        for name, a, b in halves(PEFT, 500):
            out[f"transformer.{name}.lora_A.weight"], out[f"transformer.{name}.lora_B.weight"] = a, b
        metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(
            {"transformer.r": RANK, "transformer.lora_alpha": 2 * RANK, "transformer.target_modules": list(PEFT)})}
    save_file({k: v.half().contiguous() for k, v in out.items()}, FOLDER / f"lora-{kind}.safetensors",
              metadata=metadata)
    (FOLDER / f"lora-{kind}.safetensors").chmod(0o644)


def changed(kind):
    """The transformer with the file's change, as diffusers reads it."""
    model = Flux2Transformer2DModel.from_pretrained(FOLDER / "transformer", torch_dtype=torch.float32)
    state, metadata = Flux2LoraLoaderMixin.lora_state_dict(str(FOLDER / f"lora-{kind}.safetensors"),
                                                           return_lora_metadata=True)
    state = {k: v.float() for k, v in state.items()}
    Flux2LoraLoaderMixin.load_lora_into_transformer(state, transformer=model, adapter_name="it", metadata=metadata)
    model.set_adapters(["it"], [WEIGHT])
    return model.eval().double()


def main():
    base = load_file(FOLDER / "transformer-1.safetensors")
    names = ("hidden_states", "encoder_hidden_states", "timestep", "img_ids", "txt_ids")
    inputs = {k: base[k] for k in names}
    wide = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    for kind in ("original", "kohya", "peft"):
        write(kind)
        plain = torch.Tensor.float
        torch.Tensor.float = torch.Tensor.double  # as flux2.py has it
        try:
            with torch.no_grad():
                out = changed(kind)(**wide, return_dict=False)[0]
        finally:
            torch.Tensor.float = plain
        far = ((out - base["output"].double()).norm() / base["output"].double().norm()).item()
        print(kind, "changes the answer by", far)
        assert far > 0.05
        common.save(f"flux2/lora-{kind}-golden.safetensors", {**inputs, "output": out}, part="transformer")


main()
