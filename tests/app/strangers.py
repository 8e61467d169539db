#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# What comes from elsewhere, and what is missing, at its worst: names that speak to the terminal, files that claim
# too much, programs and folders planted beside limn, closed descriptors, no threads, small stacks, little memory,
# Ctrl-C. Each ends with what was asked for or with one sentence.
# usage: strangers.py LIMN SOURCE LOADERS [NAME...]
import json, os, pathlib, re, resource, select, shutil, signal, sqlite3, struct, subprocess, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test, tiny_training
from limn_test import (GOLDEN, LIMN, SANITIZED, SLOW, SOURCE, check, chunk, environment, in_terminal, safetensors, skip,
                       tensors_of, until, work)

SAMPLE = f'{SOURCE}/app/templates/samples/snail-noto.png'
home = pathlib.Path(work.name)
env = environment(home)
DRAW = ('generate', 'text', '--steps', '1', '--size', '64', '--seed', '1', '--device', 'cpu', '--preview', 'none', '-o',
        'x.png')


def limn(*args, code=0, cwd=home, **how):
    """One line for what was refused."""
    p = limn_test.limn(*args, env=env, code=code, cwd=cwd, **how)
    check(not code or p.stderr.count('\n') == 1, f'{args}: not one line: {p.stderr[-600:]}')
    return p


def terminal(*args, more={}, cwd=home, size=(100, 30), keys=(), until=None):
    """What a command sends to a terminal. `keys`: [(what is waited for, what is typed then)]."""
    pid, fd = in_terminal([LIMN, *args], dict(env, TERM='xterm-256color', **more), cwd, size)
    out, seen, keys, end = b'', 0, list(keys), time.monotonic() + 60 * SLOW
    while time.monotonic() < end and not (until and not keys and until(out[seen:])):
        if keys and keys[0][0] in out[seen:]:
            seen = len(out)
            os.write(fd, keys.pop(0)[1])
        if select.select([fd], [], [], 0.05)[0]:
            try:
                more_of_it = os.read(fd, 1 << 16)
            except OSError: # it has ended
                break
            if not more_of_it:
                break
            out += more_of_it
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)
    check(b'Sanitizer' not in out, f'{args}: {out[-2000:]}')
    return out


def png(file, text):
    data = text if isinstance(text, bytes) else json.dumps(text).encode()
    file.write_bytes(limn_test.png((1, 1), texts=chunk(b'iTXt', b'limn\0\0\0\0\0' + data)))
    return file.name


EVIL = '\x1b]0;PWNED\x07\x1b[31mRED'
BAD = re.compile(rb'\x1b\]0;PWNED|\x1b\[31mRED|\x07')


def names_do_not_speak_to_the_terminal():
    job = dict(format=1, instruction='a cat', seed=1, steps=1, model_hash=EVIL, sampler='ddim')
    png(home / 'hash.png', job)
    png(home / 'label.png', dict(format=1, sweep=dict(cells=[dict(label=EVIL, job=job)], pictures={})))
    templates = home / '.local/share/limn/templates'
    templates.mkdir(parents=True)
    for d in (home / '.local', home / '.local/share', home / '.local/share/limn'):
        d.chmod(0o700)
    (templates / 'evil.yaml').write_text('name: "\\e]0;PWNED\\a\\e[31mRED"\nsummary: "\\e]0;PWNED\\a"\n'
                                         'instruction: "a cat"\n')
    model = home / f'.local/share/limn/models/m{EVIL.replace("/", "")}'
    shutil.copytree(GOLDEN / 't5', model)
    weights = model / 'text_encoder/model.safetensors'
    safetensors(weights, dict(tensors_of(weights), **{EVIL: ('F32', [1], bytes(4))}))
    shutil.copytree(model, home / 'tensor')
    for args in (('generate', 'hash.png', '--steps', '1', '--size', '64', '--preview', 'none', '-o', 'x.png'),
                 ('generate', 'label.png', '--preview', 'none', '-o', 'x.png'), ('templates',), ('models', 'list'),
                 ('models', 'check', 'tensor'), ('generate', f'{EVIL}.png'), ('generate', 'text', '--model', EVIL),
                 ('jobs', 'stop', EVIL),
                 ('library', 'search', EVIL), ('loaders', EVIL)):
        out = terminal(*args)
        bad = BAD.search(out)
        check(not bad, f'{args}: {bad and out[max(0, bad.start() - 60):bad.end() + 40]}')
        check(b'PWNED' in out or args[0] in ('generate', 'library', 'loaders'),
              f'{args}: it is shown, made harmless: {out[-300:]}')
    shutil.rmtree(home / '.local')


def heads_may_not_hold_too_much():
    """A small file that would become gigabytes of JSON, or be nested without end."""
    for name, text, says in (('many', b'[' + b'{},' * 120000 + b'{}]', 'values'), ('deep', b'[' * 1000000, ''),
                             ('deeper', b'{"a":' * 200000, '')):
        png(home / f'{name}.png', text)
        began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        limn('generate', f'{name}.png', code=2, says=says)
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        check(SANITIZED or most == began or most < 200 << 10, f'{name}: {most >> 10} MiB')
    m = home / 'm'
    shutil.copytree(GOLDEN / 't5', m)
    for text in (b'[' * 1000000, b'{"a":' * 100000):
        (m / 'text_encoder/model.safetensors').write_bytes(struct.pack('<Q', len(text)) + text)
        limn('models', 'check', 'm', code=2, says='model.safetensors')
    (home / 'deep.yaml').write_text('instruction: ' + '[' * 100000)
    limn('generate', './deep.yaml', code=2, says='deep.yaml')
    shutil.rmtree(m)


def lists_in_place_of_maps():
    """Well-formed JSON of another shape than was expected."""
    m = home / 'm'
    shutil.copytree(GOLDEN / 't5', m)
    index = json.loads((m / 'model_index.json').read_text())
    for value in ([], [index], dict(index, limn=[0]), dict(index, limn=7), dict(index, text_encoder='x'),
                  dict(index, _class_name=[]), 'x', None):
        (m / 'model_index.json').write_text(json.dumps(value))
        for args in (('models', 'check', 'm'), ('generate', 'text', '--model', 'm')):
            p = limn(*args, code=None)
            check(p.returncode in (0, 1, 2) and 'signal' not in p.stderr,
                  f'{args} with {value}: exit {p.returncode}, {p.stderr}')
    # What cannot be drawn with is not called whole.
    icons = home / 'icons'
    icons.mkdir()
    for part in ('scheduler', 'text_encoder', 'tokenizer', 'unet'):
        os.symlink(limn_test.MODEL / part, icons / part)
    index_of_icons = json.loads((limn_test.MODEL / 'model_index.json').read_text())
    for value in ([0], dict(steps='many'), dict(sampler='none such'), dict(nonsense=1)):
        (icons / 'model_index.json').write_text(json.dumps(dict(index_of_icons, limn=value)))
        limn('models', 'check', 'icons', code=2, says='icons/model_index.json: ')
    shutil.rmtree(icons)
    config = m / 'text_encoder/config.json'
    whole = json.loads(config.read_text())
    (m / 'model_index.json').write_text(json.dumps(index))
    for value in ([], [whole], 'x', dict(whole, d_model=[]), {k: [v] for k, v in whole.items()}):
        config.write_text(json.dumps(value))
        p = limn('models', 'check', 'm', code=2)
        check('signal' not in p.stderr, f'{value}: {p.stderr}')
    shutil.rmtree(m)
    tiny_training.make(SOURCE, home / 'tiny')
    subprocess.run(tiny_training.pack(LIMN), env=env, cwd=home / 'tiny', check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    for value in ('[]', '[{}]', '7', '{"mixture": {}}', '{"mixture": [[]]}',
                  '{"mixture": [{"name": "t", "ratio": 1, "texts": {}}]}',
                  '{"mixture": [{"name": "t", "ratio": 1, "texts": ["x"], "references": {"slot": 1}}]}'):
        (home / 'tiny/tasks.json').write_text(value)
        p = limn('train', 'small.yaml', '--device', 'cpu', '--until', '1', code=2, says='task', cwd=home / 'tiny')
        check('signal' not in p.stderr, f'{value}: {p.stderr}')
    shutil.rmtree(home / 'tiny')
    png(home / 'list.png', [])
    png(home / 'inner.png', dict(format=1, instruction=['a'], references={}, seed=[]))
    for name in ('list.png', 'inner.png'):
        limn('generate', name, code=2, says=name)


def weights_by_other_names():
    """Shards under the index that accelerate writes for a variant are found; a model is checked by its name, too."""
    m = home / 'm'
    shutil.copytree(GOLDEN / 't5', m)
    file = m / 'text_encoder/model.safetensors'
    whole = tensors_of(file)
    file.unlink()
    names, half = list(whole), len(whole) // 2
    where = {}
    for i, part in enumerate((names[:half], names[half:]), 1):
        where.update({k: f'model.fp16-{i:05}-of-00002.safetensors' for k in part})
        safetensors(m / f'text_encoder/model.fp16-{i:05}-of-00002.safetensors', {k: whole[k] for k in part})
    (m / 'text_encoder/model.safetensors.index.fp16.json').write_text(json.dumps(dict(metadata={}, weight_map=where)))
    limn('models', 'check', 'm')
    shutil.rmtree(m)
    p = limn('models', 'check', 'limn-icons')
    check('limn-icons' in p.stdout, p.stdout)
    limn('models', 'check', 'limn-icosn', code=2, says='limn-icosn')


def times_that_are_none():
    """Moments no calendar has, in records and in the library."""
    jobs = home / '.local/state/limn/jobs'
    for i, started in enumerate((1 << 62, -(1 << 62), 67768036191676800, 1)):
        d = jobs / f'20260101-000000-0000000{i}'
        d.mkdir(parents=True, mode=0o700)
        (d / 'record.json').write_text(json.dumps(dict(
            words=['devices'], environment={}, about=dict(recipe=f'r{i}', output='/'), started=started)))
        (d / 'record.json').chmod(0o600)
    for d in (jobs, jobs.parent, jobs.parent.parent, jobs.parent.parent.parent):
        d.chmod(0o700)
    p = limn('jobs')
    check(all(f'r{i}' in p.stdout for i in range(4)) and p.stdout.isprintable() or
          p.stdout.replace('\n', '').isprintable(), f'{p.stdout!r}')
    check('1970' in p.stdout, f'a moment that is one: {p.stdout}')
    limn(*DRAW)
    data = sqlite3.connect(home / '.local/share/limn/library.db')
    for created in (1 << 62, -(1 << 62)):
        data.execute('UPDATE picture SET created = ?', (created,))
        data.commit()
        for args in (('library', 'list'), ('library', 'list', '--json'), ('library', 'show', '1')):
            p = limn(*args)
            check(p.stdout.replace('\n', '').isprintable() and 'x.png' in p.stdout, f'{args}: {p.stdout!r}')
        # The gallery, too.
        out = terminal('--preview', 'none', keys=[(b'references', b'3')],
                       until=lambda o: b'1 picture' in o or b'x.png' in o)
        check(b'picture' in out, f'the gallery: {out[-400:]}')
    data.close()
    shutil.rmtree(home / '.local')


def captions_of_another_alphabet():
    d = home / 'captions'
    d.mkdir()
    for i in range(3):
        shutil.copy(SAMPLE, d / f'{i}.png')
        (d / f'{i}.txt').write_bytes('a caf\u00e9'.encode('latin-1') if i == 1 else b'a snail')
    (d / '3.png').write_bytes(b'none')
    p = limn('index', 'captions', '-o', 'c.index', '--device', 'cpu')
    check('2 pictures left out, the first: ' in p.stderr, f'an index says so, too: {p.stderr}')
    p = limn('data', 'pack', 'captions', 'c.pack', '--size', '16', '--roles', 'none', '--workers', '1')
    check('2 pictures' in p.stdout and '1.txt' in p.stdout + p.stderr, f'{p.stdout} {p.stderr}')


def nothing_is_loaded_from_where_it_stands():
    """A copy of limn, the current folder, and what lies near both, with loaders that would leave a trace."""
    if not shutil.which('cc'):
        return skip('planted loaders: there is no compiler')
    evil = home / 'evil.so'
    subprocess.run(['cc', '-shared', '-fPIC', '-x', 'c', '-o', evil, '-'], check=True, text=True,
                   input='#include <fcntl.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void here(void) '
                         '{ open("%s", O_CREAT | O_WRONLY, 0600); }\n' % (home / 'pwned'))
    root = home / 'a'
    for copy in (root / 'limn', root / 'b/limn', root / 'b/app/limn', root / 'b/c/bin/limn'):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(LIMN, copy)
        for near in {copy.parent, copy.parent.parent, copy.parent.parent.parent} - {home}:
            (near / 'loaders').mkdir(exist_ok=True)
            shutil.copy(evil, near / 'loaders/evil.so')
            for d in ('templates', 'app/templates', 'share/limn/templates', 'models/planted', 'app/models/planted',
                      'themes', 'lib/limn/loaders'):
                (near / d).mkdir(parents=True, exist_ok=True)
            (near / 'build.ninja').write_text('')
            for d in ('templates', 'app/templates', 'share/limn/templates'):
                (near / d / 'planted.yaml').write_text('instruction: "planted"\n')
            shutil.copy(evil, near / 'lib/limn/loaders/evil.so')
        for cwd in (copy.parent, copy.parent.parent) if not SANITIZED else (copy.parent,):
            bare = {k: v for k, v in env.items() if k != 'LIMN_LOADER_PATH'}
            for args in (('loaders',), ('templates',), ('models', 'list'), ('load', 'evil', SAMPLE, 'y.png')):
                p = subprocess.run([copy, *args], env=bare, cwd=cwd, capture_output=True, text=True, timeout=120 * SLOW)
                check(p.returncode in (0, 1, 2) and 'Sanitizer' not in p.stderr,
                      f'{copy} {args}: exit {p.returncode}, {p.stderr[-500:]}')
                check('planted' not in p.stdout and not re.search(r'^evil\b', p.stdout, re.M),
                      f'{copy} {args} in {cwd}: {p.stdout}')
    check(not (home / 'pwned').exists(), 'a planted loader has run')
    # The trace would be seen: loaded outright, it is left.
    subprocess.run([sys.executable, '-c', f'import ctypes; ctypes.CDLL("{evil}")'], check=True)
    check((home / 'pwned').exists(), 'the planted loader leaves a trace where it runs')
    shutil.rmtree(root)


def a_model_is_named_or_the_usual_one():
    """A folder that has the usual model's name, or a hub's cache, in the current folder is nobody's choice."""
    here = home / 'here'
    shutil.copytree(GOLDEN / 't5', here / 'limn-icons')
    shutil.copytree(GOLDEN / 't5', here / 'cache/huggingface/hub/models--a--planted/snapshots/1')
    for more in ({}, dict(LIMN_MODEL='')):
        limn(*DRAW, cwd=here, more=more)
    hub = 'cache/huggingface/hub'
    for name, folder in (('XDG_CACHE_HOME', 'cache'), ('HF_HOME', 'cache/huggingface'), ('HF_HUB_CACHE', hub),
                         ('HUGGINGFACE_HUB_CACHE', hub)):
        for value, seen in ((folder, False), (f'{here}/{folder}', True)):
            p = limn('models', 'list', cwd=here, more={name: value})
            check(('planted' in p.stdout) == seen, f'{name}={value}: {p.stdout}')
    shutil.rmtree(here)


def environments_of_others():
    """Variables that are empty, relative, lead nowhere or speak to the terminal cost at most a sentence."""
    (home / 'file').write_text('')
    broken = dict(HOME=('', 'relative', '/proc/1/none', EVIL), XDG_DATA_HOME=('relative', f'{home}/file'), TMPDIR=('/none',),
                  XDG_RUNTIME_DIR=('', 'x' * 5000), LC_ALL=('xx_YY', EVIL), LIMN_LOADER_PATH=('relative', EVIL),
                  LIMN_LOADER_MEMORY=('1e999',))
    for name, values in broken.items():
        args = ('load', 'edge', SAMPLE, 'x.png') if name.startswith('LIMN') else ('library', 'list')
        for value in values:
            p = limn_test.limn(*args, env=env, code=None, cwd=home, more={name: value})
            said = (p.stdout + p.stderr).encode()
            check(p.returncode in (0, 1, 2) and 'signal' not in p.stderr and not BAD.search(said),
                  f'{name}={value[:20]!r}: exit {p.returncode}, {said[-400:]!r}')
            check(not p.returncode or p.stderr.startswith('limn: ') and p.stderr.count('\n') == 1,
                  f'{name}={value[:20]!r}: {said[-400:]!r}')


def standard_input_is_closed():
    for args, made in ((DRAW, 'x.png'), (('load', 'edge', SAMPLE, 'edges.png'), 'edges.png'),
                       (('models', 'list'), None)):
        if made:
            (home / made).unlink(missing_ok=True)
        limn(*args, preexec_fn=lambda: os.close(0))
        check(not made or (home / made).read_bytes()[:4] == b'\x89PNG', f'{args}: no picture')


def no_thread_can_be_made():
    if SANITIZED or not shutil.which('cc'):
        return skip('no thread: sanitizers need theirs, or there is no compiler')
    shim = home / 'no-threads.so'
    subprocess.run(['cc', '-shared', '-fPIC', '-x', 'c', '-o', shim, '-'], check=True, text=True,
                   input='#include <errno.h>\nint pthread_create(void *t, void *a, void *(*f)(void *), void *x)\n'
                         '{ (void)t, (void)a, (void)f, (void)x; return EAGAIN; }\n')
    for args in (DRAW, ('load', 'edge', SAMPLE, 'edges.png')):
        limn(*args, code=1, says='no thread can be made', more=dict(LD_PRELOAD=str(shim)))
    out = terminal('--preview', 'none', more=dict(LD_PRELOAD=str(shim)))
    check(b'no thread can be made' in out, f'the UI: {out[-300:]}')


def no_process_can_be_made():
    """Where a user may have only so many processes, that is said, and no file is blamed."""
    other = ('setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', 'env', LIMN, '--version')
    if (SANITIZED or os.geteuid() or not shutil.which(other[0]) or not shutil.which('prlimit') or
            subprocess.run(other, env=env, capture_output=True).returncode):
        return skip('no process: only root can be another user, who then needs to see this folder')
    said = set()
    os.chmod(home, 0o755)
    for most in range(3, 13):
        own = home / f'processes{most}'
        own.mkdir()
        os.chown(own, 65000 + most, 65534) # one who has no process
        more = {k: str(own) for k in ('HOME', 'XDG_RUNTIME_DIR')}
        p = limn_test.limn('--reuid', 65000 + most, '--regid', 65534, '--clear-groups', 'prlimit', f'--nproc={most}',
                           LIMN, 'load', 'edge', SAMPLE, own / 'x.png', env=env, more=more, code=None,
                           program='setpriv', timeout=15, cwd=own)
        lacks = re.search('too few (threads|descriptors or processes)|no (process|thread) ', p.stderr)
        check(p.returncode == 0 or lacks and 'crashe' not in p.stderr and 'hangs' not in p.stderr, f'{most}: {p.stderr}')
        said.add(bool(p.returncode))
    check(True in said, 'a few processes are too few')


def small_stacks():
    if SANITIZED:
        return skip('small stacks: the sanitizers take more')
    for k in (64, 128, 1024):
        def little():
            resource.setrlimit(resource.RLIMIT_STACK, (k << 10, k << 10))
        for args, code in ((('templates',), 0), (('models', 'check', 'limn-icons'), 0), (('loaders',), 0),
                           (('load', 'edge', SAMPLE, 'edges.png'), 0),
                           (('generate', './deep.yaml'), 2), (('generate', 'deep.png'), 2)):
            (home / 'deep.yaml').write_text('instruction: ' + '[' * 100000)
            png(home / 'deep.png', b'[' * 1000000)
            p = limn(*args, code=code, preexec_fn=little)
            check('signal' not in p.stderr, f'{args} with {k} KiB of stack: {p.stderr}')
        limn(*DRAW, preexec_fn=little)


def little_memory():
    """Where address space is short a drawing is made with less, or ends with a sentence, never in a library's
    depths."""
    if SANITIZED:
        return skip('little memory: the sanitizers have terabytes')
    for mb in (190, 220, 240, 260, 280, 300, 400):
        p = limn(*DRAW, code=None, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (mb << 20, mb << 20)))
        decoder = p.returncode == 2 and 'too little memory' in p.stderr # of a picture from the index
        check('signal 11' not in p.stderr and (decoder or p.returncode in (0, 1, 127)),
              f'{mb} MiB: exit {p.returncode}, {p.stderr}')
        said = [line for line in p.stderr.splitlines() if not line.startswith('limn: drawn after')]
        check(not p.returncode or len(said) == 1, f'{mb} MiB: {p.stderr}')


def threads_that_nobody_has():
    """More threads than a machine has, stacks too small or too large for them: it is drawn all the same."""
    for name, value in (('OMP_NUM_THREADS', '100000'), ('OMP_STACKSIZE', '1k'), ('OMP_STACKSIZE', '900G'),
                        ('GOMP_STACKSIZE', '16')):
        more = dict(dict(OMP_NUM_THREADS='2'), **{name: value})
        (home / 'x.png').unlink(missing_ok=True)
        limn(*DRAW, more=more)
        check((home / 'x.png').exists(), f'{name}={value}: no picture')
    if not SANITIZED:
        little = (64 << 10, 64 << 10)
        limn(*DRAW, more=dict(OMP_NUM_THREADS='2'), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, little))


def stopped_and_continued():
    """What SIGSTOP and SIGCONT interrupt goes on: every loader is found as often as it is tried."""
    right = limn('loaders').stdout
    for i in range(3):
        p = subprocess.Popen([LIMN, 'loaders'], env=env, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        while p.poll() is None:
            p.send_signal(signal.SIGSTOP)
            p.send_signal(signal.SIGCONT)
            time.sleep(0.002)
        out, err = p.communicate()
        check(out == right and p.returncode == 0, f'{p.returncode}, {err}: {out}')


def seconds_of(pid):
    """Of processors, for the children of a process's children."""
    def below(pid):
        try:
            return [int(k) for k in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
        except OSError:
            return []

    def used(pid):
        try:
            fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
        except OSError:
            return 0
    return sum(used(k) for w in below(pid) for k in below(w))


def bench_is_interrupted():
    p = subprocess.Popen([LIMN, 'bench', 'step', '--device', 'cpu'], env=env, cwd=home, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True,
                         start_new_session=True)
    # It has computed for a second, and has more to do.
    until(lambda: p.poll() is not None or seconds_of(p.pid) > 1, 'it computes', 60)
    check(p.poll() is None, 'it takes longer than that')
    began = time.monotonic()
    p.send_signal(signal.SIGINT)
    try:
        p.communicate(timeout=30 * SLOW)
    except subprocess.TimeoutExpired:
        p.kill()
        p.communicate()
    took = time.monotonic() - began
    check(p.returncode == 130 and took < 5 * SLOW, f'one Ctrl-C: exit {p.returncode} after {took:.1f} s')


def the_terminal_is_what_it_is():
    # Not what was exported once.
    out = terminal('--preview', 'none', more=dict(COLUMNS='20', LINES='5'),
                   until=lambda o: b'references' in o or b'limn needs' in o)
    check(b'references' in out and b'limn needs' not in out, f'COLUMNS and LINES: {out[-300:]}')
    # Pasted text in a locale without letters beyond ASCII costs at most those letters.
    for locale in ('C', 'POSIX', 'C.UTF-8'):
        for letter in ('\u00e9'.encode(), b'\xe9'):
            out = terminal('--preview', 'none', more=dict(LC_ALL=locale),
                           keys=[(b'references', b'i'), (b'', b'\x1b[200~a caf' + letter + b' with red roof\x1b[201~')],
                           until=lambda o: b'red roof' in o)
            check(b'a caf' in out and b'red roof' in out, f'pasted in {locale}: {out[-300:]}')


limn_test.run([names_do_not_speak_to_the_terminal, heads_may_not_hold_too_much, lists_in_place_of_maps,
               weights_by_other_names, times_that_are_none,
         captions_of_another_alphabet, nothing_is_loaded_from_where_it_stands, a_model_is_named_or_the_usual_one,
               environments_of_others,
               standard_input_is_closed, no_thread_can_be_made, no_process_can_be_made, small_stacks,
         little_memory, threads_that_nobody_has, stopped_and_continued, bench_is_interrupted, the_terminal_is_what_it_is])
