# SPDX-License-Identifier: MIT
"""Noise schedules, timesteps and whole sampling chains of diffusers.

Writes golden/schedulers.safetensors. Arrays of pictures are channels-last (N,H,W,C) here, as
samplers in limn see them. The schedulers' tables are replaced by the same formulas in float64:
diffusers keeps them in f32, where 1 - beta near the end of the cosine schedule has lost four digits.
`alphas_cumprod_f32/*` is what diffusers itself computes.

The pseudo model of channel c at timestep t, elementwise on x:
    f(x, t, c) = tanh(0.9 x + 0.3 (c - 1)) + 0.1 sin(t / 137)
    g(x, t)    = sin(3 x + t / 200)                the variance channels, where there are any
Step i of every chain adds noise[i], where it adds any. CHAIN/x[i] is the sample after step i.
"""
import math

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.pipelines.deepfloyd_if import timesteps as if_timesteps
from diffusers.schedulers import scheduling_ddpm

import common

STEPS_MAX = 32
START = common.normal((2, 4, 4, 3), 21).double()
NOISE = common.normal((STEPS_MAX, 2, 4, 4, 3), 22).double()
COSINE = dict(beta_schedule="squaredcos_cap_v2")


def first(x):
    return x.permute(0, 3, 1, 2)


def last(x):
    return x.permute(0, 2, 3, 1)


def model(x, t, learned):
    """x (N,C,H,W) -> (N,C or 2C,H,W)"""
    c = torch.arange(x.shape[1], dtype=x.dtype).view(1, -1, 1, 1)
    f = torch.tanh(0.9 * x + 0.3 * (c - 1)) + 0.1 * math.sin(t / 137)
    return torch.cat([f, torch.sin(3 * x + t / 200)], 1) if learned else f


def exact_betas(config):
    steps = config.num_train_timesteps
    if config.beta_schedule == "squaredcos_cap_v2":
        bar = [math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(steps + 1)]
        return torch.tensor([min(1 - b / a, 0.999) for a, b in zip(bar, bar[1:])],
                            dtype=torch.float64)
    if config.beta_schedule == "scaled_linear":
        return torch.linspace(config.beta_start**0.5, config.beta_end**0.5, steps,
                              dtype=torch.float64) ** 2
    return torch.linspace(config.beta_start, config.beta_end, steps, dtype=torch.float64)


def exact(scheduler):
    """Replaces the tables by float64 ones, and checks that they are the same ones."""
    betas = exact_betas(scheduler.config)
    assert torch.allclose(betas.float(), scheduler.betas, rtol=1e-5, atol=1e-7)
    scheduler.betas, scheduler.alphas = betas, 1 - betas
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, 0)
    scheduler.one = torch.tensor(1.0, dtype=torch.float64)
    scheduler.final_alpha_cumprod = scheduler.one
    return scheduler


def chain(scheduler, count, timesteps=None, **step_args):
    learned = getattr(scheduler.config, "variance_type", None) == "learned_range"
    if timesteps is not None:
        scheduler.set_timesteps(timesteps=timesteps)
    else:
        scheduler.set_timesteps(count)
    if isinstance(scheduler, DPMSolverMultistepScheduler):
        bar = scheduler.alphas_cumprod[scheduler.timesteps]
        zero = torch.zeros(1, dtype=torch.float64)
        scheduler.sigmas = torch.cat([((1 - bar) / bar).sqrt(), zero])
    x, out = START, []
    for i, t in enumerate(scheduler.timesteps.tolist()):
        noise = first(NOISE[i])
        scheduling_ddpm.randn_tensor = lambda *a, **k: noise
        extra = dict(step_args)
        if isinstance(scheduler, DDIMScheduler):
            extra["variance_noise"] = noise if step_args.get("eta", 0) > 0 else None
        y = model(first(x), t, learned)
        x = last(scheduler.step(y, t, first(x), return_dict=False, **extra)[0]).double()
        out.append(x)
    return scheduler.timesteps.clone(), torch.stack(out)


def chains():
    v, eps = dict(prediction_type="v_prediction"), dict(prediction_type="epsilon")
    free = dict(clip_sample=False)
    dynamic = dict(thresholding=True, dynamic_thresholding_ratio=0.95, sample_max_value=1.5)
    leading, trailing, linspace = (dict(timestep_spacing=s)
                                   for s in ("leading", "trailing", "linspace"))
    ddpm, ddim, dpm = DDPMScheduler, DDIMScheduler, DPMSolverMultistepScheduler
    rows = {
        "ddpm_v_leading": (ddpm, 10, dict(COSINE, **v, **leading)),
        "ddpm_v_large": (ddpm, 8, dict(COSINE, **v, **leading, **dynamic,
                                       variance_type="fixed_large")),
        "ddpm_eps_if": (ddpm, None, dict(COSINE, **eps, **dynamic, variance_type="learned_range"),
                        dict(timesteps=if_timesteps.smart27_timesteps)),
        "ddpm_eps_linear": (ddpm, 20, dict(beta_schedule="linear", **eps, **linspace)),
        "ddim_v_trailing": (ddim, 10, dict(COSINE, **v, **trailing, **free)),
        "ddim_v_leading_eta": (ddim, 20, dict(COSINE, **v, **leading), dict(eta=0.5)),
        "ddim_eps_rederived": (ddim, 20, dict(COSINE, **eps, **trailing, **dynamic),
                               dict(eta=0.5, use_clipped_model_output=True)),
        "ddim_sample_scaled": (ddim, 10, dict(beta_schedule="scaled_linear", beta_start=0.00085,
                                              beta_end=0.012, prediction_type="sample", **leading,
                                              **free)),
        "dpm_v_linspace": (dpm, 12, dict(COSINE, **v, **linspace)),
        "dpm_v_trailing": (dpm, 20, dict(COSINE, **v, **trailing, lambda_min_clipped=-5.1)),
        "dpm_eps_leading": (dpm, 20, dict(COSINE, **eps, **leading, **dynamic,
                                          lambda_min_clipped=-5.1, steps_offset=1)),
        "dpm_eps_linear": (dpm, 16, dict(beta_schedule="linear", **eps, **linspace)),
    }
    tensors = {}
    for name, (kind, count, config, *extra) in rows.items():
        t, x = chain(exact(kind(**config)), count, **(extra[0] if extra else {}))
        print(f"{name:24} {len(t):3} steps, t {t[0]}..{t[-1]}, |x| <= {x.abs().max():.3f},",
              f"end std {x[-1].std():.3f}")
        tensors[f"{name}/timesteps"], tensors[f"{name}/x"] = t, x
    return tensors


def tables():
    tensors = {}
    for name, config in {
        "cosine": COSINE,
        "linear": dict(beta_schedule="linear"),
        "scaled_linear": dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
    }.items():
        s = DDPMScheduler(**config)
        tensors[f"alphas_cumprod_f32/{name}"] = s.alphas_cumprod
        tensors[f"alphas_cumprod/{name}"] = exact(s).alphas_cumprod
    for spacing in ("leading", "trailing", "linspace"):
        for count in (1, 7, 30, 256):
            s = DDPMScheduler(timestep_spacing=spacing, **COSINE)
            s.set_timesteps(count)
            tensors[f"timesteps/ddpm_{spacing}_{count}"] = s.timesteps
            for limit in ("", "_clipped"):
                clip = dict(lambda_min_clipped=-5.1) if limit else {}
                s = DPMSolverMultistepScheduler(timestep_spacing=spacing, **COSINE, **clip)
                s.set_timesteps(count)
                tensors[f"timesteps/dpm_{spacing}_{count}{limit}"] = s.timesteps
    for name in ("fast27", "smart27", "smart50", "smart100", "smart185", "super27", "super40",
                 "super100"):
        tensors[f"timesteps/{name}"] = torch.tensor(getattr(if_timesteps, f"{name}_timesteps"))
    return tensors


def thresholds():
    """Quantiles at several shares and one whole thresholding, from torch.quantile."""
    x = common.normal((3, 5, 5, 3), 23).double() * torch.tensor([0.2, 1.0, 3.0]).view(3, 1, 1, 1)
    shares = torch.tensor([0.0, 0.5, 0.95, 0.995, 1.0], dtype=torch.float64)
    quantiles = torch.quantile(x.reshape(3, -1).abs(), shares, dim=1)
    s = exact(DDPMScheduler(thresholding=True, dynamic_thresholding_ratio=0.95,
                            sample_max_value=1.5))
    return {"threshold/x": x, "threshold/shares": shares, "threshold/quantiles": quantiles,
            "threshold/dynamic": last(s._threshold_sample(first(x)))}


if __name__ == "__main__":
    np.seterr(all="raise")
    common.save("schedulers.safetensors",
                {"start": START, "noise": NOISE, **tables(), **chains(), **thresholds()},
                layout="NHWC")
