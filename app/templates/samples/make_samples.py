#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cuts the sample pictures out of the emoji set: make_samples.py EMOJI_FOLDER LIMN. Needs ImageMagick;
LIMN, the program, makes the edge map, the mask and the sketch with its loaders.
Only styles whose licences are not share-alike; CREDITS.md names them."""
import pathlib
import subprocess
import sys
import tarfile

SAMPLES = {  # file stem: (style, code points)
    "snail-noto": ("noto", "1f40c"),
    "dolphin-fluent-color": ("fluent-color", "1f42c"),
    "apple-fluent-3d": ("fluent-3d", "1f34f"),
    "rocket-fluent-3d": ("fluent-3d", "1f680"),
    "mushroom-noto": ("noto", "1f344"),
    "lion-noto": ("noto", "1f981"),
    "dog-twemoji": ("twemoji", "1f436"),
    "sunflower-twemoji": ("twemoji", "1f33b"),
    "fox-fluent-3d": ("fluent-3d", "1f98a"),
    "cat-noto": ("noto", "1f431"),
    "horse-fluent-flat": ("fluent-flat", "1f40e"),
    "turtle-blob": ("blob", "1f422"),
    "robot-blob": ("blob", "1f916"),
    "style-noto": ("noto", "1f419"),
    "style-twemoji": ("twemoji", "1f337"),
    "style-fluent-3d": ("fluent-3d", "1f3e0"),
    "style-fluent-color": ("fluent-color", "1f43c"),
    "style-fluent-flat": ("fluent-flat", "1f344"),
    "style-blob": ("blob", "1f47b"),
    "style-fxemoji": ("fxemoji", "1f335"),
}
MADE = {  # file stem: (loader, sample)
    "edges-fox": ("edge", "fox-fluent-3d"),
    "mask-horse": ("mask", "horse-fluent-flat"),
    "sketch-cat": ("sketch", "cat-noto"),
}
source, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
for stem, (style, code) in SAMPLES.items():
    with tarfile.open(source / f"{style}.tar") as tar:
        data = tar.extractfile(f"{code}.webp").read()
    subprocess.run(["convert", "webp:-", "-strip", "-resize", "192x192", "-define",
                    "png:compression-level=9", f"png32:{here / stem}.png"], input=data, check=True)
for stem, (loader, sample) in MADE.items():
    files = [here / f"{sample}.png", here / f"{stem}.png"]
    subprocess.run([sys.argv[2], "load", loader, *files], check=True)
