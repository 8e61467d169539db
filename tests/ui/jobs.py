#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The terminal UI and what outlives it: drawings that a machine's stop interrupted, sweeps and their sheets,
# trainings. usage: jobs.py LIMN SOURCE LOADERS [NAME...]
import json, os, pathlib, re, shutil, signal, sqlite3, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import screens
from screens import LIMN, SLOW, SOURCE, Screen, check, start_drawing, work


def stop_machine(s):
    """limn and its worker are killed, as when the power goes; the terminal is gone too."""
    ui, worker = s.pids()
    for pid in (ui, worker):
        os.kill(pid, signal.SIGKILL)
    s.tmux('kill-server')
    end = time.monotonic() + 10
    while s.pids() != (None, None) and time.monotonic() < end:
        time.sleep(0.05)


def rows(s, sql):
    db = sqlite3.connect(s.home / 'data/limn/library.db')
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def picture_of(s, job):
    return (s.home / f'data/limn/pictures/{job}-0.png').read_bytes()


def generate(s, *args):
    p = subprocess.run([LIMN, 'generate', *args, '--preview', 'none', '--no-library'], env=s.env, capture_output=True)
    check(p.returncode == 0, f'{args}: {p.stderr.decode()}')


def interrupted():
    folder = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    shutil.copy(f'{SOURCE}/app/templates/samples/snail-noto.png', folder / 'mine.png')
    s = Screen((100, 30), folder=folder)
    s.expect('references', 'start')
    s.keys('a')
    s.expect(r'\[ref#1\]', 'a picture of a folder')
    for line in ('steps 300', 'seed 5'):
        s.keys(':')
        s.type(line)
        s.keys('Enter')
    s.keys('F9')
    s.expect('step \\d+ of 300', 'it draws', 60)
    for seed in (6, 7): # two more, which wait
        s.keys('1', ':')
        s.type('steps 3')
        s.keys('Enter', ':')
        s.type(f'seed {seed}')
        s.keys('Enter', 'F9')
        s.expect('queue: [23] to come', 'another one waits')
    ids = [r[0] for r in rows(s, 'SELECT id FROM job ORDER BY rowid')]
    check(len(ids) == 3 and rows(s, 'SELECT state FROM job') == [(0,)] * 3, 'three jobs are open')
    stop_machine(s)
    (folder / 'mine.png').unlink() # what was asked for is kept by content
    s = Screen((100, 30), home=s.home)
    s.expect('3 drawings were interrupted', 'the next limn says so', 20)
    s.keys('2')
    s.expect('to do(?s:.*)to do(?s:.*)to do', 'the queue has them')
    s.expect('r draws it, R all', 'and how to go on')
    # Another limn beside this one does not take them again.
    s.keys('End', 'r')
    s.expect('done in', 'the last one is drawn again', 60)
    s.keys('Up', 'x')
    s.expect('stopped', 'the one before is dropped')
    check(rows(s, f"SELECT state FROM job WHERE id='{ids[1]}'") == [(3,)], 'for good')
    stop_machine(s)
    s = Screen((100, 30), home=s.home)
    s.expect('1 drawing was interrupted', 'one is left', 20)
    s.keys('2', 'R')
    s.expect('step \\d+ of 300', 'and drawn', 60)
    stop_machine(s)
    s = Screen((100, 30), home=s.home)
    s.expect('1 drawing was interrupted', 'interrupted once more', 20)
    s.keys('2', 'x')
    s.expect('stopped', 'dropped')
    s.close()
    check(rows(s, 'SELECT count(*) FROM input') == [(0,)], 'pictures of jobs that ended are not kept')
    # The same picture as one drawn without any of that.
    shutil.copy(f'{SOURCE}/app/templates/samples/snail-noto.png', folder / 'mine.png')
    text = json.loads(rows(s, f"SELECT request FROM job WHERE id='{ids[2]}'")[0][0])['instruction']
    out = s.home / 'same.png'
    p = subprocess.run([LIMN, 'instruct', text, '--ref', f'1={folder}/mine.png', '--seed', '7', '--steps', '3', '--preview', 'none',
                        '--no-library', '-o', str(out)], env=s.env, capture_output=True)
    check(p.returncode == 0 and out.read_bytes() == picture_of(s, ids[2]), f'the same seed, the same picture: {p.stderr.decode()}')
    s = Screen((100, 30), home=s.home)
    s.expect('references', 'start')
    check(not s.wait('interrupted', 2), 'nothing is left to do')
    s.close()


def beside_each_other():
    # What a limn that lives waits for is no other limn's to draw.
    s = Screen((100, 30))
    s.expect('references', 'start')
    start_drawing(s, 900)
    s.expect('step \\d+ of 900', 'it draws', 60)
    other = Screen((100, 30), home=s.home)
    other.expect('references', 'another limn')
    check(not other.wait('interrupted', 2), 'it leaves them alone', other)
    other.close()
    s.keys('x')
    s.expect('stopped', 'the first one goes on', 30)
    s.close()
    p = subprocess.Popen([LIMN, 'generate', 'text', '--steps', '900', '--preview', 'none', '-o', f'{s.home}/x.png', '--json'], env=s.env,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    p.stdout.readline()
    other = Screen((100, 30), home=s.home)
    check(not other.wait('interrupted', 2), 'nor a drawing of the command line', other)
    other.close()
    p.kill()
    p.wait()
    other = Screen((100, 30), home=s.home)
    other.expect('1 drawing was interrupted', 'until that is killed', 20)
    other.keys('2', 'x')
    other.close()


def sweep_form(s, values):
    s.keys('4')
    s.expect('styled-subject', 'templates')
    s.keys('Home', 's')
    s.expect('sweep: short', 'the form of the sweep')
    for _ in range(12):
        s.keys('Right')
        if re.search(r'sweep over \(1\)\s+< seed', s.text()):
            break
    s.keys('Down', 'Enter', 'C-u')
    s.type(values)
    s.keys('Enter', 'F9')


def sheets():
    # A template of few steps, so that the sweep is soon drawn; the first of the list.
    home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    templates = home / 'data/limn/templates'
    templates.mkdir(parents=True)
    (templates / 'short.yaml').write_text('name: short\nsummary: of few steps\ninstruction: "a {{thing}}"\nvariables:\n  thing:\n'
                                             '    default: fox\nparameters:\n  steps: 2\n')
    s = Screen((120, 40), home=home)
    s.expect('references', 'start')
    sweep_form(s, '1..3')
    s.expect('3 of 3 pictures on', 'the sheet is written', 60)
    pictures = s.home / 'data/limn/pictures'
    sheet = next(pictures.glob('sheet-*.png'))
    cells = sorted(pictures.glob('2*.png'), key=lambda f: json.loads(rows(
        s, f"SELECT request FROM job WHERE id='{f.name[:-6]}'")[0][0])['seed'])
    again = s.home / 'again'
    again.mkdir()
    generate(s, str(sheet), '-o', f'{again}/x.png')
    for i, f in enumerate(cells):
        check(f.read_bytes() == (again / f'x-{i + 1}.png').read_bytes(), f'limn generate draws cell {i + 1} again')
    check(sheet.read_bytes() == (again / 'x-sheet.png').read_bytes(), 'and the sheet')
    # The gallery opens it as a sweep.
    s.keys('3')
    s.expect('4 pictures', 'the sheet is in the gallery')
    s.keys('/')
    s.type('sheet')
    s.keys('Enter')
    s.expect('1 picture,', 'and found')
    s.keys('o')
    s.expect('a sweep of 3 pictures', 'it opens as a sweep')
    s.expect('seed=1(?s:.*)seed=2(?s:.*)seed=3', 'with its labels')
    s.keys('R')
    s.expect('3 of 3 pictures on', 'and is drawn again', 60)
    both = sorted(pictures.glob('sheet-*.png'))
    check(len(both) == 2 and both[0].read_bytes() == both[1].read_bytes(), 'byte for byte')
    # A machine that stops in a sweep: what was drawn and what was not make one sheet.
    sweep_form(s, '1..40')
    s.expect('queue: (2\\d|3[0-7]) to come', 'a longer one', 60)
    stop_machine(s)
    s = Screen((120, 40), home=s.home)
    s.expect('drawings were interrupted', 'its rest is offered', 20)
    s.keys('2', 'R')
    s.expect('40 of 40 pictures on', 'and one sheet has them all', 120)
    s.close()


if __name__ == '__main__':
    screens.run([interrupted, beside_each_other, sheets])
