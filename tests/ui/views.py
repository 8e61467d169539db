#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The views of the terminal UI, played through its second door (script.py): what keys do and what is then on the screen.
# usage: views.py LIMN SOURCE LOADERS [NAME...]
import os, pathlib, re, shutil, sqlite3, subprocess, tempfile, time

import script
from script import DRAWN, Home, LIMN, SOURCE, check, work


def palette():
    h = Home()
    screen = h.play('keys :\nsave -', 'the palette')
    check(re.search(r'^  draw +F9 \^G +draw the instruction', screen, re.M), 'everything is listed, with its keys', screen)
    screen = h.play('keys :\ntype guid\nsave -', 'filtered')
    check('guidance' in screen and 'next-pane' not in screen, 'what is typed filters', screen)
    themes = sorted(p.stem for p in (pathlib.Path(SOURCE) / 'themes').glob('*.theme'))
    screen = h.play('keys :\ntype them\nkeys Tab\nsave -\ntype x\nkeys Backsp Tab\nsave -\nkeys Tab S-Tab\nsave -', 'completed')
    check(re.search('^ :theme$', screen, re.M), 'Tab completes a name', screen)
    check(len(re.findall(f'^ :theme {themes[0]}$', screen, re.M)) == 2, 'and its value, forwards and back', screen)
    screen = h.play('keys :\ntype sampler\nkeys Space\nsave -', 'choices')
    check('heun' in screen and 'ddim' in screen, 'the names of a parameter\'s values', screen)
    screen = h.play('keys :\ntype open ca\nkeys Tab\nsave -', 'files')
    check(':open cat-noto.png' in screen, 'files are completed', screen)
    h.play('keys :\ntype steps 7\nkeys Enter\nwait steps 7', 'one is set')
    screen = h.play('keys : Up\nsave -\nkeys Esc :\ntype st\nkeys Up\nsave -\nkeys Down\nsave -', 'later')
    check(screen.count(':steps 7') == 2 and ':st\n' in screen, 'what was asked before comes with Up, also of an earlier limn', screen)
    h.play('keys :\ntype q\nkeys Enter', ':q is quit')
    screen = h.play('keys :\ntype gallexy\nkeys Enter\nsave -', 'a slip')
    check("unknown command 'gallexy'; did you mean 'gallery'?" in screen, 'is answered', screen)
    screen = h.play('keys :\npaste steps 9\nsave -\nkeys Esc Y\nsave -', 'pasted')
    check(':steps 9' in screen and 'Y does nothing here' in screen, 'a paste goes in; a key without use says so', screen)


def own_keys():
    h = Home()
    shipped = h.limn('--print-keys').stdout
    check(shipped == (pathlib.Path(SOURCE) / 'docs/keys').read_text(), 'docs/keys is what limn has: limn --print-keys >docs/keys')
    folder = h.path / '.config/limn'
    folder.mkdir(parents=True)
    own = folder / 'keys'
    own.write_text(shipped)
    check(h.limn('--print-keys').stdout == shipped, 'the shipped file changes nothing')
    own.write_text('# mine\n\nall gallery 3 Z\nall help\ncompose add +\ngallery mark Space c\n')
    screen = h.play('keys Z\nwait newest first\nsave -\nkeys 1 +\nwait \\[ref#1\\]\nkeys 8\nsave -', 'own keys')
    check('F1 help' not in screen.split('instruction')[0], 'one that was taken away', screen)
    screen = h.play('keys a\nsave -', 'a key that is free')
    check('a: there is nothing to' in screen or 'a does nothing here' in screen, 'says so', screen)
    check('compose    add            +' in h.limn('--print-keys').stdout, 'and they are printed')
    for line, what in (('al draw F9', "keys:2: 'al' is not a view or all; did you mean 'all'?"), ('all darw x', "did you mean 'draw'?"),
                       ('all draw Foo', "'Foo' is not a key"), ('all', 'what is asked for is missing')):
        own.write_text(f'# mine\n{line}\n')
        p = h.limn('--print-keys')
        check(p.returncode == 2 and what in p.stderr, f'{line}: {p.stderr}')
        screen = h.play('save -\nkeys 2\nwait queue', f'limn starts with {line}')
        check('keys:2' in screen, 'and says what is wrong', screen)


if __name__ == '__main__':
    script.run([palette, own_keys])
