#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# kill -9 at random moments, of limn, of its worker, of what trains, or of all at once: what was said to be finished is
# there, nothing half is believed, the next start works and takes away what is left over.
# usage: kills.py LIMN SOURCE LOADERS [N [SEED [drawing|training]]]
# N times each of drawing and training (10), or of one of them, at moments that follow from SEED.
import json, os, pathlib, random, shutil, signal, subprocess, sys, time

import harness, scenarios
from harness import checkpoint_step, digest, leftovers, library_faults, log_faults, png_fault, tensors_fault

faults = harness.Faults(*sys.argv[1:4], '')
times = int(sys.argv[4]) if len(sys.argv) > 4 else 10
ONLY = sys.argv[6] if len(sys.argv) > 6 else ''
ground = scenarios.Ground(faults)
random.seed(int(sys.argv[5]) if len(sys.argv) > 5 else 20)
bad = 0


def complain(what, i, texts, said=''):
    global bad
    bad += len(texts)
    for text in texts:
        print(f'FAILED: {what} {i}: {text} {said.strip()[-300:]!r}', flush=True)


def victims(home, who):
    """Processes of a home by what they are."""
    found = []
    for pid in harness.processes(home):
        try:
            words = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
        except OSError:
            continue
        kind = 'limn' if b'worker' not in words else 'command' if b'--run' in words else 'worker'
        if who in (kind, 'all'):
            found.append(pid)
    return found


def killed(home, words, who, after):
    """Runs, kills after some seconds, waits for the rest to end; what it had printed."""
    with open(home / 'said', 'w+') as said:
        p = subprocess.Popen([faults.limn, *words], env=faults.environment(home), cwd=home, stdin=subprocess.DEVNULL,
                             stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            p.wait(after)
            hit = False
        except subprocess.TimeoutExpired:
            pids = victims(home, who)
            hit = bool(pids)
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        # Where what was to be killed had not begun, or had ended, nothing has happened yet.
        try:
            p.wait(3 if not hit else 30)
        except subprocess.TimeoutExpired:
            if hit:
                complain(words[0], who, ['it hangs'])
            harness.end_all(home)
            p.wait()
        if not harness.wait_gone(home, 30 * faults.patience):
            complain(words[0], who, [harness.what_goes_on(home)])
            harness.end_all(home)
    return hit, p.returncode, (home / 'said').read_text(errors='replace')


# --- drawing
draw = ground.draw('--seed', '3', '--count', '3', '--steps', '40', '-o', 'out.png')
home = faults.home('draw')
shutil.copytree(ground.home / 'data', home / 'data')
begun = time.monotonic()
whole = faults.run(home, draw)
length = time.monotonic() - begun
good = [digest(home / f'out-{i}.png') for i in (1, 2, 3)]
drawn = hits = finished = 0
for i in range(times if ONLY != 'training' else 0):
    home = faults.home('draw')
    shutil.copytree(ground.home / 'data', home / 'data')
    who = ('limn', 'worker', 'all')[i % 3]
    hit, code, said = killed(home, draw, who, random.uniform(0.02, 1.1 * length))
    hits += hit
    reported = [k for k in (1, 2, 3) if f'out-{k}.png  (' in said]
    finished += len(reported)
    texts = library_faults(home, ground.kept)
    for k in (1, 2, 3):
        path = home / f'out-{k}.png'
        if path.exists() and digest(path) != good[k - 1]:
            texts.append(f'{path.name} is not whole: {png_fault(path.read_bytes())}')
        if k in reported and not path.exists():
            texts.append(f'{path.name} was said to be finished, and is not there')
    if not texts:
        recorded = {file for file, _ in harness.rows(home / 'data/limn/library.db', 'SELECT file, rating FROM picture')}
        texts += [f'out-{k}.png was said to be finished, and is not in the library' for k in reported
                  if str(home / f'out-{k}.png') not in recorded]
    begun = time.monotonic()
    again = faults.run(home, draw)
    length += 0.3 * (time.monotonic() - begun - length)  # other work comes and goes
    if again.code != 0 or [digest(home / f'out-{k}.png') for k in (1, 2, 3)] != good:
        texts.append(f'the next start: {again.code} {again.said}')
    texts += library_faults(home, ground.kept) + [f'left over: {f}' for f in leftovers(home)]
    complain('drawing', i, texts, said)
if ONLY != 'training':
    print(f'drawing: {times} runs, {hits} killed in the middle, {finished} pictures were reported before that',
          flush=True)

# --- training
recipe = (ground.training / 'small.yaml').read_text()
recipe = recipe.replace('save_every: 2', 'save_every: 10').replace('steps: 8', 'steps: 1000000')
hits = steps = 0
for i in range(times if ONLY != 'drawing' else 0):
    home = faults.home('train')
    for name in ('model', 'small.pack', 'tasks.json'):
        source = ground.training / name
        shutil.copytree(source, home / name) if source.is_dir() else shutil.copy(source, home / name)
    (home / 'small.yaml').write_text(recipe)
    who = ('limn', 'worker', 'command', 'all')[i % 4]
    hit, code, said = killed(home, ('train', 'small.yaml', '--device', 'cpu', '--json'), who, random.uniform(0.05, 1.4))
    hits += hit
    run = home / 'run'
    reported = [json.loads(line)['step'] for line in said.splitlines(True) if line.startswith('{') and
                line.endswith('\n')]
    last = reported[-1] if reported else 0
    steps += last
    texts = log_faults(run / 'log.jsonl')
    for f in run.rglob('*.safetensors') if run.exists() else []:
        texts += [f'{f.relative_to(home)}: {x}' for x in [tensors_fault(f)] if x]
    names = [run / 'checkpoint.safetensors', run / 'checkpoint.previous.safetensors']
    saved = next((checkpoint_step(f) for f in names if f.exists()), 0) if not texts else 0
    # Each tenth step is saved before the next one is reported.
    if not texts and saved < (last - 1) // 10 * 10:
        texts.append(f'step {last} was reported, and the checkpoint is of step {saved}')
    rest = run.exists() and any(run.iterdir())
    go = ['--resume'] if saved else ['--force'] if rest else []
    again = faults.run(home, ('train', 'small.yaml', '--device', 'cpu', '--until', str(saved + 3), *go))
    if again.code != 0 or checkpoint_step(names[0]) != saved + 3:
        texts.append(f'the next start ({go}, from {saved}): {again.code} {again.said}')
    texts += log_faults(run / 'log.jsonl') + [f'left over: {f}' for f in leftovers(home)]
    complain('training', i, texts, said)
if ONLY != 'drawing':
    print(f'training: {times} runs, {hits} killed in the middle, {steps} steps were reported before that', flush=True)
print(f'{times if ONLY else 2 * times} runs, {bad} faults')
faults.close()
sys.exit(bad != 0)
