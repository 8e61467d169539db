#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Commands that compute, run by a worker: here, through a real sshd on loopback, and by themselves.
# usage: commands.py LIMN SOURCE LOADERS [NAME...]
import hashlib, json, os, pathlib, pwd, re, shutil, signal, socket, struct, subprocess, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import frames, limn_test, tiny_training
from limn_test import LIMN, LOADERS, SLOW, SOURCE, check, environment, run, size_of, until, work

home = pathlib.Path(work.name)
there = home / 'there'  # what the other machine has
env = environment(home, XDG_STATE_HOME=str(home / 'state'), XDG_DATA_HOME=str(home / 'data'))
(there / 'run').mkdir(mode=0o700, parents=True)


def limn(*args, code=0, cwd=home, more={}, timeout=120, **how):
    p = limn_test.limn(*args, env=env, code=None, cwd=cwd, more=more, timeout=timeout, **how)
    check(code is None or p.returncode == code, f'{args}: exit {p.returncode}', f'{p.stdout[-300:]} {p.stderr[-500:]}')
    return p


def children(pid):
    try:
        return [int(p) for p in open(f'/proc/{pid}/task/{pid}/children').read().split()]
    except OSError:
        return []


def command_of(front):
    """The process that computes for a front process: its worker's child."""
    return until(lambda: next((k for w in children(front) for k in children(w)
                               if b'--run' in open(f'/proc/{k}/cmdline', 'rb').read()), None), 'a child computes')


def left():
    return list((home / 'state/limn/jobs').rglob('*'))


TRAIN = ('train', 'small.yaml', '--device', 'cpu')
here = home / 'here'
tiny_training.make(SOURCE, here)
limn('data', 'pack', 'pictures', 'small.pack', '--size', '8', '--roles', 'none', '--workers', '1', cwd=here)


def losses(text):
    return [(l['step'], l['loss'], l['grad_norm']) for l in map(json.loads, text.splitlines())]


def log_of(folder):
    return (folder / 'log.jsonl').read_text() if (folder / 'log.jsonl').exists() else ''


def begin(*args, cwd=here, more={}):
    return subprocess.Popen([LIMN, *args], env=dict(env, **more), cwd=cwd, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def clean(folder):
    shutil.rmtree(folder, ignore_errors=True)


def here_is_the_same():
    clean(here / 'run')
    p = limn(*TRAIN, '--json', '--until', '20', cwd=here)
    check(p.stdout == log_of(here / 'run') and p.stdout.count('\n') == 20,
          f'events come as they were: {p.stdout[:300]}')
    clean(here / 'alone')
    q = subprocess.run([LIMN, 'worker', '--run', *TRAIN, '--json', '--until', '20', '--set', 'output=alone'], env=env,
                       cwd=here, capture_output=True, text=True)
    check(losses(p.stdout) == losses(q.stdout), 'the same numbers as without a worker between')
    for args in (('devices',), ('models', 'list'), ('models', 'check', f'{SOURCE}/app/models/limn-icons'),
                 ('data', 'stats', 'small.pack')):
        through, alone = limn(*args, cwd=here).stdout, subprocess.run(
            [LIMN, 'worker', '--run', *args], env=env, cwd=here, capture_output=True, text=True).stdout
        check(through == alone and through, f'{args}: {through[:200]!r}, {alone[:200]!r}')
    p = limn('bench', 'step', '--device', 'cpu', '--dtype', 'f32', '--model', 'model', '--batch', '1',
             '--references', '1', '--text-tokens', '8', '--repeats', '1', '--forward', cwd=here)
    check('ceilings' in p.stdout, p.stdout)
    # Faults of the command are its own: one line, the same code.
    for args, code, words in ((('train', 'none.yaml'), 2, 'none.yaml'), (('train',), 2, 'RECIPE.yaml is missing'),
                              (('train', 'small.yaml', '--set', 'pack=none', '--set', 'output=fresh'), 2, 'none'),
                              (('bench', 'step', '--frob'), 2, '--frob'),
                              (('devices', '--host'), 2, 'needs a value'), (('models', 'check', 'none'), 2, 'none'),
                              (('devices', '--detach'), 2, 'train has it'),
                              (('train', 'small.yaml', '--set', 'model=limn-icons', '--set', 'output=fresh'), 2,
                               'pictures of 8 pixels')):
        p = limn(*args, code=code, cwd=here)
        check(words in p.stderr and p.stderr.count('\n') == 1 and p.stderr.startswith('limn: '), f'{args}: {p.stderr}')
    check(not list((home / 'state/limn/jobs').glob('*')), 'nothing is left of commands that ended')


def interrupted():
    clean(here / 'run')
    p = begin(*TRAIN, '--json')
    for _ in range(30):
        p.stdout.readline()
    p.send_signal(signal.SIGINT)
    rest, said = p.communicate(timeout=60)
    check(p.returncode == 130 and not said, f'{p.returncode} {said}')
    check((here / 'run/checkpoint.safetensors').exists(), 'Ctrl-C saves')
    done = len(log_of(here / 'run').splitlines())
    limn(*TRAIN, '--resume', '--until', str(done + 10), cwd=here)
    clean(here / 'whole')
    limn(*TRAIN, '--until', str(done + 10), '--set', 'output=whole', cwd=here)
    check(losses(log_of(here / 'run')) == losses(log_of(here / 'whole')), 'and goes on bit for bit')
    # Ctrl-Z: what computes rests too.
    clean(here / 'run')
    p = begin(*TRAIN, '--json')
    p.stdout.readline()
    child = command_of(p.pid)

    def state(pid):
        return open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0]
    p.send_signal(signal.SIGTSTP)
    until(lambda: state(p.pid) == 'T' and state(child) == 'T', 'both are stopped')
    p.send_signal(signal.SIGCONT)
    until(lambda: state(child) != 'T', 'both go on')
    p.send_signal(signal.SIGTSTP)
    until(lambda: state(child) == 'T', 'stopped once more')
    p.kill()
    p.communicate()
    until(lambda: (here / 'run/checkpoint.safetensors').exists(), 'and saved when its limn is killed')
    until(lambda: not os.path.exists(f'/proc/{child}'), 'and ends')
    # A reader that sleeps holds it up, and nothing is lost or piled up.
    clean(here / 'run')
    p = begin(*TRAIN, '--json')
    first = p.stdout.readline()
    p.send_signal(signal.SIGSTOP)
    time.sleep(2)
    p.send_signal(signal.SIGCONT)
    p.send_signal(signal.SIGINT)
    rest = p.stdout.read()  # communicate() leaves out what readline() has read ahead
    said = p.communicate(timeout=120)[1]
    check(first + rest == log_of(here / 'run'), 'what was said while nobody read came whole')


def crashes():
    for sign, name in ((signal.SIGSEGV, 'signal 11'), (signal.SIGKILL, 'signal 9')):
        clean(here / 'run')
        p = begin(*TRAIN, '--json', more=dict(ASAN_OPTIONS='handle_segv=0'))
        p.stdout.readline()
        os.kill(command_of(p.pid), sign)
        rest, said = p.communicate(timeout=60)
        check(p.returncode == 1 and name in said and said.count('\n') == 1, f'a crash: {p.returncode} {said}')
    # The worker dies: the training saves, and the one who waits hears of it.
    clean(here / 'run')
    p = begin(*TRAIN, '--json')
    p.stdout.readline()
    child = command_of(p.pid)
    os.kill(children(p.pid)[0], signal.SIGKILL)
    rest, said = p.communicate(timeout=60)
    check(p.returncode == 1 and 'signal 9' in said and '--resume' in said and said.count('\n') == 1,
          f'{p.returncode} {said}')
    until(lambda: (here / 'run/checkpoint.safetensors').exists(), 'a training without its worker saves')
    until(lambda: not os.path.exists(f'/proc/{child}'), 'and ends')
    # Whoever waits is killed, as when a terminal closes: it saves too, and no process is left.
    clean(here / 'run')
    p = begin(*TRAIN, '--json')
    p.stdout.readline()
    child = command_of(p.pid)
    p.kill()
    p.communicate()
    until(lambda: (here / 'run/checkpoint.safetensors').exists(), 'a training without its limn saves')
    until(lambda: not os.path.exists(f'/proc/{child}'), 'and ends')


def messages():
    """What no limn would send."""
    w = subprocess.Popen([LIMN, 'worker', '--stdio', '--alone'], env=env, cwd=here, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(kind, payload=b'', **head):
        w.stdin.write(frames.frame(dict(type=kind, **head), payload))
        w.stdin.flush()

    def take(*kinds):
        while (m := frames.take(w.stdout)) is not None:
            if m[0]['type'] in kinds:
                return dict(m[0], payload=m[1])
        return {}
    check(w.stdout.readline() == b'limn-worker\n', 'greeting')
    send('hello', protocol=2, version='test', hangup='stop')
    check('train' in take('hello')['commands'], 'it says what it can run')
    digest = hashlib.sha256(b'').hexdigest()
    bad = [dict(words=['sh', '-c', 'touch pwned']), dict(words=['generate', 'text']), dict(words=['worker', '--stdio']),
           dict(words=[]), dict(words=['jobs']), dict(words=[dict(before='devices', name='x', hash=digest)]),
           dict(id='../../x', words=['devices']),
           dict(words=['devices', dict(before='', name='../../../pwned', hash=digest)]), dict(words=['devices'] * 1000),
           dict(words=['devices', dict(before='', name='.bashrc', hash=digest)]),
           dict(words=['devices', dict(name='a', hash='zz')]),
           dict(words=['devices'], environment=dict(LD_PRELOAD='/tmp/x.so')),
           dict(words=['devices'], environment=dict(PATH='/')),
           dict(words=['devices'] + [dict(name=f'r{i}') for i in range(20)]), dict(words=7), dict()]
    for order in bad:
        send('command', **dict(dict(id='one'), **order))
        m = take('ended', 'running')
        check(m.get('type') == 'ended' and m['code'] == 2 and m['text'], f'{order}: {m}')
    for kind in ('interrupt', 'follow', 'remove', 'again', 'read'):
        send(kind, id='../../etc')
        send(kind, id='20000101-000000-00000000', name='../../../../etc/passwd', **{'from': 0})
    check(take('piece')['payload'] == b'', 'nothing to read')
    send('command', id='two', words=['devices'], folder='/no/such/folder')
    said = take('output')
    check(b'/no/such/folder' in said['payload'] and take('ended')['code'] == 1, f'a folder that is not there: {said}')
    send('command', id='three', words=['devices'])
    said = b''
    while (m := take('output', 'ended'))['type'] == 'output':
        said += m['payload']
    check(b'cpu' in said and m['code'] == 0, f'and it still runs what it may: {said} {m}')
    w.stdin.close()
    check(w.wait(30) == 0 and b'Sanitizer' not in w.stderr.read(), 'it ends')
    check(not left(), f'nothing was written: {left()}')
    # What a dead worker left goes with the next one.
    folder = home / 'state/limn/jobs/20000101-000000-00000000'
    folder.mkdir(parents=True)
    name = pathlib.Path('/etc/machine-id')
    machine = name.read_text().split()[0] if name.exists() and name.read_text().strip() else socket.gethostname()
    (folder / 'worker').write_text(f'{machine} 0-0 1 1')
    (folder / '0-recipe.yaml').write_text('')
    limn('jobs')
    check(not (here / 'pwned').exists() and not left(), f'nothing was written: {left()}')


def hostile():
    """Another machine that would like to be this one."""
    fake = home / 'evil-ssh'
    fake.write_text(f"""#!{sys.executable}
import json, struct, sys
host = sys.argv[sys.argv.index('--') + 1]
def send(payload=b'', **head):
    text = json.dumps(head).encode()
    sys.stdout.buffer.write(b'LMN1' + struct.pack('<IQ', len(text), len(payload)) + text + payload)
    sys.stdout.buffer.flush()
def take():
    n, m = struct.unpack('<IQ', sys.stdin.buffer.read(16)[4:])
    head = json.loads(sys.stdin.buffer.read(n))
    sys.stdin.buffer.read(m)
    return head
sys.stdout.buffer.write(b'limn-worker\\n')
take()
send(type='hello', protocol=2, version='0', commands=['devices', 'train'])
id = take()['id']
send(type='running', id='somebody-else')
send(type='running', id=id, pid=1)
send(b'\\x1b]0;pwned\\x07\\r\\x1b[Kfine \\x1b[31m\\xc2\\x9b2J \\x1b', type='output', id=id, stream=1)
send(b'[K\\x1b[2J\\xc3\\xa4 \\x9b \\xc2', type='output', id=id, stream=1)
send(b'\\x9bend\\n', type='output', id=id, stream=1)
if host == 'file':
    send(b'x', type='file', id=id, index=0)
if host == 'gone':
    sys.exit(3)
send(type='ended', id=id, code=7 if host == 'code' else 0, **(dict(text='a\\x1b[2Jb') if host == 'text' else dict()))
sys.stdin.buffer.read()
""")
    fake.chmod(0o755)
    e = dict(env, LIMN_SSH=str(fake))

    def run(host):
        ours, theirs = os.openpty()
        p = subprocess.Popen([LIMN, 'devices', '--host', host], env=e, cwd=here, stdout=theirs, stderr=subprocess.PIPE,
                             text=True)
        os.close(theirs)
        said = p.communicate(timeout=60)[1]
        out = b''
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:
                break
            if not more:
                break
            out += more
        os.close(ours)
        return p.returncode, out, said
    code, out, said = run('fine')
    check(code == 0 and out == b'?]0;pwned?\r\x1b[Kfine ?[31m?2J \x1b[K?[2J\xc3\xa4 ? ?end\r\n',
          f'harmless: {code} {out} {said}')
    for host, code, words in (('file', 1, 'was not requested'), ('gone', 1, 'exit code 3'), ('code', 7, ''),
                              ('text', 1, 'b')):
        got, out, said = run(host)
        check(got == code and words in said and '\x1b' not in said and said.count('\n') <= 1, f'{host}: {got} {said!r}')
    piped = subprocess.run([LIMN, 'devices', '--host', 'fine'], env=e, cwd=here, capture_output=True)
    check(piped.stdout == b'\x1b]0;pwned\x07\r\x1b[Kfine \x1b[31m\xc2\x9b2J \x1b[K\x1b[2J\xc3\xa4 \x9b \xc2\x9bend\n',
          f'what is no terminal gets every byte: {piped.stdout}')


def impatient():
    """Ctrl-C while ssh still asks for a password: both end, at once."""
    slow = home / 'slow-ssh'
    slow.write_text('#!/bin/sh\necho $$ >"$0.pid"\nexec sleep 100\n')
    slow.chmod(0o755)
    sample = f'{SOURCE}/app/templates/samples/snail-noto.png'
    for args in (('devices',), TRAIN, TRAIN + ('--detach',), ('jobs',),
                 ('generate', 'text', '--preview', 'none', '-o', 'never.png'),
                 ('load', 'edge', sample, 'never.png')):
        (home / 'slow-ssh.pid').unlink(missing_ok=True)
        p = begin(*args, '--host', 'slow', more=dict(LIMN_SSH=str(slow)))
        until(lambda: (home / 'slow-ssh.pid').exists() and (home / 'slow-ssh.pid').read_text().strip(), 'ssh is called')
        ssh = int((home / 'slow-ssh.pid').read_text())
        start = time.monotonic()
        os.killpg(p.pid, signal.SIGINT)
        said = p.communicate(timeout=60)[1]
        check(p.returncode == 130 and time.monotonic() - start < 4 * SLOW and not said,
              f'{args}: {p.returncode} {said}')
        until(lambda: not os.path.exists(f'/proc/{ssh}') or open(f'/proc/{ssh}/stat').read().split()[2] == 'Z',
              f'{args}: ssh ends', 4)
    check(not (here / 'never.png').exists(), 'nothing was made')


class Sshd:
    """A real sshd of this user, on loopback, and how to reach it; None where there is none."""
    def __init__(self):
        self.program = next((p for p in ('/usr/sbin/sshd', shutil.which('sshd')) if p and os.path.exists(p)), None)
        if not self.program:
            return
        folder = home / 'ssh'
        folder.mkdir(mode=0o700)
        for name in ('host', 'user'):
            subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(folder / name)], check=True)
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        (folder / 'config').write_text(
            f'Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n'
            f'PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n')
        if os.geteuid() == 0:
            os.makedirs('/run/sshd', exist_ok=True)
        self.p = subprocess.Popen([self.program, '-D', '-e', '-f', str(folder / 'config')],
                                  stderr=open(folder / 'log', 'w'))
        remote = home / 'limn-there'
        remote.write_text(f'#!/bin/sh\ncd {there}\n'
                          f'export HOME={there} XDG_STATE_HOME={there}/state XDG_RUNTIME_DIR={there}/run '
                          f'XDG_DATA_HOME={there}/data LIMN_LOADER_PATH={LOADERS} OMP_NUM_THREADS=1 '
                          'VK_DRIVER_FILES=/dev/null '
                          f'VK_ICD_FILENAMES=/dev/null\n' + ''.join(
                              f"export {k}='{env[k]}'\n"
                              for k in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS') if k in env) +
                          f'exec {LIMN} "$@"\n')
        remote.chmod(0o755)
        self.more = dict(LIMN_REMOTE=str(remote),
                         LIMN_SSH=f'ssh -F /dev/null -p {self.port} -i {folder}/user -o IdentitiesOnly=yes '
                         f'-o UserKnownHostsFile={folder}/known -o StrictHostKeyChecking=no -o LogLevel=ERROR')
        self.host = pwd.getpwuid(os.geteuid()).pw_name + '@127.0.0.1'
        self.locked = False  # an account without a password may be, for an sshd without PAM

        def answers():
            ok = subprocess.run(self.more['LIMN_SSH'].split() + [self.host, 'true'],
                                capture_output=True).returncode == 0
            self.locked = 'account is locked' in (folder / 'log').read_text()
            return ok or self.locked
        until(answers, 'sshd answers')


def through_sshd():
    sshd = Sshd()
    if not sshd.program:
        print('[  SKIPPED ] through_sshd: there is no sshd')
        return
    try:
        if sshd.locked:
            print('[  SKIPPED ] through_sshd: this account is locked')
        else:
            on_another_machine(sshd)
    finally:
        sshd.p.terminate()
        sshd.p.wait()


def on_another_machine(sshd):
    at = ('--host', sshd.host)

    def far(*args, **how):
        return limn(*args, *at, more=sshd.more, cwd=how.pop('cwd', here), **how)
    # Its model and pictures lie there; the recipe, its tasks and its words are only here.
    for name in ('model', 'pictures'):
        shutil.copytree(here / name, there / name)
    p = far('data', 'pack', 'pictures', 'small.pack', '--size', '8', '--roles', 'none', '--workers', '1')
    check((there / 'small.pack').read_bytes() == (here / 'small.pack').read_bytes() and '8 pictures' in p.stdout,
          'a pack is made there')
    p = far(*TRAIN, '--json', '--until', '20')
    clean(here / 'alone')
    limn(*TRAIN, '--until', '20', '--set', 'output=alone', cwd=here)
    check(p.stdout == log_of(there / 'run') and losses(p.stdout) == losses(log_of(here / 'alone')),
          f'a training there is the same: {p.stdout[:200]} {p.stderr}')
    check(not list((there / 'state/limn/jobs').glob('*')), 'what was sent is gone again')
    p = far('train', 'small.yaml', '--device', 'cpu', '--sheet', 'sheet.png', '--texts', 'texts.txt', '--steps', '1',
            '--columns', '1', '--set', 'model=run/model', code=None)
    if check(p.returncode == 0, f'a sheet: {p.stderr}'):
        check((here / 'sheet.png').read_bytes()[:4] == b'\x89PNG' and (here / 'texts.txt').exists(),
              'its sheet comes here')
    p = far('devices')
    check('cpu' in p.stdout, p.stdout)
    p = far('models', 'list')
    check('limn-icons' in p.stdout, p.stdout)
    for name, where in (('a.png', ()), ('b.png', at)):
        limn('generate', f'{SOURCE}/app/templates/edge.yaml', '--seed', '4', '--steps', '2', '--device', 'cpu',
             '--dtype', 'f32', '--preview', 'none', '-o', name, *where, cwd=here, more=sshd.more)
    check((here / 'a.png').read_bytes() == (here / 'b.png').read_bytes(), 'the same picture from there')
    golden = f'{SOURCE}/tests/reference/golden/t5'
    shutil.copytree(golden, there / 't5')
    os.unlink(there / 't5/golden.safetensors')
    p = far('models', 'check', 't5', '--golden', f'{golden}/golden.safetensors', '--device', 'cpu')
    check('within the tolerance' in p.stdout, p.stdout)
    p = far('bench', 'step', '--device', 'cpu', '--dtype', 'f32', '--model', 'model', '--batch', '1',
            '--references', '1', '--text-tokens', '8', '--repeats', '1', '--forward')
    check('ceilings' in p.stdout, p.stdout)
    # The UI's second door: it is played there, its screens come here as text, and lie there as pictures.
    p = subprocess.run(sshd.more['LIMN_SSH'].split() + [sshd.host, sshd.more['LIMN_REMOTE'], '--script', '-'],
                       capture_output=True, text=True, timeout=120 * SLOW,
                       input=f'limit {30 * SLOW:.0f}\nsize 80x24\nkeys 4 /\ntype edge\nkeys Enter\nsettle\nsave -\n'
                             'save screen.png\nkeys :\ntype size 64\n'
                             'keys Enter 1 i\ntype a hen\nkeys Esc F9\nwait done in\nsave -\n')
    check(p.returncode == 0 and 'what it draws' in p.stdout and 'done in' in p.stdout,
          f'a script through ssh: {p.returncode}', p.stdout + p.stderr)
    check(size_of(there / 'screen.png') == (800, 480) and len(list(there.rglob('pictures/*.png'))) > 8,
          'and its picture lies there')
    # The same played here, drawn there: the picture comes, and the screen says where it was drawn.
    p = subprocess.run([LIMN, *at, '--script', '-'], env=dict(env, **sshd.more), cwd=here, capture_output=True,
                       text=True, timeout=120 * SLOW,
                       input=f'limit {30 * SLOW:.0f}\nwait 127.0.0.1\nkeys :\ntype size 64\nkeys Enter :\n'
                             'type steps 2\nkeys Enter i\ntype a hen\nkeys Esc F9\nwait done in\nsettle\nkeys 5\n'
                             'wait models on\nsave -\n')
    check(p.returncode == 0 and f'models on {sshd.host}' in p.stdout, f'a script with --host: {p.returncode}',
          p.stdout + p.stderr)
    check(len(list((home / 'data').rglob('pictures/*.png'))) == 1, 'and its picture lies here')
    # One sentence for what is not there, and for what is not here.
    recipe = f'{SOURCE}/app/recipes/limn-icons.yaml'  # whose model is limn's own
    for args, code, words in ((('train', recipe, '--set', 'pack=small.pack', '--set', 'output=o', '--set',
                                'tasks=tasks.json'), 2, ('pictures of 8 pixels',)),
                              (TRAIN + ('--set', 'pack=none.pack', '--set', 'output=fresh'), None,
                               ('none.pack', sshd.host)),
                              (TRAIN + ('--set', 'model=none', '--set', 'output=fresh'), None, ('none', sshd.host)),
                              (('train', 'none.yaml'), 2, ('none.yaml',)),
                              (TRAIN + ('--set', 'tasks=none.json'), 2, ('none.json',)),
                              (('models', 'check', 'none'), 2, ('none', sshd.host)),
                              (('models', 'check', 't5', '--golden', 'none.safetensors'), 2, ('none.safetensors',))):
        p = far(*args, code=code)
        check(p.returncode in (1, 2) and all(w in p.stderr for w in words) and p.stderr.count('\n') == 1,
              f'{args}: {p.stderr}')
    (here / 'bad.yaml').write_text('model: model\nfrob: 1\n')
    p = far('train', 'bad.yaml', code=2)
    check('bad.yaml' in p.stderr and 'frob' in p.stderr, f'a bad recipe is named as it is called here: {p.stderr}')
    # Ctrl-C reaches the training through ssh.
    clean(there / 'run')
    p = begin(*TRAIN, '--json', *at, more=sshd.more)
    for _ in range(10):
        p.stdout.readline()
    os.killpg(p.pid, signal.SIGINT)  # as a terminal does: ssh gets it as well
    rest, said = p.communicate(timeout=60)
    check(p.returncode == 130 and not said, f'Ctrl-C: {p.returncode} {said}')
    check((there / 'run/checkpoint.safetensors').exists(), 'it is saved there')
    # The line drops: one sentence here, a checkpoint there.
    clean(there / 'run')
    p = begin(*TRAIN, '--json', *at, more=sshd.more)
    p.stdout.readline()
    sessions = [k for k in children(sshd.p.pid)]
    for k in sessions + [g for k in sessions for g in children(k)]:
        if b'sshd' in open(f'/proc/{k}/cmdline', 'rb').read():
            os.kill(k, signal.SIGKILL)
    rest, said = p.communicate(timeout=60)
    check(p.returncode == 1 and sshd.host in said and '--resume' in said and said.count('\n') == 1,
          f'dropped: {p.returncode} {said}')
    until(lambda: (there / 'run/checkpoint.safetensors').exists(), 'what the line left saves')
    until(lambda: not list((there / 'state/limn/jobs').glob('*')), 'and nothing is left of it')
    p = far(*TRAIN, '--resume', '--json', '--until', str(len(log_of(there / 'run').splitlines()) + 3))
    check(p.stdout.count('\n') == 3, 'and goes on')
    # By itself, there.
    clean(there / 'run')
    p = far(*TRAIN, '--json', '--detach')
    id = p.stdout.split()[0]
    p = far('jobs')
    check(id in p.stdout and 'running' in p.stdout and 'run' in p.stdout, p.stdout)
    check('no jobs' in limn('jobs').stdout, 'it is not a job of this machine')
    before = len(log_of(there / 'run'))
    until(lambda: len(log_of(there / 'run')) > before, 'it goes on with nobody there')
    far('jobs', 'stop', id)
    check((there / 'run/checkpoint.safetensors').exists() and 'stopped' in far('jobs').stdout,
          'it is stopped and saved from here')
    far('jobs', 'resume', id)
    check('running' in far('jobs').stdout, 'and goes on, with the recipe that was sent')
    far('jobs', 'stop', id)
    far('jobs', 'forget', id)
    check('no jobs' in far('jobs').stdout, 'and is forgotten')
    # Machines that are not what they should be.
    fake = home / 'fake-ssh'
    fake.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; host=$1\n'
                    '[ "$host" = bare ] && { echo "sh: 1: limn: not found" >&2; exit 127; }\n'
                    'cat "$0.$host"; exec cat >/dev/null\n')
    fake.chmod(0o755)
    for name, hello in (('old', dict(type='hello', protocol=99, version='9.9')),
                        ('early', dict(type='hello', protocol=2, version='0.0.9'))):
        text = json.dumps(hello).encode()
        (home / f'fake-ssh.{name}').write_bytes(b'limn-worker\nLMN1' + struct.pack('<IQ', len(text), 0) + text)
    for host, words in (('bare', 'no limn in the search path'), ('old', 'install the same version'),
                        ('early', 'install the same version')):
        for args in (TRAIN, ('devices',), ('jobs',), TRAIN + ('--detach',)):
            p = limn(*args, '--host', host, cwd=here, more=dict(LIMN_SSH=str(fake)), code=1)
            check(words in p.stderr and p.stderr.count('\n') == 1, f'{host} {args}: {p.stderr}')


def by_itself():
    def jobs():
        return json.loads(limn('jobs', '--json').stdout)
    clean(here / 'run')
    p = limn(*TRAIN, '--json', '--detach', cwd=here, umask=0)
    id = p.stdout.split()[0]
    kept = home / 'state/limn/jobs'
    open_to_others = [str(f) for f in (kept / id, *(kept / id).iterdir()) if f.stat().st_mode & 0o77]
    check(not open_to_others, f'whatever the umask: {open_to_others}')
    check(len(list((home / 'run/limn').glob('worker-*.sock'))) == 1, 'its worker waits behind a socket')
    job = jobs()[0]
    check(job['id'] == id and job['state'] == 'running' and job['about']['output'] == 'run', f'{job}')
    p = begin('jobs', 'attach', id)
    lines = [p.stdout.readline() for _ in range(20)]
    p.send_signal(signal.SIGINT)
    rest, said = p.communicate(timeout=30)
    check(p.returncode in (0, 130) and ''.join(lines) == ''.join(log_of(here / 'run').splitlines(True)[:20]),
          f'attached: {said}')
    check(jobs()[0]['state'] == 'running', 'looking away does not stop it')
    p = limn(*TRAIN, '--detach', cwd=here, code=2)
    check(id in p.stderr and 'writes to' in p.stderr and len(jobs()) == 1,
          f'two do not write to one folder: {p.stderr}')
    limn('jobs', 'stop', id)
    check(jobs()[0]['state'] == 'stopped' and (here / 'run/checkpoint.safetensors').exists(), 'stopped and saved')
    check(limn('jobs', 'stop', id, code=2).stderr.count('\n') == 1, 'twice is once too often')
    done = len(log_of(here / 'run').splitlines())
    limn('jobs', 'resume', id)
    until(lambda: len(log_of(here / 'run').splitlines()) > done, 'it goes on')
    # Its worker is killed: it goes on, and is found and stopped all the same.
    worker = [int(f.name.split('-')[1][:-5]) for f in (home / 'run/limn').glob('worker-*.sock')]
    for w in worker:
        os.kill(w, signal.SIGKILL)
    done = len(log_of(here / 'run').splitlines())
    until(lambda: len(log_of(here / 'run').splitlines()) > done, 'it outlives its worker')
    check(jobs()[0]['state'] == 'running', 'and is still listed')
    limn('jobs', 'stop', id)
    check(jobs()[0]['state'] == 'stopped', 'it says itself how it ended')
    check((here / 'run/checkpoint.safetensors').exists() and losses(log_of(here / 'run')), 'but it saved')
    limn('jobs', 'forget', id)
    check(not jobs(), 'forgotten')
    # One that cannot begin says why at once.
    p = limn(*TRAIN, '--detach', '--force', '--set', 'pack=none.pack', cwd=here, code=None)
    check(p.returncode in (1, 2) and 'none.pack' in p.stdout + p.stderr, f'{p.returncode} {p.stdout} {p.stderr}')
    failed = jobs()
    check(failed and failed[0]['state'] == 'failed' and 'none.pack' in failed[0]['text'], f'{failed}')
    for args, words in ((('jobs', 'frob'), 'no command'), (('jobs', 'stop'), 'ID is missing'),
                        (('jobs', 'stop', 'x'), 'no job'),
                        (('jobs', 'list', '--frob'), 'no option')):
        p = limn(*args, code=2)
        check(words in p.stderr and p.stderr.count('\n') == 1, f'{args}: {p.stderr}')
    limn('jobs', 'forget', failed[0]['id'])
    # Its machine stops: it is known that it ran.
    clean(here / 'run')
    id = limn(*TRAIN, '--detach', '--force', cwd=here).stdout.split()[0]
    record = json.loads((home / f'state/limn/jobs/{id}/record.json').read_text())
    pid = int(record['process'].split()[2])
    for f in (home / 'run/limn').glob('worker-*.sock'):
        os.kill(int(f.name.split('-')[1][:-5]), signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    until(lambda: jobs()[0]['state'] == 'lost', 'a training that was killed with its worker is lost')
    # A number that another process has now is not stopped in its place.
    other = subprocess.Popen(['sleep', '100'])
    record['process'] = re.sub(r' \d+ (\d+)$', f' {other.pid} \\1', record['process'])
    (home / f'state/limn/jobs/{id}/record.json').write_text(json.dumps(record))
    check(jobs()[0]['state'] == 'lost', 'another process with its number is not it')
    limn('jobs', 'stop', id, code=2)
    check(other.poll() is None, 'and is left alone')
    other.kill()
    limn('jobs', 'forget', id)


run(list((here_is_the_same, interrupted, crashes, messages, hostile, impatient, by_itself, through_sshd)))
