#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The paper's ablation at a small size: ablation.py LIMN PACK OUT [--examples N] [--seeds 1,2,3] [--variants A,B]

PACK: 32 x 32 pictures with clusters:
  limn data pack EMOJI_FOLDER ICON_FOLDER icons32.pack --size 32
  limn data clusters icons32.pack icons32c.pack
Every variant trains the same small U-Net from nothing on the same number of examples, with limn-icons' text encoder,
frozen; tasks that ask for several things at once are kept from all of them and measured as zero-shot:

  whole         a quarter of the examples in stage 1, retrieval-augmented training, the rest in stage 2
  no stage 1    all of them in stage 2
  raw           as whole, but stage 2 gives the subject and the references alone, without an instruction
  one level     as whole, with the references' features at the coarsest level alone

Runs that are done are kept, one that was stopped goes on, so the same command again continues. It prints a table:
means over tasks, and over seeds with their standard deviation.
"""
import argparse
import json
import shutil
import statistics
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent / "models" / "limn-icons"
MICRO_BATCH = 32
VARIANTS = {  # share of stage 1, instructions, context levels
    "whole": (0.25, True, [1, 2]),
    "no stage 1": (0, True, [1, 2]),
    "raw": (0.25, False, [1, 2]),
    "one level": (0.25, True, [2]),
}
MEASURES = ("edges", "areas", "style", "subject", "thumbnail")


def limn(program, *args, quiet=True):
    done = subprocess.run([program, *map(str, args)], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE if quiet else None)
    if done.returncode:
        sys.exit(f"limn {' '.join(map(str, args))}: {done.stderr or done.returncode}")
    return done.stdout


def words_alone(source, out):
    """The weights of what turns a sentence into a thumbnail, which no variant trains."""
    data = source.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    head, body = {}, b""
    for name, about in json.loads(data[8:8 + size]).items():
        if name.startswith("text_thumbnail."):
            part = data[8 + size + about["data_offsets"][0]:8 + size + about["data_offsets"][1]]
            head[name] = {**about, "data_offsets": [len(body), len(body) + len(part)]}
            body += part
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    out.write_bytes(struct.pack("<Q", len(text)) + text + body)


def start_model(folder, levels):
    """limn-icons' configuration, half as wide and half as large, with nothing learned but words."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("text_encoder", "tokenizer", "scheduler"):
        shutil.copytree(MODEL / part, folder / part)
    shutil.copy(MODEL / "model_index.json", folder)
    unet = json.loads((MODEL / "unet/config.json").read_text())
    unet.update(sample_size=32, in_channels=3, out_channels=3, block_out_channels=[32, 64, 128],
                context_levels=levels, context_attention_head_dim=16, attention_head_dim=[16, 16, 16])
    (folder / "unet").mkdir()
    (folder / "unet/config.json").write_text(json.dumps(unet))
    words_alone(MODEL / "unet/diffusion_pytorch_model.safetensors", folder / "unet/diffusion_pytorch_model.safetensors")


def mixture(program, raw, out):
    """limn's own mixture as JSON; raw: the subject and the references, without an instruction."""
    tasks = json.loads(limn(program, "train", HERE / "limn-icons.yaml", "--print"))["tasks"]
    for task in tasks["mixture"] if raw else ():
        references = task.get("references", [])
        task["texts"] = [" ".join(["{subject}"] + ["{%s.marker}" % r["slot"] for r in references])]
        for reference in references:
            reference["texts"] = ["picture"]
    out.write_text(json.dumps(tasks))


def train(program, output, recipe, **settings):
    if (output / "model/model_index.json").exists():
        return
    sets = [f"--set={k}={json.dumps(v)}" for k, v in settings.items()]
    resume = ["--resume"] if (output / "checkpoint.safetensors").exists() else []
    limn(program, "train", recipe, f"--set=output={output}", *sets, *resume)


def run(program, pack, folder, variant, seed, examples):
    share, instructions, levels = VARIANTS[variant]
    measured = folder / "measured.json"
    if measured.exists():
        return json.loads(measured.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    tasks = folder / "tasks.json"
    mixture(program, not instructions, tasks)
    model, first = folder / "start", int(examples * share) // MICRO_BATCH
    if not model.exists():
        start_model(model, levels)
    same = dict(pack=str(pack), seed=seed, micro_batch=MICRO_BATCH, lr=6e-4, lr_final=1e-5, warmup=100,
                schedule="cosine", ema=0.995, save_every=200)
    if first:
        train(program, folder / "stage1", HERE / "limn-icons-retrieval.yaml", model=str(model), steps=first,
              **{**same, "schedule": "constant"})
        model = folder / "stage1/model"
    train(program, folder / "stage2", HERE / "limn-icons.yaml", model=str(model), tasks=str(tasks), zero_shot=True,
          steps=examples // MICRO_BATCH - first, **same)
    measured.write_text(limn(program, "eval", folder / "stage2/model", pack, "--tasks", tasks, "--quick", "--json"))
    return json.loads(measured.read_text())


def mean_over(report, names, measure):
    return statistics.mean(t[measure]["model"]["mean"] for t in report if t["task"] in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("limn")
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--examples", type=int, default=64000)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    a = parser.parse_args()
    program, pack = str(Path(a.limn).resolve()), a.pack.resolve()
    mixture(program, False, a.out.parent / f"{a.out.name}.tasks.json")
    tasks = json.loads((a.out.parent / f"{a.out.name}.tasks.json").read_text())["mixture"]
    kinds = {"taught": {t["name"] for t in tasks if not t.get("compound")},
             "zero-shot": {t["name"] for t in tasks if t.get("compound")}}
    print(f"{'':24}" + "".join(f"{m:>18}" for m in MEASURES))
    for variant in a.variants.split(","):
        reports = [run(program, pack, a.out.resolve() / f"{variant.replace(' ', '-')}-{seed}", variant, seed, a.examples)
                   for seed in map(int, a.seeds.split(","))]
        for kind, names in kinds.items():
            cells = []
            for measure in MEASURES:
                values = [mean_over(r, names, measure) for r in reports]
                spread = statistics.stdev(values) if len(values) > 1 else 0
                cells.append(f"{statistics.mean(values):>9.3f} ± {spread:.3f} ")
            print(f"{variant + ', ' + kind:24}" + "".join(f"{c:>18}" for c in cells), flush=True)


main()
