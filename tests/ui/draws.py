#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Drawing in the terminal UI, in tmux: a picture, its gallery, a sweep, and a picture of a stranger that names
# files of this machine.
# usage: draws.py LIMN SOURCE LOADERS [NAME...]
import base64, hashlib, io, json, os, pathlib, re, shutil, subprocess, sys, tempfile
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import frames
from limn_test import LIMN, SOURCE, check, chunk, png, run, work
from screen import Screen, command, start_drawing


def pixels(path):
    return pathlib.Path(path).read_bytes()


def drawing():
    s = Screen((100, 30))
    start_drawing(s)
    s.expect(r'done in', 'it is drawn', 60)
    files = sorted((s.home / 'data/limn/pictures').glob('*.png'))
    check(len(files) == 1, f'one file: {files}')
    if files:
        p = subprocess.run([LIMN, 'generate', str(files[0]), '-o', f'{s.home}/again.png', '--preview', 'none',
                            '--no-library'], env=s.env, capture_output=True)
        check(p.returncode == 0 and pixels(f'{s.home}/again.png') == pixels(files[0]),
              f'limn generate makes the same file: {p.stderr.decode()}')
    s.keys('r')
    s.expect('done in', 'once more', 60)
    s.keys('3')
    s.expect('2 pictures', 'the gallery has both', 30)
    s.keys('*')
    s.expect('how many stars', 'asked')
    s.keys('4')
    s.expect('\u2605\u2605\u2605\u2605', 'four stars')
    s.keys('t')
    s.type('fox good')
    s.keys('Enter')
    s.expect(' (#fox good|#good fox)$', 'tags')
    check(re.search(r'seed \d+ .*/pictures/\S+\.png +#', s.text()), 'and the end of the file\'s path beside them', s)
    s.keys('/')
    s.type('good')
    s.keys('Enter')
    s.expect('1 picture,', 'the search finds one')
    s.keys('Escape')
    s.expect('2 pictures', 'and Esc shows all')
    s.keys('x')
    s.expect('1 picture,', 'one is removed')
    s.keys('u')
    s.expect('2 pictures', 'and back')
    s.keys('Home', 'c', 'Right', 'c', 'Enter')
    s.expect('seed.*seed', 'side by side')
    s.keys('Escape', 's')
    s.expect('oldest first', 'sorted')
    s.keys('o')
    s.expect('references', 'its instruction is open')
    check('[ref#1]  [ref#1]' not in s.text(), 'a role says its marker once', s)
    s.close()
    # What is known is known tomorrow.
    s = Screen((100, 30), home=s.home)
    s.expect('references', 'start')
    s.keys('3')
    s.expect('2 pictures', 'the gallery has both the next day')
    s.keys('/')
    s.type("'\"(*) -")
    s.keys('Enter')
    s.expect('no picture matches all of this|2 pictures', 'a search of signs is harmless')
    s.close()


def cut_words():
    """Words that the model does not read are said on the line of messages, and stay in the log."""
    s = Screen((100, 30))
    s.expect('references', 'start')
    s.keys('i')
    s.type('apple ' * 60 + 'red')
    s.keys('Escape')
    command(s, 'steps 2')
    command(s, 'size 64')
    s.keys('F9')
    s.expect(r"the model reads \d+ of the text's \d+ tokens", 'what is cut off is said', 60)
    s.expect('done in', 'it is drawn', 60)
    s.keys('7')
    s.expect(r"the model reads \d+ of the text's \d+ tokens", 'and is in the log')
    s.close()


def png_with(path, job):
    """A PNG of one pixel that holds an instruction."""
    path.write_bytes(png((1, 1), texts=chunk(b'iTXt', b'limn\0\0\0\0\0' + json.dumps(job).encode())))


def frames_of(path):
    """What the host of tests/worker/hostile.py kept: pairs of head and payload."""
    stream = io.BytesIO(path.read_bytes() if path.exists() else b'')
    return list(iter(lambda: frames.take(stream), None))


def strangers_picture():
    """A picture that names a file of this machine: opened, its loader changed, drawn elsewhere, and the session
    restored. A host that asks for all it hears of gets the bytes inside that picture, and no others."""
    home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    folder, kept = home / 'from-the-web', home / 'kept'
    folder.mkdir()
    shutil.copy(f'{SOURCE}/app/templates/samples/style-blob.png', folder / 'secret.png')
    secret = (folder / 'secret.png').read_bytes()
    inside = pathlib.Path(f'{SOURCE}/app/templates/samples/snail-noto.png').read_bytes()
    digest = hashlib.sha256(secret).hexdigest()
    png_with(folder / 'stranger.png', {'limn': '0', 'format': 1, 'instruction': 'a [ref#1] stranger', 'references': [
        {'marker': 1, 'text': 'image', 'loader': 'edge', 'settings': ['thickness=8'],
         'file': str(folder / 'secret.png'),
         'hash': digest, 'png': base64.b64encode(inside).decode()}]})
    host = pathlib.Path(SOURCE, 'tests/worker/hostile.py')
    (home / 'scenario.json').write_text(json.dumps(
        dict(png=f'{SOURCE}/app/templates/samples/snail-noto.png', frames=[], keep=str(kept))))
    env = dict(LIMN_SSH=f'{sys.executable} -S -E {host} --host {home}/scenario.json')
    s = Screen((100, 30), home=home, folder=folder, args='--preview cells --host h', env=env)
    p = subprocess.run([LIMN, 'library', 'import', folder / 'stranger.png'], env=s.env, capture_output=True)
    check(p.returncode == 0, p.stderr.decode())
    s.keys('3')
    s.expect('1 picture', 'the gallery has it')
    s.keys('o')
    s.expect('a .*stranger', 'its instruction is open')
    s.expect('through edge', 'with its loader')
    s.keys('Tab', 'Tab', 'Enter')
    s.expect('role {3}', 'the form of the reference')
    s.keys('Down', 'Right')
    s.expect('< none >', 'another loader')
    s.keys('F9')
    s.expect('unchanged', 'the loader is changed')
    s.keys('F9')
    s.expect('done in', 'drawn by the host', 30)
    s.close()
    s = Screen((100, 30), home=home, folder=folder, args='--preview cells --host h', env=env)
    s.expect('a .*stranger', 'the instruction is back')
    s.keys('F9')
    s.expect('done in', 'and drawn once more', 30)
    s.close()
    sent = frames_of(kept)
    kinds = [head['type'] for head, _ in sent]
    check(kinds.count('load') >= 2 and kinds.count('submit') >= 1, f'the host was asked: {kinds}')
    payloads = [payload for head, payload in sent if head['type'] == 'blob']
    check(payloads and all(p == inside for p in payloads),
          f'only what is inside the picture: {[len(p) for p in payloads]}')
    heads = json.dumps([head for head, _ in sent])
    check(digest not in heads, 'not even asked about the file it names')
    check(str(home) not in heads, f'no path of this machine: {heads[:3000]}')


def sweeping():
    s = Screen((120, 40))
    s.expect('references', 'start')
    command(s, 'steps 2')
    command(s, 'size 64')
    s.keys('4')
    s.expect('styled-subject', 'templates')
    s.keys('End', 's')
    s.expect('sweep over', 'the form of the sweep')
    for _ in range(12): # until the choice is `seed`
        s.keys('Right')
        if re.search(r'sweep over \(1\)\s+< seed', s.text()):
            break
    s.expect(r'values \(1\)\s+1\.\.4', 'values are proposed')
    s.keys('Down', 'Down')
    for _ in range(12):
        s.keys('Right')
        if re.search(r'sweep over \(2\)\s+< steps', s.text()):
            break
    s.keys('Down')
    s.type('1, 2')
    s.keys('Enter', 'F9')
    s.expect('seed=1 steps=1', 'the sheet has labels')
    s.expect('8 of 8 pictures on', 'the sheet is written', 120)
    sheets = list((s.home / 'data/limn/pictures').glob('sheet-*.png'))
    check(len(sheets) == 1 and sheets[0].stat().st_size > 5000, f'the sheet is a file: {sheets}')
    check(len(list((s.home / 'data/limn/pictures').glob('2*.png'))) == 8, 'each cell is a picture of its own')
    s.close()


tests = [drawing, cut_words, strangers_picture, sweeping]


if __name__ == '__main__':
    run(tests)
