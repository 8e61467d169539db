#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# What the UI keeps of another machine, and shows of this one, at the limits of engine/base/limits.h: logs and sheets of
# trainings, how many trainings, steps of drawings, files in a folder; what goes there with a command. The other machine
# is this script; the UI is played (limn --script).
# usage: host_edges.py LIMN SOURCE LOADERS [NAME...]
import json, os, pathlib, re, struct, subprocess, sys, tempfile, zlib
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from frames import frame, take


# --- the host: run by limn in ssh's place, `host_edges.py --host PLAN.json`

def host(plan):
    out, come = sys.stdout.buffer, sys.stdin.buffer

    def send(kind, payload=b'', **head):
        out.write(frame(dict(head, type=kind), payload))
        out.flush()

    def piece(m):
        """What there is of a file from a place on; of all others nothing."""
        there = plan.get('files', {}).get(m['name'], dict(size=m['from'], data=''))
        at = m['from'] - there['size'] + len(there['data']) // 2
        data = bytes.fromhex(there['data'])[max(at, 0):][:1 << 20]
        with open(plan['asked'], 'a') as asked:
            asked.write(f'{m["name"]} {m["from"]}\n')
        send('piece', data, id=m['id'], name=m['name'], size=there['size'], sheets=plan.get('sheets', []),
             **{'from': m['from']})
    out.write(b'limn-worker\n')
    send('hello', protocol=2, version='0', host='h', pid=1, jobs=[], results=[],
         commands=['models', 'devices', 'data', 'train', 'bench'])
    while (come_in := take(come)) is not None:
        m, payload = come_in
        if m['type'] == 'submit':
            id = m['job']['id']
            send('started', job=id)
            for i, (width, height) in enumerate(plan['frames']):
                send('progress', bytes(3 * width * height), job=id, step=i + 1, total=len(plan['frames']), seconds=1,
                     width=width, height=height, count=1)
            send('failed', job=id, code='input', text='that was all of it')
        elif m['type'] == 'commands':
            send('commands',
                 jobs=[dict(id=id, state='done', about=dict(output='run', recipe='r')) for id in plan.get('jobs', [])])
        elif m['type'] == 'command': # the last file is asked for, and its size written down
            id, wanted = m['id'], [w['hash'] for w in m['words'] if isinstance(w, dict) and 'hash' in w][-1]
            send('running', id=id)
            send('want', hash=wanted)
        elif m['type'] == 'blob':
            with open(plan['asked'], 'a') as asked:
                asked.write(f'{len(payload)} bytes\n')
            send('ended', id=id, code=0)
        elif m['type'] == 'describe':
            send('described', devices=[], models=[])
        elif m['type'] == 'read':
            piece(m)


if sys.argv[1:2] == ['--host']:
    try:
        host(json.load(open(sys.argv[2])))
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    os._exit(0)

import limn_test
from limn_test import LIMN, SLOW, check, chunk, environment, run, work

L = limn_test.limits()
JOB = '20260101-000000-00000001'
# A question is asked when the view is drawn, and its answer written in the background.
LOOKS = 'keys 6\nwait done\n' + 'settle\nkeys 2\nsettle\nkeys 6\n' * 25 + 'settle\n'


class Home:
    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(dir=work.name))
        (self.path / 'here').mkdir()
        self.copies = self.path / '.cache/limn/trainings/h'
        self.asked = self.path / 'asked'
        self.asked.touch()

    def copy(self, id=JOB):
        folder = self.copies / id
        folder.mkdir(parents=True, mode=0o700)
        for d in (self.path / '.cache', self.path / '.cache/limn', self.path / '.cache/limn/trainings', self.copies):
            d.chmod(0o700)
        return folder

    def limn(self, words, typed='', host='h', **plan):
        (self.path / 'plan.json').write_text(json.dumps(dict(plan, asked=str(self.asked))))
        env = environment(self.path, GOMP_SPINCOUNT='3000',
                          LIMN_SSH=f'{sys.executable} -S -E {os.path.abspath(__file__)} --host {self.path}/plan.json')
        return subprocess.run([LIMN, *words, '--host', host], input=typed, text=True, capture_output=True,
                              timeout=120 * SLOW, cwd=self.path / 'here', env=env)

    def play(self, script, **plan):
        p = self.limn(['--script', '-'], f'size 110x34\nlimit {15 * SLOW}\nwait references\n{script}', **plan)
        check(p.returncode == 0 and 'Sanitizer' not in p.stderr, f'{script!r}: exit {p.returncode}', p.stderr[-3000:])
        return p.stdout


def log():
    """What comes behind the last byte that there may be is left away, and no more is asked for."""
    most = L['COPIED_LOG_BYTES']
    for here, comes, want in ((most - 6, 4, most - 2), (most - 6, 6, most), (most - 6, 7, most), (most, 4, most)):
        home = Home()
        file = home.copy() / 'log.jsonl'
        file.touch()
        os.truncate(file, here)
        home.play(LOOKS, jobs=[JOB], files={'log.jsonl': dict(size=here + comes, data='0a' * comes)})
        check(file.stat().st_size == want,
              f'COPIED_LOG_BYTES: of {here} and {comes} bytes {file.stat().st_size} are kept')
        asked = home.asked.read_text()
        check((f'log.jsonl {most}' not in asked) and ('log.jsonl' in asked) == (here < most),
              f'COPIED_LOG_BYTES: asked for\n{asked}')


def sheet():
    """A PNG that is as large as it may be is kept; of a larger one a part, which is not asked for again."""
    for more in (0, 1):
        size = L['COPIED_SHEET_BYTES'] + more
        head = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 0, 0, 0, 0))
        tail = chunk(b'IDAT', zlib.compress(b'\0\0')) + chunk(b'IEND', b'')
        png = head + chunk(b'raNd', bytes(size - len(head) - len(tail) - 12)) + tail
        home = Home()
        folder = home.copy()
        (folder / 'sheet1.png.part').write_bytes(png[:-50])
        plan = dict(jobs=[JOB], sheets=['sheet1.png'],
                    files={'sheet1.png': dict(size=size, data=png[-50:].hex()), 'log.jsonl': dict(size=1, data='0a')})
        home.play(LOOKS, **plan)
        kept = folder / 'sheet1.png'
        check(kept.exists() != bool(more) and (more or kept.stat().st_size == size),
              f'COPIED_SHEET_BYTES and {more}: {sorted(f.name for f in folder.iterdir())}')
        check(home.asked.read_text().count('sheet1') == 1, f'COPIED_SHEET_BYTES and {more}: it is asked for once',
              home.asked.read_text())


def trainings():
    """The oldest goes when there is one more; what is no copy stays."""
    for n in (L['COPIED_RUNS'], L['COPIED_RUNS'] + 1):
        home = Home()
        ids = [f'202601{1 + i // 24:02}-{i % 24:02}0000-00000001' for i in range(n)]
        for id in ids:
            (home.copy(id) / 'log.jsonl').write_text('{}\n')
        (home.copies / 'Notes').mkdir()
        home.play('keys 6\nwait training runs\nsettle\n')
        left = {f.name for f in home.copies.iterdir()}
        check(left == {'Notes', *ids[-L['COPIED_RUNS']:]}, f'COPIED_RUNS: of {n} {len(left) - 1} are left')


def names_of_hosts():
    """What is copied lies in a folder of the host's own, whatever it is called."""
    for host, folder in (('..', '_.'), ('.', '_'), ('a/../../b', 'a_.._.._b')):
        home = Home()
        home.play(LOOKS, host=host, jobs=[JOB], files={'log.jsonl': dict(size=3, data='7b7d0a')})
        found = [str(f.relative_to(home.path)) for f in home.path.rglob('log.jsonl')]
        check(found == [f'.cache/limn/trainings/{folder}/{JOB}/log.jsonl'], f'--host {host}: {found}')


def steps():
    """Pixels of steps that fill the room to its last but one byte, and one pixel more: then a step in the middle
    goes."""
    full = [(1024, 1024)] * 21 + [(275, 1271)]
    assert 3 * sum(w * h for w, h in full) == L['FRAMES_BYTES'] - 1
    for frames in (full, full + [(1, 1)]):
        home = Home()
        screen = home.play('keys i\ntype a hen\nkeys Esc 4 F9\nwait that was all\nsettle\n' + 'keys [\n' * 40 +
                           'settle\nsave -\n' + 'keys ]\nsettle\nsave -\n' * 22,
                           frames=frames)
        seen = [int(s) for s in re.findall(r'(?:at|after) step (\d+)', screen)]
        check(len(set(seen)) == len(full) and seen[0] == 1 and max(seen) == len(frames),
              f'FRAMES_BYTES: of {len(frames)} steps {sorted(set(seen))} are kept', screen[:3000])


def folder():
    home = Home()
    most = L['BROWSER_ENTRIES']
    for i in range(most):
        (home.path / f'here/{i}.png').touch()
    (home.path / 'here/none.txt').touch()
    screen = home.play('keys Tab\nsettle\nsave -\n')
    check('only' not in screen.split('\n')[2] and f'{most - 1}.png' not in screen, 'BROWSER_ENTRIES: all are there',
          screen)
    (home.path / f'here/{most}.png').touch()
    screen = home.play('settle\nsave -\n')
    check(f'only {most} of them' in screen, 'BROWSER_ENTRIES: it is said that there are more', screen)


def file_of_a_command():
    for more in (0, 1):
        size, home = L['ORDER_FILE_BYTES'] + more, Home()
        with open(home.path / 'here/golden', 'wb') as golden:
            golden.truncate(size)
        p = home.limn(['models', 'check', 'm', '--golden', 'golden'])
        check((p.returncode == 0) != bool(more) and (f'{size - 1}' in p.stderr) == bool(more),
              f'ORDER_FILE_BYTES and {more}: exit {p.returncode}', p.stderr)
        check(home.asked.read_text() == ('' if more else f'{size} bytes\n'),
              f'ORDER_FILE_BYTES and {more}: {home.asked.read_text()!r} came')


run(list((log, sheet, trainings, names_of_hosts, steps, folder, file_of_a_command)))
