# SPDX-License-Identifier: MIT
"""Ten AdamW steps of PyTorch on a tiny U-Net.

Writes golden/train10/ (the model folder before training, weights in f16) and
golden/train10.safetensors. Everything is computed in float64 from the f16 start.

Step i: prediction = unet(noisy[i], timestep[i], encoder_hidden_states[i]);
loss = mean((prediction - target[i])^2) over all elements; gradients clipped to a global norm of 1
(torch.nn.utils.clip_grad_norm_); torch.optim.AdamW on every parameter, norms and biases included.
noisy and target are x_t and v of x0[i], noise[i] under the cosine schedule of 1000 steps.
"""
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

import common
import schedulers
import unet

STEPS, N = 10, 2
HYPER = dict(lr=2e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.01)
CLIP = 1.0
CONFIG = dict(
    unet.SHARED,
    sample_size=8,
    in_channels=3,
    out_channels=3,
    act_fn="silu",
    norm_num_groups=4,
    block_out_channels=(8, 16),
    layers_per_block=1,
    down_block_types=unet.down(1, 1),
    up_block_types=unet.up(1, 1),
    encoder_hid_dim=12,
)


def main():
    model = UNet2DConditionModel(**CONFIG)
    common.randomise(model, 31)
    index = {"_class_name": "IFPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    common.save_folder("train10", "unet", model, index)
    model.double().train()

    bar = schedulers.exact(DDPMScheduler(beta_schedule="squaredcos_cap_v2")).alphas_cumprod
    x0 = 0.5 * common.normal((STEPS, N, 3, 8, 8), 32).double()
    noise = common.normal(x0.shape, 33).double()
    t = torch.randint(0, 1000, (STEPS, N), generator=torch.Generator().manual_seed(34))
    a, s = (f.view(STEPS, N, 1, 1, 1) for f in (bar[t].sqrt(), (1 - bar[t]).sqrt()))
    # Rounded, because the readers of the file train on the f32 values.
    noisy = (a * x0 + s * noise).float().double()
    target = (a * noise - s * x0).float().double()
    text = common.normal((STEPS, N, 5, 12), 35).double()

    tensors = {"x0": x0, "noise": noise, "timestep": t, "noisy": noisy, "target": target,
               "encoder_hidden_states": text}
    optimizer = torch.optim.AdamW(model.parameters(), **HYPER)
    losses, norms = [], []
    for i in range(STEPS):
        optimizer.zero_grad()
        out = model(noisy[i], t[i], text[i], return_dict=False)[0]
        loss = ((out - target[i]) ** 2).mean()
        loss.backward()
        if i == 0:
            tensors["prediction"] = out
            for name, p in model.named_parameters():
                tensors[f"gradient.{name}"] = p.grad.clone()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP))
        optimizer.step()
        losses.append(loss)
    tensors["loss"], tensors["gradient_norm"] = torch.stack(losses), torch.stack(norms)
    for name, p in model.named_parameters():
        tensors[f"final.{name}"] = p
    tensors["final_norm"] = torch.sqrt(sum((p**2).sum() for p in model.parameters())).view(1)
    print("parameters", sum(p.numel() for p in model.parameters()))
    print("loss", tensors["loss"].tolist())
    print("gradient norm", tensors["gradient_norm"].tolist())
    common.save("train10.safetensors", tensors, part="unet", steps=STEPS, lr=HYPER["lr"],
                beta1=HYPER["betas"][0], beta2=HYPER["betas"][1], eps=HYPER["eps"],
                weight_decay=HYPER["weight_decay"], clip=CLIP, prediction="v_prediction")


if __name__ == "__main__":
    main()
