#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The themes that come with limn: known roles only, each once, and contrast as WCAG 2 has it.
# usage: themes.py SOURCE
import os, pathlib, re, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import check, finish

source = pathlib.Path(sys.argv[1])
roles = re.findall(r'^ROLE\(\w+, "([^"]+)"', (source / 'app/ui/roles.def').read_text(), re.M)


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


check(abs(contrast('#000000', '#ffffff') - 21) < 1e-9, 'black on white is 21 : 1')
check(abs(contrast('#777777', '#ffffff') - 4.48) < 0.01, '#777 on white is 4.48 : 1')
themes = sorted((source / 'themes').glob('*.theme'))
check({t.stem for t in themes} >= {'dark', 'light', 'solarized', 'high-contrast', 'mono'}, 'five themes')
for theme in themes:
    ground = None
    seen = set()
    for line in theme.read_text().splitlines():
        if not line.strip() or line.startswith(';'):
            continue
        m = re.fullmatch(r'([a-z-]+) = (#[0-9a-f]{6}|[a-z-]+)(?: on (#[0-9a-f]{6}|[a-z-]+))?((?: '
                         r'(?:bold|underline|reverse|dim))*)', line)
        if not m:
            check(False, f'{theme.name}: {line!r}')
            continue
        role, fg, bg, _ = m.groups()
        check(role in roles and role not in seen, f'{theme.name}: role {role}')
        seen.add(role)
        if role == 'text':
            ground = bg
        bg = bg or ground
        # Lines between panes are no text (WCAG 1.4.11: 3 : 1).
        least = 3 if role == 'border' else 7 if theme.stem == 'high-contrast' else 4.5
        if fg.startswith('#') and bg and bg.startswith('#'):
            check(contrast(fg, bg) >= least, f'{theme.name}: {role} has {contrast(fg, bg):.2f} : 1')
    missing = set(roles) - seen
    check(theme.stem == 'mono' or not missing, f'{theme.name}: no {missing}')
print(f'{len(themes)} themes')
finish()
