# SPDX-License-Identifier: MIT
"""A tiny T5 v1.1 encoder of transformers: gated GELU, d_kv not d_model/heads, long enough that
relative positions reach the logarithmic buckets and the last one (distance 128).

Writes golden/t5/: a model folder and golden.safetensors with two runs of the same ids: `output`
without a mask, `output_masked` under `attention_mask`.
"""
import torch
from transformers import T5Config, T5EncoderModel

import common


def main():
    config = T5Config(
        vocab_size=120,
        d_model=48,
        d_kv=20,
        d_ff=80,
        num_layers=4,
        num_heads=3,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        feed_forward_proj="gated-gelu",
        layer_norm_epsilon=1e-6,
        dropout_rate=0.0,
        tie_word_embeddings=False,
        is_encoder_decoder=False,
        use_cache=False,
    )
    model = T5EncoderModel(config).eval()
    common.randomise(model, 11)
    with torch.no_grad():  # embeddings are not projections: rows of order one
        model.shared.weight.copy_((common.normal(model.shared.weight.shape, 12)).half().float())
        for name, p in model.named_parameters():
            if "relative_attention_bias" in name:
                p.copy_(common.normal(p.shape, 13).half().float())
    model.double()
    n, tokens = 2, 150
    ids = torch.randint(0, 120, (n, tokens), generator=torch.Generator().manual_seed(14))
    mask = torch.ones((n, tokens), dtype=torch.int64)
    mask[0, 31:] = 0
    mask[1, 140:] = 0
    with torch.no_grad():
        plain = model(input_ids=ids).last_hidden_state
        masked = model(input_ids=ids, attention_mask=mask).last_hidden_state
    print("t5 output std", plain.std().item())
    common.save(
        "t5/golden.safetensors",
        {"input_ids": ids, "output": plain, "attention_mask": mask, "output_masked": masked},
        part="text_encoder",
    )
    index = {"_class_name": "IFPipeline", "text_encoder": ["transformers", "T5EncoderModel"]}
    common.save_folder("t5", "text_encoder", model, index)


if __name__ == "__main__":
    main()
