# SPDX-License-Identifier: MIT
# Running limn while calls fail, and looking at what is left with eyes of our own: Python's SQLite, a reader of
# PNGs and of safetensors, hashes of files. What limn says of its own files is believed nowhere.
import collections, hashlib, json, os, pathlib, re, shutil, signal, sqlite3, struct, subprocess, tempfile, time, zlib

ROLES = ('limn', 'worker', 'command', 'fork', 'keeper', 'look', 'other')
ALWAYS = 2 ** 32 - 1
# How each kind of call fails: an errno (or "short"), and whether once or from then on.
HOWS = {
    'memory': [('ENOMEM', 1)], 'map': [('ENOMEM', 1)],
    'open': [('EMFILE', 1), ('EACCES', 1), ('EMFILE', ALWAYS)], 'create': [('ENOSPC', ALWAYS), ('EIO', 1)],
    'read-file': [('EIO', 1), ('short', 1)], 'read-stream': [('EINTR', 1), ('short', 1)],
    'write-file': [('ENOSPC', ALWAYS), ('EIO', 1), ('short', 1)], 'write-stream': [('EINTR', 1), ('short', 1)],
    'message': [('EINTR', 1)], 'sync': [('EIO', 1), ('ENOSPC', ALWAYS)], 'rename': [('EIO', 1), ('ENOSPC', ALWAYS)],
    'unlink': [('EACCES', 1)], 'truncate': [('ENOSPC', ALWAYS)], 'close': [('EIO', 1)],
        'poll': [('EINTR', 1), ('EINTR', 5)],
    'wait': [('EINTR', 1)], 'lock': [('ENOLCK', 1), ('ENOLCK', ALWAYS)], 'thread': [('EAGAIN', 1), ('EAGAIN', ALWAYS)],
    'process': [('EAGAIN', 1)], 'descriptor': [('EMFILE', 1), ('EMFILE', ALWAYS)]}
# What a sentence says of it. SQLite has words of its own, and does not always know the reason.
OTHERS = 'disk I/O|unable to open database|readonly database'
WORDS = {'ENOMEM': 'memory|allocate', 'ENOSPC': f'No space left|disk is full|cannot be recorded|{OTHERS}',
         'EIO': f'Input/output error|{OTHERS}', 'EMFILE': f'Too many open files|{OTHERS}',
         'EACCES': f'Permission denied|{OTHERS}'}


class Faults:
    """limn, its source, loaders and the shim; a home for what all scenarios start from."""
    def __init__(self, limn, source, loaders, shim):
        self.limn, self.source, self.loaders, self.shim = (os.path.abspath(a) for a in (limn, source, loaders, shim))
        self.kinds = [line.split('"')[1] for line in
                      (pathlib.Path(self.source) / 'tests/faults/kinds.def').read_text().splitlines()
                      if line.startswith('KIND(')]
        self.work = pathlib.Path(tempfile.mkdtemp(prefix='limn-faults.'))
        self.before = []
        self.patience = float(os.environ.get('LIMN_TEST_PATIENCE', '1'))

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    def environment(self, home, **more):
        own = {k: v for k, v in os.environ.items() if k in ('PATH', 'TMPDIR')}
        return dict(own, HOME=str(home), XDG_DATA_HOME=f'{home}/data', XDG_STATE_HOME=f'{home}/state',
                    XDG_CACHE_HOME=f'{home}/cache', XDG_CONFIG_HOME=f'{home}/config', XDG_RUNTIME_DIR=f'{home}/runtime',
                    LC_ALL='C.UTF-8', OMP_NUM_THREADS='1', OMP_WAIT_POLICY='passive', LIMN_LOADER_PATH=self.loaders,
                    VK_DRIVER_FILES='/nothing', VK_ICD_FILENAMES='/nothing', SHELL='/bin/sh', **more)

    def home(self, name=None):
        """An empty home; one with this name is begun anew."""
        home = self.work / name if name else pathlib.Path(tempfile.mkdtemp(dir=self.work))
        if name:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
        (home / 'runtime').mkdir(mode=0o700)
        return home

    def preload(self, home, fault, count):
        """What the shim takes from the environment, and where its page is; `fault` is what $FAULT says. `count`: how
        many
        callers make a place that calls come from (True: places are not kept)."""
        page = home.parent / (home.name + '.page')
        page.unlink(missing_ok=True)
        sites = dict(FAULT_SITES=str(count)) if count and count is not True else {}
        return (dict(LD_PRELOAD=self.shim, FAULT_PAGE=str(page), FAULT=fault or '', **sites),
                page) if fault or count else ({}, None)

    def run(self, home, words, fault=None, count=False, cwd=None, limit=60, stdout=None, more={}):
        """Runs `limn WORDS`, behind self.before."""
        shim, page = self.preload(home, fault, count)
        p = subprocess.Popen([*self.before, self.limn, *words], env=dict(self.environment(home, **shim), **more),
                             cwd=cwd or home,
                             text=True, errors='replace', stdin=subprocess.DEVNULL, stdout=stdout or subprocess.PIPE,
                             stderr=subprocess.PIPE,
                             start_new_session=True)
        hangs = False
        try:
            out, said = p.communicate(timeout=limit * self.patience)
        except subprocess.TimeoutExpired:
            hangs = True
            end_all(home)
            os.killpg(p.pid, signal.SIGKILL)
            out, said = p.communicate()
        return Outcome(p.returncode, out or '', said, hangs, *self.read_page(page))

    def read_page(self, page):
        if not page or not page.exists():
            return 0, '', {}, []
        data = page.read_bytes()
        n = len(self.kinds)
        hits, at = struct.unpack_from('2I', data)
        counts = struct.unpack_from(f'{len(ROLES) * n}I', data, 8)
        at = 8 + 4 * len(ROLES) * n
        where = data[at:at + 256].split(b'\0')[0].decode()
        sites = [(ROLES[role], self.kinds[kind], at, key) for key, role, kind, at in
                 struct.iter_unpack('Q3I4x', data[(at + 256 + 7) // 8 * 8:]) if key]
        return hits, where, {(role, kind): counts[i * n + k] for i, role in enumerate(ROLES)
                             for k, kind in enumerate(self.kinds) if counts[i * n + k]}, sites


# sites: (role, kind, number of the first call, key) for each place that calls came from
Outcome = collections.namedtuple('Outcome', 'code out said hangs hits where counts sites', defaults=([],))


def processes(home):
    """Those that have this home (a child of the sandbox has forgotten it, and ends with its parent)."""
    mark, found = f'HOME={home}\0'.encode(), []
    for p in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            if mark in (p / 'environ').read_bytes() + b'\0':
                found.append(int(p.name))
        except OSError:
            pass
    return found


def what_goes_on(home):
    """Their command lines, and what each waits for."""
    lines = []
    for pid in processes(home):
        try:
            words = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ').decode()
            lines.append(f'{pid} {words[:60]}: {pathlib.Path(f"/proc/{pid}/wchan").read_text()}')
        except OSError:
            pass
    return 'a process goes on: ' + '; '.join(lines)


def end_all(home):
    for pid in processes(home):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def wait_gone(home, seconds=10):
    """Whether all have ended by themselves."""
    end = time.monotonic() + seconds
    while processes(home):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


# --- readers of our own

def digest(path):
    return hashlib.sha256(without_device(pathlib.Path(path).read_bytes())).hexdigest()


def without_device(data):
    """A picture of limn's without the processor's name, which is not known where /proc/cpuinfo cannot be read."""
    at = data.find(b'zTXtlimn\0\0') if data[:4] == b'\x89PNG' else -1
    if at < 0:
        return data
    n = struct.unpack('>I', data[at - 4:at])[0]
    text = zlib.decompress(data[at + 10:at + 4 + n])
    return data[:at - 4] + re.sub(rb'"device":"[^"]*"', b'', text) + data[at + 8 + n:]


def png_fault(data):
    """What is wrong with a PNG: each chunk's sum, all rows there; '' where it is whole."""
    if data[:8] != b'\x89PNG\r\n\x1a\n':
        return 'not a PNG'
    at, packed, header, kind = 8, b'', None, b''
    while at + 12 <= len(data):
        n, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        if len(body) < n or data[at + 8 + n:at + 12 + n] != struct.pack('>I', zlib.crc32(kind + body)):
            return f'chunk {kind} is broken'
        header = body if kind == b'IHDR' else header
        packed += body if kind == b'IDAT' else b''
        at += 12 + n
        if kind == b'IEND':
            break
    if kind != b'IEND' or at != len(data) or not header:
        return 'it is cut'
    width, height, depth, colour = struct.unpack('>IIBB', header[:10])
    row = 1 + (width * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * depth + 7) // 8
    try:
        return '' if len(zlib.decompress(packed)) == row * height else 'rows are missing'
    except zlib.error as error:
        return str(error)


def tensors_fault(path):
    """What is wrong with a safetensors file: its header and that each byte it tells of is there."""
    data = pathlib.Path(path).read_bytes()
    if len(data) < 8:
        return 'it is cut'
    n = struct.unpack('<Q', data[:8])[0]
    try:
        head = json.loads(data[8:8 + n])
    except ValueError as error:
        return str(error)
    ends = [t['data_offsets'][1] for name, t in head.items() if name != '__metadata__']
    return '' if ends and max(ends) == len(data) - 8 - n else f'{len(data) - 8 - n} bytes of {max(ends or [0])}'


def checkpoint_step(path):
    data = pathlib.Path(path).read_bytes()
    return int(json.loads(data[8:8 + struct.unpack('<Q', data[:8])[0]])['__metadata__']['step'])


def leftovers(folder):
    """Temporary names, wherever they are."""
    return [str(f.relative_to(folder)) for f in folder.rglob('*')
            if f.name.startswith('.limn-') and f.suffix == '.part' or f.name.endswith(('.tmp', '.partial'))]


def rows(database, sql, *args):
    """With SQLite's own means, on a copy: looking changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for f in database.parent.glob(database.name + '*'):
            if not f.name.endswith('-shm'):
                shutil.copy(f, folder)
        db = sqlite3.connect(pathlib.Path(folder) / database.name)
        try:
            return db.execute(sql, args).fetchall()
        finally:
            db.close()


def library_faults(home, keeps):
    """What is wrong with a library: `keeps` are rows (file, rating) that it had."""
    database, faults = home / 'data/limn/library.db', []
    if list(database.parent.glob('*damaged*')):
        faults.append('the library was moved aside')
    if not database.exists():
        return faults + ['there is no library']
    try:
        if rows(database, 'PRAGMA integrity_check') != [('ok',)]:
            faults.append('SQLite calls the library damaged')
        there = rows(database, 'SELECT file, rating FROM picture')
    except sqlite3.Error as error:
        return faults + [f'SQLite: {error}']
    faults += [f'{row} is no longer in the library' for row in keeps if row not in there]
    for file, _ in there:
        fault = png_fault(pathlib.Path(file).read_bytes()) if os.path.exists(file) else 'it is not there'
        if fault:
            faults.append(f'the library has {file}: {fault}')
    return faults


def log_faults(path, contiguous=True):
    """What is wrong with a training's log: a line is a step, one after the other; the last may be cut."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(True)
    try:
        steps = [json.loads(line)['step'] for line in lines if line.endswith('\n') and '"step"' in line]
    except ValueError as error:
        return [f'{path.name}: {error}']
    return [f'{path.name}: steps {steps}'] if contiguous and steps != list(range(1, len(steps) + 1)) else []
