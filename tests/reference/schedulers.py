# SPDX-License-Identifier: MIT
"""Noise schedules, timesteps and whole sampling chains of diffusers.

Writes golden/schedulers.safetensors. Arrays of pictures are channels-last (N,H,W,C) here, as
samplers in limn see them. Euler's family keeps samples as x/alpha in diffusers; here they are x. The
schedulers' tables are replaced by the same formulas in float64:
diffusers keeps them in f32, where 1 - beta near the end of the cosine schedule has lost four digits.
`alphas_cumprod_f32/*` is what diffusers itself computes.

The pseudo model of channel c at timestep t, elementwise on x:
    f(x, t, c) = tanh(0.9 x + 0.3 (c - 1)) + 0.1 sin(t / 137)
    g(x, t)    = sin(3 x + t / 200)                the variance channels, where there are any
Step i of every chain adds noise[i], where it adds any. CHAIN/x[i] is the sample after step i.
"""
import math
import sys

import numpy as np
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler,
                       EulerAncestralDiscreteScheduler, EulerDiscreteScheduler,
                       FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler,
                       HeunDiscreteScheduler, LCMScheduler, UniPCMultistepScheduler)
from diffusers.pipelines.deepfloyd_if import timesteps as if_timesteps

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


def bring_noise(scheduler, noise):
    """Whatever the scheduler draws is `noise`."""
    module = sys.modules[type(scheduler).__module__]
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = lambda *a, **k: noise


def chain(scheduler, count, timesteps=None, **step_args):
    learned = getattr(scheduler.config, "variance_type", None) == "learned_range"
    if timesteps is not None:
        scheduler.set_timesteps(timesteps=timesteps)
    else:
        scheduler.set_timesteps(count)
    if isinstance(scheduler, (DPMSolverMultistepScheduler, UniPCMultistepScheduler)):
        bar = scheduler.alphas_cumprod[scheduler.timesteps]
        zero = torch.zeros(1, dtype=torch.float64)
        scheduler.sigmas = torch.cat([((1 - bar) / bar).sqrt(), zero])
    x, out = START, []
    for i, t in enumerate(scheduler.timesteps.tolist()):
        bring_noise(scheduler, first(NOISE[i]))
        extra = dict(step_args)
        y = model(first(x), t, learned)
        x = last(scheduler.step(y, t, first(x), return_dict=False, **extra)[0]).double()
        out.append(x)
    return scheduler.timesteps.clone(), torch.stack(out)


class Double:
    """torch, for a module that would cast to f32: a sample of 20,000 keeps no four digits there."""
    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def ratio_chain(scheduler, count):
    """Of schedulers whose samples are x/alpha, with sigma/alpha as time. Heun's count two entries
    of timesteps for a step, one for the last."""
    scheduler.set_timesteps(count)
    scheduler.sigmas = scheduler.sigmas.double()
    sys.modules[type(scheduler).__module__].torch = Double()
    heun = isinstance(scheduler, HeunDiscreteScheduler)
    x, out, steps = first(START) * (scheduler.sigmas[0] ** 2 + 1) ** 0.5, [], []
    for i, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[i]
        begins = not heun or scheduler.state_in_first_order
        if begins:
            steps.append(t)
        if len(out) < len(NOISE):
            bring_noise(scheduler, first(NOISE[len(out)]))
        scheduler.scale_model_input(x, t)
        y = model(x / (sigma**2 + 1) ** 0.5, t.item(), False)
        x = scheduler.step(y, t, x, return_dict=False)[0].double()
        if not heun or not begins or i == len(scheduler.timesteps) - 1:
            out.append(last(x / (scheduler.sigmas[i + 1] ** 2 + 1) ** 0.5))
    sys.modules[type(scheduler).__module__].torch = torch
    return torch.stack(steps), torch.stack(out)


def flow_chain(scheduler, count, **arguments):
    """Flow matching from sigma = 1 to 1/count, whatever the scheduler's own default."""
    sigmas = [1 - i / count for i in range(count)]
    heun = isinstance(scheduler, FlowMatchHeunDiscreteScheduler)
    if heun:  # takes no sigmas: they are laid as it lays its own
        shift = scheduler.config.shift
        s = torch.tensor([shift * v / (1 + (shift - 1) * v) for v in sigmas], dtype=torch.float64)
        scheduler.timesteps = torch.cat([s[:1], s[1:].repeat_interleave(2)]) * 1000
        scheduler.sigmas = torch.cat([s[:1], s[1:].repeat_interleave(2), torch.zeros(1)])
        scheduler._step_index = None
        scheduler.prev_derivative = scheduler.dt = None
    else:
        scheduler.set_timesteps(sigmas=sigmas, **arguments)
    x, out, steps = first(START), [], []
    for i, t in enumerate(scheduler.timesteps):
        begins = not heun or scheduler.state_in_first_order
        if begins:
            steps.append(t)
        y = model(x, t.item(), False)
        x = scheduler.step(y, t, x, return_dict=False)[0].double()
        if not heun or not begins or i == len(scheduler.timesteps) - 1:
            out.append(last(x))
    return torch.stack(steps), torch.stack(out)


def chains():
    v, eps = dict(prediction_type="v_prediction"), dict(prediction_type="epsilon")
    free = dict(clip_sample=False)
    dynamic = dict(thresholding=True, dynamic_thresholding_ratio=0.95, sample_max_value=1.5)
    leading, trailing, linspace = (dict(timestep_spacing=s)
                                   for s in ("leading", "trailing", "linspace"))
    linear = dict(beta_schedule="linear", beta_start=0.0001, beta_end=0.02)
    ddpm, ddim, dpm = DDPMScheduler, DDIMScheduler, DPMSolverMultistepScheduler
    rows = {
        "ddpm_v_leading": (ddpm, 10, dict(COSINE, **v, **leading)),
        "ddpm_v_large": (ddpm, 8, dict(COSINE, **v, **leading, **dynamic,
                                       variance_type="fixed_large")),
        "ddpm_eps_if": (ddpm, None, dict(COSINE, **eps, **dynamic, variance_type="learned_range"),
                        dict(timesteps=if_timesteps.smart27_timesteps)),
        "ddpm_eps_linear": (ddpm, 20, dict(beta_schedule="linear", **eps, **linspace)),
        "ddim_v_trailing": (ddim, 10, dict(COSINE, **v, **trailing, **free)),
        "ddim_v_leading": (ddim, 20, dict(COSINE, **v, **leading),
                           dict(use_clipped_model_output=True)),
        "ddim_eps_dynamic": (ddim, 20, dict(COSINE, **eps, **trailing, **dynamic),
                             dict(use_clipped_model_output=True)),
        "ddim_sample_scaled": (ddim, 10, dict(beta_schedule="scaled_linear", beta_start=0.00085,
                                              beta_end=0.012, prediction_type="sample", **leading,
                                              **free)),
        "dpm_v_linspace": (dpm, 12, dict(COSINE, **v, **linspace)),
        "dpm_v_trailing": (dpm, 20, dict(COSINE, **v, **trailing, lambda_min_clipped=-5.1)),
        "dpm_eps_leading": (dpm, 20, dict(COSINE, **eps, **leading, **dynamic,
                                          lambda_min_clipped=-5.1, steps_offset=1)),
        "dpm_eps_linear": (dpm, 16, dict(beta_schedule="linear", **eps, **linspace)),
        "dpm_sde_v_trailing": (dpm, 12, dict(COSINE, **v, **trailing, lambda_min_clipped=-5.1,
                                             algorithm_type="sde-dpmsolver++")),
        "dpm_sde_eps_linear": (dpm, 20, dict(beta_schedule="linear", **eps, **leading, **dynamic,
                                             algorithm_type="sde-dpmsolver++")),
        "unipc_v_linspace": (UniPCMultistepScheduler, 10, dict(COSINE, **v, **linspace)),
        "unipc_eps_linear": (UniPCMultistepScheduler, 8, dict(beta_schedule="linear", **eps,
                                                              **leading, **dynamic)),
        "lcm_v": (LCMScheduler, None, dict(COSINE, **v), dict(timesteps=[999, 749, 499, 249])),
        "lcm_eps_leading": (LCMScheduler, None, dict(linear, **eps),
                            dict(timesteps=[750, 500, 250, 0])),
    }
    ratio_rows = {
        "euler_v_trailing": (EulerDiscreteScheduler, 10, dict(COSINE, **v, **trailing)),
        "euler_eps_karras": (EulerDiscreteScheduler, 12, dict(linear, **eps, **leading,
                                                              use_karras_sigmas=True)),
        "euler_v_exponential": (EulerDiscreteScheduler, 9, dict(COSINE, **v, **trailing,
                                                                use_exponential_sigmas=True)),
        "euler_a_v_trailing": (EulerAncestralDiscreteScheduler, 12, dict(COSINE, **v, **trailing)),
        "euler_a_eps_leading": (EulerAncestralDiscreteScheduler, 10, dict(linear, **eps, **leading)),
        "heun_v_leading": (HeunDiscreteScheduler, 8, dict(COSINE, **v, **leading)),
        "heun_eps_karras": (HeunDiscreteScheduler, 10, dict(linear, **eps, **leading,
                                                            use_karras_sigmas=True, clip_sample=True)),
    }
    flow, flow_heun = FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
    flow_rows = {
        "flow_euler": (flow, 6, dict(shift=3.0)),
        "flow_euler_mu": (flow, 4, dict(use_dynamic_shifting=True), dict(mu=2.03)),
        "flow_euler_karras": (flow, 7, dict(use_karras_sigmas=True)),
        "flow_heun": (flow_heun, 5, dict(shift=2.0)),
    }
    tensors = {}
    for name, (kind, count, config, *extra) in rows.items():
        keep(tensors, name, *chain(exact(kind(**config)), count, **(extra[0] if extra else {})))
    for name, (kind, count, config) in ratio_rows.items():
        keep(tensors, name, *ratio_chain(exact(kind(**config)), count))
    for name, (kind, count, config, *extra) in flow_rows.items():
        keep(tensors, name, *flow_chain(kind(**config), count, **(extra[0] if extra else {})))
    return tensors


def keep(tensors, name, t, x):
    print(f"{name:24} {len(t):3} steps, t {t[0]}..{t[-1]}, |x| <= {x.abs().max():.3f},",
          f"end std {x[-1].std():.3f}")
    tensors[f"{name}/timesteps"], tensors[f"{name}/x"] = t, x


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
