#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Pictures and what belongs to them: they stand on their captions, the queue shows one picture of a job, the painter's
# are sharp, and hints and counts fit what is shown, and a
# mask inside a picture is seen.
# usage: places.py LIMN SOURCE LOADERS [NAME...]
import os, re, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from limn_test import SAMPLES, check, drawn, png, run
from script import DRAWN, Home, Picture

WIDE, HIGH = 10, 20 # a cell of a saved screen


def rows_of(screen, what):
    """The lines of the screen where that is."""
    return [y for y, l in enumerate(screen.split('\n')) if re.search(what, l)]


def ink(picture, x, y, width, height):
    """How many pixels there are much brighter than the dark theme's ground."""
    return sum(n for c, n in picture.colours(x, y, width, height).items() if max(c) > 150)


def stands_on(picture, row, columns, why):
    """The line of cells above this one is covered by pictures, to its lower half."""
    n = ink(picture, 0, row * HIGH - HIGH // 2, picture.width, HIGH // 2)
    check(n > columns * WIDE * HIGH // 4, f'{why}: {n} pixels of a picture above row {row}')


def compared():
    h = Home()
    shot = h.path / 'screen.png'
    h.play(DRAWN + 'keys r\nwait done in\nsettle', 'two')
    screen = h.play('size 80x40\nkeys 3\nsettle\nkeys Space Right Space Enter\nsettle\n'
                    f'save -\nsave {shot}\nkeys Enter\nsettle\nsave -\nkeys D\nwait differ, 4\nkeys Enter\nsettle\nsave -\n'
                    'keys Esc c Enter\nsettle\nsave -', 'compared')
    both, one, again, large = (s for s in re.split(r'(?m)^(?= *1 compose)', screen) if s)
    row = rows_of(both, r'^ 2 +1$')
    check(len(row) == 1, 'captions', both)
    stands_on(Picture(shot), row[0], 60, 'side by side')
    check(ink(Picture(shot), 0, 3 * HIGH, WIDE, 34 * HIGH) == 0, 'the first begins where its caption does')
    check(len(rows_of(again, r'^ 2 +1$')) == 1, 'Enter leads from the difference to both', again)
    check('Enter one at a time' in both and 'Enter side by side' in one and 'Enter all' in large,
          'hints say what Enter does there', screen)
    check('Enter: one at a time' not in screen, 'and nothing else says it, which would stay', screen)


def swept():
    h = Home()
    shot = h.path / 'screen.png'
    screen = h.play('size 80x24\nkeys :\ntype size 64\nkeys Enter :\ntype steps 2\nkeys Enter :\ntype retrieve 0\n'
                    'keys Enter i\ntype a fox\nkeys ^V\nwait fox is a variable\nkeys Esc\nwait [{]fox\nkeys X Tab\n'
                    'type a\nsave -\ntype , b, c\nsave -\nkeys Enter\nkeys Enter\nwait 3 of 3 pictures on\nsettle\n'
                    f'save -\nsave {shot}', 'three in a row')
    check(re.findall(r'^ (\d) pictures?\b', screen, re.M)[:2] == ['1', '3'], 'counted while they are typed', screen)
    check(re.search('on\n? ~/.*sheet-[^ ]*png', screen), 'the name of the sheet is seen to its end', screen)
    last = screen[screen.rindex('1 compose'):]
    row = rows_of(last, 'fox=a .*fox=b .*fox=c')
    check(len(row) == 1, 'captions', last)
    stands_on(Picture(shot), row[0], 40, 'a sweep')


def queued():
    h = Home()
    shot = h.path / 'screen.png'
    h.play('size 80x24\nkeys :\ntype size 64\nkeys Enter :\ntype steps 2\nkeys Enter :\ntype count 4\nkeys Enter i\n'
           f'type a hen\nkeys Esc F9\nwait done in\nsettle\nsave {shot}', 'four of a job')
    # Of four in a row only a quarter of the square would be covered.
    part = [ink(Picture(shot), WIDE, 2 * HIGH + i * 10, 4 * WIDE, 10) for i in range(4)]
    check(min(part) > 100, f'the first of them fills its place in the queue: {part}')


def painted():
    # A small picture's ground has squares as large and as sharp as any other's.
    h = Home()
    shot = h.path / 'screen.png'
    h.play('keys 4 End F9\nwait done in\nsettle', 'a small picture with a clear ground')
    h.play(f'size 100x40\nkeys 3\nsettle\nkeys M\nwait mask:\nsettle\nkeys - -\nsettle\nsave {shot}', 'painting')
    p = Picture(shot)
    corner = p.colours(p.width // 2 - 330, 3 * HIGH + 4, 40, 40)
    h.play(f'size 100x40\nkeys 3\nsettle\nkeys M\nwait mask:\nsettle\nkeys a\nsettle\nsave {shot}', 'all of it')
    painting = Picture(shot)
    pink = [c[0] > c[1] for c in (painting.at(x, 5 * HIGH) for x in range(250, 750))]
    wide = len(pink) / max(1, sum(a != b for a, b in zip(pink, pink[1:])))
    check(5 < wide < 8, f'stripes of {wide:.1f} pixels')
    check(len(corner) == 2 and min(sum(c) for c in corner) > 600, f'white and a light grey alone: {corner}')


def hinted():
    # Hints end with a whole one: in a narrow form, and where an ellipsis is three dots.
    h = Home()
    screen = h.play('size 80x24\nkeys a\nwait \\[ref#1\\] +image\nsettle\nkeys Tab Tab Enter\nwait role\nsave -', 'a form')
    check('type a value   Enter OK   Esc cancel' in screen, 'of a reference', screen)
    screen = h.play('size 80x24\nkeys i\nsave -', 'on a console', TERM='linux')
    last = [l for l in screen.split('\n') if l.startswith(' writing:')]
    check(len(last) == 1 and '...' in last[0] and '>' not in last[0], f'of the editor: {last}', screen)


def given():
    # The mask inside somebody's picture is seen and painted further, also at the next start; unpainted, it is left alone.
    h, other = Home(), Home()
    half, drawn_with = h.path / 'half.png', other.path / 'theirs.png'
    half.write_bytes(png((64, 64), drawn((64, 64), lambda x, y: 255 * (y < 32))))
    start = os.path.join(SAMPLES, 'fox-fluent-3d.png')
    p = h.limn('generate', 'text', '--set', 'subject=fox', '--size', '64', '--steps', '2', '--preview', 'none',
               '--start', start, '--mask', str(half), '-o', str(drawn_with))
    check(p.returncode == 0, 'drawn with a mask', p.stderr)
    half.unlink()
    screen = other.play(f'keys :\ntype open {drawn_with}\nkeys Enter\nwait mask .*half\nsettle\nkeys M\n'
                        'wait 50.00 % is redrawn\nkeys Enter\nwait mask .*half\nsettle\nsave -', 'as it came')
    check('painted.png' not in screen, 'what was not painted is left alone', screen)
    other.play('wait mask .*half\nsettle\nkeys M\nwait 50.00 % is redrawn\nkeys i\nkeys Space\nwait (4[0-9]|5[1-9]).*redrawn\n'
               'keys Enter\nwait mask .*painted.png', 'at the next start')


def told():
    # What is said of a template's variables and of loaders is read to its end where there is room, and a file's size
    # stands near its name.
    h = Home()
    screen = h.play('size 120x40\nkeys 4\nwait edge\nsettle\nsave -\nkeys 5\nwait subject\nsettle\nsave -\n'
                    'size 80x24\nsettle\nsave -', 'told')
    templates, models, small = (s for s in re.split(r'(?m)^(?= *1 compose)', screen) if s)
    check(re.search(r'thousandths of the *\n.*\bside\b', templates), 'a variable', templates)
    check(re.search(r'cut out and\s+.*\bcentred', models), 'a loader', models)
    check(all(re.search(f'(?m)\u2502? {l} +[A-Z]', small) for l in ('edge', 'mask', 'sketch', 'style', 'subject')),
          'or the beginning of each', small)
    screen = h.play('size 200x60\nkeys 4\nwait edge\nsettle\nkeys Home Enter Space\nwait Enter OK\nsettle\nsave -', 'a file')
    check(re.search(r'(?m)^ apple-fluent-3d.png {30,45}\d+K', screen), 'a file', screen)


if __name__ == '__main__':
    run([compared, swept, queued, painted, hinted, given, told])
