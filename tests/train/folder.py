#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The folder and the pack of a training: what is begun or finished is not begun anew unless that is said, and a pack
# that another program cuts meanwhile costs the step that needed it, no step before it.
# usage: folder.py LIMN SOURCE LOADERS
import json, os, pathlib, shutil, struct, subprocess, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test, tiny_training
from limn_test import LIMN, SOURCE, check, environment, finish, safetensors, work

home = pathlib.Path(work.name)
env = environment(home)
here = home / 'here'
run = here / 'run'
tiny_training.make(SOURCE, here)
TRAIN = ('train', 'small.yaml', '--device', 'cpu')


def limn(*args, **how):
    return limn_test.limn(*args, env=env, cwd=here, **how)


def until(condition, what):
    return limn_test.until(condition, what, 60)


def steps():
    log = run / 'log.jsonl'
    return [json.loads(l)['step'] for l in log.read_text().splitlines(True) if l.endswith('\n')] if log.exists() else []


def write_pack(count=200, side=8):
    """A pack of many pages, as engine/train/pack.h describes it."""
    caption = b'a snail' * count
    tensors = [('text.caption.ends', 'I64', [count], struct.pack(f'<{count}q', *range(7, 7 * count + 1, 7))),
               ('text.keywords.ends', 'I64', [count], bytes(8 * count)),
               ('subject', 'I32', [count], struct.pack(f'<{count}i', *range(count))),
               ('style', 'I32', [count], bytes(4 * count)), ('split', 'U8', [count], bytes(count)),
               ('text.caption', 'U8', [len(caption)], caption), ('text.keywords', 'U8', [1], b'x'),
               ('images', 'U8', [count, side, side, 3], bytes(i % 251 for i in range(count * side * side * 3))),
               ('alpha', 'U8', [count, side, side], bytes(255 for _ in range(count * side * side)))]
    safetensors(here / 'small.pack', {name: (kind, shape, data) for name, kind, shape, data in tensors},
                {'format': 'limn pack 1', 'styles': '["flat"]'})


# --- a pack that is cut under a training
write_pack()
whole = (here / 'small.pack').read_bytes()
check(len(whole) > 8 * 4096, f'the pack has several pages: {len(whole)} bytes')
for left in (0, 4096, len(whole) - 3 * 4096, len(whole) - 1):
    shutil.rmtree(run, ignore_errors=True)
    p = subprocess.Popen([LIMN, *TRAIN, '--json'], env=env, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    for _ in range(3):
        p.stdout.readline()
    os.truncate(here / 'small.pack', left)
    try:
        lines, errors = p.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        p.kill()
        lines, errors = p.communicate()
    done = steps()
    check(p.returncode == 1 and 'small.pack was truncated' in errors,
          f'cut to {left}: exit {p.returncode}, {errors[-500:]}')
    check(done and f'step {done[-1]} is saved' in errors,
          f'cut to {left}: the {len(done)} steps are saved: {errors[-300:]}')
    check((run / 'checkpoint.safetensors').exists(), f'cut to {left}: a checkpoint')
    (here / 'small.pack').write_bytes(whole)
limn(*TRAIN, '--resume', '--until', str(len(done) + 2))
check(steps() == list(range(1, len(done) + 3)), f'and it goes on there: {steps()[-5:]} after {len(done)}')

# --- a mixture that asks for what the pack has not: no subject in it is there twice
tasks = json.loads((here / 'tasks.json').read_text())
other = dict(name='again', ratio=1, references=[dict(slot='other', picture='subject', texts=['it'])],
             texts=['{subject} like {other}'])
(here / 'two.json').write_text(json.dumps(dict(tasks, mixture=tasks['mixture'] + [other])))
shutil.rmtree(run)
limn(*TRAIN, '--set', 'tasks=two.json', code=2,
     says='the pack has no example with 1 reference for again: leave these out')
check(not steps(), 'that is said before the first step')
limn(*TRAIN, '--until', '2')


# --- a folder that holds a training
def state():
    return {str(f.relative_to(run)): f.read_bytes() for f in run.rglob('*') if f.is_file()}


def refused(*more):
    before = state()
    limn(*TRAIN, '--until', '2', *more, code=2, says='already holds a training run')
    limn(*TRAIN, '--until', '2', '--resume', '--force', *more, code=2, says='give one of them')
    check(state() == before, f'{more}: nothing in it has changed')


shutil.rmtree(run)
limn(*TRAIN, '--until', '2')
refused()
limn(*TRAIN, '--until', '3', '--force')
check(steps() == [1, 2, 3] and (run / 'log.previous.jsonl').exists(), f'--force starts over: {steps()}')
limn(*TRAIN, '--until', '5', '--resume')
check(steps() == [1, 2, 3, 4, 5], f'--resume goes on: {steps()}')
checkpoint = run / 'checkpoint.safetensors'
good = checkpoint.read_bytes()
size, = struct.unpack('<Q', good[:8])
for step in ('-1', '-9223372036854775808', '99999999999999999999', '5x', ''):
    head = json.loads(good[8:8 + size])
    head['__metadata__']['step'] = step
    text = json.dumps(head).encode()
    checkpoint.write_bytes(struct.pack('<Q', len(text)) + text + good[8 + size:])
    limn(*TRAIN, '--until', '7', '--resume', code=2, says=f"its step is '{step}'")
checkpoint.write_bytes(good)
limn(*TRAIN, '--set', 'steps=6', '--resume')
refused('--set', 'steps=6')  # finished
for f in run.glob('checkpoint*'):
    f.unlink()
refused()  # only its model is left
shutil.rmtree(run)
run.mkdir()
(run / 'notes.txt').write_text('mine')
limn(*TRAIN, '--until', '1')
check((run / 'notes.txt').read_text() == 'mine', 'a folder without a training is taken, and what is in it stays')


# --- a folder that came with a stranger's recipe: its links lead nothing elsewhere
shutil.rmtree(run)
mine = home / 'mine'
mine.mkdir()
(mine / 'notes.txt').write_text('mine\n' * 1000)
(mine / 'config.json').write_text('{"mine": true}\n')
before = {f: f.read_bytes() for f in mine.iterdir()}
for link, to in (('log.jsonl', 'notes.txt'), ('checkpoint.safetensors', 'notes.txt'), ('sheet-000002.png', 'notes.txt'),
                 ('lora.safetensors', 'notes.txt'), ('model', '.'), ('model/.limn-new', '.'), ('model/unet', '.'),
                 ('model/unet/config.json', 'config.json'), ('log.jsonl', 'nothing')):
    (run / link).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(mine / to, run / link)
    limn(*TRAIN, '--until', '2', '--force', code=2, says=f'{link} is a symbolic link')
    check({f: f.read_bytes() for f in mine.iterdir()} == before, f'{link}: what it leads to has changed')
    shutil.rmtree(run)
limn(*TRAIN, '--until', '2')
os.symlink(mine, run / 'model/.limn-new')
limn(*TRAIN, '--until', '4', '--resume', code=2, says='is a symbolic link')
check({f: f.read_bytes() for f in mine.iterdir()} == before, 'what a link leads to has changed')
os.unlink(run / 'model/.limn-new')

# --- a stranger's model: what its links lead to is in no model made from it; a hub's cache is nothing but links
for link in ('tokenizer/merges.txt', 'tokenizer/tokenizer.json'):
    shutil.rmtree(run)
    (here / 'model' / link).parent.mkdir(exist_ok=True)
    os.symlink(mine / 'notes.txt', here / 'model' / link)
    limn(*TRAIN, '--until', '2', code=2, says=f'{link} is a link that leads out of its folder')
    check(not (run / 'log.jsonl').exists(), f'{link}: refused after the training had begun')
    os.unlink(here / 'model' / link)
    limn(*TRAIN, '--until', '2')
store = here / 'models--me--small'
shutil.copytree(here / 'model', store / 'snapshots/1')
(store / 'blobs').mkdir()
for i, f in enumerate(sorted(f for f in (store / 'snapshots/1').rglob('*') if f.is_file())):
    f.rename(store / f'blobs/{i}')
    f.symlink_to(os.path.relpath(store / f'blobs/{i}', f.parent))
shutil.rmtree(run)
limn(*TRAIN, '--until', '2', '--set', f'model={store}/snapshots/1')
check((run / 'model/tokenizer/spiece.model').read_bytes() == (here / 'model/tokenizer/spiece.model').read_bytes(),
      'the tokenizer of a model in a hub cache')


# --- a model that is cut under a drawing: the picture is whole, or a sentence says why there is none
shutil.rmtree(run)
limn(*TRAIN, '--until', '2')
for i in range(8):
    model, out = here / f'model{i}', here / f'{i}.png'
    shutil.copytree(run / 'model', model)
    p = subprocess.Popen([LIMN, 'instruct', 'a snail', '--model', str(model), '--steps', '200', '--preview', 'none',
                          '--no-library',
                          '-o', str(out)], env=env, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         text=True)
    time.sleep(0.05 * i)
    for weights in model.rglob('*.safetensors'):
        os.truncate(weights, 4096 * (i % 3))
    try:
        errors = p.communicate(timeout=100)[1]
    except subprocess.TimeoutExpired:
        p.kill()
        errors = p.communicate()[1] + ' it hangs'
    drawn = p.returncode == 0 and out.read_bytes().startswith(b'\x89PNG') and out.read_bytes().endswith(b'IEND\xaeB`\x82')
    check(drawn or (p.returncode in (1, 2) and 'safetensors' in errors and not out.exists()),
          f'cut after {0.05 * i:.2f} s: exit {p.returncode}, {errors[-300:]}')

# --- a LoRA: laid on the model or merged into it, it draws the same; of weight 0, what the model draws
def pixels(name, *args):
    limn('instruct', 'a snail', '--seed', '1', '--steps', '2', '--device', 'cpu', '--dtype', 'f32', '--preview', 'none',
         '--no-library', '-o', name, *args)
    png, at, found = (here / name).read_bytes(), 8, b''
    while at < len(png):
        size = struct.unpack('>I', png[at:at + 4])[0]
        found += png[at + 8:at + 8 + size] if png[at + 4:at + 8] == b'IDAT' else b''
        at += size + 12
    return found


shutil.rmtree(run)
limn(*TRAIN, '--until', '2')
limn(*TRAIN, '--until', '4', '--set', 'model=run/model', '--set', 'output=style', '--set', 'stage=lora',
     '--set', 'lora_rank=2', '--set', 'lr=0.05', '--set', 'warmup=0')
lora = 'style/lora.safetensors'
limn('models', 'merge', 'run/model', 'merged', '--lora', lora, '--dtype', 'f32')
limn('models', 'merge', 'run/model', 'merged', '--lora', lora, code=2, says='merged already exists')
limn('models', 'merge', 'run/model', 'other', code=2, says='--lora names what to merge')
base = pixels('base.png', '--model', 'run/model')
check(pixels('none.png', '--model', 'run/model', '--lora', lora + ':0') == base, 'weight 0 changes no bit')
laid = pixels('laid.png', '--model', 'run/model', '--lora', lora)
check(laid != base and pixels('merged.png', '--model', 'merged') == laid, 'laid on or merged: the same picture')

# --- the same by itself; what was begun with --force is gone on with, not begun once more
def job(id):
    return next((j for j in json.loads(limn('jobs', '--json').stdout) if j['id'] == id), {})


refused('--detach')
id = limn(*TRAIN, '--detach', '--force').stdout.split()[0]
until(lambda: len(steps()) > 20, 'it trains')
limn('jobs', 'stop', id)
until(lambda: job(id).get('state') == 'stopped', 'it is stopped')
done = len(steps())
limn('jobs', 'resume', id)
until(lambda: len(steps()) > done + 5, 'it goes on')
again = next(j['id'] for j in json.loads(limn('jobs', '--json').stdout) if j['state'] == 'running')
limn('jobs', 'stop', again)
until(lambda: job(again).get('state') == 'stopped', 'and is stopped')
check(steps() == list(range(1, len(steps()) + 1)), f'from where it was: {steps()[:3]} … {steps()[done - 2:done + 3]}')

finish()
