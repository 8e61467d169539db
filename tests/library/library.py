#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The library from outside: limn library beside Python's own SQLite, while others use it, while it is
# killed, damaged, locked, of a later version, or its disk is full.
# usage: library.py LIMN SOURCE LOADERS
import contextlib, glob, json, os, pathlib, random, resource, shutil, signal, sqlite3, subprocess, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test
from limn_test import LIMN, SANITIZED, SOURCE, check, environment, finish, skip, work

home = pathlib.Path(work.name)
env = environment(home, XDG_DATA_HOME=str(home / 'data'), XDG_STATE_HOME=str(home / 'state'))
DB = home / 'data/limn/library.db'


def limn(*args, code=0, **how):
    return limn_test.limn(*args, code=code, env=env, **how)


# A real picture, and others like it with another instruction inside.
limn('generate', 'text', '--steps', '1', '--size', '64', '--seed', '5', '-o', f'{home}/one.png', '--preview', 'none')
ONE = (home / 'one.png').read_bytes()


def pictures(**how):
    return json.loads(limn('library', 'list', '--json',
                           *[x for k, v in how.items() for x in (f'--{k}', str(v))]).stdout)


def database():
    return contextlib.closing(sqlite3.connect(DB, isolation_level=None))


def rows(sql, *args):
    with database() as db:
        return db.execute(sql, args).fetchall()


first = pictures()
check(len(first) == 1 and first[0]['seed'] == 5 and first[0]['file'] == f'{home}/one.png', f'recorded: {first}')
check('red apple' in first[0]['instruction'], 'with its instruction')
check(rows('PRAGMA journal_mode') == [('wal',)], 'write-ahead log')
check(rows('PRAGMA integrity_check') == [('ok',)], 'whole')

# Words, ratings, tags, deletion; what SQLite's own tables say is what limn says.
ident = str(first[0]['id'])
limn('library', 'rate', ident, '4')
limn('library', 'tag', ident, 'fruit')
check(pictures()[0]['rating'] == 4 and pictures()[0]['tags'] == 'fruit', 'rated and tagged')
check(len(pictures(tag='fruit')) == 1 and not pictures(tag='fox') and not pictures(rating=5), 'filters')
for words, n in ((['apple'], 1), (['APPLE', 'red'], 1), (['app'], 1), (['fruit'], 1), (['apple', 'fox'], 0),
                 (["'; DROP TABLE picture; --"], 0), (['"'], None), (['*'], None), (['NEAR(a b)'], 0), (['%'], None)):
    found = json.loads(limn('library', 'search', *words, '--json').stdout)
    check(n is None or len(found) == n, f'search {words}: {len(found)}, not {n}')
# Conditions: the picture has seed 5, four stars, the tag fruit, and was drawn now.
now = time.localtime(first[0]['created'])
day, month, year = time.strftime('%Y-%m-%d', now), time.strftime('%Y-%m', now), time.strftime('%Y', now)
for words, n in ((['*4'], 1), (['*5'], 0), (['*0'], 1), (['seed:5'], 1), (['seed:6'], 0), (['#fruit'], 1),
                 (['#frui'], 1), (['#apple'], 0),
                 ([f'on:{day}'], 1), ([f'on:{month}'], 1), ([f'on:{year}'], 1), ([f'since:{day}'], 1),
                 ([f'until:{day}'], 1),
                 (['until:2001'], 0), (['since:2999-01-01'], 0), (['on:2001-02-03'], 0),
                 (['apple', '*4', 'seed:5', f'on:{year}'], 1),
                 (['apple', '*5'], 0), (['seed:x'], 0), (['on:2026-13'], 0), (['since:'], 0), (['*6'], None),
                 (['#'], None), (['seed:-1'], 0),
                 (['seed:99999999999999999999'], 0)):
    found = json.loads(limn('library', 'search', '--json', '--', *words).stdout)
    check(n is None or len(found) == n, f'search {words}: {len(found)}, not {n}')
limn('library', 'untag', ident, 'fruit')
check(not json.loads(limn('library', 'search', 'fruit', '--json').stdout), 'the index follows')
limn('library', 'delete', ident)
check(not pictures(), 'hidden')
limn('library', 'undelete', ident)
check(len(pictures()) == 1, 'shown again')
for bad in (['rate', ident, '6'], ['rate', ident, 'x'], ['rate', '999', '1'], ['tag', ident, 'a b'], ['show', 'x'],
            ['frob'], ['import', f'{home}/nothing'], ['import', f'{SOURCE}/README.md'], ['list', '--sort', 'size']):
    p = limn('library', *bad, code=2)
    check(p.stderr.startswith('limn: ') and p.stderr.count('\n') == 1, f'{bad}: {p.stderr}')

# What is inside a picture cannot speak to the terminal.
limn('instruct', 'a \x1b]0;pwned\x07 red \x1b[31m fox \x9b2J', '--steps', '1', '--size', '64', '--seed', '9', '-o',
     f'{home}/evil.png', '--preview', 'none')
text = limn('library', 'list').stdout
check('pwned' in text and '\x1b' not in text and '\x07' not in text and '\x9b' not in text, f'harmless: {text!r}')
text = limn('generate', f'{home}/\x1b]0;x\x07.png', code=2).stderr
check('\x1b' not in text and '\x07' not in text, f'a harmless error: {text!r}')
limn('library', 'delete', str(max(p['id'] for p in pictures())))
p = limn('library', 'purge')
check('1 files removed' in p.stdout and not (home / 'evil.png').exists(), f'purged: {p.stdout}')

# Someone else holds it: reading goes on, writing waits and then says so.
with database() as other:
    other.execute('BEGIN IMMEDIATE')
    check(len(pictures()) == 1, 'read while it is locked')
    p = limn('library', 'rate', ident, '2', code=1)
    check('library' in p.stderr, f'locked: {p.stderr}')
    p = limn('generate', 'text', '--steps', '1', '--size', '64', '--seed', '6', '-o', f'{home}/locked.png', '--preview',
             'none')
    check((home / 'locked.png').exists() and 'library' in p.stderr, f'a picture is drawn all the same: {p.stderr}')
    other.execute('ROLLBACK')

# Two at once.
both = [subprocess.Popen([LIMN, 'generate', 'text', '--steps', '1', '--size', '64', '--seed', str(s), '-o',
                          f'{home}/both{s}.png',
                          '--preview', 'none'], env=env, stdout=subprocess.DEVNULL) for s in (71, 72)]
check([p.wait(120) for p in both] == [0, 0] and {71, 72} <= {p['seed'] for p in pictures()}, 'two at once')

# Killed at any moment: what was written is whole, and nothing of before is gone.
random.seed(1)
known = len(pictures())
for i in range(12):
    p = subprocess.Popen([LIMN, 'library', 'rate', ident, str(i % 6)], env=env, stdout=subprocess.DEVNULL)
    time.sleep(random.uniform(0, 0.04))
    p.send_signal(signal.SIGKILL)
    p.wait()
    check(rows('PRAGMA integrity_check') == [('ok',)], f'killed {i}: whole')
check(len(pictures()) == known, 'nothing was lost')

# Damaged: moved aside, made again from the pictures in the folder.
folder = home / 'data/limn/pictures'
folder.mkdir(exist_ok=True)
for i in range(3):
    shutil.copy(home / 'one.png', folder / f'copy{i}.png')
os.utime(folder / 'copy0.png', (981201600, 981201600))
for damage in (b'', b'SQLite format 3\0' + b'\xff' * 9000, os.urandom(20000)):
    for f in glob.glob(str(DB) + '*'):
        os.unlink(f)
    DB.write_bytes(damage)
    p = limn('library', 'list', '--json')
    check(len(json.loads(p.stdout)) == 3 or not damage, f'made again from the pictures: {p.stdout[:300]} {p.stderr}')
    check(not damage or ('damaged' in p.stderr and glob.glob(str(DB) + '.damaged-*')), f'said: {p.stderr}')
    check(rows('PRAGMA integrity_check') == [('ok',)], 'whole again')
# A page in the middle of a good one.
limn('library', 'import', str(folder))
check(len(json.loads(limn('library', 'search', 'on:2001-02-03', '--json').stdout)) == 1, 'it has its file\'s time')
with database() as db:
    db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
data = bytearray(DB.read_bytes())
data[4096:8192] = os.urandom(4096)
for f in glob.glob(str(DB) + '*'):
    os.unlink(f)
DB.write_bytes(data)
p = subprocess.run([LIMN, 'library', 'list', '--json'], env=env, capture_output=True, text=True)
check(p.returncode in (0, 1) and 'Sanitizer' not in p.stderr, f'a damaged page: {p.returncode} {p.stderr[-500:]}')

# Only what SQLite itself calls damaged is moved aside, and over no other file; what the machine lacks for the moment
# is a sentence, and the library stays, ratings and all.
for f in glob.glob(str(DB) + '*'):
    os.unlink(f)
limn('library', 'import', str(folder))
limn('library', 'rate', '1', '5')


FEW = ['Too many open files', 'unable to open']


def stays(what, *args, says, or_says=FEW, before=(), **how):
    """`says`: what the sentence must have, one of several; None: it may succeed, or says one of `or_says`."""
    inode = DB.stat().st_ino
    p = subprocess.run([*before, LIMN, *args], env=dict(env, **how.pop('variables', {})), capture_output=True,
                       text=True, timeout=120, **how)
    check(DB.stat().st_ino == inode and not glob.glob(str(DB) + '.damaged*'), f'{what}: the library stays, {p.stderr}')
    fine = p.returncode == 0 and not says
    check(fine or (p.returncode == 1 and p.stderr.startswith(f'limn: {DB}: ') and p.stderr.count('\n') == 1),
          f'{what}: {p.returncode} {p.stderr}')
    check(fine or any(s in p.stderr for s in says or or_says), f'{what}: {p.stderr}')
    check(rows('SELECT rating FROM picture WHERE id=1') == [(5,)], f'{what}: its ratings too')
    return p


# SQLite's own file system, whose reads, writes, syncs or openings fail: it says FULL, IOERR, CANTOPEN, NOMEM.
shim = home / 'faults.c'
shim.write_text(r'''
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int of_library(int fd) {
    char name[64] = "/proc/self/fd/", to[4096] = "";
    char *p = name + 14; char digits[12]; int n = 0;
    if (fd < 0) return 0;
    do digits[n++] = '0' + fd % 10; while (fd /= 10);
    while (n) *p++ = digits[--n];
    *p = 0;
    return readlink(name, to, sizeof to - 1) > 0 && strstr(to, "library.db") != NULL;
}
static int fault(const char *call) {
    static int done;
    const char *wish = getenv("FAULT"), *number = getenv("FAULT_ERRNO"), *after = getenv("FAULT_AFTER");
    if (!wish || strcmp(wish, call) != 0 || done++ < (after ? atoi(after) : 0)) return 0;
    errno = atoi(number);
    return 1;
}
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
ssize_t pread64(int fd, void *b, size_t n, off64_t at) {
    return of_library(fd) && fault("read") ? -1 : REAL(pread64)(fd, b, n, at);
}
ssize_t pread(int fd, void *b, size_t n, off_t at) {
    return of_library(fd) && fault("read") ? -1 : REAL(pread)(fd, b, n, at);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) {
    return of_library(fd) && fault("write") ? -1 : REAL(pwrite64)(fd, b, n, at);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) {
    return of_library(fd) && fault("write") ? -1 : REAL(pwrite)(fd, b, n, at);
}
int fsync(int fd) { return of_library(fd) && fault("sync") ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return of_library(fd) && fault("sync") ? -1 : REAL(fdatasync)(fd); }
static int open_any(const char *path, int flags, mode_t mode) {
    static int (*real)(const char *, int, ...);
    if (!real) real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    return strstr(path, "library.db") && fault("open") ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list a; va_start(a, flags); mode_t mode = va_arg(a, mode_t); va_end(a);
    return open_any(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list a; va_start(a, flags); mode_t mode = va_arg(a, mode_t); va_end(a);
    return open_any(path, flags, mode);
}
''')
faults = home / 'faults.so'
subprocess.run(['cc', '-shared', '-fPIC', '-o', faults, shim, '-ldl'], check=True)
if not SANITIZED:
    for call, number, says in (('read', 5, 'disk I/O error (Input/output error)'),
                               ('write', 28, 'No space left on device'),
                               ('write', 5, 'disk I/O error (Input/output error)'), ('sync', 5, 'disk I/O error'),
                               ('open', 24, 'unable to open database file (Too many open files)'),
                               ('open', 13, 'unable to open database file (Permission denied)'),
                               ('read', 12, 'Cannot allocate memory')):
        stays(f'{call} fails with {number}', 'library', 'rate', '2', '3', says=[says],
              variables={'LD_PRELOAD': str(faults), 'FAULT': call, 'FAULT_ERRNO': str(number)})
    for after in range(24): # while it is looked for damage, too
        stays(f'reading fails after {after} times', 'library', 'list', says=None, or_says=['disk I/O error'],
              variables={'LD_PRELOAD': str(faults), 'FAULT': 'read', 'FAULT_ERRNO': '5', 'FAULT_AFTER': str(after)})
else:
    skip('faults of its disk: the sanitizers come before the shim')
for descriptors in range(4, 12):
    stays(f'{descriptors} descriptors', 'library', 'list', says=None,
          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
stays('no byte may be written', 'library', 'list', says=['File too large', 'is full'],
      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
# Root may write everywhere, unless it lays that right aside.
humble = [] if os.geteuid() else ['setpriv', '--bounding-set=-dac_override,-dac_read_search']
if subprocess.run([*humble, 'true'], capture_output=True).returncode == 0:
    for f in glob.glob(str(DB) + '-*'):
        os.unlink(f)
    DB.parent.chmod(0o500)
    stays('a folder that cannot be written to', 'library', 'rate', '2', '3',
          says=['readonly database', 'unable to open', 'Permission denied'], before=humble)
    DB.parent.chmod(0o700)
else:
    skip('a folder that cannot be written to: setpriv is missing')

# Damaged twice in one second: both are kept.
kept = []
for i in range(3):
    for f in (str(DB) + '-wal', str(DB) + '-shm'):
        pathlib.Path(f).unlink(missing_ok=True)
    kept.append(b'no library %d ' % i + os.urandom(5000))
    DB.write_bytes(kept[-1])
    p = limn('library', 'list')
    check('damaged' in p.stderr, f'said: {p.stderr}')
check(sorted(pathlib.Path(f).read_bytes() for f in glob.glob(str(DB) + '.damaged*')) == sorted(kept),
      'each under a name of its own')
for f in glob.glob(str(DB) + '.damaged*'):
    os.unlink(f)

# Nobody else reads it, whatever the umask, and a folder that others can write to is not used.
for f in glob.glob(str(DB) + '*'):
    os.unlink(f)
os.rmdir(home / 'data/limn') if not os.listdir(home / 'data/limn') else None
new = dict(env, XDG_DATA_HOME=str(home / 'new/data'), XDG_STATE_HOME=str(home / 'new/state'))
subprocess.run([LIMN, 'generate', 'text', '--steps', '1', '--size', '64', '--seed', '5', '-o', f'{home}/umask.png',
                '--preview', 'none'], env=new, umask=0,
               stdout=subprocess.DEVNULL, check=True)
modes = {str(f.relative_to(home / 'new')): f.stat().st_mode & 0o777 for f in (home / 'new').rglob('*')}
check(modes and all(mode in (0o600, 0o700) for mode in modes.values()),
      f'for this user alone: {[(f, oct(m)) for f, m in modes.items()]}')
(home / 'new/data/limn').chmod(0o777)
p = subprocess.run([LIMN, 'library', 'list'], env=new, capture_output=True, text=True)
check(p.returncode == 1 and 'can be written by others' in p.stderr, f'writable by others: {p.returncode} {p.stderr}')
# Without HOME the user database knows where home is.
bare = {k: v for k, v in env.items() if k not in ('HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME')}
p = subprocess.run([LIMN, 'templates'], env=bare, capture_output=True, text=True)
check(p.returncode == 0 and not pathlib.Path('/tmp/.local/share/limn').exists(), f'no home: {p.stderr}')

# Of an earlier limn: it gets what is new, and nothing of it is lost.
for f in glob.glob(str(DB) + '*'):
    os.unlink(f)
limn('library', 'import', str(folder))
before = [dict(p, model='', template='') for p in pictures()]
with database() as db:
    for line in ('DROP TRIGGER job_ended', 'DROP TABLE input', 'DROP TABLE job_input',
                 'ALTER TABLE job DROP COLUMN owner',
                 'ALTER TABLE job DROP COLUMN host', 'ALTER TABLE picture DROP COLUMN model',
                 'ALTER TABLE picture DROP COLUMN template',
                 'PRAGMA user_version = 1'):
        db.execute(line)
    db.execute("INSERT INTO job(id, created, request) VALUES('20200101-000000-00000000', 1, '{}')")
check(pictures() == before and rows('PRAGMA user_version') == [(3,)], 'a library of version 1 goes on as version 3')
check(rows('SELECT id, owner, host FROM job') == [('20200101-000000-00000000', '', '')], 'with its jobs')
# A job is kept whole, its pictures too, until it has ended.
sample = f'{SOURCE}/app/templates/samples/snail-noto.png'
p = subprocess.Popen([LIMN, 'instruct', 'Draw [ref#1]', '--ref', f'1={sample}', '--steps', '1000', '--size', '64',
                      '--preview', 'none', '--json', '-o',
                      f'{home}/never.png'], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
p.stdout.readline()
kept = rows('SELECT data FROM job JOIN job_input ON job.id=job JOIN input USING(hash) WHERE state=0')
check(kept == [(open(sample, 'rb').read(),)], 'the picture of a job that runs')
p.send_signal(signal.SIGINT)
p.wait(60)
check(rows('SELECT count(*) FROM input') == [(0,)] and rows('SELECT count(*) FROM job_input') == [(0,)],
      'and no longer')

# Of a later limn: an error that says so, and the file is left alone.
for f in glob.glob(str(DB) + '*'):
    os.unlink(f)
limn('library', 'list')
with database() as db:
    db.execute('PRAGMA user_version = 999')
before = DB.read_bytes()
p = limn('library', 'list', code=1)
check('later' in p.stderr or 'newer' in p.stderr, f'later version: {p.stderr}')
check(DB.read_bytes() == before, 'and it is untouched')

# No room: the picture is not half there, and a sentence says why.
for f in glob.glob(str(DB) + '*'):
    os.unlink(f)
p = limn('generate', 'text', '--steps', '1', '--size', '64', '--seed', '8', '-o', f'{home}/full.png', '--preview',
         'none', code=1, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)))
check(not (home / 'full.png').exists() and 'full.png' in p.stderr, f'no room: {p.stderr}')
check(not glob.glob(f'{home}/full.png*') and not glob.glob(f'{home}/.full*'), 'nothing half-written')

finish()
