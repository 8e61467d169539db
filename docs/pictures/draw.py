#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws every picture of this folder, and the samples beside the templates, from the weights that are committed.

    draw.py [--icons FOLDER] LIMN PACK [NAME.png …]     PACK: what limn data pack makes of the sets of docs/training.md
    draw.py --check                    are the pictures of these weights? Exit code 1: no

LIMN is the program that was built. FOLDER: the icons that my-style learns from; without them its pictures stay as they are.
Photographs need Xvfb, xterm and ImageMagick. What the pictures were
drawn from is kept in drawn.json: the SHA-256 of the model's files and of each picture; a test runs --check."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
TEMPLATES = SOURCE / 'app/templates'
MODEL = SOURCE / 'app/models/limn-icons'
DRAWN = HERE / 'drawn.json'
NAMES = 'fox,rocket,mushroom,guitar,umbrella,owl,house,pizza,bicycle,cat,sailboat,crown'  # the first that came to mind
SECONDS = 300  # a wait that takes longer is in vain


class Studio:
    """A home that holds nothing yet, and limn in it."""

    def __init__(self, limn, pack, icons):
        self.limn, self.pack, self.icons = os.path.abspath(limn), os.path.abspath(pack), icons and os.path.abspath(icons)
        self.folder = tempfile.TemporaryDirectory()
        self.home = pathlib.Path(self.folder.name)
        (self.home / 'run').mkdir(mode=0o700)
        shutil.copytree(SOURCE / 'app/templates/samples', self.home / 'samples')
        self.env = {'PATH': os.environ['PATH'], 'HOME': str(self.home), 'XDG_RUNTIME_DIR': str(self.home / 'run'),
                    'LC_ALL': 'C.UTF-8', 'SHELL': '/bin/sh', 'OMP_WAIT_POLICY': 'passive'}

    def run(self, *args):
        subprocess.run([self.limn, *map(str, args)], check=True, cwd=self.home, env=self.env)

    def photograph(self, script, to):
        """The screen of an xterm at the moment when the script has come to its end."""
        said, mark = self.home / 'script', self.home / 'there'
        mark.unlink(missing_ok=True)
        said.write_text(f'limit {SECONDS}\n{script}save {mark}\n')
        read, write = os.pipe()
        server = subprocess.Popen(['Xvfb', '-displayfd', str(write), '-screen', '0', '964x582x24', '-noreset'],
                                  pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        env = dict(self.env, DISPLAY=':' + os.read(read, 20).decode().strip())
        terminal = subprocess.Popen(
            ['xterm', '-ti', 'vt340', '-tn', 'xterm-256color', '-xrm', 'XTerm*numColorRegisters: 256',
             '-fa', 'DejaVu Sans Mono', '-fs', '10', '-bg', 'black', '-fg', '#d0d0d0',
             '-geometry', '120x34+0+0', '-b', '2', '+sb', '-bw', '0', '-e',
             self.limn, '--script', str(said)], cwd=self.home / 'samples', env=env)
        end = time.monotonic() + SECONDS
        while not mark.exists() and terminal.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        if mark.exists():
            time.sleep(0.3)  # xterm draws its last sixels
            subprocess.run(['import', '-window', 'root', '-colors', '255', 'png8:' + str(to)], check=True, env=env)
        terminal.terminate()
        terminal.wait()
        server.terminate()
        server.wait()
        if not mark.exists():
            raise SystemExit(f'{to.name}: the script did not come to its end')


def sheet(studio, to):
    """Held-out examples of all tasks: the first of each split, none chosen."""
    studio.run('train', SOURCE / 'app/recipes/limn-icons.yaml', '--set', f'pack={studio.pack}', '--set', 'output=run',
               '--model', MODEL, '--sheet', to)


def words(studio, to, *more):
    studio.run('generate', 'text', '--no-library', '--quiet', '--sweep', 'seed=1,2', '--sweep', f'subject={NAMES}',
               '-o', 'words.png', *more)
    shutil.copy(studio.home / 'words-sheet.png', to)


def learn_style(studio):
    """A LoRA that is trained here, in ten minutes or so."""
    if not studio.icons:
        raise SystemExit('my-style needs --icons: the twenty that docs/training.md names')
    studio.run('data', 'pack', studio.icons, 'my-style.pack', '--size', 64, '--names')
    studio.run('train', SOURCE / 'app/recipes/my-style.yaml', '--set', f'model={MODEL}', '--set',
               f'pack={studio.home}/my-style.pack', '--set', f'output={studio.home}/my-style')


def my_style(studio, to):
    """Before and after, and the template's sample."""
    learn_style(studio)
    studio.run('generate', 'my-style', '--no-library', '--quiet', '--seed', 1, '--sweep',
               'lora=my-style/lora.safetensors:0,my-style/lora.safetensors', '--sweep',
               'subject=red apple,house,rocket,mushroom,guitar,lion', '-o', 'my.png')
    shutil.copy(studio.home / 'my-sheet.png', to)
    sample(studio, path_of('results/my-style.png'), '--lora', 'my-style/lora.safetensors')


def sample(studio, to, *more):
    """What a template draws, small: the template view shows it."""
    studio.run('generate', to.stem, '--no-library', '--quiet', '--seed', 1, '-o', 'sample.png', *more)
    subprocess.run(['convert', studio.home / 'sample.png', '-resize', '160x160', '-strip', to], check=True)


def compose(studio, to):
    studio.photograph('keys 4\nwait styled-subject\nkeys End Up Up Enter ^G\nwait references\nkeys Tab Tab\nsettle\n', to)


def live(studio, to):
    studio.photograph('keys 4\nwait styled-subject\nkeys End Up Up F9 2\nwait step [12][0-9] of\n', to)


def gallery(studio, to):
    for template in ('edge', 'sketch', 'subject', 'styled-subject'):
        studio.run('generate', template, '--quiet', '--count', 3, '--seed', 1)
    studio.photograph('keys 3\nwait newest first\nsettle\n', to)


def screen(studio, to):
    """One of those that screens.limn saves."""
    subprocess.run([studio.limn, '--script', str(HERE / 'screens.limn')], check=True, cwd=studio.home / 'samples',
                   env=studio.env)
    shutil.copy(studio.home / 'samples' / to.name, to)


# The samples first: photographs show them.
PICTURES = {**dict.fromkeys([f'results/{t}.png' for t in ('edge', 'mask', 'sketch', 'style', 'style-transfer',
                                                          'styled-subject', 'subject', 'text')], sample),
            'sheet.png': sheet, 'text.png': words, 'text-alone.png': lambda s, to: words(s, to, '--retrieve', 0),
            'my-style.png': my_style, 'ui-compose.png': compose, 'ui-live.png': live, 'ui-gallery.png': gallery,
            **dict.fromkeys(('ui-templates.png', 'ui-mask.png', 'ui-sweep.png'), screen)}
TOGETHER = {'my-style.png': ['results/my-style.png']}  # what else one draws


def path_of(name):
    return (TEMPLATES if name.startswith('results/') else HERE) / name


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_digests():
    """Of all that decides what it draws: not of its card."""
    return {str(f.relative_to(MODEL)): digest(f) for f in sorted(MODEL.rglob('*')) if f.is_file() and f.suffix != '.md'}


def check():
    """What is not as drawn.json says, a line each."""
    kept, wrong = json.loads(DRAWN.read_text()), []
    now = model_digests()
    changed = [f for f in sorted(now.keys() | kept['model'].keys()) if now.get(f) != kept['model'].get(f)]
    if changed:
        wrong.append(f'the pictures are of other weights than those in {MODEL.name}: {", ".join(changed)} changed')
    there = {f.name for f in HERE.glob('*.png')} | {f'results/{f.name}' for f in TEMPLATES.glob('results/*.png')}
    for name in sorted(there | PICTURES.keys() | kept['pictures'].keys()):
        if name not in there or kept['pictures'].get(name) != digest(path_of(name)):
            wrong.append(f'{name} is not what draw.py drew')
    return wrong


def main():
    if sys.argv[1:] == ['--check']:
        wrong = check()
        print('\n'.join(wrong) or 'every picture is of the weights that are here')
        return sys.exit(bool(wrong))
    words = sys.argv[1:]
    icons = words[1] if words[:1] == ['--icons'] and len(words) > 1 else None
    words = words[2:] if icons else words
    if len(words) < 2 or any(name not in PICTURES for name in words[2:]):
        raise SystemExit(__doc__)
    kept = json.loads(DRAWN.read_text()) if DRAWN.exists() else {}
    if kept.get('model') != model_digests():  # then all are to be drawn again, and --check says which are not
        kept = {'model': model_digests(), 'pictures': {}}
    for name in words[2:] or [p for p in PICTURES if icons or p != 'my-style.png']:
        print(name, flush=True)
        PICTURES[name](Studio(*words[:2], icons), path_of(name))
        for drawn in [name, *TOGETHER.get(name, [])]:
            kept['pictures'][drawn] = digest(path_of(drawn))
        DRAWN.write_text(json.dumps(kept, indent=1, sort_keys=True) + '\n')


if __name__ == '__main__':
    main()
