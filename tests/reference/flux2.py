# SPDX-License-Identifier: MIT
"""A tiny FLUX.2 klein of diffusers and transformers: every network, and the pipeline that joins them.

Writes golden/flux2/: a model folder of the real layout (scheduler, text_encoder, transformer, vae; the
tokenizer is bpe.py's) and a golden for each part: text_encoder, transformer-0, -1, -3 (references),
vae_encoder, vae_decoder, pipeline. Also golden/flux2-dev/: a transformer that takes guidance, and
golden/flux2-last/: two samples at once, and a text encoder that is read to its end. Sizes are uneven on
purpose: axes of different lengths, heads x head_dim that is not the hidden size, pictures that are not
square.
"""
import contextlib

import numpy as np
import torch
from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline
from diffusers import Flux2Transformer2DModel
from diffusers.pipelines.flux2.image_processor import Flux2ImageProcessor
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from PIL import Image
from transformers import Qwen3Config, Qwen3ForCausalLM

import bpe
import common

FOLDER = "flux2"
HIDDEN, LATENT, TEXT_TOKENS = 24, 4, 24
LAYERS = (9, 18, 27)


@contextlib.contextmanager
def double_tables():
    """The classes round angles and time embeddings to f32; with float() as double() they do not."""
    plain = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.Tensor.float = plain


def text_encoder(**changes):
    sizes = dict(vocab_size=bpe.vocabulary_size(), hidden_size=HIDDEN, intermediate_size=40,
                 num_hidden_layers=28, num_attention_heads=4, num_key_value_heads=2, head_dim=8)
    config = Qwen3Config(
        **{**sizes, **changes},
        max_position_embeddings=512, rms_norm_eps=1e-6, tie_word_embeddings=True,
        attention_bias=False, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})
    config._attn_implementation = "eager"
    model = Qwen3ForCausalLM(config).eval()
    common.randomise(model, 41)
    with torch.no_grad():
        rows = model.model.embed_tokens.weight
        rows.copy_(common.normal(rows.shape, 42).half().float())
    return model.double()


def transformer(seed, **changes):
    config = dict(
        patch_size=1, in_channels=4 * LATENT, num_layers=2, num_single_layers=2,
        attention_head_dim=16, num_attention_heads=2, joint_attention_dim=3 * HIDDEN,
        timestep_guidance_channels=32, mlp_ratio=3.0, axes_dims_rope=(2, 6, 4, 4),
        rope_theta=2000, eps=1e-6, guidance_embeds=False)
    model = Flux2Transformer2DModel(**{**config, **changes}).eval()
    common.randomise(model, seed)
    return model.double()


def autoencoder():
    model = AutoencoderKLFlux2(
        block_out_channels=(8, 16, 16, 24), layers_per_block=1, latent_channels=LATENT,
        norm_num_groups=4, sample_size=32).eval()
    common.randomise(model, 44)
    with torch.no_grad():  # 0 and 1 would hide a fold in another order
        model.bn.running_mean.copy_((0.3 * common.normal((4 * LATENT,), 45)).half().float())
        spread = 1 + 0.5 * torch.rand(4 * LATENT, generator=torch.Generator().manual_seed(46))
        model.bn.running_var.copy_(spread.half().float())
    return model.double()


def prompt(seed, real):
    """One text of `real` tokens, padded on the right as the pipeline pads."""
    g = torch.Generator().manual_seed(seed)
    ids = torch.full((1, TEXT_TOKENS), bpe.PAD)
    ids[0, :real] = torch.randint(0, bpe.PAD, (real,), generator=g)
    mask = torch.zeros((1, TEXT_TOKENS), dtype=torch.int64)
    mask[0, :real] = 1
    return ids, mask


def three_layers(model, ids, mask):
    states = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    return torch.cat([states[k] for k in LAYERS], dim=-1)


def fold(z, model):
    """The pipeline's own: 2x2 places of a channel side by side, normalised, as tokens."""
    z = Flux2KleinPipeline._patchify_latents(z)
    mean, var = model.bn.running_mean.view(1, -1, 1, 1), model.bn.running_var.view(1, -1, 1, 1)
    return Flux2KleinPipeline._pack_latents((z - mean) / torch.sqrt(var + model.config.batch_norm_eps))


def positions(height, width, references):
    main = Flux2KleinPipeline._prepare_latent_ids(torch.zeros(1, 1, height, width))
    if not references:
        return main
    sizes = [torch.zeros(1, 1, h, w) for h, w in references]
    return torch.cat([main, Flux2KleinPipeline._prepare_image_ids(sizes)], dim=1)


def last_layer_goldens():
    """golden/flux2-last/: a text encoder whose last layer is among those that are read (behind its norm), and a
    transformer for two samples of different times, each with its position ids."""
    model = text_encoder(vocab_size=64, hidden_size=12, intermediate_size=16, num_hidden_layers=27,
                         num_attention_heads=3, num_key_value_heads=1, head_dim=6)
    ids = torch.randint(0, 64, (2, 5), generator=torch.Generator().manual_seed(91))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    common.save("flux2-last/text_encoder.safetensors",
                {"input_ids": ids, "attention_mask": mask, "output": three_layers(model, ids, mask)},
                part="text_encoder")
    dit = transformer(92, in_channels=8, num_layers=1, num_single_layers=1, joint_attention_dim=36)
    places = positions(2, 3, [(1, 2)]).expand(2, -1, -1)
    text = Flux2KleinPipeline._prepare_text_ids(torch.zeros(2, 5, 1))
    inputs = {"hidden_states": common.normal((2, 8, 8), 93), "timestep": torch.tensor([1.0, 0.01]),
              "encoder_hidden_states": common.normal((2, 5, 36), 94)}
    with double_tables():
        out = dit(**{k: v.double() for k, v in inputs.items()}, img_ids=places, txt_ids=text, return_dict=False)[0]
    common.save("flux2-last/transformer.safetensors",
                {**inputs, "img_ids": places, "txt_ids": text, "output": out}, part="transformer")
    index = {"_class_name": "Flux2KleinPipeline", "is_distilled": True,
             "text_encoder": ["transformers", "Qwen3ForCausalLM"],
             "transformer": ["diffusers", "Flux2Transformer2DModel"]}
    common.save_folder("flux2-last", "text_encoder", model, index)
    common.save_folder("flux2-last", "transformer", dit, index)


def transformer_golden(path, model, references, seed, guidance=None):
    height, width, text = 3, 5, 7
    ids = positions(height, width, references)
    txt = Flux2KleinPipeline._prepare_text_ids(torch.zeros(1, text, 1))
    channels = model.config.in_channels
    tokens = common.normal((1, ids.shape[1], channels), seed)
    text_states = common.normal((1, text, 3 * HIDDEN), seed + 1)
    sigma = torch.tensor([0.7172])
    inputs = {"hidden_states": tokens, "encoder_hidden_states": text_states, "timestep": sigma,
              "img_ids": ids.int(), "txt_ids": txt.int()}
    if guidance is not None:
        inputs["guidance"] = torch.tensor([guidance])
    wide = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    with double_tables():
        out = model(**wide, return_dict=False)[0]
    print(path, "output std", out.std().item())
    common.save(path, {**inputs, "output": out}, part="transformer")


def vae_goldens(model):
    picture = common.normal((1, 3, 32, 48), 51).clamp(-2, 2) / 2
    tokens = fold(model.encode(picture.double()).latent_dist.mode(), model)
    common.save(f"{FOLDER}/vae_encoder.safetensors", {"sample": picture, "output": tokens},
                part="vae_encoder")
    latents = common.normal((1, 6, 4 * LATENT), 52)
    z = latents.double().permute(0, 2, 1).reshape(1, 4 * LATENT, 2, 3)
    var = model.bn.running_var.view(1, -1, 1, 1) + model.config.batch_norm_eps
    z = z * torch.sqrt(var) + model.bn.running_mean.view(1, -1, 1, 1)
    out = model.decode(Flux2KleinPipeline._unpatchify_latents(z)).sample
    print("vae output std", out.std().item(), "tokens std", tokens.std().item())
    common.save(f"{FOLDER}/vae_decoder.safetensors", {"latents": latents, "output": out},
                part="vae_decoder", height=32, width=48)


def pictures(seed):
    g = torch.Generator().manual_seed(seed)
    for height, width in ((32, 32), (16, 48)):
        yield Image.fromarray(torch.randint(0, 256, (height, width, 3), generator=g).byte().numpy())


def pipeline_golden(text, dit, vae, scheduler, scale=None):
    """Four steps of the pipeline itself, from prompt_embeds, on two references below its least size;
    with a scale as a base model, that is guided away from another text."""
    height, width, steps = 48, 32, 4
    ids, mask = prompt(61, 9)
    away, away_mask = prompt(64, 4)
    pipe = Flux2KleinPipeline(scheduler, vae, None, None, dit, is_distilled=scale is None)
    pipe.image_processor.check_image_input = lambda *args: None
    pipe.set_progress_bar_config(disable=True)
    images = list(pictures(62))
    noise = common.normal((1, 4 * LATENT, height // 16, width // 16), 66)
    with double_tables():
        z = pipe(image=images, height=height, width=width, num_inference_steps=steps,
                 latents=noise.double(), prompt_embeds=three_layers(text, ids, mask),
                 negative_prompt_embeds=three_layers(text, away, away_mask),
                 guidance_scale=scale or 1.0, output_type="latent").images
    out = vae.decode(z).sample
    print("pipeline output std", out.std().item(), "sigmas", scheduler.sigmas.tolist())
    inputs = {"noise": noise.flatten(2).permute(0, 2, 1), "input_ids": ids.int(),
              "attention_mask": mask.int(), "output": out}
    metadata = {"steps": steps, "height": height, "width": width}
    if scale:
        inputs |= {"negative_input_ids": away.int(), "negative_attention_mask": away_mask.int()}
        metadata["guidance_scale"] = scale
    for k, image in enumerate(images):
        inputs[f"references.{k}"] = pipe.image_processor.preprocess(image)
    name = "pipeline" if scale is None else "pipeline-base"
    common.save(f"{FOLDER}/{name}.safetensors", inputs, part="pipeline", **metadata)


def schedule_golden(scheduler):
    """sigma.TOKENS.STEPS: around the jump of the shift above 4300 tokens."""
    sigmas = {}
    for tokens in (16, 1024, 2304, 4096, 4300, 4301, 6144, 16384):
        for steps in (1, 4, 8, 50):
            mu = compute_empirical_mu(tokens, steps)
            scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist(), mu=mu)
            sigmas[f"sigma.{tokens}.{steps}"] = scheduler.sigmas
    common.save(f"{FOLDER}/schedule.safetensors", sigmas)


def resize_golden():
    """A reference as the pipeline makes it smaller and cuts it, with 900 pixels for its 1024^2."""
    processor = Flux2ImageProcessor(vae_scale_factor=16)
    g = torch.Generator().manual_seed(90)
    noise = torch.randint(0, 256, (9, 12, 3), generator=g).byte().numpy()
    image = Image.fromarray(noise).resize((70, 53), Image.BICUBIC)
    small = processor._resize_to_target_area(image, 900)
    width, height = small.width // 16 * 16, small.height // 16 * 16
    cut = processor.preprocess(small, height=height, width=width, resize_mode="crop")
    picture = torch.tensor(np.array(image)).int()
    common.save(f"{FOLDER}/resize.safetensors", {"picture": picture, "cut": cut[0].permute(1, 2, 0)})


def main():
    resize_golden()
    with torch.no_grad():
        last_layer_goldens()
    text, dit, vae = text_encoder(), transformer(43), autoencoder()
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, shift=3.0, base_image_seq_len=256, max_image_seq_len=4096)
    with torch.no_grad():
        ids, mask = prompt(47, 17)
        common.save(f"{FOLDER}/text_encoder.safetensors",
                    {"input_ids": ids.int(), "attention_mask": mask.int(),
                     "output": three_layers(text, ids, mask)}, part="text_encoder")
        for count, sizes in {0: [], 1: [(2, 3)], 3: [(2, 3), (4, 1), (1, 2)]}.items():
            transformer_golden(f"{FOLDER}/transformer-{count}.safetensors", dit, sizes, 70 + count)
        vae_goldens(vae)
        pipeline_golden(text, dit, vae, scheduler)
        pipeline_golden(text, dit, vae, scheduler, scale=4.0)
        schedule_golden(scheduler)
        dev = transformer(48, guidance_embeds=True, num_layers=1, num_single_layers=1,
                          in_channels=8)
        transformer_golden("flux2-dev/transformer.safetensors", dev, [(2, 2)], 80, guidance=3.5)
    index = {"_class_name": "Flux2KleinPipeline", "is_distilled": True, "text_tokens": TEXT_TOKENS,
             "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
             "text_encoder": ["transformers", "Qwen3ForCausalLM"],
             "tokenizer": ["transformers", "Qwen2TokenizerFast"],
             "transformer": ["diffusers", "Flux2Transformer2DModel"],
             "vae": ["diffusers", "AutoencoderKLFlux2"]}
    for part, model in (("text_encoder", text), ("transformer", dit), ("vae", vae)):
        common.save_folder(FOLDER, part, model, index)
    common.save_folder("flux2-dev", "transformer", dev, index)
    scheduler.save_pretrained(common.GOLDEN / FOLDER / "scheduler")
    bpe.save(common.GOLDEN / FOLDER / "tokenizer")


if __name__ == "__main__":
    main()
