# SPDX-License-Identifier: MIT
# What tests that run the program share: counted checks, an environment of their own, a program run to its end or in
# a terminal, and PNGs and safetensors read and written by other eyes than limn's.
# Such a test is `NAME.py LIMN SOURCE LOADERS [TEST...]`; one that needs less reads its words itself.
import fcntl, json, os, pathlib, pty, re, signal, struct, subprocess, sys, tempfile, termios, time, zlib

LIMN, SOURCE, LOADERS = (os.path.abspath(a) for a in (sys.argv[1:4] + [''] * 3)[:3])
ONLY = sys.argv[4:]  # the tests that are run; none: all
MODEL = pathlib.Path(SOURCE) / 'app/models/limn-icons'
GOLDEN = pathlib.Path(SOURCE) / 'tests/reference/golden'
SAMPLES = pathlib.Path(SOURCE) / 'app/templates/samples'
SANITIZED = os.path.isfile(LIMN) and b'__asan_init' in pathlib.Path(LIMN).read_bytes()
# How much longer than on an idle machine all may take.
SLOW = float(os.environ.get('LIMN_TEST_PATIENCE', '1')) * (4 if SANITIZED else 1)
# One that is ended cleans up, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
work = tempfile.TemporaryDirectory()
checks = failures = 0


def check(condition, what, seen=''):
    """Counts, and says what failed; `seen` is what was there instead: text, or a screen that has a text()."""
    global checks, failures
    checks += 1
    if not condition:
        failures += 1
        print('FAILED:', what, flush=True)
        if seen:
            print(seen if isinstance(seen, str) else seen.text(), flush=True)
    return condition


def skip(what):
    """One test of several is left out; ./check counts it."""
    print(f'[  SKIPPED ] {os.path.basename(sys.argv[0])}: {what}', flush=True)


def needs_weights():
    """Without the shipped weights the whole test is skipped."""
    if not (MODEL / 'unet/diffusion_pytorch_model.safetensors').exists():
        sys.exit(77)


def finish():
    print(f'{checks} checks, {failures} failures')
    sys.exit(failures > 0 or not checks)


def run(tests, report=None):
    """Each test, or those that were named, with the time it took; then a report of what was measured."""
    for name in set(ONLY) - {test.__name__ for test in tests}:
        check(False, f'there is no test {name!r}')
    for test in tests:
        if ONLY and test.__name__ not in ONLY:
            continue
        began = time.monotonic()
        test()
        print(f'{test.__name__}: {time.monotonic() - began:.1f} s', flush=True)
    if report:
        report()
    finish()


def side_by_side(*groups):
    """Groups of tests that mostly wait, each in a process of its own; with names on the command line just those."""
    if ONLY:
        return run([test for group in groups for test in group])
    parts = [subprocess.Popen([*sys.argv[:4], *(test.__name__ for test in group)], stdout=subprocess.PIPE,
                              text=True) for group in groups]
    outputs = [p.communicate()[0] for p in parts]
    print(''.join(outputs), end='')
    sys.exit(any(p.returncode for p in parts))


def until(condition, what, seconds=20):
    """What the condition is, once it is something; None when it never is."""
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    check(False, f'{what}: not within {seconds * SLOW:.0f} s')
    return None


def limits():
    """{name: value} of engine/base/limits.h, without LIMIT_ before the names."""
    found = {}
    text = (pathlib.Path(SOURCE) / 'engine/base/limits.h').read_text()
    for name, value in re.findall(r'^\s+LIMIT_(\w+) = ([^,/]+),', text, re.M):
        found[name] = eval(value, {}, {'LIMIT_' + k: v for k, v in found.items()})
    return found


# --- the program

def environment(home, **more):
    """That of somebody with this home: of ours only what the system needs, and what sanitizers and OpenMP are told.
    No Vulkan driver: unloaded, its memory cannot be named by a leak checker."""
    (pathlib.Path(home) / 'run').mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items()
            if k in ('PATH', 'TMPDIR', 'MALLOC_PERTURB_', 'GOMP_SPINCOUNT') or k.endswith('SAN_OPTIONS')}
    return dict(dict(kept, HOME=str(home), XDG_RUNTIME_DIR=f'{home}/run', LC_ALL='C.UTF-8', SHELL='/bin/sh',
                     OMP_NUM_THREADS='1',
                     LIMN_LOADER_PATH=LOADERS, VK_DRIVER_FILES='/dev/null', VK_ICD_FILENAMES='/dev/null'), **more)


def limn(*args, env, more={}, code=0, says='', program=LIMN, timeout=120, **how):
    """Runs it to its end. What is checked: the exit code (None: any), what it says of errors, no sanitizer's report."""
    if 'input' not in how:
        how = dict(dict(stdin=subprocess.DEVNULL), **how)
    p = subprocess.run([program, *map(str, args)], env=dict(env, **more), capture_output=True, text=True,
                       timeout=timeout * SLOW, **how)
    check(code is None or p.returncode == code, f'{args}: exit {p.returncode}, not {code}',
          f'{p.stdout[-300:]} {p.stderr[-600:]}')
    check(says in p.stderr and 'Sanitizer' not in p.stderr, f'{args}: {says!r}', p.stderr[-3000:])
    return p


def in_terminal(argv, env, cwd, size=(100, 30)):
    """Begins a program on a pseudo-terminal of (columns, rows): (its process, our end)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', size[1], size[0], 0, 0))
        os.execve(argv[0], argv, env)
    return pid, fd


# --- files

def chunk(kind, data):
    """Of a PNG."""
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(size, rows=None, channels=3, texts=b''):
    """A PNG of 8 bits: its rows one after another (black if none are given), `texts` chunks before them."""
    line = size[0] * channels
    rows = rows or bytes(line * size[1])
    raw = b''.join(b'\0' + rows[at:at + line] for at in range(0, len(rows), line))
    header = struct.pack('>IIBBBBB', *size, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + texts + chunk(b'IDAT', zlib.compress(raw, 1)) +
            chunk(b'IEND', b''))


def drawn(size, pixel):
    """The rows of a picture, by a function of x and y that gives a grey or (red, green, blue)."""
    value = lambda p: (p, p, p) if isinstance(p, int) else p
    return bytes(v for y in range(size[1]) for x in range(size[0]) for v in value(pixel(x, y)))


def chunks(file):
    data, at = pathlib.Path(file).read_bytes(), 8
    while at < len(data):
        n, kind = struct.unpack('>I4s', data[at:at + 8])
        yield kind, data[at + 8:at + 8 + n]
        at += 12 + n


def size_of(file):
    return struct.unpack('>II', pathlib.Path(file).read_bytes()[16:24])


def pixels(file):
    """The rows of a PNG of 8 bits, with their filters undone."""
    parts = list(chunks(file))
    width, height, depth, colour = struct.unpack('>IIBB', parts[0][1][:10])
    assert depth == 8
    step = {2: 3, 6: 4, 0: 1}[colour]
    raw = zlib.decompress(b''.join(body for kind, body in parts if kind == b'IDAT'))
    rows, above = [], bytes(width * step)
    for y in range(height):
        line = bytearray(raw[y * (width * step + 1):(y + 1) * (width * step + 1)])
        how, line = line[0], line[1:]
        for x in range(len(line) if how else 0):
            a, b = line[x - step] if x >= step else 0, above[x]
            c = above[x - step] if x >= step else 0
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line[x] = (line[x] + (0, a, b, (a + b) // 2, nearest)[how]) & 255
        rows.append(bytes(line))
        above = rows[-1]
    return b''.join(rows)


def text_of(file):
    """What limn wrote into a PNG, of its instruction and all that belongs to it."""
    for kind, body in chunks(file):
        if kind in (b'iTXt', b'zTXt') and body.startswith(b'limn\0'):
            return json.loads(zlib.decompress(body[6:]) if kind == b'zTXt' else zlib.decompress(body[9:])
                              if body[5] else body[9:])


def safetensors(file, tensors, metadata=None):
    """{name: (type, shape, bytes)}."""
    head, data = {'__metadata__': metadata} if metadata else {}, b''
    for name, (kind, shape, content) in tensors.items():
        head[name] = dict(dtype=kind, shape=shape, data_offsets=[len(data), len(data) + len(content)])
        data += content
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    pathlib.Path(file).write_bytes(struct.pack('<Q', len(text)) + text + data)


def metadata_of(file):
    data = pathlib.Path(file).read_bytes()
    return json.loads(data[8:8 + struct.unpack('<Q', data[:8])[0]]).get('__metadata__')


def tensors_of(file):
    data = pathlib.Path(file).read_bytes()
    n = struct.unpack('<Q', data[:8])[0]
    head = json.loads(data[8:8 + n])
    at = lambda v: (8 + n + p for p in v['data_offsets'])
    return {k: (v['dtype'], v['shape'], data[slice(*at(v))]) for k, v in head.items() if k != '__metadata__'}
