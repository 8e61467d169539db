#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The worker from outside: what docs/worker.md says, spoken by a second implementation of it.
# usage: worker.py LIMN SOURCE LOADERS
import hashlib, os, pathlib, signal, socket, struct, subprocess, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import frames
from limn_test import LIMN, MODEL, SLOW, SOURCE, check, environment, limits, run, until, work

home = pathlib.Path(work.name)
env = environment(home, XDG_STATE_HOME=str(home / 'state'), XDG_DATA_HOME=str(home / 'data'), LIMN_MODEL=str(MODEL))
SPOOL = home / 'state/limn/spool'
PICTURE = open(SOURCE + '/app/templates/samples/snail-noto.png', 'rb').read()
HASH = hashlib.sha256(PICTURE).hexdigest()


class Worker:
    def __init__(self, hangup='stop', alone=True, greet=True):
        self.p = subprocess.Popen([LIMN, 'worker', '--stdio'] + (['--alone'] if alone else []), env=env,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  start_new_session=True)
        self.out = self.p.stdout
        check(self.out.readline() == b'limn-worker\n', 'greeting')
        if greet:
            self.send('hello', protocol=2, version='test', hangup=hangup)
            self.hello = self.until('hello')

    def send(self, kind, payload=b'', **head):
        self.p.stdin.write(frames.frame(dict(type=kind, **head), payload))
        self.p.stdin.flush()

    def take(self):
        m = frames.take(self.out)
        return m and dict(m[0], payload=m[1])

    def until(self, *kinds, also=None):
        while (m := self.take()) is not None:
            if also is not None:
                also.append(m)
            if m['type'] in kinds:
                return m
        return None

    def draw(self, id, seed=3, steps=3, count=1, text='Draw [ref#1] in colour: a snail', **more):
        job = dict(id=id, instruction=text, seed=seed, steps=steps, count=count, size=64, device='cpu', dtype='f32',
                   references=[dict(marker=1, hash=HASH, loader='edge', settings=['detail=0.5'], file='snail.png')])
        job.update(more)
        self.send('submit', job=job, previews=True)

    def give(self):
        m = self.until('want', 'failed')
        if m and m['type'] == 'want':
            self.send('blob', PICTURE, hash=m['hash'])

    def end(self, timeout=20):
        self.p.stdin.close()
        rc = self.p.wait(timeout)
        check(b'Sanitizer' not in (said := self.p.stderr.read()), said.decode()[-2000:])
        return rc


def threads():
    # libgomp reads before main() how long its threads spin: a worker that nobody told starts itself again.
    ours = dict(env)
    try:
        env.pop('GOMP_SPINCOUNT', None)
        w = Worker()
        check(b'\0GOMP_SPINCOUNT=' in b'\0' + pathlib.Path(f'/proc/{w.p.pid}/environ').read_bytes(), 'a short spin')
        w.end()
        # Nor is it given more threads than LIMIT_THREADS, or stacks beyond LIMIT_STACK_LEAST_MEGABYTES and
        # LIMIT_STACK_MOST_MEGABYTES.
        most = max(limits()['THREADS'], os.cpu_count())
        least, largest = limits()['STACK_LEAST_MEGABYTES'], limits()['STACK_MOST_MEGABYTES']
        for name, value, want in (('OMP_NUM_THREADS', f'{most}', f'{most}'), ('OMP_NUM_THREADS', f'{most + 1},2', f'{most}'),
                                  ('OMP_NUM_THREADS', '9' * 30, f'{most}'), ('OMP_STACKSIZE', f'{least} M', f'{least} M'),
                                  ('OMP_STACKSIZE', f'{least * 1024 - 1}', '8M'), ('OMP_STACKSIZE', '1B', '8M'),
                                  ('OMP_STACKSIZE', f'{largest}m', f'{largest}m'),
                                  ('OMP_STACKSIZE', f'{largest * 1024 + 1}k', '8M'),
                                  ('OMP_STACKSIZE', '1T', '8M')):
            env.update(ours)
            env[name] = value
            w = Worker()
            seen = pathlib.Path(f'/proc/{w.p.pid}/environ').read_bytes().decode().split('\0')
            check(f'{name}={want}' in seen, f'{name}={value}: {[s for s in seen if s.startswith("OMP")]}, not {want}')
            w.end()
            del env[name]
    finally:
        env.update(ours)


def pictures_and_content():
    w = Worker()
    w.draw('job-a')
    w.give()
    seen = []
    check(w.until('done', 'failed', also=seen)['type'] == 'done', f'job-a: {seen[-1]}')
    steps = [m for m in seen if m['type'] == 'progress']
    check([m['step'] for m in steps] == [1, 2, 3], 'three steps')
    with_picture = [m for m in steps if m['payload']]
    check(len(with_picture) == 2, 'a third preview is not sent before the first has been seen')
    check(all(m['channels'] == 4 and len(m['payload']) == 64 * 64 * 4 for m in with_picture), 'size of previews')
    check(next(m for m in seen if m['type'] == 'result')['payload'][16:26] == struct.pack('>IIBB', 64, 64, 8, 6),
          'a transparent PNG')
    a = next(m for m in seen if m['type'] == 'result')
    check(a['payload'][:8] == b'\x89PNG\r\n\x1a\n', 'a PNG')
    spooled = SPOOL / 'job-a-0.png'
    check(spooled.read_bytes() == a['payload'], 'in the spool before it is stored')
    w.send('stored', job='job-a', index=0)
    # The picture is not sent again; the same job gives the same bytes.
    w.draw('job-b')
    seen = []
    w.until('done', 'failed', also=seen)
    check(not [m for m in seen if m['type'] == 'want'], 'what was sent once is not wanted again')
    check(next(m for m in seen if m['type'] == 'result')['payload'] == a['payload'], 'same job, same bytes')
    check(not spooled.exists(), 'stored: gone from the spool')
    # A loader's look, and one that cannot be.
    ref = dict(marker=1, hash=HASH, loader='mask', settings=[])
    w.send('load', id='look', reference=ref, side=100)
    m = w.until('loaded')
    check(m['id'] == 'look' and m['payload'][16:24] == struct.pack('>II', 100, 100), 'a look of 100 x 100')
    w.send('load', id='bad', reference=dict(ref, loader='nonsense'), side=100)
    m = w.until('loaded')
    check(m['code'] == 'input' and 'nonsense' in m['text'], 'unknown loader')
    w.send('describe')
    m = w.until('described')
    check(any(d['name'] == 'cpu' for d in m['devices']), 'the CPU is a device')
    check(w.end() == 0, 'ends with its limn')
    w2 = Worker(alone=False)
    check([(r['job'], r['index']) for r in w2.hello['results']] == [('job-b', 0)],
          'the next one lists what was not stored')
    w2.send('fetch', job='job-b', index=0)
    m = w2.until('result')
    check(m['late'] and m['payload'] == a['payload'], 'and gives it')
    w2.send('stored', job='job-b', index=0)
    w2.end()
    check(not list(SPOOL.iterdir()), 'the spool is empty')


def refusals():
    w = Worker()
    bad = [('no pictures for a marker', dict(references=[])),
           ('no instruction', dict(text='')),
           ('count', dict(count=1000)),
           ('a reference too many', dict(references=[dict(marker=i, hash=HASH) for i in range(1, 20)])),
           ('a hash that is none', dict(references=[dict(marker=1, hash='../../etc/passwd')]))]
    for what, change in bad:
        text = change.pop('text', 'Draw [ref#1]')
        w.draw('bad', text=text, **change)
        m = w.until('failed', 'queued', 'want')
        check(m and m['type'] == 'failed' and m['code'] == 'input' and m['text'], what)
    # Pictures that are none, and devices and models that are not there.
    junk = b'this is no picture'
    w.draw('junk',
           references=[dict(marker=1, hash=hashlib.sha256(junk).hexdigest(), file='junk.png', where='t.yaml:3:4')])
    w.until('want')
    w.send('blob', b'something else', hash=hashlib.sha256(junk).hexdigest())  # a lie is not kept
    w.send('blob', junk, hash=hashlib.sha256(junk).hexdigest())
    m = w.until('failed', 'done')
    check(m['code'] == 'input' and m['text'].startswith('t.yaml:3:4: junk.png'), m.get('text'))
    for change in (dict(device='abacus'), dict(model='/nowhere'), dict(dtype='f7')):
        w.draw('lost', **change)
        w.send('blob', PICTURE, hash=HASH)
        m = w.until('failed', 'done')
        check(m['type'] == 'failed' and m['text'], str(change))
    w.send('no-such-message', what=1)
    w.send('fetch', job='../../../etc/passwd', index=0)
    w.send('stored', job='../../../etc/passwd', index=0)
    w.draw('fine')
    check(w.until('failed', 'done')['type'] == 'done', 'and goes on')
    w.send('stored', job='fine', index=0)
    w.p.stdin.write(b'garbage that is no frame at all')
    w.p.stdin.flush()
    check(w.p.wait(20) == 0, 'garbage ends it')
    w.end()


def cancelling():
    w = Worker()
    w.draw('long', steps=1000)
    w.give()
    w.draw('waiting', steps=1000)
    w.until('progress')
    start = time.time()
    w.send('cancel', job='waiting')
    m = w.until('failed')
    check(m['job'] == 'waiting' and m['code'] == 'cancelled', 'a waiting job')
    w.send('cancel', job='long')
    m = w.until('failed')
    check(m['job'] == 'long' and m['code'] == 'cancelled', 'a running job')
    check(time.time() - start < 10 * SLOW, 'soon')
    w.draw('after')
    check(w.until('done', 'failed')['type'] == 'done', 'the next one runs')
    w.send('stored', job='after', index=0)
    w.draw('longer', steps=1000)
    w.until('progress')
    check(w.end() == 0, 'a limn that goes stops the job')
    check(not list(SPOOL.iterdir()), 'nothing half-made')


def outliving():
    w = Worker(hangup='finish', alone=False)
    w.draw('slow', steps=25, count=2)
    w.give()
    w.until('progress')
    w.p.stdin.close()
    w.p.stdout.close()
    time.sleep(0.5)
    check(w.p.poll() is None, 'a worker with a job goes on')
    sockets = list((home / 'run/limn').glob('worker-*.sock'))
    check(len(sockets) == 1 and (home / 'run/limn').stat().st_mode & 0o777 == 0o700, 'behind a socket of this user')
    again = Worker(hangup='finish', alone=False)
    check(again.hello['pid'] == w.p.pid, 'the next one finds it')
    check([j['id'] for j in again.hello['jobs']] == ['slow'], 'with its job')
    seen = []
    check(again.until('done', 'failed', also=seen)['type'] == 'done', 'the job ends')
    check(len([m for m in seen if m['type'] == 'result']) == 2, 'with two pictures')
    again.end()
    check(w.p.wait(20) == 0, 'with nothing left to do it ends')
    check(not list((home / 'run/limn').glob('worker-*.sock')), 'and takes its socket along')
    check(len(list(SPOOL.iterdir())) == 2, 'nobody stored them: both are there')
    for f in SPOOL.iterdir():
        f.unlink()
    # A dead worker's socket is no obstacle.
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(home / 'run/limn/worker-1.sock'))
    dead.close()
    w = Worker(alone=False)
    check(not (home / 'run/limn/worker-1.sock').exists(), 'a dead socket is removed')
    w.end()
    # Killed in the middle: what was finished before is still there.
    w = Worker(hangup='finish', alone=False)
    w.draw('first')
    w.give()
    w.until('done')
    w.draw('second', steps=1000)
    w.until('progress')
    w.p.kill()
    w.p.wait()
    w = Worker(alone=False)
    check([r['job'] for r in w.hello['results']] == ['first'], 'a killed worker loses nothing finished')
    w.send('stored', job='first', index=0)
    w.end()


def through_ssh():
    """A stand-in for ssh that runs the command here, as a login shell would, talking first."""
    fake = home / 'ssh'
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; host=$1; shift\n'
                    '[ "$host" = down ] && { echo "ssh: connect to host down port 22: Connection refused" >&2; exit '
                    '255; }\n'
                    '[ "$host" = bare ] && { echo "sh: 1: limn: not found" >&2; exit 127; }\n'
                    '[ "$host" = odd ] && { echo "This account is currently not available."; exit 1; }\n'
                    '[ "$host" = old -o "$host" = evil ] && { cat "$0.$host"; exec cat >/dev/null; }\n'
                    'echo "Welcome to the machine"; exec sh -c "$*"\n')
    fake.chmod(0o755)
    hello = frames.frame(dict(type='hello', protocol=99, version='9.9'))
    (home / 'ssh.old').write_bytes(b'limn-worker\n' + hello)
    # One whose pictures would land outside of limn's folder.
    (home / 'ssh.evil').write_bytes(b'limn-worker\n' + frames.frame(dict(type='hello', protocol=2, version='0')) +
                                    frames.frame(dict(type='result', job='../../../pwned', index=0, late=True),
                                                 PICTURE))
    e = dict(env, LIMN_SSH=str(fake), LIMN_REMOTE=LIMN)
    def generate(host, *more):
        out = home / f'{host}.png'
        p = subprocess.run([LIMN, 'generate', SOURCE + '/app/templates/edge.yaml', '--seed', '4', '--steps', '3',
                            '--size', '64', '--device', 'cpu',
                            '--dtype', 'f32', '--preview', 'none', '-o',
                            str(out)] + (['--host', host] if host != 'here' else []) + list(more),
                           env=e, capture_output=True, text=True, timeout=300)
        check('Sanitizer' not in p.stderr, p.stderr[-2000:])
        return p, out
    here, a = generate('here')
    there, b = generate('gpu')
    check(here.returncode == 0 and there.returncode == 0, here.stderr + there.stderr)
    check(a.read_bytes() == b.read_bytes(), 'the same picture from another host')
    for host, words in (('down', 'Connection refused'), ('evil', 'not limn'), ('bare', 'no limn in the search path'),
                        ('odd', 'not available'), ('old', 'install the same version')):
        p, out = generate(host)
        check(p.returncode == 1 and words in p.stderr and p.stderr.count('\n') == 1,
              f'{host}: {p.returncode} {p.stderr}')
        check(not out.exists(), f'{host}: nothing written')
    p, out = generate('-oProxyCommand=touch')
    check(p.returncode == 2, 'a host that is an option')


def killed_under_generate():
    """The worker of a command is killed: one sentence, no file, no orphan."""
    out = home / 'killed.png'
    p = subprocess.Popen([LIMN, 'generate', SOURCE + '/app/templates/edge.yaml', '--steps', '1000', '--size', '64',
                          '--preview', 'none', '--json', '--device', 'cpu',
                          '-o', str(out)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p.stdout.readline()
    child = int(open(f'/proc/{p.pid}/task/{p.pid}/children').read().split()[0])
    os.kill(child, signal.SIGKILL)
    said = p.communicate(timeout=120)[1]
    check(p.returncode == 1 and 'signal 9' in said and not out.exists(), f'{p.returncode} {said}')
    # The command itself is killed: its worker goes too.
    p = subprocess.Popen([LIMN, 'generate', SOURCE + '/app/templates/edge.yaml', '--steps', '1000', '--size', '64',
                          '--preview', 'none', '--json', '--device', 'cpu',
                          '-o', str(out)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p.stdout.readline()
    child = int(open(f'/proc/{p.pid}/task/{p.pid}/children').read().split()[0])
    p.kill()
    p.wait()
    gone = lambda: not os.path.exists(f'/proc/{child}') or open(f'/proc/{child}/stat').read().split()[2] == 'Z'
    until(gone, 'the worker ends with its command')


run(list((threads, pictures_and_content, refusals, cancelling, outliving, through_ssh, killed_under_generate)))
