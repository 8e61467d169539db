#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Several processes train one model: the truth is what one process alone makes of the same recipe. What one of them
# lacks is said once; one that dies ends all; the checkpoint of three is gone on with by two.
# usage: together.py LIMN SOURCE LOADERS MPIRUN
import json, os, pathlib, re, shutil, signal, subprocess, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test, tiny_training
from limn_test import LIMN, SANITIZED, SOURCE, SLOW, check, environment, finish, work

MPIRUN = sys.argv[4]
home = pathlib.Path(work.name)
here = home / 'here'
# All on this machine, more than it has cores, as any user; the processes leave their core while they wait.
# What is not known to this version of Open MPI, or to another MPI, does nothing. hwloc would ask the X server of
# display 0 for its graphics card, and wait for ever for one that does not answer.
env = environment(home, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1', OMP_NUM_THREADS='1',
                  OMPI_MCA_rmaps_base_oversubscribe='1', PRTE_MCA_rmaps_default_mapping_policy=':oversubscribe',
                  OMPI_MCA_mpi_yield_when_idle='1', OMPI_MCA_hwloc_base_binding_policy='none',
                  PRTE_MCA_hwloc_default_binding_policy='none', OMPI_MCA_btl_vader_single_copy_mechanism='none',
                  OMPI_MCA_plm_rsh_agent='/bin/false', HWLOC_COMPONENTS='-gl')
tiny_training.make(SOURCE, here)
# Examples with and without a reference: micro-batches differ in what they have gradients of.
(here / 'tasks.json').write_text(json.dumps(dict(drop_all=0.1, drop_context=0.1, mixture=[
    dict(name='text', ratio=1, references=[], texts=['{subject}']),
    dict(name='mask', ratio=1, references=[dict(slot='mask', picture='role.mask', texts=['a mask'])],
         texts=['{subject} in {mask}'])])))
limn_test.limn('data', 'pack', 'pictures', 'small.pack', '--size', '8', '--workers', '1', env=env, cwd=here)
STEPS = 6
TRAIN = ('train', 'small.yaml', '--device', 'cpu', '--set', 'accumulate=4', '--set', f'steps={STEPS}', '--set',
         'save_every=2', '--set', 'warmup=1', '--json')


def together(count, output, *args, code=0, says=''):
    command = [MPIRUN, '-n', str(count)] if count > 1 else []
    p = subprocess.run([*command, LIMN, *TRAIN, '--set', f'output={output}', *args], env=env, cwd=here, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW)
    ended = p.returncode == 0 if code == 0 else p.returncode != 0
    check(ended and says in p.stderr, f'{count} processes: exit {p.returncode}, {says!r}', p.stderr[-1500:])
    return p


def log(output):
    return [json.loads(line) for line in (here / output / 'log.jsonl').read_text().splitlines()]


def far(a, b):
    """The largest relative difference of the curves."""
    return max(abs(x['loss'] - y['loss']) / y['loss'] for x, y in zip(a, b))


together(1, 'alone')
alone = log('alone')
check([line['step'] for line in alone] == list(range(1, STEPS + 1)), 'the truth has its steps', str(alone))
for count in (2, 4):
    said = together(count, f'of{count}')
    curve = log(f'of{count}')
    check(len(curve) == STEPS and far(curve, alone) < 1e-3, f'{count} processes have the same curve',
          f'{curve}\n{alone}')
    check([line['tasks'].keys() for line in curve] == [line['tasks'].keys() for line in alone],
          f'{count} processes see the same examples')
    check(len([line for line in said.stdout.split('\n') if line.startswith('{')]) == STEPS, 'one of them prints', said.stdout)
    check((here / f'of{count}/model/model_index.json').exists(), 'and writes the model')

# --- three, stopped; two go on; then one
together(3, 'turns', '--until', '2')
together(2, 'turns', '--resume', '--until', '4')
together(1, 'turns', '--resume')
check([line['step'] for line in log('turns')] == list(range(1, STEPS + 1)) and far(log('turns'), alone) < 1e-3,
      'a training goes on with other numbers of processes', str(log('turns')))

# --- what is wrong is said, once
said = together(5, 'five', code=2, says='too few for 5 processes: set accumulate to 5 or more')
check(said.stderr.count('too few for') == 1, 'once', said.stderr)
said = together(2, 'of2', code=2, says='already holds a training run')
check(said.stderr.count('already holds') == 1, 'by the one that writes', said.stderr)
said = together(2, 'none', '--set', 'pack=none.pack', code=2, says='none.pack')
check(said.stderr.count('limn: ') == 1, 'what all of them lack too', said.stderr)

# --- one that dies ends all, and what was saved is gone on with
p = subprocess.Popen([MPIRUN, '-n', '3', LIMN, *TRAIN, '--set', 'output=dies', '--set', 'steps=100000'], env=env,
                     cwd=here, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
limn_test.until((here / 'dies/checkpoint.safetensors').exists, 'a checkpoint', 30)


def of_process(pid, name):
    try:
        return pathlib.Path(f'/proc/{pid}/{name}').read_text()
    except OSError: # it has ended
        return ''


def ours():
    """The processes of limn below the launcher, which may have others of its own between."""
    parents = {pid: of_process(pid, 'status') for pid in map(int, filter(str.isdigit, os.listdir('/proc')))}
    parents = {pid: int(found[1]) for pid, status in parents.items() if (found := re.search(r'PPid:\t(\d+)', status))}
    under = {p.pid}
    while more := {pid for pid, parent in parents.items() if parent in under} - under:
        under |= more
    return [pid for pid in sorted(under) if of_process(pid, 'cmdline').startswith(f'{LIMN}\0train')]


children = ours()
check(len(children) == 3, f'three processes: {children}')
os.kill(children[1], signal.SIGKILL)
try:
    out, errors = p.communicate(timeout=60 * SLOW)
except subprocess.TimeoutExpired:
    p.kill()
    out, errors = p.communicate()
    check(False, 'all end with the one that died', errors)
check(p.returncode != 0, f'exit {p.returncode}', errors)
check(limn_test.until(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in children), None, 10), 'no process is left')
together(2, 'dies', '--resume', '--set', 'steps=8', '--until', '8') if len(log('dies')) < 8 else None
check((here / 'dies/checkpoint.safetensors').exists(), 'the last whole checkpoint is there')

finish()
