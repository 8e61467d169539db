#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seconds of one pass of the IF-I-M-sized U-Net in PyTorch (diffusers), bf16 and f32, batch 2, to
stand beside `limn bench step` in one run: speed.py [repeats]. Needs torch and diffusers."""
import sys
import time

import torch
from diffusers import UNet2DConditionModel

repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 2
cross = "SimpleCrossAttnDownBlock2D"
up = "SimpleCrossAttnUpBlock2D"
model = UNet2DConditionModel(
    sample_size=64, in_channels=3, out_channels=6, act_fn="gelu", addition_embed_type="text",
    addition_embed_type_num_heads=64, attention_head_dim=64, block_out_channels=(192, 384, 576, 768),
    layers_per_block=3, cross_attention_dim=768, cross_attention_norm="group_norm",
    encoder_hid_dim=4096, encoder_hid_dim_type="text_proj", resnet_time_scale_shift="scale_shift",
    down_block_types=("ResnetDownsampleBlock2D", cross, cross, cross),
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    up_block_types=(up, up, up, "ResnetUpsampleBlock2D")).eval()
for dtype in (torch.bfloat16, torch.float32):
    model = model.to(dtype)
    sample = torch.randn(2, 3, 64, 64, dtype=dtype)
    text = torch.randn(2, 77, 4096, dtype=dtype)
    best = float("inf")
    with torch.no_grad():
        for i in range(repeats + 1):
            start = time.perf_counter()
            model(sample, torch.tensor([500, 500]), text)
            if i:
                best = min(best, time.perf_counter() - start)
    print(f"PyTorch {torch.__version__} {dtype} forward, batch 2: {1e3 * best:.1f} ms, "
          f"{torch.get_num_threads()} threads", flush=True)
