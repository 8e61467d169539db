#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A host that lies, driven by the table of messages in docs/worker.md: each message, each field (missing, of
# another type, negative, huge, control characters, repeated), against the command line and the UI. What must
# hold: no crash, nothing written but what is limn's own, nothing that controls the terminal, bounded memory,
# q answered within a second.
# usage: hostile.py LIMN SOURCE LOADERS [--all] [--part K/N] [NAME...]: everything, not a sample; the K-th of N parts
# (1..N); tests by name
import json, os, pathlib, random, re, select, shutil, signal, struct, sys, tempfile, time, zlib
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from frames import frame, take

ESC = '\x1b]0;PWNED\x07\x1b[31mRED\x9b31m\x85\u202eRTL\u2066\r\n\tX\x7f'
BAD_OUT = re.compile(rb'\x1b\]0;PWNED|\x1b\[31mRED|\xc2[\x80-\x9f]|\xe2\x80\xae|\xe2\x81\xa6|[\x80-\x9f]31m')
COMMANDS = ['models', 'devices', 'data', 'train', 'bench']


# --- the host: run by limn in ssh's place, `hostile.py --host SCENARIO.json`

def host(path):
    out, come = sys.stdout.buffer, sys.stdin.buffer
    plan = json.load(open(path))
    png = open(plan['png'], 'rb').read()

    def send(head, payload=b''):
        out.write(frame(head, payload))
        out.flush()

    def fill(value, id):
        if isinstance(value, str):
            return value.replace('$ID', id)
        if isinstance(value, list):
            return [fill(v, id) for v in value]
        return {k: fill(v, id) for k, v in value.items()} if isinstance(value, dict) else value

    def evil(when, id):
        for step in plan['frames']:
            if step.get('when', 'asked') != when:
                continue
            payload = {'png': png, 'svg': b'<svg/>', '': b''}.get(step.get('payload', ''))
            if payload is None:
                payload = b'x' * int(step['payload'])
            one = frame(fill(step['head'], id), payload)
            end = time.time() + step.get('seconds', 0)
            for _ in range(step.get('times', 1)):
                out.write(one)
            while time.time() < end:
                out.write(one * max(1, 65536 // len(one)))
            out.flush()
    out.write(b'limn-worker\n')
    out.flush()
    if not any(s.get('when') == 'hello' and s['head'].get('type') == 'hello' for s in plan['frames']):
        send(dict(type='hello', protocol=2, version='0', host='h', pid=1, jobs=[], results=[], commands=COMMANDS))
    evil('hello', 'none')
    done = False
    while True:
        m, payload = take(come) or sys.exit(0)
        kind, id = m['type'], m.get('id', 'x')
        if 'keep' in plan: # all that comes is kept, and every file is asked for
            with open(plan['keep'], 'ab') as kept:
                kept.write(frame(m, payload))
            asked = m['job']['references'] if kind == 'submit' else [m['reference']] if kind == 'load' else []
            for r in asked:
                send(dict(type='want', hash=r['hash']))
        if kind == 'submit':
            id = m['job']['id']
        if kind in ('submit', 'load', 'command', 'commands', 'follow', 'describe',
                    'read') and (not done or plan.get('again')):
            done = True
            evil('asked', id)
        if kind == 'submit':
            send(dict(type='result', job=id, index=0, count=1, seed=1), png)
            send(dict(type='done', job=id, steps=1, sampler='a', guidance='b'))
        elif kind == 'load':
            send(dict(type='loaded', id=id), png)
        elif kind in ('command', 'follow'):
            send(dict(type='ended', id=id, code=0))
        elif kind == 'commands':
            send(dict(type='commands',
                      jobs=[dict(id='20260101-000000-00000001', state='done', about=dict(output='run', recipe='r'))]))
        elif kind == 'describe':
            send(dict(type='described', devices=[], models=[]))
        elif kind == 'read':
            send(dict(type='piece', id=id, name=m['name'], size=m['from'], sheets=[], **{'from': m['from']}))


if sys.argv[1:2] == ['--host']:
    try:
        host(sys.argv[2])
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    os._exit(0)

import limn_test
from limn_test import LIMN, SANITIZED, SLOW, SOURCE, check, chunk, environment, in_terminal, skip, work

ALL = '--all' in sys.argv
PART, PARTS = map(int, sys.argv[sys.argv.index('--part') + 1].split('/')) if '--part' in sys.argv else (1, 1)
limn_test.ONLY = [a for a in limn_test.ONLY if not a.startswith('--') and '/' not in a]
MEMORY = 200 << 10  # KiB
# What is not begun by then is counted as left out.
END = time.time() + float(os.environ.get('LIMN_TEST_SECONDS', '1e9' if ALL else '50'))
PNG = f'{SOURCE}/app/templates/samples/snail-noto.png'
left_out = asked = 0
runs = dict(cli=0, ui=0)
peak = dict(cli=0, ui=0)
slowest = 0.0


# --- the table

def table():
    """{type: [(path, rule)]} of what a worker sends, and {type: payload}."""
    fields, ends, on = {}, set(), False
    for line in open(f'{SOURCE}/docs/worker.md'):
        m = re.match(r'\| worker `(\w+)` \| (?:`([^`]+)`)? ?\| (.*) \|.*\|$', line)
        if not m:
            continue
        if not m[2]:
            fields[m[1]] = []
            if 'ends the connection' in m[3]:
                ends.add(m[1])
        else:
            fields[m[1]].append((m[2], m[3].split('|')[0].strip()))
    return fields, ends


FIELDS, ENDS = table()


def right(rule, path):
    if rule.startswith('the id'):
        return '$ID' if path in ('id', 'job') else '20260101-000000-00000002'
    if rule.startswith('a SHA'):
        return '0' * 64
    if rule.startswith('a whole number'):
        return int(re.search(r'in (-?\d+)\.\.', rule)[1])
    if rule.startswith('a number'):
        return 1
    if rule.startswith('true'):
        return True
    if 'objects' in rule or 'lines' in rule:
        return []
    return {} if rule.startswith(('an object', 'at most')) else 'running' if path.endswith('state') else 'x'


def message(kind):
    """One that keeps to the table, with an object in each of its lists."""
    head = {'type': kind}
    for path, rule in FIELDS[kind]:
        at, parts = head, path.replace('[]', '').split('.')
        for p in parts[:-1]:
            at = at[p][0] if isinstance(at[p], list) else at[p]
        at[parts[-1]] = [{}] if path.endswith('[]') else right(rule, path)
    if kind == 'hello':
        head.update(protocol=2, commands=COMMANDS)
    return head


WRONG = [None, True, -1, 1.5, 1 << 31, 1 << 62, -(1 << 62), 1e308, 'x', ESC, 'A' * 100000, '../../../pwned', '', [], {},
         [1] * 5000, [[[[[[1]]]]]], {'a': {'b': ESC}}, 'MISSING']


def broken(kind, path, value):
    head = message(kind)
    at, parts = head, path.replace('[]', '').split('.')
    for p in parts[:-1]:
        at = at[p][0] if isinstance(at[p], list) else at[p]
    if value == 'MISSING':
        del at[parts[-1]]
    else:
        at[parts[-1]] = value
    return head


def step(head, when=None, **more):
    kind = head.get('type')
    payload = 'png' if kind in ('result', 'loaded', 'file') else '5' if kind in ('output', 'piece') else ''
    return dict(dict(head=head, payload=payload, when=when or ('hello' if kind == 'hello' else 'asked')), **more)


# --- playing

def make(name, frames, **more):
    home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    for d in ('run', 'data/limn/pictures', 'cwd/run'):
        (home / d).mkdir(parents=True, mode=0o700)
    for d in ('data', 'data/limn', 'data/limn/pictures'):
        (home / d).chmod(0o700)
    (home / 'data/limn/pictures/victim-0.png').write_text('mine')
    (home / 'cwd/run/log.jsonl').write_text('{"step": 1, "loss": 1}\n')
    shutil.copy(PNG, home / 'cwd/a.png')
    (home / 'scenario.json').write_text(json.dumps(dict(dict(frames=frames, png=PNG), **more)))
    env = environment(home, XDG_DATA_HOME=f'{home}/data', XDG_STATE_HOME=f'{home}/state',
                      XDG_CACHE_HOME=f'{home}/cache', TERM='xterm-256color', LIMN_LOG='info', GOMP_SPINCOUNT='3000',
                      LIMN_SSH=f'{sys.executable} -S -E {os.path.abspath(__file__)} --host {home}/scenario.json')
    return home, env


MINE = re.compile(r'^(scenario\.json|cwd/a\.png|cwd/out(-\d+)?\.png|cwd/run/log\.jsonl|data/limn/library\.db.*|state/.*|run/.*'
                  r'|data/limn/pictures/(victim-0|\d{8}-\d{6}-[0-9a-f]{8}-0)\.png'
                  r'|cache/limn/trainings/h/[0-9a-z-]+/(log\.jsonl|sheet[^/]*))$')


def look_around(home, name):
    files = [str(p.relative_to(home)) for p in home.rglob('*') if p.is_file()]
    strange = [f for f in files if not MINE.match(f)]
    check(not strange, f'{name}: files that are not limn\'s: {strange[:5]}')
    victim = home / 'data/limn/pictures/victim-0.png'
    check(victim.is_file() and victim.read_text() == 'mine', f'{name}: a picture was overwritten')
    check((home / 'cwd/run/log.jsonl').read_text().startswith('{"step": 1'), f'{name}: a local log was touched')
    check(len(files) < 40 and sum((home / f).stat().st_blocks for f in files) < 200000, f'{name}: {len(files)} files')
    shutil.rmtree(home, ignore_errors=True)


def pump(fd, seconds, until=lambda out: False, out=None, pid=None):
    """Reads until then; (output, status of the process or None, its peak memory)."""
    out = bytearray() if out is None else out
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until(out):
        if select.select([fd], [], [], 0.02)[0]:
            try:
                more = os.read(fd, 1 << 16)
            except OSError:
                more = b''
            out += more
            if len(out) > 8 << 20:
                del out[:4 << 20]
            if not more and pid is None:
                break
        if pid is not None:
            got, status, usage = os.wait4(pid, os.WNOHANG)
            if got:
                return out, status, usage.ru_maxrss
    return out, None, 0


def ended(name, which, status, memory, out):
    runs[which] += 1
    peak[which] = max(peak[which], memory)
    check(status is not None, f'{name}: it does not end')
    check(status is None or not os.WIFSIGNALED(status), f'{name}: ended by a signal ({status})')
    check(b'Sanitizer' not in out and b'runtime error' not in out, f'{name}: {bytes(out[-1500:])}')
    check(SANITIZED or memory < MEMORY, f'{name}: {memory >> 10} MiB')
    bad = BAD_OUT.search(bytes(out))
    check(not bad, f'{name}: on the terminal: {bad and bytes(out[max(0, bad.start() - 40):bad.end() + 20])}')


ARGS = dict(generate=['generate', 'text', '--preview', 'none', '-o', 'out.png'],
            load=['load', 'edge', 'a.png', 'out.png'],
            jobs=['jobs'], attach=['jobs', 'attach', '20260101-000000-00000001'], models=['models', 'list'],
            train=['models', 'list', '--json'])


def left():
    """Whether this one is another part's, or there is no time for it."""
    global left_out, asked
    asked += 1
    if asked % PARTS != PART - 1:
        return True
    left_out += time.time() > END
    return time.time() > END


def settle(fd, most, out, pid):
    """What a key brings about: until the screen is still, at most so long."""
    end, status, memory = time.monotonic() + most, None, 0
    while status is None and time.monotonic() < end:
        before = len(out)
        out, status, memory = pump(fd, min(most, 0.15), out=out, pid=pid)
        if len(out) == before:
            break
    return out, status, memory


def command(name, which, frames, seconds=20, **more):
    if left():
        return 0, b''
    home, env = make(name, frames, **more)
    pid, fd = in_terminal([LIMN] + ARGS[which] + ['--host', 'h'], env, home / 'cwd')
    out, status, memory = pump(fd, seconds * SLOW, pid=pid)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    out, _, _ = pump(fd, 0.1, out=out)
    os.close(fd)
    ended(f'{which}: {name}', 'cli', status, memory, out)
    look_around(home, f'{which}: {name}')
    return status, bytes(out)


def screen(name, frames, seconds=1.0, keys=b'ai cat\x1b123456781', **more):
    """The UI: every view, a drawing, trainings; then q, which is answered within a second."""
    global slowest
    if left():
        return
    home, env = make(name, frames, **more)
    pid, fd = in_terminal([LIMN, '--host', 'h', '--preview', 'none', '--theme', 'dark'], env, home / 'cwd', (120, 40))
    out, status, memory = pump(fd, 15 * SLOW, lambda o: b'compose' in o, pid=pid)
    for key in [] if status is not None else [b'a', b'\x1b[20~', b'7', b'6', b'5', b'4', b'3', b'2', b'8', b'1',
                                              b'6', b'2']:
        os.write(fd, key)
        out, status, memory = settle(fd, 0.12 * seconds * SLOW, out, pid)
        if status is not None:
            break
    if status is None:
        began = time.monotonic()
        os.write(fd, b'q')
        asks = len(out) # it asks with "f: leave and let …", where a job is not finished
        out, status, memory = pump(fd, 0.4 * SLOW, lambda o: b'leave and' in o[max(0, asks - 20):], out=out, pid=pid)
        if status is None: # a job may not be finished
            os.write(fd, b'f')
            out, status, memory = pump(fd, 10 * SLOW, out=out, pid=pid)
        took = time.monotonic() - began
        slowest = max(slowest, took)
        check(took < 1.4 * SLOW, f'ui: {name}: q took {took:.2f} s')
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    out, _, _ = pump(fd, 0.1, out=out)
    os.close(fd)
    ended(f'ui: {name}', 'ui', status, memory, out)
    look_around(home, f'ui: {name}')


# --- what is played

BY_COMMAND = dict(load=['loaded'], jobs=['commands', 'changed', 'running', 'piece'], attach=['output', 'ended'],
                  models=['file'])


def of_kind(kind):
    return next((c for c, kinds in BY_COMMAND.items() if kind in kinds), 'generate')


def cases(kind):
    for path, rule in FIELDS[kind]:
        for value in WRONG:
            yield f'{kind}.{path} = {str(value)[:24]!r}', broken(kind, path, value)


def spread(all_of_them, n):
    random.seed(1)
    return all_of_them if ALL else random.sample(all_of_them, min(n, len(all_of_them)))


def fields_on_the_command_line():
    for kind in FIELDS:
        every = list(cases(kind))
        if kind in ENDS: # one each: the first that is refused ends it
            for name, head in spread(every, 3):
                command(name, of_kind(kind), [step(head)])
        for i in range(0, len(every), 90): # refused, but fewer than would end it
            part = every[i:i + 90]
            if kind not in ENDS and (ALL or i == 0):
                command(f'{kind}, {len(part)} fields', of_kind(kind), [step(h) for _, h in part])


def fields_in_the_ui():
    rest = [step(h, when='hello' if i % 2 else 'asked') for kind in FIELDS if kind not in ENDS for i,
            (_, h) in enumerate(cases(kind))]
    random.seed(2)
    random.shuffle(rest)
    for i in range(0, len(rest), 80):
        if ALL or i < 160:
            screen(f'fields {i}', rest[i:i + 80], again=True)
    every = [c for kind in ENDS for c in cases(kind)]
    random.shuffle(every)
    for name, head in every[::6 if ALL else len(every) // 3]:
        screen(name, [step(head)])


def repeated():
    for kind in FIELDS if ALL else ['log', 'want', 'progress', 'result', 'changed', 'hello', 'loaders']:
        head = message(kind)
        if kind == 'progress':
            head.update(step=1, total=2, width=64, height=64, count=1)
        one = [step(head, times=10000 if kind != 'result' else 2000,
                    **(dict(payload=str(64 * 64 * 3)) if kind == 'progress' else {}))]
        if kind == 'hello':
            one[0]['when'] = 'asked'
        command(f'{kind}, 10,000 times', of_kind(kind), one, 60)
        if ALL or kind in ('log', 'progress', 'changed'):
            screen(f'{kind}, 10,000 times', one)


def floods():
    for head, payload in ((dict(type='log', level='info', text='x'), ''),
                          (dict(type='log', level='error', text=ESC), ''),
                          (dict(type='progress', job='$ID', step=1, total=2, seconds=1, width=1024, height=1024,
                                count=1), str(1024 * 1024 * 3)),
                          (dict(type='log', text='A' * 4000), ''), (dict(type='nonsense', x=[1] * 90000), '')):
        one = [dict(head=head, payload=payload, seconds=4 * SLOW)]
        name = f'a flood of {head["type"]}'
        command(name, 'generate', one, 40)
        screen(name, one)


def known():
    """What was found once."""
    status, out = command('a result again and again', 'generate', [step(message('result'), times=500)], 60)
    check(os.waitstatus_to_exitcode(status) == 0, f'one picture is enough: {out[-300:]}')
    # LIMIT_HOST_REFUSED: so many messages may be wrong, with one more the connection ends.
    for n, code in ((100, 0), (101, 1)):
        status, out = command(f'{n} messages that are refused', 'generate',
                              [step(dict(type='progress', job='$ID', step=-1), times=n)])
        if out: # else it is another part's
            check(os.waitstatus_to_exitcode(status) == code, f'{n} are refused: {out[-300:]}')
    screen('SIGFPE', [dict(head=dict(type='progress', job='$ID', step=536870912, total=-1, seconds=1))])
    over = [dict(head=dict(type='result', job='victim', index=0, count=1, seed=1), payload='png', when='hello',
                 times=20),
            dict(head=dict(type='result', job='never-asked', index=3, late=True), payload='png', when='hello'),
            dict(head=dict(type='hello', protocol=2, commands=COMMANDS, results=[dict(job='victim', index=0)]),
                 when='hello')]
    screen('pictures of others', over[::-1])
    local = [dict(head=dict(type='commands',
                            jobs=[dict(id='', state='done', about=dict(output='run', recipe='x', steps=5))])),
             dict(head=dict(type='piece', id='', name='log.jsonl', size=7, sheets=['sheet1.png', '../../../x.png'],
                            **{'from': 0}), payload='7')]
    screen('a local training', local, again=True)
    sparse = [dict(head=dict(type='piece', id='$ID', name='log.jsonl', size=1 << 50, sheets=[], **{'from': 1 << 40}),
                   payload='1')]
    screen('a sparse log', sparse, again=True)
    for payload in ('svg', '100'):
        command('a picture that is none', 'generate', [dict(head=message('result'), payload=payload)])
    command('escapes', 'attach', [dict(head=dict(type='output', id='$ID', stream=1), payload='5'),
                                  dict(head=dict(type='ended', id='$ID', code=1, text=ESC))])


def slow_png():
    """2048 x 2048 pixels of 64 bits, interlaced: a small file, as slow to decode as one that the UI shows at once can
    be."""
    rows, z = [], zlib.compressobj(1)
    for x, y, w, h in ((0, 0, 256, 256), (4, 0, 256, 256), (0, 4, 512, 256), (2, 0, 512, 512), (0, 2, 1024, 512),
                       (1, 0, 1024, 1024), (0, 1, 2048, 1024)):
        rows += [z.compress(b'\0' + bytes(8 * w)) for _ in range(h)]
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 2048, 2048, 16, 6, 0, 0, 1))
            + chunk(b'IDAT', b''.join(rows) + z.flush()) + chunk(b'IEND', b''))


def decoder_in(folder):
    """The process that decodes for a limn that was started in a folder."""
    for p in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            if (p / 'comm').read_text() == 'limn-look\n' and os.readlink(p / 'cwd') == folder:
                return int(p.name)
        except OSError:
            pass


def keys_while_pictures_come():
    """No picture is decoded in the UI's own turn: keys are answered while one is, even by a decoder that stands
    still."""
    if left():
        return
    runs['ui'] += 1
    name = 'keys while a picture is decoded'
    picture = f'{work.name}/slow.png'
    pathlib.Path(picture).write_bytes(slow_png())
    home, env = make(name, [], png=picture)
    pid, fd = in_terminal([LIMN, '--host', 'h', '--preview', 'none', '--theme', 'dark'], env, home / 'cwd', (120, 40))
    pump(fd, 15 * SLOW, lambda o: b'compose' in o, pid=pid)
    os.write(fd, b'ifox\x1b')
    pump(fd, 0.7 * SLOW, pid=pid)
    child, tries, end = None, 0, time.monotonic() + 10 * SLOW
    while not child and time.monotonic() < end:
        if time.monotonic() > end - 10 * SLOW + tries * 2 * SLOW:
            os.write(fd, b'\x1b[20~') # drawn
            tries += 1
        child = decoder_in(str(home / 'cwd'))
    check(child, f'{name}: nobody decodes it')
    times, until = [0], time.monotonic() + 1.5 # of the 2 s that it may take
    if child:
        os.kill(child, signal.SIGSTOP)
    for i in range(40):
        pump(fd, 0.03, pid=pid)
        began = time.monotonic()
        os.write(fd, (b'8', b'2')[i % 2])
        pump(fd, 5 * SLOW, lambda o: len(o) > 0, pid=pid)
        times.append(time.monotonic() - began)
        if time.monotonic() > until:
            break
    check(max(times) < 1, f'{name}: one was answered after {max(times):.2f} s')
    print(f'{name}: {len(times) - 1} keys, each answered within {max(times) * 1000:.0f} ms')
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)
    shutil.rmtree(home, ignore_errors=True)


def report():
    print(f'{runs["cli"]} runs on the command line, {runs["ui"]} in the UI, {left_out} left out, '
          f'{sum(len(list(cases(k))) for k in FIELDS)} broken messages in the table; peak {peak["cli"] >> 10} MiB on '
          'the command '
          f'line, {peak["ui"] >> 10} MiB in the UI; q in at most {slowest:.2f} s')
    if left_out:
        skip(f'{left_out} runs: there was no time for them')


limn_test.run([known, keys_while_pictures_come, fields_on_the_command_line, fields_in_the_ui, repeated, floods], report)
