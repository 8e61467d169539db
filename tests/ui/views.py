#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The views of the terminal UI, played through its second door (script.py): what keys do and what is then on the screen.
# usage: views.py LIMN SOURCE LOADERS [NAME...]
import os, pathlib, re, shutil, sqlite3, sys, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import LIMN, SANITIZED, SLOW, SOURCE, check, drawn, png, run, skip
from script import DRAWN, Home, Picture


def pictures(h):
    """Those of the library, in its own words: (id, rating, tags, deleted, seed, file)."""
    with sqlite3.connect(h.path / '.local/share/limn/library.db') as db:
        return db.execute('SELECT id, rating, tags, deleted, seed, file FROM picture ORDER BY id').fetchall()


def gallery():
    h = Home()
    h.play(DRAWN + 'keys r\nwait done in\nsettle\nkeys r\nwait done in\nsettle', 'three drawings')
    check(len(pictures(h)) == 3, 'three pictures')
    # Keys act on what is marked; u brings back together what went together.
    screen = h.play('keys 3\nsettle\nkeys Space Right Right Space * 4 t\ntype best\nkeys Enter\nwait 2 marked\nsave -',
                    'marked')
    check([p[1:3] for p in pictures(h)] == [(4, 'best'), (0, ''), (4, 'best')], f'both that are marked: {pictures(h)}',
          screen)
    h.play('keys 3\nsettle\nkeys Right Space Left Space End Space /\ntype *4\nkeys Enter\nwait 2 pictures, \n'
           'keys Enter\nsettle\nkeys Esc / ^U Enter\nwait 3 pictures, .*3 marked\nkeys x\nwait 0 pictures, \nkeys u\n'
           'wait 3 pictures, ', 'a mark that a search hides outlives a comparison of the others')
    h.play('keys 3\nsettle\nkeys Space Right Right Space x\nwait removed 2 pictures\nwait 1 picture,\nkeys u\n'
           'wait 3 pictures\nkeys x\n'
           'wait 2 pictures\n', 'removed')
    check(sum(p[3] for p in pictures(h)) == 1, 'one is removed after all')
    h.play('keys 3 / *\ntype 4\nwait 1 picture, \nkeys Esc\nwait 2 pictures',
           'a filter is seen while it is written, and Esc takes it back')
    h.play('keys 3 /\ntype template:tex model:ICONS\nwait 2 pictures, \nkeys ^U\ntype template:edge\nwait 0 pictures\n'
           'keys ^U\ntype model:klein\nwait 0 pictures\n'
           'keys Esc\nwait 2 pictures', 'by template and model')
    h.limn('library', 'undelete', '3')
    # The comparison says what differs, and the key acts on what is chosen in it.
    seeds = [p[4] for p in pictures(h)]
    screen = h.play('keys 3\nsettle\nkeys End Space Left Space Enter\nsettle\nsave -\nkeys Enter\nsettle\nsave -\n'
                    'keys Right Esc D\nsettle\n'
                    'save -\nkeys Esc * 5 Esc', 'compared')
    third = len(screen) // 3
    both, alone, difference = screen[:third], screen[third:2 * third], screen[2 * third:]
    check(f'seed {seeds[0]}' in both and f'seed {seeds[1]}' in both, 'the seeds are written out', both)
    check((f'seed {seeds[0]}' in alone) != (f'seed {seeds[1]}' in alone), 'one at a time, in the same place', alone)
    check('where 1 and 2 differ' in difference, 'and the difference', difference)
    check([p[1] for p in pictures(h)][:2] == [5, 0], f'a key acts on the chosen one: {pictures(h)}')


def gone():
    h = Home()
    h.play(DRAWN, 'one')
    os.unlink(pictures(h)[0][5])
    screen = h.play('keys 3\nwait its file is gone; x removes the entry\nsettle\nsave -\nkeys x\nwait 0 pictures',
                    'a picture without its file')
    check('No such file' in screen, 'its place says why it is empty', screen)


def zoom():
    h = Home()
    folder = h.path / 'pictures'
    folder.mkdir()
    h.play(DRAWN, 'one')
    one = pictures(h)[0][5]
    for i in range(60):
        shutil.copy(one, folder / f'p-{i}.png')
    h.limn('library', 'import', str(folder))
    ids = lambda screen: len(re.findall(r'(?<![\w.])\d+(?= |$)',
                                        '\n'.join(l for l in screen.split('\n') if re.fullmatch(r'[\d +]+', l))))
    screen = h.play('size 120x40\nkeys 3\nsettle\nsave -', 'as it comes')
    larger = h.play('size 120x40\nkeys 3 + + +\nsettle\nsave -', 'larger')
    smaller = h.play('size 120x40\nkeys 3 - -\nsettle\nsave -', 'smaller')
    check(0 < ids(larger) < ids(screen) < ids(smaller), f'{ids(larger)} < {ids(screen)} < {ids(smaller)}', screen)


def ten_thousand():
    if SANITIZED:
        return skip('ten thousand pictures: a small gallery runs the same code under the sanitizers')
    # A library of ten thousand pictures: all are listed, a key is a moment, a filter goes through all of them.
    h = Home()
    h.play(SMALL, 'one')
    with sqlite3.connect(h.path / '.local/share/limn/library.db') as db:
        names = [c[1] for c in db.execute('PRAGMA table_info(picture)')]
        row = dict(zip(names, db.execute('SELECT * FROM picture').fetchone()))
        for i in range(2, 10001):
            os.symlink(row['file'], h.path / f'p{i}.png')
            new = dict(row, id=i, file=f'{h.path}/p{i}.png', seed=i, rating=5 if i % 100 == 0 else 0)
            db.execute(f'INSERT INTO picture VALUES({",".join("?" * len(names))})', [new[n] for n in names])
    seconds = []
    for keys in ('', 'Right ' * 300 + 'End Home ' * 100, '/ *\ntype 5\nkeys Enter'):
        began = time.monotonic()
        screen = h.play(f'keys 3\nwait 10000 pictures\n{"keys " + keys if keys else ""}\nsave -', 'ten thousand')
        seconds.append(time.monotonic() - began)
    check('100 pictures' in screen, 'those with five stars', screen)
    check(seconds[1] - seconds[0] < 5 * SLOW, f'500 moves in {seconds[1] - seconds[0]:.2f} s')
    check(seconds[2] - seconds[0] < 2 * SLOW, f'a filter in {seconds[2] - seconds[0]:.2f} s')


def material():
    h = Home()
    h.play(DRAWN, 'one')
    (id, _, _, _, seed, file), = pictures(h)
    before = h.play('keys i\ntype mine\nkeys Esc 3\nsettle\nkeys a\nkeys 1\nwait \\[ref#1\\]\nsave -', 'as a reference')
    check('mine [ref#1]' in before, 'it is a reference of what is being written', before)
    screen = h.play('keys 3\nsettle\nkeys S\nwait starts from this picture\nsave -\nkeys u\nwait mine\nsave -',
                    'the start')
    check(re.search(r'start .*' + os.path.basename(file), screen), 'it is where the drawing starts', screen)
    check('mine [ref#1]' in screen, 'and u brings back what was there', screen)
    h.play('keys 3\nsettle\nkeys v\nsettle\nwait 2 pictures', 'a variation')
    check(pictures(h)[1][4] == seed, 'of the same seed')
    p = h.limn('generate', pictures(h)[1][5], '--preview', 'none', '-o', f'{h.path}/v.png', '--no-library')
    check(p.returncode == 0, f'it can be drawn again: {p.stderr}')
    check((h.path / 'v.png').read_bytes() == pathlib.Path(pictures(h)[1][5]).read_bytes() !=
          pathlib.Path(file).read_bytes(), 'the same, and another')
    screen = h.play('keys 3\nsettle\nkeys End L\nsave -\nkeys 1\nsave -\nkeys 3 L 1\nsave -', 'its seed')
    check(f'this seed, {seed}' in screen and screen.count(f'seed {seed}') >= 2 and 'seed new' in screen,
          'kept and freed', screen)
    screen = h.play(f'keys 3\nsettle\nkeys End y s\nwait copied: {seed}\nkeys y i\nwait copied: .ref#1. red apple\n'
                    'keys y p\nwait copied: /', 'copied')
    h.play(f'keys 3\nsettle\nkeys End E ^U\ntype {h.path}/plain.png\nkeys Enter\nwait picture alone', 'exported')
    plain = (h.path / 'plain.png').read_bytes()
    check(b'Text' not in plain and b'zTXt' not in plain and b'IDAT' in plain, 'without its instruction')
    check(h.limn('generate', f'{h.path}/plain.png', '--preview', 'none').returncode == 2, 'so it cannot be drawn again')
    screen = h.play(f'keys 3\nsettle\nkeys End E ^U\ntype {h.path}/plain.png\nkeys Enter\nsave -', 'over it')
    check('already exists' in screen and plain == (h.path / 'plain.png').read_bytes(), 'nothing is written over',
          screen)
    viewer = h.path / 'viewer'
    viewer.write_text(f'#!/bin/sh\nprintf %s "$1" >{h.path}/seen\n')
    viewer.chmod(0o755)
    h.play('keys 3\nsettle\nkeys End O\nwait viewer has', 'the viewer', LIMN_VIEWER=str(viewer))
    for _ in range(100):
        if (h.path / 'seen').exists() and (h.path / 'seen').read_text():
            break
        time.sleep(0.05)
    check((h.path / 'seen').read_text() == file, 'gets the file')
    screen = h.play('keys 3\nsettle\nkeys O\nsave -', 'no viewer', LIMN_VIEWER='nonesuch')
    check('nonesuch is not installed' in screen, 'is said', screen)
    # The same keys where the picture has just come.
    h.play(DRAWN + 'keys y s\nwait copied: [0-9]+$\nkeys S\nwait starts from this picture', 'from the live view')


SMALL = '''keys :
type size 64
keys Enter :
type steps 4
keys Enter i
type a red apple
keys Esc F9
wait done in
settle
'''


def to_start():
    """Keys from the first field of the form of parameters to the picture to start from; the mask is the next one."""
    rows = re.findall(r'^PARAMETER\(\w+, (\w+)', (pathlib.Path(SOURCE) / 'app/job/parameters.def').read_text(), re.M)
    return 'Down ' * [r for r in rows if r != 'dummy'].index('strength')


def painting():
    # A mask in cells: only what is white in it is redrawn; u takes it back, and it is there at the next start.
    h = Home()
    h.play(SMALL, 'one')
    (_, _, _, _, _, file), = pictures(h)
    corner = 'keys - ' + 'H ' * 12 + 'K ' * 12 # the brush is one cell, in the upper left corner
    screen = h.play(f'size 100x40\nkeys 3\nsettle\nkeys M\nwait mask:\nsettle\n{corner}Space\nsave -\nkeys u\nsave -\n'
                    'keys a\nsave -\nkeys i\nsave -\n'
                    'keys r L L j j j j r\nsave -\nkeys b Down Down b\nsave -\nkeys c Enter\nwait there is no mask',
                    'keys')
    shares = [float(x) for x in re.findall(r'([\d.]+) % is redrawn', screen)]
    check(shares[1:4] == [0, 100, 0] and 0 < shares[0] < 1 < shares[4] <= shares[5],
          f'a dab, undone, all, inverted, a rectangle, a brush: {shares}', screen)
    screen = h.play(f'size 100x40\nkeys 3\nsettle\nkeys M\nwait mask:\nsettle\n{corner}r {"L " * 12}{"j " * 18}r\n'
                    'save -\nkeys Enter\nwait is redrawn: i and write\n'
                    'save -\nkeys M\nwait [45][0-9].[0-9]+ % is redrawn\nkeys Enter\nwait painted.png\nkeys u\nkeys u\n'
                    'gone painted.png\nkeys ]\nwait painted.png\nkeys i ^U\ntype a blue whale\n'
                    'keys Esc\nsettle', 'the upper half')
    half = float(re.search(r'([\d.]+) % is redrawn', screen)[1])
    check(40 < half < 60 and re.search('mask .*painted.png', screen), f'half of it: {half}', screen)
    h.play('wait blue whale\nkeys M\nwait mask:\nsettle\nkeys Enter\nwait mask .*painted.png', 'left as it was')
    screen = h.play('wait blue whale\nsave -\nkeys F9\nwait done in\nsettle', 'the next day')
    check(re.search('mask .*painted.png', screen), 'the mask is still there', screen)
    first, second = Picture(file), Picture(pictures(h)[1][5])
    rows = int(first.height * half / 100)
    check(first.clear and second.clear, 'both are transparent')
    differ = [sum(abs(a - b) > 1 for a, b in zip(first.rows[y], second.rows[y])) for y in range(first.height)]
    check(not any(differ[rows + 1:]), 'what is black is as it was, to the rounding of its colours')
    # Rows of nothing but transparent ground are alike in both.
    check(sum(d > 0 for d in differ[:rows - 1]) > 0.7 * rows, f'and what is white is not: {differ}')
    # A mask from a file is painted further; a picture that has gone says so.
    (h.path / 'half.png').write_bytes(png((64, 64), drawn((64, 64), lambda x, y: 255 * (y < 32))))
    shutil.copy(file, h.path / 'start.png')
    h.play(f'size 100x40\nkeys n Esc p {to_start()}\ntype {h.path}/start.png\nkeys Enter Down\ntype {h.path}/half.png\n'
           'keys Enter Enter\nwait mask .*half.png\nsettle\nkeys M\nwait 50.00 % is redrawn\nkeys Esc', 'half.png')
    (h.path / 'start.png').unlink()
    h.play('wait start.png\nkeys M\nwait start.png: No such file', 'without its file')
    screen = h.play('wait references\nkeys n Esc S-Tab M\nsave -', 'without a picture to start from')
    check('a mask is painted over the picture to start from' in screen, 'how to get one is said', screen)


def sheet_of_contacts():
    h = Home()
    h.play(SMALL + 'keys r\nwait done in\nsettle\nkeys r\nwait done in\nsettle', 'three')
    files = [Picture(p[5]) for p in pictures(h)]
    h.play(f'keys 3\nsettle\nkeys C ^U\ntype {h.path}/all.png\nkeys Enter\nwait 3 pictures on\n'
           'keys Space Right Space C\nwait the marked 2\nkeys ^U\n'
           f'type ~/two.png\nkeys Enter\nwait 2 pictures on\nkeys C ^U\ntype ~/two.png\nkeys Enter\nwait already exists',
           'sheets')
    whole, two = Picture(h.path / 'all.png'), Picture(h.path / 'two.png')
    check(whole.width == two.width == 8 + 2 * (256 + 8) and whole.height > two.height > 256,
          f'{whole.width} x {whole.height}, {two.width} x {two.height}')
    tiles = [whole.colours(8 + x * 264, 8 + y * (256 + 18 + 8), 256, 256) for y, x in ((0, 0), (0, 1), (1, 0))]
    means = lambda colours: [sum(c[i] * n for c, n in colours.items()) / sum(colours.values()) for i in range(3)]
    for tile, picture in zip(tiles, reversed(files)): # the newest comes first
        off = max(abs(a - b) for a, b in zip(means(tile), means(picture.colours(0, 0, picture.width, picture.height))))
        check(off < 3, f'each tile is its picture: {off}')
    check(len(whole.colours(8, 8 + 256, 256, 18)) > 10, 'and has a caption')
    (h.path / 'gone').mkdir()
    for p in pictures(h)[1:]:
        os.rename(p[5], h.path / 'gone' / os.path.basename(p[5]))
    screen = h.play(f'keys 3\nsettle\nkeys C ^U\ntype {h.path}/one.png\nkeys Enter\nwait 1 of 3 pictures on',
                    'with files that are gone')


def larger():
    # The size of a first pass, then the whole one: the same picture.
    h = Home()
    h.play(SMALL, 'small')
    h.play('keys 3\nsettle\nkeys U\nwait being drawn larger\nkeys 2\nwait done in\nsettle\nkeys U\n'
           'wait draws 256 x 256 at most', 'larger')
    small, large = (Picture(p[5]) for p in pictures(h))
    check((small.width, large.width) == (64, 256), f'{small.width}, {large.width}')
    check(pictures(h)[0][4] == pictures(h)[1][4], 'of the same seed')
    far = [abs(sum(large.at(4 * x + i, 4 * y + k)[c] for i in range(4) for k in range(4)) / 16 - small.at(x, y)[c])
           for x in range(0, 64, 4) for y in range(0, 64, 4) for c in range(3)]
    check(sum(far) / len(far) < 12, f'and the same composition: {sum(far) / len(far)}')
    # Before the worker has said what its models can do, which it is asked here once the viewer has run: the pictures
    # that U was pressed on, whatever other keys are about by then.
    go = h.path / 'go'
    held = f"""#!{sys.executable}
import os, subprocess, time
worker = subprocess.Popen([{LIMN!r}, 'worker', '--stdio'], stdin=subprocess.PIPE, bufsize=0)
while data := os.read(0, 65536):
    while b'"describe"' in data and os.path.isdir({str(h.path)!r}) and not os.path.exists({str(go)!r}):
        time.sleep(0.02)
    worker.stdin.write(data)
"""
    for name, text in ('ssh', held), ('viewer', f'#!/bin/sh\ntouch {go}\n'):
        (h.path / name).write_text(text)
        (h.path / name).chmod(0o755)
    h.play('keys 3\nsettle\nkeys End U U Home O\nwait being drawn larger\nkeys 3\nwait 4 pictures, \nsettle',
           'asked early', args=('--host', 'slow'), LIMN_SSH=f'{h.path}/ssh', LIMN_VIEWER=f'{h.path}/viewer')
    widths = [Picture(p[5]).width for p in pictures(h)]
    check(widths == [64, 256, 256, 256], f'both are drawn: {widths}')


def queue():
    # `one` takes long; the two behind it change places, wait, and are drawn in the new order.
    h = Home()
    write = lambda text: f'keys 1 i ^U\ntype {text}\nkeys Esc F9\n'
    steps = lambda n: f'keys :\ntype steps {n}\nkeys Enter\n'
    screen = h.play('keys :\ntype size 64\nkeys Enter :\ntype retrieve 0\nkeys Enter\n' + steps(1000) + write('one') +
                    'wait step [0-9]+ of 1000\n' + steps(3) + write('two') + write('three') +
                    'wait 3 left, [0-9]+ (s|min)\nkeys G K\nsave -\nkeys P\nwait paused: 3 to do\ngone waiting\n'
                    'save -\n' +
                    write('four') + 'save -\nkeys g x\nwait stopped\nsave -\nkeys P\ngone left\nsettle\nsave -\n',
                    'a queue')
    moved, paused, more, stopped, done = (screen.split('\n')[30 * i:30 * i + 30] for i in range(5))
    # Two lines a job: its state, with times and seed, and its words.
    left = lambda line: line.split('│')[0].strip()
    rows = lambda lines: [re.sub(r'( done)? +[\d.]+( s\b.*)?$', r'\1',
                                 ' ' + left(lines[i])).strip() + ' ' + left(lines[i + 1]) for i in range(2, 10, 2)]
    check([r.replace('waiting', 'to do') for r in rows(moved)[1:3]] == ['to do three', 'to do two'],
          f'moved: {rows(moved)}')
    check(rows(paused)[1:3] == ['to do three', 'to do two'], f'paused: {rows(paused)}')
    check(rows(more)[3] == 'to do four' and any('it waits: the queue is paused, P continues' in l for l in more),
          f'what is new waits, too: {rows(more)}')
    check(rows(stopped)[0] == 'stopped one' and rows(stopped)[1] == 'to do three',
          f'nothing begins by itself: {rows(stopped)}')
    check(rows(done)[1:4] == ['done three', 'done two', 'done four'], f'done: {rows(done)}')
    with sqlite3.connect(h.path / '.local/share/limn/library.db') as db:
        drawn = [i for i, in db.execute('SELECT instruction FROM picture ORDER BY id')]
        check(drawn == ['three', 'two', 'four'], f'in the order of the list: {drawn}')
        check(not db.execute('SELECT count(*) FROM job WHERE state=0').fetchone()[0], 'and no job is left open')
    screen = h.play(steps(1000) + write('one') + write('two') +
                    'wait 2 left\nkeys X n\nsave -\nkeys X y\nwait queue ─\nsave -', 'all stopped')
    check('2 left' in screen[:200] and screen.count('stopped') >= 2, 'once it is said', screen)
    screen = h.play('keys :\ntype bell\nkeys Enter\nsave -\nkeys :\ntype bell\nkeys Enter\nsave -', 'the bell')
    check('no bell' in screen and 'a bell when' in screen, 'can be turned off', screen)


def templates():
    h = Home()
    own = h.path / '.local/share/limn/templates'
    # A sample of what it draws stands beside each that limn's own model draws: there are pixels of it in that place.
    # Those for other models are not listed before such a model is chosen, or a filter asks for them.
    shipped = {p.stem: p.read_text() for p in (pathlib.Path(SOURCE) / 'app/templates').glob('*.yaml')}
    screen = h.play('size 120x40\nkeys 4 End\nsettle\nsave -', 'the last')
    check('styled-subject' in screen and 'klein-' not in screen, 'those for other models are hidden', screen)
    screen = h.play('size 120x40\nkeys 4 /\ntype klein-edit\nsettle\nsave -', 'asked for')
    check('FLUX.2 klein: changes one picture' in screen, 'and shown where a filter asks for them', screen)
    for name in sorted(name for name, text in shipped.items() if 'family:' not in text):
        sample = (pathlib.Path(SOURCE) / f'app/templates/results/{name}.png').read_bytes()
        check(sample[16:24] == bytes((0, 0, 0, 160)) * 2, f'{name} has a sample of 160 x 160')
    screen = h.play(f'size 120x40\nkeys 4 Home\nsettle\nsave -\nsave {h.path}/shown.png', 'the first')
    line, = (i for i, l in enumerate(screen.split('\n')) if 'what it draws' in l)
    column = screen.split('\n')[line].index('what it draws')
    place = Picture(h.path / 'shown.png').colours(10 * column, 20 * (line - 10), 200, 200)
    check(sum(n for c, n in place.items() if min(c) > 230) > 4000 and len(place) > 200, 'and is shown', screen)
    # Above its form are the sentence and the pictures as they have been filled in.
    screen = h.play('size 100x30\nkeys 4 End Up Up Enter Down\ntype blue cat\nkeys Tab\nsettle\nsave -', 'a form')
    check('Draw [ref#1] blue cat in the style' in screen and 'what it draws' in screen.split('┌')[0], 'is seen', screen)
    editor = dict(EDITOR="sed -i 's/red fox/blue hen/'")
    screen = h.play('keys :\ntype size 64\nkeys Enter 4 n\ntype mine\nkeys Enter\nwait blue hen\nsave -\nkeys F9\n'
                    'wait done in\nsettle\nsave -', 'a new one', **editor)
    check('Draw blue hen in noto style' in screen, 'is edited and drawn', screen)
    screen = h.play('keys 4 n\ntype mine\nkeys Enter\nsave -\nkeys n\ntype ../x\nkeys Enter\nsave -', 'names', **editor)
    check('there is a template mine already' in screen and 'is not a name for a template' in screen, 'are looked at',
          screen)
    # A copy of one that comes with limn, pictures and all; one that comes with limn stays as it is.
    screen = h.play('keys 4 /\ntype styled\nkeys Enter e\nsave -\nkeys x\nsave -\nkeys c Enter\n'
                    'wait my-styled-subject is yours\nsave -', 'a copy')
    check(screen.count('it comes with limn') >= 1 and screen.count('comes with limn: make a copy') == 1,
          'they are limn\'s', screen)
    check((own / 'my-styled-subject.yaml').exists() and list(own.glob('samples/*.png')),
          f'its pictures come along: {list(own.rglob("*"))}')
    p = h.limn('generate', 'my-styled-subject', '--steps', '1', '--size', '64', '--preview', 'none', '--no-library',
               '-o', f'{h.path}/x.png')
    check(p.returncode == 0, f'it draws: {p.stderr}')
    h.play('keys 4 /\ntype my-st\nkeys Enter m ^U\ntype second\nkeys Enter\nwait second is its new name', 'another name')
    check((own / 'second.yaml').exists() and not (own / 'my-styled-subject.yaml').exists(), 'it has it')
    screen = h.play('keys 4 /\ntype second\nkeys Enter x\nwait removed; u brings it back\nsave -\nkeys u\n'
                    'wait second is back\nsave -', 'taken away')
    check((own / 'second.yaml').exists(), 'and brought back')
    screen = h.play('keys 4 /\ntype second\nkeys Enter e\nsave -', 'a fault',
                    EDITOR="sed -i 's/^instruction:/intsruction:/'")
    check('second.yaml:' in screen and 'instruction' in screen, 'that the editor left is said with its line', screen)
    screen = h.play('keys 4 /\ntype sketch\nsave -\nkeys Esc\nsave -', 'the filter')
    check('style-transfer' not in screen[:len(screen) // 2] and 'style-transfer' in screen[len(screen) // 2:],
          'is seen as it is written', screen)


def files():
    h = Home()
    folder = h.path / 'pictures'
    (folder / 'deep').mkdir(parents=True)
    samples = sorted(pathlib.Path(SOURCE, 'app/templates/samples').glob('*.png'))[:5]
    for i, (name, source) in enumerate(zip(('a2.png', 'a10.png', 'b.png', '.secret.png', 'c.png'), samples)):
        shutil.copy(source, folder / name)
        os.utime(folder / name, (1e9 + 1e6 * (i % 3), 1e9 + 1e6 * (i % 3)))
    (folder / 'text.txt').write_text('no picture')
    listed = lambda screen: re.findall(r'^ ?\+?([\w./]+\.png|deep/)', screen.replace('│', ' '), re.M)
    screen = h.play('size 120x40\nsettle\nsave -', 'names', folder=folder)
    check(listed(screen) == ['deep/', 'a2.png', 'a10.png', 'b.png', 'c.png'],
          f'folders first, as people count: {listed(screen)}', screen)
    bytes_of = (folder / 'a2.png').stat().st_size
    digits = 1 if bytes_of / 1024 < 9.95 else 0
    shown = f'{bytes_of}B' if bytes_of < 1000 else f'{bytes_of / 1024:.{digits}f}K'
    check(re.search(r'a2\.png +' + shown, screen), f'with their size: {shown}', screen)
    screen = h.play('size 120x40\nkeys s\nsave -', 'newest', folder=folder)
    check(listed(screen) == ['deep/', 'b.png', 'a10.png', 'c.png', 'a2.png'], f'the newest first: {listed(screen)}')
    screen = h.play('size 120x40\nkeys s s\nsave -', 'largest', folder=folder)
    sizes = [(folder / n).stat().st_size for n in listed(screen)[1:]]
    check(len(sizes) == 4 and sizes == sorted(sizes, reverse=True), f'the largest first: {sizes}')
    screen = h.play('size 120x40\nkeys .\nsave -', 'hidden', folder=folder)
    check('.secret.png' in listed(screen), f'hidden ones, when asked: {listed(screen)}')
    screen = h.play('size 120x40\nkeys /\ntype a1\nsave -\nkeys Esc\nsave -', 'filter', folder=folder)
    check(listed(screen[:len(screen) // 2]) == ['a10.png'] and len(listed(screen[len(screen) // 2:])) == 5,
          'a filter as it is written, and Esc', screen)
    screen = h.play('size 120x40\nkeys Down Space Down Space a\nwait \\[ref#2\\]\nsettle\nsave -', 'several',
                    folder=folder)
    check(re.search(r'\[ref#1\].*a2\.png', screen) and re.search(r'\[ref#2\].*b\.png', screen),
          'all that are marked are added', screen)
    screen = h.play('size 120x40\nkeys B\nwait bookmark set: b 1\nkeys :\ntype cd /\nkeys Enter b\nsave -\nkeys 1\n'
                    'save -\nkeys b s\nsave -\nkeys b h\nsave -\n'
                    'keys :\ntype cd /nonesuch\nkeys Enter\nsave -', 'places', folder=folder)
    screens = [screen.split('\n')[40 * i:40 * i + 40] for i in range(5)]
    check('1 ~/pictures' in '\n'.join(screens[0]) and '─ ~/pictures' in screens[1][1], 'a bookmark', screen)
    check('samples' in screens[2][1] and '─ ~ ' in screens[3][1], 'the samples, the home')
    check('/nonesuch' in '\n'.join(screens[4]), 'a folder that is not there is said')


def choosing():
    # Where a value is a file, Space opens the files in place of the view: what is chosen there becomes the value, Esc
    # leaves it.
    h = Home()
    folder = h.path / 'pictures'
    (folder / 'deep').mkdir(parents=True)
    samples = pathlib.Path(SOURCE, 'app/templates/samples')
    for name, where in (('cat-noto.png', folder), ('dog-twemoji.png', folder), ('snail-noto.png', folder / 'deep')):
        shutil.copy(samples / name, where)
    screen = h.play('size 100x30\nkeys 4 /\ntype style-transfer\nkeys Enter Enter\nwait Space chooses a file\n'
                    'keys Space\nwait style-transfer: content\nsettle\n'
                    'save -\nkeys Esc\nwait dolphin-fluent-color.png\nkeys Space b h\nwait ─ ~\nkeys Enter\n'
                    'wait ~/pictures\nkeys / d o g\nsave -\n'
                    'keys Enter Enter\nwait pictures/dog-twemoji.png\nkeys Down Space Esc Enter\n'
                    'wait from the template\nsettle\nsave -', 'a template', folder=str(folder))
    first, filtered, composed = (screen.split('\n')[30 * i:30 * i + 30] for i in range(3))
    check(any(l.startswith(' dolphin-fluent-color.png') for l in first) and 'app/templates/samples' in first[2],
          'it begins where the value lies', screen)
    check(sum('.png' in l for l in filtered) == 1, 'a filter as in the composer', screen)
    check(any(re.search(r'\[ref#2\] .*dog-twemoji.png', l) for l in composed), 'what was chosen', screen)
    # Another picture in a reference's place; a picture to start from, and a mask; what is no file keeps the form.
    start = to_start()
    h = Home()
    screen = h.play('size 100x30\nkeys Down a\nwait \\[ref#1\\] is\nkeys Tab Tab Enter\nwait role {3}\n'
                    'keys End Space Down Enter\n'
                    'wait …/pictures/dog-twemoji.png\nkeys Enter\nwait unchanged +dog-twemoji.png\nkeys p ' + start +
                    '\nwait a picture to draw from\n'
                    'keys Space Home Enter Enter\nwait pictures/deep/snail-noto.png\nkeys Enter\n'
                    'wait start .*snail-noto.png\nkeys p ' + start + 'Down\n'
                    'type nonesuch.png\nkeys Enter Enter\nwait there is no file nonesuch.png\nsave -\nkeys Esc p ' +
                    start + 'Backsp ^U Enter Enter\n'
                    'gone snail-noto', 'references', folder=str(folder))
    check('white is redrawn' in screen, 'what is no file keeps the form', screen)


def models():
    h = Home()
    screen = h.play('size 120x40\nkeys 5\nwait limn-icons\nsave -\nkeys Enter\nsave -\nkeys 1\nsave -\nkeys p ' +
                    'Down ' * 3 + '\nsave -', 'the card')
    for words in ('256 x 256 pixels, or 64 x 64', 'up to 8', r'24 steps of euler-a', 'MiB; cpu has', 'mit',
                  'app/models/limn-icons'):
        check(re.search(words, screen), f'{words} is on the card', screen)
    check('* limn-icons' in screen and 'model limn-icons' in screen, 'Enter chooses it', screen)
    for words in ('auto (a new one)', 'auto (24)', 'auto (1)'):
        check(words in screen, f'the form of parameters says what it does unless it is told: {words}', screen)


def log():
    h = Home()
    screen = h.play(DRAWN + 'keys 7\nsave -', 'the log')
    check(re.search(r'\d\d:\d\d:\d\d drawn in \d+\.\d s, seed \d+: .*red apple', screen),
          'has what was drawn, and when', screen)
    h.play('keys :\ntype dtype f16\nkeys Enter :\ntype device cpu\nkeys Enter i\ntype a hen\nkeys Esc F9\n'
           'wait f16 is very slow on this device\nkeys X y', 'a slow type is said before it is waited for')
    screen = h.play('keys :\ntype model nonesuch\nkeys Enter i\ntype a hen\nkeys Esc F9\nwait there is no model .nonesuch\n'
                    'keys 7\nsave -', 'a job that fails')
    check(screen.count("there is no model 'nonesuch'") == 1, 'is in the log once', screen)


def curve():
    h = Home()
    (h.path / 'begun').mkdir()
    log = h.path / 'begun/log.jsonl'
    log.touch()
    screen = h.play(f'keys 6 a\ntype {h.path}/begun\nkeys Enter\nwait its curve begins with the first step\nsave -',
                    'before the first step')
    check('inf' not in screen and 'no steps yet' in screen, 'no numbers that are none', screen)
    # From 1.0 down to 0.1, evenly: the line falls from the upper left corner to the lower right one.
    log.write_text(''.join(f'{{"step": {i}, "loss": {1.0 - 0.9 * (i - 1) / 299}}}\n' for i in range(1, 301)))
    for args, sign in (('', '[\u2801-\u28ff]'), (':\ntype curve\nkeys Enter', '[\u2580\u2584\u2588]')):
        screen = h.play(f'keys 6 {args}\nwait ^ +step 1 +300\nsave -', 'a curve')
        columns = [[m.start() for m in re.finditer(sign, line)] for line in screen.split('\n')]
        columns = [c for c in columns if c]
        check(len(columns) > 4 and all(a[-1] <= b[0] + 1 for a, b in zip(columns, columns[1:])),
              'it falls evenly', screen)
        check(columns[0][0] <= 10 and columns[-1][-1] > 43, 'through all of its half', screen)
    screen = h.play('keys 6\nwait mean loss\nsave -', 'in words', args=('--plain',))
    told = [float(x) for x in re.findall(r'step \d+: ([\d.]+)', screen)]
    check(len(told) > 3 and told == sorted(told, reverse=True) and told[0] > 0.9 > 0.2 > told[-1], f'{told}', screen)
    check(not re.search('[\u2500-\u28ff]', screen), 'without lines and dots', screen)


def one_of_several():
    # Tab chooses one of a job's pictures; keys act on it, and x keeps it out while the job is drawn.
    h = Home()
    screen = h.play('keys :\ntype count 3\nkeys Enter :\ntype seed 40\nkeys Enter :\ntype size 64\nkeys Enter :\n'
                    f'type steps {12 if SANITIZED else 60}\nkeys Enter i\ntype a hen\nkeys Esc F9\n'
                    'wait step [0-9]\nkeys Tab Tab x\nwait seed 41 is not kept\nwait done in\nsettle\nsave -\n'
                    'keys Tab Tab y s\nwait copied: 40\nkeys S-Tab Enter\nsave -', 'three, and two of them kept')
    check([p[4] for p in pictures(h)] == [40, 42], f'not that one: {[p[4] for p in pictures(h)]}', screen)
    check('not kept' in screen, 'which its place says', screen)
    # For a screen reader a line says one picture, or one thing.
    screen = h.play('keys 3\nwait 2 pictures\nsettle\nsave -\nkeys * 4\nwait 4 stars\nkeys Space Down Space '
                    'Enter\nsettle\nsave -',
                    'read aloud', args=('--plain',))
    list_, both = screen.split('\n')[:30], screen.split('\n')[30:]
    check([re.match(r' picture (\d): a .*hen', l)[1] for l in list_[2:4]] == ['2', '1'], f'a list: {list_[2:4]}', screen)
    check(sum('seed 40' in l for l in both) == sum('seed 42' in l for l in both) == 1, 'a comparison in one column',
          screen)


def several():
    # Four pictures of one job stand two by two, each with its seed.
    h = Home()
    screen = h.play('size 80x30\nkeys :\ntype count 4\nkeys Enter :\ntype size 64\nkeys Enter :\ntype seed 40\n'
                    'keys Enter :\ntype steps 2\nkeys Enter i\ntype a hen\nkeys Esc F9\nwait done in\nsettle\nsave -', 'four')
    lines = [re.findall(r'seed 4\d', l.split('│')[-1]) for l in screen.split('\n')[6:]]
    check([l for l in lines if l] == [['seed 40', 'seed 41'], ['seed 42', 'seed 43']], f'two by two: {lines}', screen)


def sweep():
    # How many pictures it will have is said before it begins, and after a drawing how long they take.
    h = Home()
    screen = h.play('keys 4 End s Right\nsave -\nkeys Down\ntype cat, dog, hen\nkeys Enter\nsave -\n'
                    'keys Down Right Right\nsave -', 'a sweep')
    said = re.findall(r'^ (\d+) pictures?$', screen, re.M)
    choices = (pathlib.Path(SOURCE) / 'app/templates/text.yaml').read_text()
    styles = len(re.search(r'choices: \[(.*)\]', choices)[1].split(','))
    check(said == ['1', '3', str(3 * styles)], f'one subject, three of them, each in all styles: {said}', screen)
    screen = h.play(DRAWN + 'keys 4 End s Right\nsave -', 'after a drawing')
    check(re.search(r'^ \d+ pictures?, about \d+ s$', screen, re.M), 'how long', screen)


def composed():
    # The instruction in hand: a word of it becomes a variable, and is swept with a parameter, on a sheet with headings.
    h = Home()
    before = 'keys n\ntype a red fox\nkeys ^V\nwait fox is a variable\nkeys Esc\nwait [{]fox\n' \
             'keys :\ntype size 64\nkeys Enter :\ntype steps 2\nkeys Enter\n'
    screen = h.play(before + 'keys F9\nwait done [0-9.]+ s|done in\nsettle\nsave -', 'drawn as it is')
    check('a red fox' in screen and '{{' not in screen, 'a variable without values is its own name', screen)
    screen = h.play('wait [{]fox\nkeys X\nwait sweep: the instruction\nsave -\nkeys Tab\ntype fox, hen\n'
                    'keys Tab Right Right\nsave -\nkeys Esc', 'the form')
    check(re.search(r'sweep over \(1\) +< fox', screen) and re.search(r'values \(1\) +fox', screen), 'begins with it',
          screen)
    screen = h.play('wait [{]fox\nkeys X Tab\ntype fox, hen\nkeys Tab ' + 'Right ' * 2 +
                    '\nwait < seed\nkeys Tab\ntype 1..3\nkeys Tab\nwait 6 pictures, about\nkeys Enter\n'
                    'wait 6 of 6 pictures on\nsettle', 'a sheet')
    sheet, = (h.path / '.local/share/limn/pictures').glob('sheet-*.png')
    s = Picture(sheet)
    tile = 128
    check((s.width, s.height) == (148 + 8 + 3 * (tile + 8), 26 + 8 + 2 * (tile + 8)),
          f'three seeds across, two words down, their headings and no labels: {s.width} x {s.height}')
    ink = lambda *part: sum(n for c, n in s.colours(*part).items() if c[0] < 128)
    check(all(ink(148 + 8 + i * (tile + 8), 8, tile, 18) > 20 for i in range(3)), 'above each column')
    check(all(ink(8, 26 + 8 + i * (tile + 8) + (tile - 18) // 2, 140, 18) > 20 for i in range(2)), 'before each row')
    check(not list(pathlib.Path('/tmp').glob('limn-sweep-*')) or os.environ.get('LIMN_TEST_SHARED'),
          'nothing of it is left behind')
    texts = {p.split('/')[-1] for p in (str(x[5]) for x in pictures(h))}
    check(len(texts) == 8, f'one, six and their sheet: {texts}')


if __name__ == '__main__':
    run([gallery, gone, zoom, ten_thousand, material, painting, sheet_of_contacts, larger, queue,
         templates, files, choosing, models, log, curve, one_of_several, several, sweep, composed])
