#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The UI's second door, limn --script: what its words do, what it says of wrong ones, without a terminal and in one.
# `play` is for other tests of the screen: a whole drawing is played in half a second.
# usage: script.py LIMN SOURCE LOADERS [NAME...]
import os, pathlib, re, select, signal, subprocess, sys, tempfile, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import LIMN, SAMPLES, SLOW, SOURCE, check, environment, in_terminal, pixels, png, run, size_of, work


class Home:
    """Somebody's home, and limn in it."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(dir=work.name))
        self.env = environment(self.path)

    def limn(self, *args, folder=None, stdin='', **env):
        return subprocess.run([LIMN, *args], input=stdin, capture_output=True, text=True, timeout=120 * SLOW,
                              cwd=folder or SAMPLES, env=dict(self.env, **env))

    def play(self, script, why, folder=None, code=0, args=(), **env):
        """What the script printed with `save -`: each screen, in order, as one text."""
        p = self.limn('--script', '-', *args, folder=folder, stdin=f'limit {20 * SLOW}\n{script}', **env)
        check(p.returncode == code, f'{why}: exit {p.returncode}, not {code}', p.stderr)
        return p.stdout if code == 0 else p.stderr


class Picture:
    """A PNG of three or four channels of eight bits, as it looks on white."""

    def __init__(self, path):
        self.width, self.height = size_of(path)
        rows, step = pixels(path), 3 * self.width
        self.clear = len(rows) == 4 * self.width * self.height
        if self.clear:
            rows = bytes(255 - ((255 - rows[i + c]) * rows[i + 3] + 127) // 255
                         for i in range(0, len(rows), 4) for c in range(3))
        check(len(rows) == step * self.height, f'{path}: three or four channels')
        self.rows = [rows[i:i + step] for i in range(0, len(rows), step)]

    def at(self, x, y):
        return tuple(self.rows[y][3 * x:3 * x + 3])

    def colours(self, x, y, width, height):
        """How often each colour is in a part."""
        seen = {}
        for row in self.rows[y:y + height]:
            for i in range(x, x + width):
                seen[row[3 * i:3 * i + 3]] = seen.get(row[3 * i:3 * i + 3], 0) + 1
        return seen


# A template, drawn small and in few steps: its own are twelve times as much work.
DRAWN = '''keys 4 End Enter F9
wait F9 draws it
keys :
type size 64
keys Enter :
type steps 2
keys Enter F9
wait done in
settle
'''


def words():
    h = Home()
    screen = h.play('size 80x24\nwait references\nsave -\nsize 120x40\nkeys 8\nwait all commands\nsave -\n',
                    'two screens')
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


def photographs():
    # The screen as a picture: cells of 10 x 20 in the theme's colours, letters where there are letters, the pictures in
    # theirs.
    h = Home()
    (h.path / 'white.png').write_bytes(png((64, 64), b'\xff\x00\x80' * 64 * 64))
    h.play(f'size 60x26\nwait white.png\nkeys End\nsettle\nsave {h.path}/dark.png\nsave {h.path}/a.txt\nkeys :\n'
           'type theme light\nkeys Enter\nsettle\n'
           f'save {h.path}/light.PNG\n', 'photographs', folder=str(h.path))
    dark, light, lines = Picture(h.path / 'dark.png'), Picture(h.path / 'light.PNG'), (h.path / 'a.txt').read_text().split('\n')
    check((dark.width, dark.height) == (600, 520), f'as large as its cells: {dark.width} x {dark.height}')
    near = lambda a, b: max(abs(x - y) for x, y in zip(a, b)) <= 24 # the nearest of 256 colours
    theme = lambda name, role: bytes.fromhex(re.search(
        rf'^{role} = .*on #(\w+)', (pathlib.Path(SOURCE) / f'themes/{name}.theme').read_text(), re.M)[1])
    for picture, name in ((dark, 'dark'), (light, 'light')):
        ground = max(picture.colours(300, 200, 200, 40).items(), key=lambda c: c[1])[0]
        check(near(ground, theme(name, 'text')), f'{name}: the ground is {ground.hex()}')
        check(near(picture.at(599, 5), theme(name, 'title')), f'{name}: the title is {picture.at(599, 5)}')
    blank = [(x, y) for y in range(1, 13) for x in range(60) if x >= len(lines[y]) and x > 24]
    letters = [(x, y) for y in range(1, 13) for x, c in enumerate(lines[y]) if c.isalnum()]
    inked = lambda x, y: len(dark.colours(10 * x, 20 * y, 10, 20)) > 1
    check(len(letters) > 40 and all(inked(*at) for at in letters), 'there is ink in every letter')
    check(len(blank) > 40 and not any(inked(*at) for at in blank), 'and none where there are none')
    shown = sum(n for colour, n in dark.colours(0, 0, 600, 520).items() if near(colour, b'\xff\x00\x80'))
    check(shown >= 60 * 60, f'the picture is in it: {shown} pixels')
    p = h.limn('--script', '-', stdin='wait references\nsave /nonesuch/x.png\n')
    check(p.returncode and '/nonesuch/x.png' in p.stderr, p.stderr)


def limits():
    """As much as a script may have, and one more."""
    h = Home()
    L = dict(re.findall(r'LIMIT_(\w+) = ([^,/]+),', (pathlib.Path(SOURCE) / 'engine/base/limits.h').read_text()))
    for name, script in (('LIMIT_SCRIPT_BYTES', lambda n: '#' * n),
                         ('LIMIT_PATTERN_BYTES',
                          lambda n: 'wait ' + '(a|references)' + '|b' * ((n - 14) // 2) + '|' * (n % 2)),
                         ('LIMIT_PATTERN_GROUPS', lambda n: 'wait references' + '(a*)' * n),
                         ('LIMIT_PATTERN_NESTING', lambda n: 'wait (references|' + '(' * n + 'a' + '+)' * n + ')'),
                         ('LIMIT_PATTERN_NESTING', lambda n: 'wait (references|a' + '?' * n + ')'),
                         ('LIMIT_PATTERN_TIMES', lambda n: 'wait (references|a{1,%d})' % n),
                         ('LIMIT_PATTERN_TIMES', lambda n: 'wait (references|((a{10}){3,%d})+)' % (n // 10 + n % 10))):
        most = eval(L[name[6:]])
        for n, beyond in ((most, 0), (most + 1, 2)):
            p = h.limn('--script', '-', stdin=script(n))
            check(p.returncode == beyond and ('at most' in p.stderr) == bool(beyond),
                  f'{name} at {n}: exit {p.returncode}', p.stderr[-400:])
    for harmless in (r'(references|\\*\\*\\*\\*\\*)', '(references|[*+?(]{2}[]*+?(][^]*+?()][[:alpha:]*+?(])'):
        p = h.limn('--script', '-', stdin=f'wait {harmless}\n')
        check(p.returncode == 0, f'{harmless}: exit {p.returncode}', p.stderr[-400:])
    for bomb in ('(' * 8 + 'x' + '+)?)' * 4, '(' * 24 + 'x' + '+)' * 24,
                 '((((a{1,255}){1,255}){1,255}){1,255})', '(' * 390 + ')', '(e)$t' + '*' * 113,
                 'a{99999999999999999999}', 'a{1,99999999999999999999}'):
        p = h.limn('--script', '-', stdin=f'wait {bomb}\n')
        check(p.returncode == 2 and 'asks for too much' in p.stderr, f'{bomb[:40]}: exit {p.returncode}',
              p.stderr[-400:])


def wrong_words():
    h = Home()
    for line, what in (('wiat x', "unknown word 'wiat'; did you mean 'wait'"), ('keys 4 Foo', "'Foo' is not a key"),
                       ('wait [', 'is not a regular expression'), ('size 3', 'is not a size'),
                       ('size 0x9', 'is not a size'),
                       ('size 80x24x', 'is not a size'), ('settle now', 'settle takes no argument'),
                       ('keys', 'keys needs an argument'),
                       ('limit 0', 'is not a number of seconds'), ('limit nan', 'is not a number of seconds'),
                       ('\x01', 'unknown word')):
        p = h.limn('--script', '-', stdin=f'keys 2\n{line}\n')
        check(p.returncode == 2 and 'standard input:2: ' in p.stderr and what in p.stderr and not p.stdout,
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
    pid, fd = in_terminal([LIMN, '--script', str(script), '--preview', 'none'], dict(h.env, TERM='xterm-256color'),
                          SAMPLES, (80, 24))
    out, end, asked = b'', time.monotonic() + 10 * SLOW, False
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                out += os.read(fd, 1 << 16)
            except OSError:
                break
        if not asked and b'step on' in out:
            os.write(fd, b'q')
            asked = True
    check(b'style' in out and asked, f'its keys are played: {out[-300:]}')
    if not asked:
        os.kill(pid, signal.SIGHUP)
    check(os.waitpid(pid, 0)[1] == 0 and b'\x1b[?1049l' in out, 'and a key of the person ends it')
    os.close(fd)


if __name__ == '__main__':
    run([words, photographs, wrong_words, limits, in_a_terminal])
