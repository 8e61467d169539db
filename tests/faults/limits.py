#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# What people's shells and systems allow: little address space (ulimit -v), small stacks (-s), few descriptors (-n),
# here and with --host (the other machine is a shell of this one, under the same limit). What was asked for is done, or
# a sentence says what is lacking; what is left is looked at as in faults.py.
# usage: limits.py LIMN SOURCE LOADERS SHIM [--all]
import collections, re, shutil, sys, time

import harness, scenarios

ALL = '--all' in sys.argv
faults = harness.Faults(*sys.argv[1:5])
if not shutil.which('prlimit'):
    print('[  SKIPPED ] limits.py: there is no prlimit')
    sys.exit(77)
ground = scenarios.Ground(faults)
ssh = ground.home / 'ssh'
ssh.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift 2\nexec sh -c "$*"\n')
ssh.chmod(0o755)
LIMITS = {
    'as': [mb << 20 for mb in (range(150, 1501, 50) if ALL else (200, 400))],
    'stack': [kb << 10 for kb in ((64, 96, 128, 192, 256, 512, 1024) if ALL else (64,))],
    'nofile': range(3, 41) if ALL else (6, 14)}
# The other machine's shell has words of its own for want of a descriptor.
LACKING = {'as': 'memory|allocate|thread', 'stack': 'thread|memory|stack',
           'nofile': 'Too many open files|descriptor|open|what answered .* /bin/sh: .*Invalid argument'}
table, complaints, began = collections.defaultdict(lambda: [0, 0, 0, 0]), 0, time.monotonic()


def prepared(scenario):
    """With a BMP among the pictures of a pack: its decoder wants more stack than others."""
    home = faults.home('run')
    scenario.prepare(home)
    if scenario.name == 'data pack':
        shutil.copy(f'{faults.source}/tests/image/samples/two.bmp.txt', home / 'pictures/two.bmp')
        (home / 'pictures/two.txt').write_text('two')
    return home


def one(scenario, limit, value, host):
    home = prepared(scenario)
    words = (*scenario.words(home), *(['--host', 'there'] if host else []))
    faults.before = ['prlimit', f'--{limit}={value}', '--']
    more = dict(LIMN_SSH=str(ssh), LIMN_REMOTE=faults.limn) if host else {}
    outcome = faults.run(home, words, cwd=home, more=more)
    faults.before = []
    found = ['it hangs'] if outcome.hangs else []
    said = outcome.said.strip()
    # The dynamic linker is not limn, and has its own words.
    linker = 'error while loading shared libraries' in said
    if outcome.code < 0 or outcome.code > 2 and not linker:
        found.append(f'it ended with {outcome.code}')
    if outcome.code in (1, 2) and not linker and not re.search('^limn: ', said, re.M):
        found.append('no sentence')
    elif outcome.code in (1, 2) and not linker and not re.search(LACKING[limit], said):
        found.append('the sentence does not say what was lacking')
    if 'cannot be read as a picture' in said:
        found.append('a whole picture is blamed')
    if limit == 'stack' and 'left out' in said:
        found.append('a decoder has no stack of its own')
    if not harness.wait_gone(home, 20 * faults.patience):
        found.append(harness.what_goes_on(home))
        harness.end_all(home)
    found += scenario.look(home, outcome)
    row = table[limit]
    row[0] += 1
    row[1 if outcome.code == 0 else 2] += 1
    row[3] += bool(found)
    for text in found:
        print(f'{scenario.name}{" --host" if host else ""}, {limit} {value}: {outcome.code} {said[-500:]!r}\n'
              f'    FAILED: {text}', flush=True)
    return len(found)


chosen = [s for s in scenarios.all_of(ground)
          if s.name in ('generate with a library', 'load', 'train', 'data pack', 'templates', 'library list')]
for scenario in chosen:
    home = prepared(scenario)
    outcome = scenario.run(home, count=False)
    if outcome.code or scenario.look(home, outcome):
        raise SystemExit(f'FAILED: {scenario.name}: {outcome.said}')
    for limit, values in LIMITS.items():
        for value in values:
            for host in (False, True) if scenario.name in ('generate with a library', 'load') else (False,):
                complaints += one(scenario, limit, value, host)
print('| limit | runs | all went well | a sentence | faults |\n|---|---|---|---|---|')
for limit, row in table.items():
    print('| {} | {} | {} | {} | {} |'.format(limit, *row))
print(f'{sum(r[0] for r in table.values())} runs in {time.monotonic() - began:.0f} s, {complaints} faults')
faults.close()
sys.exit(complaints != 0)
