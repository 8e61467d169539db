# SPDX-License-Identifier: MIT
"""Tiny U-Nets of diffusers with every option that the base (stage I) and super-resolution
(stage II) models of the Imagen family use, one in the style of limn's own model, and one that
enlarges without hearing any text.

Writes golden/unet-{if1,if2,plain,enlarger}/: a model folder and golden.safetensors. The model runs in
float64 on the rounded weights, so that the output is the truth to f32 precision.
"""
import torch
from diffusers import UNet2DConditionModel

import common

SHARED = dict(
    cross_attention_norm="group_norm",
    encoder_hid_dim_type="text_proj",
    flip_sin_to_cos=True,
    freq_shift=0,
    mid_block_type="UNetMidBlock2DSimpleCrossAttn",
    norm_eps=1e-5,
    norm_num_groups=8,
    only_cross_attention=False,
    resnet_time_scale_shift="scale_shift",
    time_embedding_type="positional",
    attention_head_dim=8,
    cross_attention_dim=64,  # diffusers normalises the text in 32 groups, whatever norm_num_groups
)


def down(plain, attention):
    return ("ResnetDownsampleBlock2D",) * plain + ("SimpleCrossAttnDownBlock2D",) * attention


def up(plain, attention):
    return ("SimpleCrossAttnUpBlock2D",) * attention + ("ResnetUpsampleBlock2D",) * plain


MODELS = {
    "unet-if1": dict(
        part="unet",
        size=16,
        config=dict(
            SHARED,
            sample_size=16,
            in_channels=3,
            out_channels=6,
            act_fn="gelu",
            addition_embed_type="text",
            addition_embed_type_num_heads=4,
            block_out_channels=(16, 24, 32),
            layers_per_block=2,
            down_block_types=down(1, 2),
            up_block_types=up(1, 2),
            encoder_hid_dim=40,
        ),
    ),
    "unet-if2": dict(
        part="super_resolution",
        size=32,
        config=dict(
            SHARED,
            sample_size=32,
            in_channels=6,
            out_channels=6,
            act_fn="gelu",
            addition_embed_type="text",
            addition_embed_type_num_heads=4,
            block_out_channels=(16, 16, 16, 24, 32),
            layers_per_block=(1, 1, 2, 2, 3),
            down_block_types=down(3, 2),
            up_block_types=up(3, 2),
            encoder_hid_dim=40,
            class_embed_type="timestep",
            resnet_skip_time_act=True,
            resnet_out_scale_factor=1.41422712,
            mid_block_scale_factor=1.41422712,
            time_embedding_dim=48,
            time_embedding_act_fn="gelu",
        ),
    ),
    "unet-plain": dict(
        part="unet",
        size=16,
        config=dict(
            SHARED,
            sample_size=16,
            in_channels=3,
            out_channels=3,
            act_fn="silu",
            block_out_channels=(16, 24, 32),
            layers_per_block=2,
            down_block_types=down(1, 2),
            up_block_types=up(1, 2),
            encoder_hid_dim=40,
        ),
    ),
    "unet-enlarger": dict(
        part="super_resolution",
        size=16,
        config=dict(
            {k: v for k, v in SHARED.items() if k != "encoder_hid_dim_type"},
            sample_size=16,
            in_channels=6,
            out_channels=3,
            act_fn="silu",
            mid_block_type="UNetMidBlock2D",
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=down(2, 0),
            up_block_types=up(2, 0),
            class_embed_type="timestep",
        ),
    ),
}


def make(folder, part, size, config):
    model = UNet2DConditionModel(**config).eval()
    common.randomise(model, 1)
    model.double()
    n, tokens = 2, 7
    tensors = {
        "sample": common.normal((n, config["in_channels"], size, size), 2),
        "timestep": torch.tensor([37.0, 842.0]),
        "encoder_hidden_states": common.normal(
            (n, tokens, config.get("encoder_hid_dim", config["cross_attention_dim"])), 3),
    }
    if config.get("class_embed_type"):
        tensors["class_labels"] = torch.tensor([250.0, 10.0])
    inputs = {k: v.double() for k, v in tensors.items()}
    with torch.no_grad():
        out = model(**inputs, return_dict=False)[0]
    print(folder, "parameters", sum(p.numel() for p in model.parameters()), "output std",
          out.std().item())
    tensors["output"] = out
    index = {"_class_name": "IFPipeline", part: ["diffusers", "UNet2DConditionModel"]}
    common.save(f"{folder}/golden.safetensors", tensors, part=part)
    common.save_folder(folder, part, model, index)


if __name__ == "__main__":
    for name, row in MODELS.items():
        make(name, **row)
