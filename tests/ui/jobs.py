#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The terminal UI and what outlives it: drawings that a machine's stop interrupted, sweeps and their sheets,
# trainings. usage: jobs.py LIMN SOURCE LOADERS [NAME...]
import json, os, pathlib, re, shutil, signal, sqlite3, subprocess, sys, tempfile, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tiny_training
from limn_test import LIMN, SLOW, SOURCE, check, run, until, work
from screen import Screen, command, start_drawing


def stop_machine(s):
    """limn and its worker are killed, as when the power goes; the terminal is gone too."""
    ui, worker = s.pids()
    for pid in (ui, worker):
        os.kill(pid, signal.SIGKILL)
    s.tmux('kill-server')
    end = time.monotonic() + 10
    while s.pids() != (None, None) and time.monotonic() < end:
        time.sleep(0.05)


def rows(s, *lines):
    db = sqlite3.connect(s.home / 'data/limn/library.db', isolation_level=None)
    try:
        for sql in lines:
            found = db.execute(sql).fetchall()
        return found
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
    for line in ('steps 900', 'seed 5', 'size 64'):
        command(s, line)
    s.keys('F9')
    s.expect('step \\d+ of 900', 'it draws', 60)
    for seed in (6, 7): # two more, which wait
        s.keys('1')
        command(s, 'steps 3')
        command(s, f'seed {seed}')
        s.keys('F9')
        s.expect('queue: [23] left', 'another one waits')
    ids = [r[0] for r in rows(s, 'SELECT id FROM job ORDER BY rowid')]
    check(len(ids) == 3 and rows(s, 'SELECT state FROM job') == [(0,)] * 3, 'three jobs are open')
    stop_machine(s)
    (folder / 'mine.png').unlink() # what was asked for is kept by content
    s = Screen((100, 30), home=s.home)
    s.expect('3 drawings were interrupted', 'the next limn says so', 20)
    s.keys('2')
    s.expect('to do(?s:.*)to do(?s:.*)to do', 'the queue has them')
    s.expect('r draws it, R draws all', 'and how to go on')
    # Another limn beside this one does not take them again.
    s.keys('End', 'r')
    s.expect('done in', 'the last one is drawn again', 60)
    s.keys('Up', 'x')
    s.expect('forgotten', 'what x does to one that waits is said')
    s.expect('stopped', 'the one before is dropped')
    check(rows(s, f"SELECT state FROM job WHERE id='{ids[1]}'") == [(3,)], 'for good')
    stop_machine(s)
    s = Screen((100, 30), home=s.home)
    s.expect('1 drawing was interrupted', 'one is left', 20)
    s.keys('2', 'R')
    s.expect('step \\d+ of 900', 'and drawn', 60)
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
    p = subprocess.run([LIMN, 'instruct', text, '--ref', f'1={folder}/mine.png', '--seed', '7', '--steps', '3',
                        '--size', '64', '--preview', 'none',
                        '--no-library', '-o', str(out)], env=s.env, capture_output=True)
    check(p.returncode == 0 and out.read_bytes() == picture_of(s, ids[2]),
          f'the same seed, the same picture: {p.stderr.decode()}')
    s = Screen((100, 30), home=s.home)
    s.expect('references', 'start')
    offers_nothing(s, 'nothing is left to do')
    s.close()


def offers_nothing(s, why):
    """What was interrupted is offered before the models are known: once they are, it would be in the log."""
    s.expect('references', 'start')
    s.keys('5')
    s.expect('limn-icons', 'the worker has said what there is', 20)
    s.keys('7')
    s.expect('^─ log|log ─', 'the log')
    check('interrupted' not in s.text(), why, s)


def beside_each_other():
    # What a limn that lives waits for is no other limn's to draw.
    s = Screen((100, 30))
    s.expect('references', 'start')
    start_drawing(s, 900)
    s.expect('step \\d+ of 900', 'it draws', 60)
    other = Screen((100, 30), home=s.home)
    other.expect('references', 'another limn')
    offers_nothing(other, 'it leaves them alone')
    other.close()
    s.keys('x')
    s.expect('stopped', 'the first one goes on', 30)
    s.close()
    p = subprocess.Popen([LIMN, 'generate', 'text', '--steps', '900', '--size', '64', '--preview', 'none', '-o',
                          f'{s.home}/x.png', '--json'], env=s.env,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    p.stdout.readline()
    other = Screen((100, 30), home=s.home)
    offers_nothing(other, 'nor a drawing of the command line')
    other.close()
    p.kill()
    p.wait()
    both = [Screen((100, 30), home=s.home) for _ in range(2)]
    for other in both:
        other.expect('1 drawing was interrupted', 'until that is killed', 20)
        other.keys('2')
        other.expect('to do', 'both are offered it')
    both[0].keys('R')
    both[0].expect('step \\d+ of 900', 'one draws it', 60)
    both[1].keys('R')
    both[1].expect('another limn has taken it over', 'the other one does not')
    both[1].close()
    both[0].keys('x')
    both[0].expect('stopped', 'it goes on', 30)
    both[0].close()


def sweep_form(s, values):
    s.keys('4')
    s.expect('styled-subject', 'templates')
    s.keys('Home', 's')
    s.expect('sweep: short', 'the form of the sweep')
    for _ in range(12):
        s.keys('Right')
        if re.search(r'sweep over \(1\)\s+< seed', s.text()):
            break
    s.keys('Down')
    s.type(values)
    s.keys('Enter', 'F9')


def sheets():
    # A template of few steps, so that the sweep is soon drawn; the first of the list.
    home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    templates = home / 'data/limn/templates'
    templates.mkdir(parents=True)
    (templates / 'short.yaml').write_text('name: short\nsummary: of few steps\ninstruction: "a {{thing}}"\nvariables:\n'
                                          '  thing:\n    default: fox\nparameters:\n  steps: 2\n  size: 64\n')
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
    s.expect('queue: (2\\d|3[0-7]) left', 'a longer one', 60)
    stop_machine(s)
    # As if it had stopped a moment before one of them was stored: its picture waits in the spool.
    job = rows(s, "SELECT id FROM job WHERE state = 1 AND request LIKE '%sweep%' ORDER BY rowid DESC LIMIT 1")[0][0]
    spool = s.home / 'state/limn/spool'
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    (s.home / f'data/limn/pictures/{job}-0.png').rename(spool / f'{job}-0.png')
    rows(s, f"DELETE FROM picture WHERE job = '{job}'", f"UPDATE job SET state = 0 WHERE id = '{job}'")
    s = Screen((120, 40), home=s.home)
    s.expect('drawings were interrupted', 'its rest is offered', 20)
    s.keys('2', 'R')
    s.expect('40 of 40 pictures on', 'and one sheet has them all', 120)
    s.close()


def steps_of(folder):
    log = folder / 'run/log.jsonl'
    return log.read_text().count('\n') if log.exists() else 0


def wait_steps(folder, more, what):
    before, end = steps_of(folder), time.monotonic() + 20 * SLOW
    while steps_of(folder) < before + more and time.monotonic() < end:
        time.sleep(0.05)
    check(steps_of(folder) >= before + more, f'{what}: no {more} steps more than {before}')


def make_training(s_env):
    folder = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    tiny_training.make(SOURCE, folder)
    p = subprocess.run(tiny_training.pack(LIMN), env=s_env, cwd=folder, capture_output=True)
    check(p.returncode == 0, p.stderr.decode())
    return folder


def trainings():
    folder = make_training(dict(os.environ, HOME=work.name, XDG_STATE_HOME=f'{work.name}/s',
                                XDG_DATA_HOME=f'{work.name}/d'))
    env = dict(OMP_NUM_THREADS='1')
    s = Screen((120, 40), folder=folder, env=env)
    s.expect('references', 'start')
    s.keys('6')
    s.expect('n starts a training', 'the view says how')
    s.keys(':')
    s.type('train none.yaml')
    s.keys('Enter')
    s.expect('none.yaml', 'a recipe that is not there is said')
    s.keys('5')
    s.expect('limn-icons', 'the worker is ready')
    s.keys('6', ':')
    s.type('train small.yaml --device cpu --set pack=none.pack')
    s.keys('Enter')
    s.expect('failed.*none.pack', 'one that cannot begin is listed with its reason', 20)
    s.keys('x', ':')
    s.type('train small.yaml --device cpu')
    s.keys('Enter')
    s.expect('running in the background', 'one begins', 20)
    s.expect(r'running +step \d+/1000000', 'and is listed as running', 20)
    s.expect('step 1 +', 'with its curve', 20)
    wait_steps(folder, 20, 'it trains')
    s.keys('q')
    s.expect('^EXIT 0', 'limn ends without a question', 20)
    s.tmux('kill-server')
    wait_steps(folder, 20, 'it goes on without limn and its terminal')
    s = Screen((120, 40), home=s.home, folder=folder, env=env)
    s.expect('references', 'start')
    s.keys('6')
    s.expect(r'running +step \d+/1000000', 'the next limn lists it', 20)
    s.keys('x')
    s.expect('save and stop', 'x asks')
    s.keys('y')
    s.expect('stopped +step', 'it is stopped', 30)
    check((folder / 'run/checkpoint.safetensors').exists(), 'and saved')
    s.keys('R')
    s.expect('running +step', 'R goes on with it', 20)
    wait_steps(folder, 20, 'from what was saved')
    stop_machine(s)
    wait_steps(folder, 20, 'it outlives a limn and a worker that are killed')
    s = Screen((120, 40), home=s.home, folder=folder, env=env)
    s.expect('references', 'start')
    s.keys('6')
    s.expect(r'running +step \d+/1000000', 'and is found again', 20)
    s.keys('x', 'y')
    s.expect('stopped +step', 'and stopped', 30)
    s.keys('x')
    s.expect('n starts a training|inactive', 'and forgotten', 20)
    # The form.
    shutil.rmtree(folder / 'run')
    s.keys('n')
    s.expect('start a training run', 'the form')
    s.type('small.yaml')
    s.keys('Tab', 'Tab')
    s.type('run')
    s.keys('Enter', 'End')
    s.type('--until 5 --device cpu')
    s.keys('Enter', 'F9')
    s.expect('done +step 5/5', 'a training by the form, to its end', 30)
    s.expect('Enter draws with it .*--model .*run/model', 'and how to draw with it')
    s.keys('Enter', '5')
    s.expect(r'\* .*run \(trained\)', 'which is chosen where models are')
    s.close()


def trainings_elsewhere():
    # A stand-in for ssh with a home of its own: what is there is not here.
    there = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    (there / 'run').mkdir(mode=0o700)
    folder = make_training(dict(os.environ, HOME=work.name, XDG_STATE_HOME=f'{work.name}/s',
                                XDG_DATA_HOME=f'{work.name}/d'))
    for name in ('model', 'small.pack'):
        (folder / name).rename(there / name)
    ssh = there / 'ssh'
    ssh.write_text(f'#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift 2\ncd {there}\nexport HOME={there} '
                   f'XDG_STATE_HOME={there}/state XDG_RUNTIME_DIR={there}/run XDG_DATA_HOME={there}/data\n'
                   'exec sh -c "$*"\n')
    ssh.chmod(0o755)
    env = dict(OMP_NUM_THREADS='1', LIMN_SSH=str(ssh), LIMN_REMOTE=LIMN)
    s = Screen((120, 40), folder=folder, env=env, args='--preview cells --host there')
    s.expect('references', 'start', 20)
    s.keys(':')
    s.type('train small.yaml --device cpu --set output=out')
    s.keys('Enter')
    s.expect('running in the background', 'one begins there', 20)
    s.expect(r'running +step [1-9]\d*/1000000', 'its log comes here', 20)
    s.expect('step 1 +', 'as a curve', 20)
    check((there / 'out/log.jsonl').exists() and not (folder / 'out').exists(), 'it is there, not here')
    shutil.copy(f'{SOURCE}/app/templates/samples/snail-noto.png', there / 'out/sheet-000010.png')
    s.expect('sheet-000010.png', 'a sheet comes too', 20)
    s.keys('q')
    s.expect('^EXIT 0', 'limn ends', 20)
    s.tmux('kill-server')
    s = Screen((120, 40), home=s.home, folder=folder, env=env, args='--preview cells --host there')
    s.expect('references', 'start', 20)
    s.keys('6')
    s.expect(r'running +step [1-9]\d*/1000000', 'it goes on there', 20)
    s.expect('sheet-000010.png', 'with its sheet', 20)
    s.keys('x', 'y')
    s.expect('stopped +step', 'and is stopped from here', 30)
    check((there / 'out/checkpoint.safetensors').exists(), 'and saved there')
    copies = list((s.home / '.cache/limn/trainings').rglob('log.jsonl'))
    check(len(copies) == 1, f'one copy: {copies}')
    until(lambda: copies[0].read_bytes() == (there / 'out/log.jsonl').read_bytes(), 'the copy is whole')
    s.close()


if __name__ == '__main__':
    run([interrupted, beside_each_other, sheets, trainings, trainings_elsewhere])
