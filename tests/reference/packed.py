# SPDX-License-Identifier: MIT
"""Weights in blocks, and what the gguf package and PyTorch make of them.

Writes golden/packed.gguf, a tensor `TYPE` [2,256] of each type (a tensor of bf16 and one of f16 among
them), and golden/packed.safetensors with the same numbers in f32; in the second also 256 numbers of 8
bits of each kind, `F8_E4M3` and `F8_E5M2`, and what they are, `f32.F8_…`. Also golden/bpe.gguf (after flux2.py).
"""
import json

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import save_file

import common

ROWS, COLUMNS = 2, 256
MADE = (Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1)
# Where the scales of a block lie: they must be numbers, all other bytes may be any.
RANDOM = {Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,),
          Type.IQ4_NL: (0,), Type.IQ4_XS: (0,)}


def tokenizer():
    """golden/bpe.gguf: the tokenizer of golden/flux2, in the head of a file as llama.cpp's converter makes it."""
    said = json.loads((common.GOLDEN / "flux2/tokenizer/tokenizer.json").read_text())
    added = {t["id"]: t["content"] for t in said["added_tokens"]}
    texts = {i: t for t, i in said["model"]["vocab"].items()} | added
    unused, of_user = 8, ("<think>", "</think>")
    tokens = [texts[i] for i in range(len(texts))] + [f"[PAD{len(texts) + i}]" for i in range(unused)]
    kinds = [1 if i not in added else 4 if added[i] in of_user else 3 for i in range(len(texts))] + [5] * unused
    writer = gguf.GGUFWriter(str(common.GOLDEN / "bpe.gguf"), "qwen3")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in said["model"]["merges"]])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def main():
    tokenizer()
    g = np.random.default_rng(91)
    weights = g.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    writer = gguf.GGUFWriter(str(common.GOLDEN / "packed.gguf"), "flux")
    writer.add_string("general.name", "every type")
    writer.add_array("general.tags", ["one", "two"])
    writer.add_array("numbers", [1, 2, 3])
    expected = {}
    for kind in MADE:
        packed = gguf.quants.quantize(weights, kind)
        writer.add_tensor(kind.name, packed, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(packed, kind)
    for kind, scales in RANDOM.items():
        block, size = gguf.GGML_QUANT_SIZES[kind]
        raw = g.integers(0, 256, (ROWS * COLUMNS // block, size), dtype=np.uint8)
        for at in scales:
            raw[:, at:at + 2] = g.uniform(0.001, 0.1, (len(raw), 1)).astype(np.float16).view(np.uint8)
        packed = raw.reshape(ROWS, -1)
        writer.add_tensor(kind.name, packed, raw_dtype=kind)
        expected[kind.name] = gguf.quants.dequantize(packed, kind)
    half, brain = weights.astype(np.float16), torch.tensor(weights).bfloat16()
    writer.add_tensor("F16", half)
    writer.add_tensor("BF16", brain.view(torch.uint8).numpy().reshape(ROWS, -1), raw_dtype=Type.BF16)
    writer.add_tensor("F32", weights)
    expected |= {"F16": half.astype(np.float32), "BF16": brain.float().numpy(), "F32": weights}
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    out = {k: torch.tensor(np.ascontiguousarray(v)).reshape(ROWS, COLUMNS) for k, v in expected.items()}
    every = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    for name, kind in (("F8_E4M3", torch.float8_e4m3fn), ("F8_E5M2", torch.float8_e5m2)):
        out[name] = every.clone().view(kind)
        out["f32." + name] = every.view(kind).float()
    save_file(out, common.GOLDEN / "packed.safetensors")
    (common.GOLDEN / "packed.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
