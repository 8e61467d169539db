#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The UI's second door, limn --script: what its words do, what it says of wrong ones, without a terminal and in one.
# `play` is for other tests of the screen: a whole drawing is played in half a second.
# usage: script.py LIMN SOURCE LOADERS [NAME...]
import fcntl, os, pathlib, pty, select, signal, struct, subprocess, sys, tempfile, termios, time

LIMN, SOURCE, LOADERS = (os.path.abspath(a) for a in sys.argv[1:4])
ONLY = sys.argv[4:]
SLOW = float(os.environ.get('LIMN_TEST_PATIENCE', '1')) * (4 if 'sanit' in LIMN else 1)
work = tempfile.TemporaryDirectory()
checks = failures = 0


def check(condition, what, text=''):
    global checks, failures
    checks += 1
    if not condition:
        failures += 1
        print('FAILED:', what, text, sep='\n', flush=True)
    return condition


class Home:
    """Somebody's home, and limn in it."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(dir=work.name))
        (self.path / 'run').mkdir(mode=0o700)
        self.env = dict({k: v for k, v in os.environ.items() if k in ('PATH', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS')},
                        HOME=str(self.path), XDG_RUNTIME_DIR=f'{self.path}/run', LC_ALL='C.UTF-8', SHELL='/bin/sh',
                        LIMN_LOADER_PATH=LOADERS, VK_DRIVER_FILES='/dev/null', VK_ICD_FILENAMES='/dev/null')

    def limn(self, *args, folder=None, stdin='', **env):
        return subprocess.run([LIMN, *args], input=stdin, capture_output=True, text=True, timeout=120 * SLOW,
                              cwd=folder or f'{SOURCE}/app/templates/samples', env=dict(self.env, **env))

    def play(self, script, why, folder=None, code=0, args=(), **env):
        """What the script printed with `save -`: each screen, in order, as one text."""
        p = self.limn('--script', '-', *args, folder=folder, stdin=f'limit {20 * SLOW}\n{script}', **env)
        check(p.returncode == code, f'{why}: exit {p.returncode}, not {code}', p.stderr)
        return p.stdout if code == 0 else p.stderr


DRAWN = '''keys 4 End F9
wait done in
settle
'''


def words():
    h = Home()
    screen = h.play('size 80x24\nwait references\nsave -\nsize 120x40\nkeys 8\nwait all commands\nsave -\n', 'two screens')
    lines = screen.split('\n')
    check(len(lines) == 24 + 40 + 1, f'they are as high as was asked for: {len(lines)}', screen)
    check(max(map(len, lines[:24])) <= 80 < max(map(len, lines[24:])) <= 120, 'and as wide', screen)
    h.play(f'wait references\nsave {h.path}/a screen.txt', 'a file')
    check('references' in (h.path / 'a screen.txt').read_text(), 'the screen is in the file')
    screen = h.play('keys i\ntype a hen, q\nwait a hen, q\npaste  and [ref#1] too\nkeys Esc\nsave -', 'text')
    check('a hen, qand [ref#1] too' in screen, 'what is typed and pasted is text', screen)
    screen = h.play('# a comment\n\n  keys 2   \nwait queue\ngone references\nkeys q', 'as a person leaves')
    screen = h.play(DRAWN + 'save -\nkeys 3\nwait 1 picture\nsettle\nsave -', 'a drawing')
    check('done in' in screen and 'newest first' in screen, 'it is drawn, and in the gallery', screen)


def wrong_words():
    h = Home()
    for line, what in (('wiat x', "unknown word 'wiat'; did you mean 'wait'"), ('keys 4 Foo', "'Foo' is not a key"),
                       ('wait [', 'is not a regular expression'), ('size 3', 'is not a size'), ('size 0x9', 'is not a size'),
                       ('size 80x24x', 'is not a size'), ('settle now', 'settle takes nothing'), ('keys', 'keys needs something'),
                       ('limit 0', 'is not a number of seconds'), ('limit nan', 'is not a number of seconds'), ('\x01', 'unknown word')):
        p = h.limn('--script', '-', stdin=f'keys 2\n{line}\n')
        check(p.returncode == 2 and f'standard input:2: ' in p.stderr and what in p.stderr and not p.stdout,
              f'{line!r}: {p.returncode} {p.stderr}')
    p = h.limn('--script', f'{h.path}/none')
    check(p.returncode and 'none' in p.stderr and len(p.stderr.splitlines()) == 1, f'no such file: {p.stderr}')
    (h.path / 'here.limn').write_text('limit 0.3\nkeys 2\nwait nonsense\n')
    begin = time.monotonic()
    p = h.limn('--script', f'{h.path}/here.limn')
    check(p.returncode == 2 and "here.limn:3: after 0.3 s the screen does not have 'nonsense'" in p.stderr, p.stderr)
    check('queue' in p.stderr and time.monotonic() - begin < 10 * SLOW, 'and the screen is shown as it was', p.stderr)
    p = h.limn('--script', '-', stdin='limit 0.3\ngone compose\n')
    check("still has 'compose'" in p.stderr, p.stderr)
    p = h.limn('--script', '-', stdin='wait references\nsave /nonesuch/x\n')
    check(p.returncode and '/nonesuch/x' in p.stderr, p.stderr)


def in_a_terminal():
    # The keys are played, the size is the terminal's, and then the person goes on.
    h = Home()
    script = h.path / 'morning.limn'
    script.write_text('size 30x10\nkeys 4\nwait styled-subject\nkeys 2\n')
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        os.execve(LIMN, [LIMN, '--script', str(script), '--preview', 'none'], dict(h.env, TERM='xterm-256color'))
    out, end, asked = b'', time.monotonic() + 10 * SLOW, False
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                out += os.read(fd, 1 << 16)
            except OSError:
                break
        if not asked and b'later' in out:
            os.write(fd, b'q')
            asked = True
    check(b'style' in out and asked, f'its keys are played: {out[-300:]}')
    if not asked:
        os.kill(pid, signal.SIGHUP)
    check(os.waitpid(pid, 0)[1] == 0 and b'\x1b[?1049l' in out, 'and a key of the person ends it')
    os.close(fd)


def run(tests):
    for test in tests:
        if not ONLY or test.__name__ in ONLY:
            test()
    print(f'{checks} checks, {failures} failures')
    sys.exit(bool(failures))


if __name__ == '__main__':
    run([words, wrong_words, in_a_terminal])
