#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A disk that is full: each scenario of faults.py on a disk of its own (tmpfs), on which so many kilobytes or names are
# left and no more. What was asked for is there, or a sentence says that there is no room; what was there is whole, and
# with room again the next try works. Exit 77 where nothing can be mounted.
# usage: full.py LIMN SOURCE LOADERS SHIM [--all] [SCENARIO...]
# Without --all some scenarios, each with one amount of room.
import os, re, shutil, subprocess, sys, time

import harness, scenarios

ALL = '--all' in sys.argv
ONLY = [word for word in sys.argv[5:] if word != '--all']
ROOM = [0, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]  # KiB
NAMES = range(24)
faults = harness.Faults(*sys.argv[1:5])
ground = scenarios.Ground(faults)
disk = faults.work / 'disk'
disk.mkdir()
runs = complaints = went_well = 0
began = time.monotonic()
# Commands that write nothing of their own, and what needs more than a full disk to be met.
SHORT = ('generate to a file', 'generate with a library', 'library rate', 'train', 'data pack', 'index', 'models add',
         'models merge', 'the gallery writes')
LEFT_OUT = ('generate with threads', 'generate into a full pipe', 'templates', 'models check', 'jobs', 'library list')
LACKING = re.compile('No space left|disk is full|disk I/O|database or disk|cannot be recorded|unable to open|readonly')


def mounted():
    return subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64m,nr_inodes=2000,mode=700', 'tmpfs', disk],
                          capture_output=True).returncode == 0


def fill(room):
    """Until so many KiB are left; the file that does it."""
    filler = disk / 'filler'
    with open(filler, 'wb', 0) as f:
        f.write(b'')
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - (room << 10)
        os.posix_fallocate(f.fileno(), 0, max(free, 1))
    return [filler]


def use_names(left):
    fillers = []
    (disk / 'names').mkdir()
    while os.statvfs(disk).f_ffree > left:
        fillers.append(disk / f'names/{len(fillers)}')
        fillers[-1].touch()
    return fillers


def one(scenario, what, fill_up, amount):
    global runs, went_well
    home = disk / 'run'
    home.mkdir()
    (home / 'runtime').mkdir(mode=0o700)
    scenario.prepare(home)
    fillers = fill_up(amount)
    outcome = scenario.run(home)
    found = ['it hangs'] if outcome.hangs else []
    if outcome.code not in (0, 1, 2):
        found.append(f'it ended with {outcome.code}')
    if outcome.code in (1, 2) and not (re.search('^limn: ', outcome.said, re.M) and LACKING.search(outcome.said)):
        found.append('no sentence says what was lacking')
    for f in fillers:
        f.unlink()
    if not harness.wait_gone(home, 20 * faults.patience):
        found.append(harness.what_goes_on(home))
        harness.end_all(home)
    # What was drawn, and what is kept of it, is not what a run with another limit makes.
    outcome = outcome._replace(hits=1)
    found += scenario.look(home, outcome)
    if hasattr(scenario, 'again'):
        found += scenario.again(home)
    runs += 1
    went_well += outcome.code == 0
    for text in found:
        print(f'{scenario.name}, {amount} {what}: {outcome.code} {outcome.said.strip()[-500:]!r}\n    FAILED: {text}',
              flush=True)
    shutil.rmtree(home)
    shutil.rmtree(disk / 'names', ignore_errors=True)
    return len(found)


if not mounted():
    print('[  SKIPPED ] full.py: nothing can be mounted here')
    faults.close()
    sys.exit(77)
try:
    for i, scenario in enumerate(scenarios.all_of(ground)):
        if scenario.name in LEFT_OUT or scenario.name not in (ONLY or (SHORT if not ALL else [scenario.name])):
            continue
        home = faults.home('run')
        scenario.prepare(home)
        outcome = scenario.run(home)
        wrong = scenario.look(home, outcome)
        if outcome.code or wrong:
            raise SystemExit(f'FAILED: {scenario.name} with room: {outcome.code} {outcome.said} {wrong}')
        todo = [('KiB left', fill, room) for room in ROOM] + [('names left', use_names, left) for left in NAMES]
        for what, fill_up, amount in todo if ALL else [todo[7 * i % len(ROOM)]]:
            complaints += one(scenario, what, fill_up, amount)
finally:
    subprocess.run(['umount', '-l', disk])
print(f'{runs} runs in {time.monotonic() - began:.0f} s, {went_well} went well, {runs - went_well} ended in a '
      f'sentence, {complaints} faults')
faults.close()
sys.exit(complaints != 0)
