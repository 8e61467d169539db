#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Limits of engine/base/limits.h at their edges, from outside: what is as large as it may be is taken, one more is a
# sentence. tests/layers/limits.py looks that each limit is named where it is tested.
# usage: edges.py LIMN SOURCE LOADERS [NAME...]
import base64, hashlib, json, os, pathlib, pty, re, select
import shutil, signal, struct, subprocess, sys, tarfile, types, time, zlib
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import frames, limn_test
from limn_test import GOLDEN, LIMN, LOADERS, SLOW, SOURCE, check, chunk, environment, png, text_of, work

SAMPLE = f'{SOURCE}/app/templates/samples/snail-noto.png'
home = pathlib.Path(work.name)
env = environment(home)
L = limn_test.limits()


def limn(*args):
    p = limn_test.limn(*args, env=env, cwd=home, code=None, timeout=300)
    check(p.returncode in (0, 1, 2), f'{args[:3]}: exit {p.returncode}, {p.stderr[-1000:]}')
    return p


def edge(name, make, run, refused, taken=None):
    """`make(N)` makes an input of size N, `run()` tries it: at the limit its words lack `refused`, one beyond they have
    it."""
    for n, beyond in ((L[name], False), (L[name] + 1, True)):
        make(n)
        p = run()
        said = p.stdout + p.stderr
        check((refused in said) == beyond,
              f'{name} at {n}: {"no" if beyond else "already"} {refused!r} in {said[-400:]!r}')
        check(beyond or not taken or taken in said, f'{name} at {n}: no {taken!r} in {said[-400:]!r}')


def write(name, text):
    (home / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def template():
    """Read to its end, and then refused: that variable it does not have."""
    return limn('generate', './t.yaml', '--set', 'nosuchvariable=1')


READ = 'nosuchvariable'


def templates():
    head = 'instruction: "a cat"\n'
    edge('YAML_BYTES', lambda n: write('t.yaml', head + '#' * (n - len(head))), template, str(L['YAML_BYTES']), READ)
    # A map of its own, and lists in one another.
    edge('YAML_DEPTH', lambda n: write('t.yaml', head + 'summary: ' + '[' * n + ']' * n), template, 'nested too deeply')
    # The map, its keys and values, a list and what is in it.
    edge('YAML_VALUES', lambda n: write('t.yaml', head + 'summary: [' + 'a,' * (n - 6) + 'a]'), template,
         'too many values')
    words = 'instruction: "{{w}}"\nvariables:\n  w: {file: words.txt}\n'

    def listed(text):
        write('t.yaml', words)
        write('words.txt', text)
    edge('LIST_BYTES', lambda n: listed('ab\n' * 9 + 'c' * (n - 27)), template, str(L['LIST_BYTES']), READ)
    edge('LIST_LINES', lambda n: listed(''.join(f'{i}\n' for i in range(n))), template, str(L['LIST_LINES']), READ)

    def links(n):
        write('t.yaml', words)
        for f in home.glob('words*'):
            f.unlink()
        write('words', 'ab\ncd\n')
        for i in range(n):
            (home / ('words.txt' if i == n - 1 else f'words{i}')).symlink_to(f'words{i - 1}' if i else 'words')
    edge('LINKS', links, template, f'more than {L["LINKS"]} symbolic links', READ)
    for f in home.glob('words*'):
        f.unlink()
    edge('INSTRUCTION_BYTES', lambda n: write('t.yaml', f'instruction: "{"a" * n}"\n'), template,
         str(L['INSTRUCTION_BYTES']), READ)
    edge('TEMPLATE_VARIABLES',
         lambda n: write('t.yaml', head + 'variables:\n' + ''.join(f'  v{i}: x\n' for i in range(n))), template,
         f'more than {L["TEMPLATE_VARIABLES"]} variables')
    edge('TEMPLATE_SETTINGS',
         lambda n: write('t.yaml',
                         f'instruction: "a [ref#1]"\nreferences:\n  1:\n    image: {os.path.basename(SAMPLE)}\n'
                         '    loader:\n      name: edge\n' + ''.join(f'      s{i}: 1\n' for i in range(n))), template,
         str(L['TEMPLATE_SETTINGS']))
    edge('SWEEP_AXES',
         lambda n: write('t.yaml', head + 'sweep:\n' + ''.join(
             f'  {a}: "1,2"\n' for a in ('seed', 'steps', 'scale', 'count')[:n])), template,
         f'{L["SWEEP_AXES"]} things')


def command_lines():
    shutil.copy(SAMPLE, home / 's.png')
    how = []

    def options(*words):
        how[:] = words
    # What is asked of a model that there is not is refused after that.
    go = lambda: limn(*how, '--model', 'nowhere', '--preview', 'none', '--no-library', '-o', 'x.png')
    edge('OPTION_TIMES', lambda n: options('generate', 'text', *[w for i in range(n) for w in ('--set', 'subject=x')]),
         go, str(L['OPTION_TIMES']))
    edge('JOB_PICTURES', lambda n: options('generate', 'text', '--count', str(n)), go, f'1..{L["JOB_PICTURES"]}',
         'nowhere')
    edge('SWEEP_CELLS', lambda n: options('generate', 'text', '--sweep', f'seed=1..{n}'), go,
         f'it may have {L["SWEEP_CELLS"]}', 'nowhere')
    edge('INSTRUCTION_MARKER', lambda n: options('instruct', f'a [ref#{n}]', '--ref', f'{n}=s.png'), go,
         "but must be K=", 'nowhere')
    edge('JOB_AWAY', lambda n: options('instruct', 'a cat', *['--negative-ref', 's.png'] * n), go,
         f'more than {L["JOB_AWAY"]} pictures', 'nowhere')
    edge('INSTRUCTION_REFERENCES',
         lambda n: options('instruct', 'a ' + ' '.join(f'[ref#{i + 1}]' for i in range(n)),
                           *[w for i in range(n) for w in ('--ref', f'{i + 1}=s.png')]), go,
         f'more than {L["INSTRUCTION_REFERENCES"]} references', 'nowhere')


def picture(text=None, side=(1, 1)):
    return png(side, channels=1, texts=chunk(b'zTXt', b'limn\0\0' + zlib.compress(text, 1)) if text else b'')


def pictures():
    go = lambda: limn('generate', 'p.png', '--model', 'nowhere', '--preview', 'none', '--no-library', '-o', 'x.png')
    job = json.dumps(dict(format=1, instruction='a cat', seed=1)).encode()
    edge('PNG_TEXT_BYTES', lambda n: write('p.png', picture(job + b' ' * (n - len(job)))), go, f'{L["PNG_TEXT_BYTES"]}',
         'nowhere')
    # The map and its three values, the list, what is in it; keys are counted, too.
    held = json.dumps(dict(format=1, instruction='a cat', seed=1, more=[0])).encode()

    def values(n):
        write('p.png', picture(held.replace(b'[0]', b'[' + b'0,' * (n - 6) + b'0]')))
    edge('PICTURE_VALUES', values, go, str(L['PICTURE_VALUES']), 'nowhere')
    # What the model is shown, and what a drawing starts from: at most so many pixels a side; smaller ones stay as they
    # are.
    for name, words, option in (('REFERENCE_SIDE', 'a [ref#1]', ('--ref', '1=r.png')),
                                ('START_SIDE', 'a cat', ('--start', 'r.png'))):
        for side in (L[name], L[name] + 1):
            write('r.png', picture(side=(side, 1 + side // 2)))
            p = limn('instruct', words, *option, '--steps', '1', '--size', '64', '--device', 'cpu', '--preview', 'none',
                     '--no-library', '-o', 'd.png')
            if check(p.returncode == 0, f'{name} {side}: {p.stderr}'):
                inside = base64.b64decode(text_of(home / 'd.png')['references'][0]['png'])
                check(struct.unpack('>I', inside[16:20])[0] == L[name], f'{name}: {side} is shown with {inside[16:24]}')


def large_pictures():
    """In colours: 200 MB of pixels, which no decoder may put on a disk."""
    def make(height):
        row, z = bytes(1 + 3 * L['PICTURE_SIDE']), zlib.compressobj(1)
        rows = b''.join(z.compress(row) for _ in range(height)) + z.flush()
        write('p.png',
              b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', L['PICTURE_SIDE'], height, 8, 2, 0, 0, 0)) +
              chunk(b'IDAT', rows) + chunk(b'IEND', b''))
    for height, beyond in ((L['PICTURE_PIXELS'] // L['PICTURE_SIDE'], False),
                           (L['PICTURE_PIXELS'] // L['PICTURE_SIDE'] + 1, True)):
        make(height)
        p = limn('instruct', 'a cat', '--start', 'p.png', '--model', 'nowhere', '--preview', 'none', '--no-library',
                 '-o', 'x.png')
        check(('nowhere' in p.stderr) != beyond and ('pixels' in p.stderr) == beyond,
              f'PICTURE_PIXELS, {height} rows: exit {p.returncode}, {p.stderr}')


def model_folders():
    m = home / 'm'
    shutil.copytree(GOLDEN / 't5', m)
    go = lambda: limn('models', 'check', 'm')
    index = (m / 'model_index.json').read_bytes()
    edge('JSON_FILE_BYTES', lambda n: write('m/model_index.json', index + b' ' * (n - len(index))), go,
         str(L['JSON_FILE_BYTES']))
    write('m/model_index.json', index)
    weights = m / 'text_encoder/model.safetensors'
    data = weights.read_bytes()
    size = struct.unpack('<Q', data[:8])[0]

    def header(n):
        weights.write_bytes(struct.pack('<Q', n) + data[8:8 + size] + b' ' * (n - size) + data[8 + size:])
    edge('SAFETENSORS_HEADER_BYTES', header, go, f'the limit is {L["SAFETENSORS_HEADER_BYTES"]}')
    head = json.loads(data[8:8 + size])

    def shards(n):
        names = list(head)
        weights.unlink(missing_ok=True)
        (m / 'text_encoder/model.safetensors.index.json').write_text(json.dumps(dict(metadata={}, weight_map={
            f'{names[i % len(names)]}{i}': f'{chr(97 + i % 26)}{i // 26}.safetensors' for i in range(n)})))
    edge('SAFETENSORS_SHARDS', shards, go, f'{L["SAFETENSORS_SHARDS"]}', '.safetensors')
    shutil.rmtree(m)
    # A scheduler is read with a model that draws.
    shipped = pathlib.Path(SOURCE, 'app/models/limn-icons')
    m.mkdir()
    for part in ('text_encoder', 'tokenizer', 'unet', 'model_index.json'):
        (m / part).symlink_to(shipped / part)
    (m / 'scheduler').mkdir()
    config = json.loads((shipped / 'scheduler/scheduler_config.json').read_text())
    text = json.dumps(config)
    edge('SCHEDULER_CONFIG_BYTES', lambda n: write('m/scheduler/scheduler_config.json', text + ' ' * (n - len(text))),
         go, str(L['SCHEDULER_CONFIG_BYTES']))
    edge('SCHEDULER_STEPS',
         lambda n: write('m/scheduler/scheduler_config.json', json.dumps(dict(config, num_train_timesteps=n))), go,
         str(L['SCHEDULER_STEPS']))
    shutil.rmtree(m)


def caption_of(pack, what='caption'):
    data = (home / pack).read_bytes()
    n = struct.unpack('<Q', data[:8])[0]
    at = json.loads(data[8:8 + n])[f'text.{what}']['data_offsets']
    return data[8 + n + at[0]:8 + n + at[1]].decode()


def sources():
    d = home / 'd'
    go = lambda: limn('data', 'pack', 'd', 'd.pack', '--size', '8', '--roles', 'none', '--workers', '1')

    def deep(n):
        shutil.rmtree(d, ignore_errors=True)
        at = d.joinpath(*['f'] * n)
        at.mkdir(parents=True)
        shutil.copy(SAMPLE, at / 'a.png')
        shutil.copy(SAMPLE, d / 'b.png')
    edge('SOURCE_DEPTH', deep, go, str(L['SOURCE_DEPTH']))
    shutil.rmtree(d)
    d.mkdir()
    for name in ('a', 'b'):
        shutil.copy(SAMPLE, d / f'{name}.png')
    write('d/b.txt', 'a snail')
    edge('CAPTION_FILE_BYTES', lambda n: write('d/a.txt', 'ab ' * 9 + ' ' * (n - 27)), go, 'a.txt')
    # Cut at a word, and not before it is too long.
    (d / 'b.png').unlink()
    (d / 'b.txt').unlink()
    most = L['CAPTION_BYTES']
    for text, kept in (('ab ' * 99 + 'c' * (most - 297), most), ('ab ' * 99 + 'c' * (most - 296), 296)):
        write('d/a.txt', text)
        go()
        check(len(caption_of('d.pack')) == kept and caption_of('d.pack').startswith('ab ab'),
              f'CAPTION_BYTES: of {len(text)} bytes {len(caption_of("d.pack"))} are kept')
    most = L['KEYWORDS_BYTES']
    for text, kept in (('ab ' * 199 + 'c' * (most - 597), most), ('ab ' * 199 + 'c' * (most - 596), 596)):
        write('d/a.json', json.dumps(dict(keywords=text)))
        go()
        check(len(caption_of('d.pack', 'keywords')) == kept,
              f'KEYWORDS_BYTES: of {len(text)} bytes {len(caption_of("d.pack", "keywords"))} are kept')
    (d / 'a.json').unlink()
    how = []
    edge('PACK_SIDE', lambda n: how.__setitem__(slice(None), [str(n)]),
         lambda: limn('data', 'pack', 'd', 'd.pack', '--size', how[0], '--roles', 'none', '--workers', '1'),
         f'8..{L["PACK_SIDE"]}')
    # Folders within folders whose pictures are found again.
    limn('instruct', 'a cat', '--steps', '1', '--size', '64', '--device', 'cpu', '--preview', 'none', '--no-library',
         '-o', 'drawn.png')
    for n, found in ((L['LIBRARY_DEPTH'], '1 picture'), (L['LIBRARY_DEPTH'] + 1, '0 pictures')):
        shutil.rmtree(d)
        at = d.joinpath(*['f'] * (n - 1))
        at.mkdir(parents=True)
        shutil.copy(home / 'drawn.png', at / 'a.png')
        p = limn('library', 'import', 'd')
        check(found in p.stdout, f'LIBRARY_DEPTH {n}: {p.stdout}{p.stderr}')
    shutil.rmtree(d)


def archives():
    """A name that is too long is cut, and is then the name of no picture."""
    def named(n):
        with tarfile.open(home / 'n.tar', 'w', format=tarfile.PAX_FORMAT) as tar:
            for name in ('a' * (n - 4) + '.png', 'b.png'):
                tar.add(SAMPLE, name)
    for n, pictures in ((L['TAR_NAME_BYTES'], 2), (L['TAR_NAME_BYTES'] + 1, 1)):
        named(n)
        p = limn('data', 'pack', 'n.tar', 'n.pack', '--size', '8', '--roles', 'none', '--workers', '1')
        check(f'({pictures} without one,' in p.stderr, f'TAR_NAME_BYTES {n}: {p.stderr}')
    # The catalogue of a set of emoji.
    e = home / 'e'
    e.mkdir()
    write('e/splits.json', '{}')
    go = lambda: limn('data', 'pack', 'e', 'e.pack', '--size', '8', '--roles', 'none', '--workers', '1')
    edge('CATALOGUE_BYTES', lambda n: write('e/catalog.jsonl', b'\n' * n), go, str(L['CATALOGUE_BYTES']))
    shutil.rmtree(e)


def roles():
    """Loaders by other names: so many are taken, with one more the pack is refused."""
    own = home / 'loaders'
    own.mkdir(mode=0o700)
    original = pathlib.Path(LOADERS, 'edge.so').read_bytes()
    for i in range(L['PACK_ROLES'] + 1):
        (own / f'edg{i}.so').write_bytes(original.replace(b'\0edge\0', b'\0edg%d\0' % i))
        (own / f'edg{i}.so').chmod(0o600)
    shutil.copy(SAMPLE, home / 's.png')
    d = home / 'd'
    d.mkdir(exist_ok=True)
    shutil.copy(SAMPLE, d / 'a.png')
    write('d/a.txt', 'a snail')
    names, before = [], env['LIMN_LOADER_PATH']
    env['LIMN_LOADER_PATH'] = str(own)
    edge('PACK_ROLES', lambda n: names.__setitem__(slice(None), [f'edg{i}' for i in range(n)]),
         lambda: limn('data', 'pack', 'd', 'd.pack', '--size', '8', '--roles', ','.join(names), '--workers', '1'),
         f'at most {L["PACK_ROLES"]} roles')
    check(set(names[:-1]) <= set(re.findall(r'edg\d', (home / 'd.pack').read_bytes()[:1 << 16].decode('latin-1'))),
          'PACK_ROLES: they are all in it')
    env['LIMN_LOADER_PATH'] = before
    shutil.rmtree(d)


def themes():
    """The UI's own file."""
    head = pathlib.Path(SOURCE, 'themes/dark.theme').read_text()

    def start():
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(home)
            os.execve(LIMN, [LIMN, '--theme', './t.theme', '--preview', 'none'],
                      dict(env, TERM='xterm-256color', LC_ALL='C.UTF-8'))
        out, end = b'', time.monotonic() + 60 * SLOW
        while time.monotonic() < end and b'references' not in out:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    more = os.read(fd, 1 << 16)
                except OSError: # it has ended
                    break
                out += more
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)
        return types.SimpleNamespace(stdout=out.decode(errors='replace'), stderr='')
    edge('THEME_BYTES', lambda n: write('t.theme', head + '#' * (n - len(head))), start, str(L['THEME_BYTES']),
         'references')
    (home / '.config/limn').mkdir(parents=True, exist_ok=True)
    edge('KEYS_BYTES', lambda n: write('.config/limn/keys', 'all draw F9\n' + '#' * (n - 12)),
         lambda: limn('--print-keys'), str(L['KEYS_BYTES']), 'draw')


def worker():
    """Commands that a worker is asked for, and files that it keeps."""
    w = subprocess.Popen([LIMN, 'worker', '--stdio', '--alone'], env=env, cwd=home, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(head, payload=b''):
        w.stdin.write(frames.frame(head, payload))
        w.stdin.flush()

    def answer(*kinds):
        while True:
            head, _ = frames.take(w.stdout)
            if head['type'] in kinds:
                return head
    w.stdout.readline()
    send(dict(type='hello', protocol=2, version='0', hangup='stop'))
    answer('hello')
    for name, order, refused in (
            ('ORDER_WORDS', lambda n: dict(words=['devices'] + ['x'] * (n - 1)), f'1 to {L["ORDER_WORDS"]} words'),
            ('ORDER_RESULTS', lambda n: dict(words=['devices'] + [dict(name=f'r{i}') for i in range(n)]),
             f'more than {L["ORDER_RESULTS"]} results'),
            ('ORDER_ENVIRONMENT', lambda n: dict(words=['devices'], environment={f'V{i}': 'x' for i in range(n)}),
             f'more than {L["ORDER_ENVIRONMENT"]} variables')):
        for n, beyond in ((L[name], False), (L[name] + 1, True)):
            send(dict(dict(type='command', id=f'c-{n}'), **order(n)))
            said = answer('ended', 'running')
            # So many variables that may be named there are not.
            check(said['type'] == 'running' if not beyond and name != 'ORDER_ENVIRONMENT' else said['type'] == 'ended',
                  f'{name} at {n}: {said}')
            if said['type'] == 'running':
                answer('ended')
            check((refused in said.get('text', '')) == beyond, f'{name} at {n}: {said}')
    # It keeps so many files; with one more the one that was not used for longest must be asked for again: the second,
    # when the first was used.
    name, kept = 'WORKER_BLOBS', []
    for i in range(L[name] + 1):
        data = picture(b'%d' % i)
        digest = hashlib.sha256(data).hexdigest()
        kept.append(digest)
        send(dict(type='blob', hash=digest), data)
        if i + 1 < L[name]:
            continue
        send(dict(type='load', id=f'l{i}', side=8,
                  reference=dict(marker=1, hash=kept[i + 1 - L[name]], loader='mask', settings=[])))
        said = answer('loaded', 'want')
        check((said['type'] == 'want') == (i == L[name]), f'{name}: with {i + 1} files: {said}')
    # Of so many bytes in all; with one more the same.
    name, kept = 'WORKER_BLOB_BYTES', []

    def load(i):
        send(dict(type='load', id=f'b{i}', side=8, reference=dict(marker=1, hash=kept[i], loader='mask', settings=[])))
        return answer('loaded', 'want')['type']
    for i in range(9):
        data = picture(b'whole %d' % i)
        data += bytes(L[name] // 8 - len(data) if i < 8 else 0)
        kept.append(hashlib.sha256(data).hexdigest())
        send(dict(type='blob', hash=kept[i]), data)
        if i == 7:
            check(load(0) == 'loaded', f'{name}: the first is kept')
    check(load(0) == 'loaded' and load(1) == 'want', f'{name}: the one that was not used for longest goes')
    w.stdin.close()
    check(w.wait(60) == 0 and b'Sanitizer' not in w.stderr.read(), 'it ends')


limn_test.run([templates, command_lines, pictures, large_pictures, model_folders, sources, archives, roles, themes,
               worker])
