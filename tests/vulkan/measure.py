#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One command for a graphics card: the tests of the Vulkan device on it, then U-Net steps of IF-I-M's and
IF-I-XL's size, batch 2, in f16 and bf16, beside PyTorch (eager and compiled) in the same run, as the table of
docs/performance.md.

    tests/vulkan/measure.py BUILD [--device vulkan] [--sizes if-i-m if-i-xl] [--dtypes f16 bf16]
                            [--torch-device cuda] [--repeats 10] [--no-tests] [--training]

BUILD is a build folder (meson setup BUILD, the engine alone is enough). PyTorch's columns need torch and
diffusers (PYTHON: the interpreter that has them). Exit status 1 when a test failed or nothing could be
measured.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TORCH_NAMES = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--device", default="vulkan")
    p.add_argument("--sizes", nargs="+", default=["if-i-m", "if-i-xl"])
    p.add_argument("--dtypes", nargs="+", default=["f16", "bf16"])
    p.add_argument("--torch-device", default="cuda")
    p.add_argument("--repeats", type=int, default=10)
    p.add_argument("--no-tests", action="store_true")
    p.add_argument("--training", action="store_true", help="also forward and backward, of the first size")
    return p.parse_args()


def output_of(command, **more):
    """What a command says; shown as well. None when it failed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    print(done.stdout, end="", flush=True)
    return done.stdout if done.returncode == 0 else None


def run_tests(build):
    """The tests on the device itself: as GPUs run the shaders, whatever the machine's default."""
    environment = dict(os.environ, LIMN_VULKAN_SERIAL="0")
    good = True
    for name in ("t_vulkan", "t_faults"):
        print(f"== {name}", flush=True)
        test = build / "tests" / "vulkan" / name
        good &= test.exists() and output_of([str(test)], env=environment) is not None
    return good


def limn_step(o, size, dtype, what):
    """(milliseconds, percent of the measured rate), or None."""
    command = [str(o.build / "app" / "alone" / "limn-engine"), "bench", "step", "--device", o.device,
               "--size", size, "--dtype", dtype, "--batch", "2", "--text-tokens", "77", "--repeats",
               str(o.repeats), what]
    text = output_of(command) or ""
    found = re.search(r"^(?:forward|training)[^:]*: ([\d.]+) ms, .* = ([\d.]+) % of the matrix rate", text, re.M)
    return (float(found[1]), float(found[2])) if found else None


def torch_step(o, size, dtype, compiled):
    """Milliseconds, or None."""
    python = os.environ.get("PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch, diffusers"], stderr=subprocess.DEVNULL).returncode:
        return None
    command = [python, str(HERE.parent / "reference" / "speed.py"), "--size", size, "--device",
               o.torch_device, "--dtype", TORCH_NAMES[dtype], "--repeats", str(o.repeats)]
    text = output_of(command + ["--compile"] * compiled) or ""
    found = re.search(r": ([\d.]+) ms", text)
    return float(found[1]) if found else None


def cell(ms, ours):
    return f"{ms:.1f} ms ({ms / ours:.2f} x)" if ms else "-"


def main():
    o = options()
    good = o.no_tests or run_tests(o.build)
    rows = []
    for size in o.sizes:
        for dtype in o.dtypes:
            print(f"== {size}, batch 2, {dtype}, {o.device}", flush=True)
            ours = limn_step(o, size, dtype, "--forward")
            if not ours:
                rows.append(f"| {size} {dtype} | failed | | | |")
                good = False
                continue
            eager, compiled = (torch_step(o, size, dtype, c) for c in (False, True))
            rows.append(f"| {size} {dtype} | {ours[0]:.1f} ms | {ours[1]:.1f} % | {cell(eager, ours[0])} | "
                        f"{cell(compiled, ours[0])} |")
    if o.training:
        for dtype in o.dtypes:
            ours = limn_step(o, o.sizes[0], dtype, "--train")
            rows.append(f"| {o.sizes[0]} {dtype}, forward and backward | {ours[0]:.1f} ms | {ours[1]:.1f} % | | |"
                        if ours else f"| {o.sizes[0]} {dtype}, training | failed | | | |")
            good &= ours is not None
    print("\n| step, batch 2 | limn | share of the measured rate | PyTorch eager (times limn's) | compiled |")
    print("|---|---|---|---|---|")
    print("\n".join(rows))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
