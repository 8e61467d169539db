#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cuts the sample pictures out of the emoji set: make_samples.py EMOJI_FOLDER. Needs ImageMagick.
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
    "style-noto": ("noto", "1f419"),
    "style-twemoji": ("twemoji", "1f337"),
    "style-fluent-3d": ("fluent-3d", "1f3e0"),
    "style-fluent-color": ("fluent-color", "1f43c"),
    "style-blob": ("blob", "1f47b"),
    "style-fxemoji": ("fxemoji", "1f335"),
}
source, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
for stem, (style, code) in SAMPLES.items():
    with tarfile.open(source / f"{style}.tar") as tar:
        data = tar.extractfile(f"{code}.webp").read()
    subprocess.run(["convert", "webp:-", "-strip", "-resize", "192x192", "-define",
                    "png:compression-level=9", f"png32:{here / stem}.png"], input=data, check=True)
