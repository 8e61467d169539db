#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Each scenario once for each call that fails in it (harness.HOWS), or for calls spread evenly over them, and what is
# left looked at.
# usage: faults.py LIMN SOURCE LOADERS SHIM [OPTION...]
# --scenario NAME, --without NAME, --kind KIND, --role ROLE, --seconds S, --table: what is done, for how long, and shown how
# --most N: of each kind of call and each way to fail at most N
# --sites DEPTH: of all calls that come from one place, which is the DEPTH functions above it, whatever the scenario, one
#   fails; of those for memory, whose places are tens of thousands, at most --most in each process of each scenario
# --fault FAULT: that one, with all that it says
# --short: each kind of call and each way to fail once, in one scenario or another
# --part K/N: each N-th of what is to be done, so that a long run can be made in pieces
# SIGTERM: it ends after the call that fails at the moment, as when its time is up
import argparse, collections, re, signal, sys, time

import harness, scenarios
from harness import HOWS, WORDS

parser = argparse.ArgumentParser()
for name in ('limn', 'source', 'loaders', 'shim'):
    parser.add_argument(name)
parser.add_argument('--most', type=int, default=1)
parser.add_argument('--seconds', type=float, default=1e9)
for name in ('--scenario', '--without', '--kind', '--role', '--fault'):
    parser.add_argument(name)
parser.add_argument('--part', default='1/1')
parser.add_argument('--sites', type=int, default=0)
parser.add_argument('--table', action='store_true')
parser.add_argument('--short', action='store_true')
asked = parser.parse_args()

faults = harness.Faults(asked.limn, asked.source, asked.loaders, asked.shim)
ground = scenarios.Ground(faults)
begun = time.monotonic()
SAID = re.compile(r'^limn: (?!.*internal error)', re.M)
table = collections.defaultdict(lambda: [0, 0, 0, 0])
complaints = 0


def well_said(outcome, role, kind, how):
    """How it ended: 'fine', 'said' (a sentence), or a complaint."""
    if outcome.hangs:
        return 'it hangs'
    if outcome.code < 0:
        return f'it is ended by signal {-outcome.code}'
    if re.search('internal error|Assertion|Sanitizer', outcome.said):
        return 'internal error'
    if outcome.code == 0:
        return 'fine'
    if outcome.code not in (1, 2) or not SAID.search(outcome.said):
        return f'exit code {outcome.code} without a sentence'
    words = WORDS.get(how)
    # What fails in a child of the sandbox is told by what the child did; what a command in the background says goes to
    # the file that could not be written.
    passes = 'ended by signal|worker|could not|cannot be'
    if kind == 'write-file' and role in ('command', 'fork'):
        passes += '|its message could not be kept'
    if words and role not in ('look', 'keeper') and not re.search(f'{words}|{passes}', outcome.said):
        return f'the sentence does not say what failed ({how})'
    return 'said'


def one(scenario, fault, loud=False):
    role, kind, n, how, times = fault.split(':')
    home = faults.home('run')
    scenario.prepare(home)
    outcome = scenario.run(home, fault)
    end = well_said(outcome, role, kind, how)
    found = [] if end in ('fine', 'said') else [end]
    if not harness.wait_gone(home, 20 * faults.patience) and scenario.name != 'train --detach':
        found.append(harness.what_goes_on(home))
        harness.end_all(home)
    found += scenario.look(home, outcome)
    if hasattr(scenario, 'again') and (found or harness.leftovers(home) or int(n) % 3 == 0):
        found += scenario.again(home)
        found += [f'after the next start there is still {f}' for f in harness.leftovers(home)]
    elif harness.leftovers(home) and outcome.code >= 0 and kind not in ('unlink', 'memory'):
        found.append(f'left over: {harness.leftovers(home)}')
    row = table[kind]
    row[0] += 1
    row[1 if end == 'fine' else 2] += 1
    row[3] += bool(found)
    if loud or found:
        print(f'{scenario.name}: --fault {fault}: exit code {outcome.code} (hit {outcome.hits}, at {outcome.where})\n'
              f'    {outcome.said.strip()[-700:]!r}', flush=True)
    for text in found:
        print('    FAILED:', text, flush=True)
    return found


def spread(count, most):
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / max(1, most - 1))
                   for i in range(most)}) if most > 1 else [1 + count // 2]


def counted(scenario):
    home = faults.home('run')
    scenario.prepare(home)
    outcome = scenario.run(home, count=asked.sites or True)
    wrong = scenario.look(home, outcome)
    if outcome.code != 0 or wrong or outcome.hangs:
        raise SystemExit(f'FAILED: {scenario.name} without any fault: {outcome.code} {outcome.said} {wrong}')
    return outcome


def calls_to_fail(outcome):
    """(role, kind, numbers of the calls) for one scenario."""
    if not asked.sites:
        return [(*of, spread(count, asked.most)) for of, count in sorted(outcome.counts.items())]
    new = [s for s in sorted(outcome.sites) if s[3] not in seen]
    found = collections.defaultdict(list)
    for role, kind, n, key in new:
        found[role, kind].append((n, key))
    return [(*of, calls) for of, calls in found.items()]


todo, seen, places = [], set(), collections.Counter()
for scenario in scenarios.all_of(ground):
    if asked.scenario and asked.scenario != scenario.name or asked.without == scenario.name or asked.short and not scenario.short:
        continue
    if asked.fault:
        counted(scenario)
        complaints += len(one(scenario, asked.fault, loud=True))
        continue
    for role, kind, calls in calls_to_fail(counted(scenario)):
        if role not in scenario.roles or kind not in (scenario.kinds or [kind]):
            continue
        if role != (asked.role or role) or kind != (asked.kind or kind):
            continue
        if asked.sites: # a place is tried once, in the first scenario that has it
            places[kind] += len(calls)
            if kind == 'memory':
                calls = [calls[i - 1] for i in spread(len(calls), asked.most)]
            seen |= {key for n, key in calls}
            calls = [n for n, key in calls]
        for how, times in HOWS[kind]:
            todo += [(scenario, f'{role}:{kind}:{n}:{how}:{times}') for n in calls]
if asked.short:
    ways = collections.defaultdict(list)
    for scenario, fault in todo:
        role, kind, n, how, times = fault.split(':')
        ways[kind, how, times].append((scenario, fault))
    todo = [of[7 * i % len(of)] for i, of in enumerate(ways.values())]
part, parts = map(int, asked.part.split('/'))
todo = todo[part - 1::parts]
print(f'{len(todo)} calls are to fail' + (f', {sum(places.values())} places: {dict(places)}' if places else ''),
      flush=True)
signal.signal(signal.SIGTERM, lambda *_: setattr(asked, 'seconds', 0))
# One that ends early for time has gone over all kinds alike, each time from the same place.
left = 0
for i in range(len(todo)):
    scenario, fault = todo[(i * 7919) % len(todo)] if len(todo) % 7919 else todo[i]
    if time.monotonic() - begun > asked.seconds:
        left = len(todo) - i
        break
    complaints += len(one(scenario, fault))
if asked.table:
    print('| calls | failed | all went well | a sentence | faults |\n|---|---|---|---|---|')
    for kind in (k for k in faults.kinds if k in table):
        print('| {} | {} | {} | {} | {} |'.format(kind, *table[kind]))
total = sum(row[0] for row in table.values())
print(f'{total} calls failed in {time.monotonic() - begun:.0f} s, {left} left out for time, {complaints} faults')
faults.close()
sys.exit(complaints != 0)
