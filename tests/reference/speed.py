#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seconds of one pass of DeepFloyd IF's base U-Net in PyTorch (diffusers), to stand beside
`limn bench step` in one run. Needs torch and diffusers.

speed.py [--size if-i-m|if-i-xl] [--device cpu|cuda] [--dtype bfloat16 ...] [--compile] [--repeats N]
"""
import argparse
import time

import torch
from diffusers import UNet2DConditionModel

parser = argparse.ArgumentParser()
parser.add_argument("--size", choices=["if-i-m", "if-i-xl"], default="if-i-m")
parser.add_argument("--device", default="cpu")
parser.add_argument("--dtype", nargs="+", default=["bfloat16", "float32"])
parser.add_argument("--compile", action="store_true")
parser.add_argument("--repeats", type=int, default=2)
args = parser.parse_args()
channels = {"if-i-m": (192, 384, 576, 768), "if-i-xl": (704, 1408, 2112, 2816)}[args.size]
cross = "SimpleCrossAttnDownBlock2D"
up = "SimpleCrossAttnUpBlock2D"
model = UNet2DConditionModel(
    sample_size=64, in_channels=3, out_channels=6, act_fn="gelu", addition_embed_type="text",
    addition_embed_type_num_heads=64, attention_head_dim=64, block_out_channels=channels,
    layers_per_block=3, cross_attention_dim=channels[-1], cross_attention_norm="group_norm",
    encoder_hid_dim=4096, encoder_hid_dim_type="text_proj", resnet_time_scale_shift="scale_shift",
    down_block_types=("ResnetDownsampleBlock2D", cross, cross, cross),
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    up_block_types=(up, up, up, "ResnetUpsampleBlock2D")).eval().to(args.device)
run = torch.compile(model) if args.compile else model


def finish():
    if args.device != "cpu":
        torch.cuda.synchronize()


for name in args.dtype:
    dtype = getattr(torch, name)
    model.to(dtype)
    sample = torch.randn(2, 3, 64, 64, dtype=dtype, device=args.device)
    text = torch.randn(2, 77, 4096, dtype=dtype, device=args.device)
    steps = torch.tensor([500, 500], device=args.device)
    best = float("inf")
    with torch.no_grad():
        for i in range(args.repeats + 2):
            finish()
            start = time.perf_counter()
            run(sample, steps, text)
            finish()
            if i > 1:
                best = min(best, time.perf_counter() - start)
    print(f"PyTorch {torch.__version__} {args.size} {name} forward, batch 2, "
          f"{'compiled' if args.compile else 'eager'}: {1e3 * best:.1f} ms", flush=True)
