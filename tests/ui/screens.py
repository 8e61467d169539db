#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The terminal UI from outside, in tmux: what is on the screen, at several sizes and locales, while
# things go right and while they go wrong.
# usage: screens.py LIMN SOURCE LOADERS [NAME...]
import atexit, base64, hashlib, io, json, os, pathlib, re, shutil, signal, subprocess, sys, tempfile, time, unicodedata
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import frames
from limn_test import LIMN, LOADERS, SLOW, SOURCE, check, chunk, environment, png, run, work

VIEWS = {'1': 'references', '2': 'queue', '3': 'picture', '4': 'styled-subject', '5': 'limn-icons',
         '6': 'training runs', '7': 'log', '8': 'all commands'}


class Screen:
    """limn in a tmux of its own, with a home of its own."""
    count = 0

    def __init__(self, size=(100, 30), locale='C.UTF-8', args='--preview cells', home=None, folder=None, env={},
                 before=''):
        Screen.count += 1
        self.home = pathlib.Path(home or tempfile.mkdtemp(dir=work.name))
        self.socket = f'{work.name}/tmux{Screen.count}'
        self.size = size
        self.env = environment(self.home, XDG_DATA_HOME=f'{self.home}/data', XDG_STATE_HOME=f'{self.home}/state',
                               XDG_CONFIG_HOME=f'{self.home}/config', LC_ALL=locale)
        self.env.update(env)
        folder = folder or f'{SOURCE}/app/templates/samples'
        command = f"cd '{folder}'; {before} '{LIMN}' {args} 2>'{self.home}/err'; echo EXIT $?; stty -a; exec sleep 1000"
        self.tmux('-f', '/dev/null', *(['-u'] if 'UTF' in locale else []), 'new-session', '-d', '-x', str(size[0]),
                  '-y', str(size[1]), command)
        atexit.register(self.tmux, 'kill-server')
        self.tmux('set-option', '-g', 'status', 'off')
        self.tmux('set-option', '-g', 'window-size', 'manual')
        self.resize(*size)

    def tmux(self, *args):
        p = subprocess.run(['tmux', '-S', self.socket, *args], env=self.env, capture_output=True)
        return p.stdout.decode('utf-8', 'replace')

    def resize(self, columns, rows):
        self.size = (columns, rows)
        self.tmux('resize-window', '-x', str(columns), '-y', str(rows))

    def keys(self, *keys, literal=False):
        for k in keys:
            self.tmux('send-keys', *(['-l'] if literal else []), '--', k)
            time.sleep(0.05)

    def type(self, text):
        self.keys(text, literal=True)

    def text(self, escapes=False):
        return self.tmux('capture-pane', '-p', *(['-e'] if escapes else []))

    def wait(self, what, seconds=10, gone=False):
        """Until the screen has a regular expression (or has it no more); False when it never does."""
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            if bool(re.search(what, self.text(), re.M)) != gone:
                return True
            time.sleep(0.05)
        return False

    def expect(self, what, why, seconds=10, gone=False):
        return check(self.wait(what, seconds, gone), f'{why}: no {what!r}', self)

    def pids(self):
        """The UI's process and its worker's."""
        ui = worker = None
        for p in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                line = (p / 'cmdline').read_bytes().split(b'\0')
                ours = f'HOME={self.home}\0'.encode() in (p / 'environ').read_bytes()
                ours = ours and os.readlink(p / 'exe') == os.path.realpath(LIMN)
            except OSError: # it has just ended
                continue
            if ours and b'--run' not in line:
                if b'worker' in line:
                    worker = int(p.name)
                else:
                    ui = int(p.name)
        return ui, worker

    def close(self, quit=True):
        if quit:
            self.keys('Escape', 'Escape', 'q')
            if self.wait('^EXIT|(is|are) not finished', 15) and not re.search('^EXIT', self.text(), re.M):
                self.keys('s')
            check(self.wait('^EXIT 0', 15), f'limn ends with 0 ({(self.home / "err").read_text()[-2000:]})', self)
            self.wait('icanon', 5) # said behind it
            check('icanon' in self.text() and '-icanon' not in self.text(), 'the terminal is as it was')
        self.tmux('kill-server')


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text)


def well_formed(s, where):
    """What holds for every screen: it fits, the bar is on top, hints below, nothing unprintable."""
    lines = s.text().rstrip('\n').split('\n')
    check(len(lines) <= s.size[1], f'{where}: {len(lines)} lines', s)
    check(all(width(l) <= s.size[0] for l in lines), f'{where}: a line is too wide', s)
    check('compose' in lines[0] or '1com' in lines[0], f'{where}: the bar is on top', s)
    check(not any(unicodedata.category(c) == 'Cc' for l in lines for c in l), f'{where}: a control character', s)


def views_at_every_size():
    for locale in ('C.UTF-8', 'C'):
        s = Screen((80, 24), locale, args='--preview cells' if locale != 'C' else '--preview none')
        s.expect('references', f'{locale}: start')
        for size in ((80, 24), (120, 40), (200, 60), (57, 15)):
            s.resize(*size)
            for key, mark in VIEWS.items():
                s.keys('Escape', key)
                s.expect(mark, f'{locale} {size} view {key}')
                well_formed(s, f'{locale} {size} view {key}')
                check(re.search('Esc back$' if key == '8' else 'F1 help$', s.text().rstrip()),
                      f'{locale} {size} view {key}: the way to help is told', s)
                if locale == 'C':
                    check(s.text().isascii(), f'{locale} {size} view {key}: only ASCII', s)
        s.keys('1')
        for size in ((10, 3), (39, 11), (200, 60), (1, 1), (80, 24)):
            s.resize(*size)
            time.sleep(0.1)
        s.expect('references', 'it survives every size')
        s.close()


def forms():
    deep = pathlib.Path(tempfile.mkdtemp(dir=work.name)) / 'a folder whose name is long' / 'and another' / 'pictures'
    deep.mkdir(parents=True)
    shutil.copy(f'{SOURCE}/app/templates/samples/snail-noto.png', deep)
    for size in ((80, 24), (120, 40)):
        s = Screen(size, folder=str(deep))
        s.expect('^─ …/pictures |^─ …/and another/pictures ', 'the end of a long folder, from a slash on')
        check('guidance auto  pictures 1' in s.text(), 'what nobody has chosen is said once', s)
        s.keys('a', 'Tab', 'Tab', 'Enter')
        s.expect('┌ \\[ref#1\\] ─+┐', 'a form has a frame')
        s.expect('└─+┘', 'all around')
        s.expect('empty: the loader\'s', 'its help is there to the end')
        s.expect('type(, or Right to edit| to change) .*Enter OK .*Esc (cancel|.*…)', 'and so is how it is left')
        s.keys('Down')
        s.expect('< > change', 'a choice is turned')
        well_formed(s, f'{size}: a form')
        s.keys('Escape', 'p')
        s.expect('seed +\\(not set\\)', 'the parameters')
        s.expect('Esc cancel', 'all of them')
        s.keys('Escape', '8')
        s.expect('all commands', 'the help')
        pages = ''
        for _ in range(6):
            pages += s.text()
            s.keys('NPage')
        check(re.search('Enter +choose', pages) and 'Enter Enter' not in pages, 'a key with two codes is named once', s)
        s.close()
    # A home is a ~.
    s = Screen((100, 30))
    (s.home / 'inside').mkdir()
    s.close()
    s = Screen((100, 30), home=s.home, folder=f'{s.home}/inside')
    s.expect('^─ ~/inside ', 'the home is a ~')
    s.close()


def hostile_names():
    folder = tempfile.mkdtemp(dir=work.name).encode()
    sample = f'{SOURCE}/app/templates/samples/snail-noto.png'
    names = [b'\x1b]0;pwned\x07.png', b'\x1b[2J\x1b[31mred.png', b'line\nbreak.png', b'tab\there.png', b'caf\xe9.png',
             b'\xc2\x9b31mC1.png', '日本語の絵.png'.encode(), 'e\u0301\u0302\u0303.png'.encode(),
             '\u202egnp.exe.png'.encode(), 'שלום.png'.encode(), b'%s%n%99d.png', b'a' * 240 + b'.png', b'-rf.png',
             '\U0001F98A.png'.encode(), '\u0301mark first.png'.encode(), b"quote'\".png"]
    for n in names:
        shutil.copy(sample, folder + b'/' + n)
    os.mkdir(folder + b'/\x1b[31mfolder')
    for locale in ('C.UTF-8', 'C'):
        s = Screen((120, 40), locale, folder=folder.decode(),
                   args='--preview cells' if locale != 'C' else '--preview none')
        s.expect(r'folder/', f'{locale}: the folder is listed')
        text = s.text()
        check('pwned' in text and 'break' in text and 'caf' in text, f'{locale}: the names are there', s)
        check('\x1b' not in text and '\u202e' not in text and '\x9b' not in text, f'{locale}: nothing harmful is', s)
        well_formed(s, f'{locale}: hostile names')
        check('pwned' not in s.tmux('display-message', '-p', '#{pane_title}'), f'{locale}: the title is untouched')
        if locale != 'C':
            check('日本語' in text and 'שלום' in text, 'other scripts are shown', s)
        for _ in range(len(names) + 2): # every one is chosen, shown, and the screen holds
            s.keys('Down')
        s.keys('a', 'Home', 'Down', 'a')
        s.expect(r'\[ref#1\]', f'{locale}: one is added')
        well_formed(s, f'{locale}: hostile references')
        s.keys('/')
        s.type('caf')
        s.keys('Enter')
        s.expect('/caf', f'{locale}: the filter shows')
        check('break' not in s.text().split('instruction')[0], f'{locale}: the filter filters', s)
        s.close()


def writing():
    s = Screen((100, 30), env={'EDITOR': "sed -i 's/a fox/a hen/'"})
    s.keys('a', 'Down', 'a')
    s.expect(r'\[ref#1\] \[ref#2\]', 'two references are in the text')
    s.keys('i')
    s.type('in the style of')
    s.expect(r'\[ref#2\] in the style of', 'a word behind a marker stands apart')
    s.keys('C-u')
    s.type('Draw [re')
    s.keys('Tab')
    s.expect(r'Draw \[ref#1\]', 'Tab completes')
    s.expect('ref', 'what is missing is said')
    s.type(' in the style of [')
    s.keys('Tab')
    s.expect(r'in the style of \[ref#2\]', 'Tab completes to the next one')
    s.type(': a fox')
    s.keys('C-_')
    s.expect('a fox', 'undo takes it back', gone=True)
    s.keys('C-r')
    s.expect('a fox', 'redo brings it back')
    s.type(' and [ref#7]')
    s.expect('7', 'a marker without picture is a fault')
    check(re.search(r'\[ref#7\].*(no|without|picture|reference)', s.text(), re.S), 'the fault is named', s)
    for _ in range(12):
        s.keys('BSpace')
    s.keys('C-x')
    s.expect('a hen', '$EDITOR changed it')
    s.type('\u65e5\u672c\u8a9e e\u0301')
    s.expect('\u65e5\u672c\u8a9e', 'wide characters can be written')
    s.keys('Escape', 'Enter')
    s.expect('what it is', 'the form of the reference')
    s.keys('Down', 'Right')
    s.expect('edge', 'a loader is chosen')
    s.keys('F9')
    s.expect('through edge', 'it is in the list')
    well_formed(s, 'after the form')
    # Power is cut.
    time.sleep(1.3)
    os.kill(s.pids()[0], signal.SIGKILL)
    s.expect('EXIT 137', 'it was killed')
    s.tmux('kill-server')
    again = Screen((100, 30), home=s.home)
    again.expect(r'in the style of \[ref#2\]: a hen', 'the half-written instruction is back')
    again.expect('through edge', 'and its references')
    again.close()


def command(s, line):
    s.keys(':')
    s.type(line)
    s.keys('Enter')


def start_drawing(s, steps=2):
    """The template `text`, with few steps and small."""
    s.keys('4')
    s.expect('styled-subject', 'templates')
    s.keys('End', 'Enter')
    s.expect('subject', 'the form')
    s.keys('F9')
    s.expect('F9 draws it', 'the instruction is taken over')
    s.keys('Escape')
    command(s, f'steps {steps}')
    command(s, 'size 64')
    s.keys('F9')
    s.expect('queue', 'the live view')


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
    s.close()
    # What is known is known tomorrow.
    s = Screen((100, 30), home=s.home)
    s.expect('references', 'start')
    s.keys('3')
    s.expect('2 pictures', 'the gallery has both the next day')
    s.keys('/')
    s.type("'\"(*) -")
    s.keys('Enter')
    s.expect('no picture has all of this|2 pictures', 'a search of signs is harmless')
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
    (home / 'scenario.json').write_text(json.dumps(dict(png=f'{SOURCE}/app/templates/samples/snail-noto.png', frames=[],
                                                        keep=str(kept))))
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
    s.expect('what it is', 'the form of the reference')
    s.keys('Down', 'Right')
    s.expect('< none >', 'another loader')
    s.keys('F9')
    s.expect('as it is', 'the loader is changed')
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


def faults():
    s = Screen((100, 30))
    s.expect('references', 'start')
    start_drawing(s, 900)
    s.expect('step \\d+ of 900', 'it runs', 60)
    worker = s.pids()[1]
    os.kill(worker, signal.SIGKILL)
    s.expect('worker', 'the loss of the worker is said')
    end = time.monotonic() + 20 * SLOW
    while s.pids()[1] in (None, worker) and time.monotonic() < end:
        time.sleep(0.1)
    check(s.pids()[1] not in (None, worker), 'another worker is started')
    s.expect('loading the model|waiting for its turn', 'the job is offered to it', 60)
    s.expect('step \\d+ of 900', 'and drawn', 60)
    os.kill(s.pids()[0], signal.SIGSEGV) # a crash of the UI
    s.expect('^EXIT 139|^EXIT 1$', 'it crashed')
    check(re.search(r'(?<!-)icanon', s.text()) and re.search(r'(?<!-)\becho\b', s.text()),
          'the terminal is as it was after a crash', s)
    s.tmux('kill-server')
    # The worker goes on without; the next limn finds the job.
    again = Screen((100, 30), home=s.home)
    again.expect('references', 'start')
    again.keys('2')
    again.expect('step \\d+ of 900', 'the job is found again', 60)
    again.keys('x')
    again.expect('stopped', 'and stopped', 30)
    again.close()


def hang_up():
    s = Screen((100, 30))
    s.expect('references', 'start')
    start_drawing(s, 200)
    s.expect('step \\d+ of 200', 'it runs', 60)
    s.tmux('kill-server') # the terminal is gone
    time.sleep(0.5)
    end = time.monotonic() + 60 * SLOW
    while s.pids()[1] and time.monotonic() < end:
        time.sleep(0.2)
    check(s.pids() == (None, None), 'limn ended, and its worker when it was done')
    s = Screen((100, 30), home=s.home)
    s.keys('3')
    s.expect('1 picture,', 'the picture was not lost', 20)
    s.close()


def damaged_library():
    home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    (home / 'data/limn').mkdir(parents=True)
    (home / 'data/limn/library.db').write_bytes(b'SQLite format 3\0' + b'\xff' * 5000)
    s = Screen((120, 30), home=home)
    s.expect('damaged', 'a damaged library is said')
    s.keys('3')
    s.expect('0 pictures', 'and the gallery works')
    check(list((home / 'data/limn').glob('library.db.damaged-*')), 'the damaged file was kept')
    s.close()


def full_disk():
    # A limit on the size of files stands for a disk that is full: writes fail with a reason.
    s = Screen((100, 30), before='ulimit -f 4;')
    s.expect('references', 'start')
    start_drawing(s)
    s.expect('the worker keeps the picture', 'what failed is said', 60)
    for f in (s.home / 'data/limn/pictures').glob('*.png'):
        check(f.read_bytes().endswith(b'IEND\xaeB`\x82'), f'{f} is whole')
    s.close()


def mouse():
    s = Screen((100, 30))

    def at(x, y, button=0):
        # As terminals that are called `screen` say it: ESC [ M, then button, column and row from 33 up.
        for b in (button, 3) if button < 64 else (button,):
            s.type('\x1b[M' + chr(32 + b) + chr(33 + x) + chr(33 + y))
    s.expect('references', 'start')
    at(s.text().split('\n')[0].index('gallery'), 0)
    s.expect('0 pictures', 'a click on a name opens the view')
    at(s.text().split('\n')[0].index('compose'), 0)
    s.expect('references', 'and back')
    row = next(i for i, l in enumerate(s.text().split('\n')) if 'dog-twemoji' in l)
    at(4, row)
    s.keys('a')
    s.expect(r'\[ref#1\] +image.*dog-twemoji', 'a click chooses a file')
    at(4, row, 64 + 1)
    s.keys('a')
    s.expect(r'\[ref#2\] +image.*dolphin', 'the wheel goes on')
    s.close()


def clock_changed():
    # The clock of the day jumps a year back and ten forward while a picture is drawn.
    library = next(iter(pathlib.Path('/usr/lib').glob('*/faketime/libfaketime.so.1')), None)
    if not library:
        print('[  SKIPPED ] clock_changed: libfaketime is not there')
        return
    stamp = pathlib.Path(tempfile.mkdtemp(dir=work.name)) / 'clock'

    def offset(text):
        part = stamp.with_suffix('.part')  # never seen half-written
        part.write_text(text)
        part.rename(stamp)
    offset('+0')
    # Of limn alone, not of the shell around it. The sanitizer's runtime must be loaded first, and must not look at
    # the clock from within malloc(): libfaketime allocates when it is first asked.
    linked = subprocess.run(['ldd', LIMN], capture_output=True, text=True).stdout
    first = re.findall(r'=> (\S*/libasan\.so\S*)', linked)
    s = Screen((100, 30), env={'FAKETIME_TIMESTAMP_FILE': str(stamp), 'FAKETIME_NO_CACHE': '1',
                               'FAKETIME_DONT_FAKE_MONOTONIC': '1',
                               'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') +
                                               ':allocator_release_to_os_interval_ms=-1'},
               before=f"LD_PRELOAD='{' '.join(first + [str(library)])}'")
    s.expect('references', 'start')
    start_drawing(s, 60)
    s.expect('step \\d+ of 60', 'it runs', 60)
    offset('-365d')
    s.expect('done in', 'it is drawn while the clock goes back', 60)
    s.keys('r')
    s.expect('step \\d+ of 60', 'once more', 60)
    offset('+3650d')
    s.expect('done in \\d', 'and while it goes forward', 60)
    end = time.monotonic() + 30
    while len(list((s.home / 'data/limn/pictures').glob('*.png'))) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    s.keys('3')
    s.expect('2 pictures, newest first', 'both are in the gallery', 20)
    years = sorted(int(p.name[:4]) for p in (s.home / 'data/limn/pictures').glob('*.png'))
    check(years[0] == years[-1] - 1, f'the clock did jump: {years}')
    s.keys('1', 'i')
    s.type(' a hen')
    time.sleep(1.5)
    os.kill(s.pids()[0], signal.SIGKILL)
    s.tmux('kill-server')
    again = Screen((100, 30), home=s.home)
    again.expect('a hen', 'the session was kept')
    again.close()


def bad_loaders():
    # tests/loaders/bad: a loader that does what it is told: copy, crash, hang, eat memory.
    bad = pathlib.Path(LOADERS).parent / 'tests/loaders/bad-none.so'
    if not check(bad.exists(), f'{bad} is built'):
        return
    folder = tempfile.mkdtemp(dir=work.name)
    os.symlink(bad, f'{folder}/bad-none.so')
    s = Screen((120, 40),
               env={'LIMN_LOADER_PATH': f'{LOADERS}:{folder}', 'LIMN_LOADER_SECONDS': '4', 'LIMN_LOADER_MEMORY': '200'})
    s.expect('references', 'start')
    s.keys('a', 'Tab', 'Tab', 'Enter')
    s.expect('what it is', 'the form')
    s.keys('Down')
    for _ in range(8):
        if re.search('loader +< bad-none', s.text()):
            break
        s.keys('Right')
    s.expect('loader +< bad-none', 'the loader is chosen')
    s.keys('Down', 'Right')
    s.expect('loader bad-none.*(crash|signal|died)', 'a crash is named', 20)
    s.keys('Right')
    s.expect('do +< hang', 'the next one hangs')
    began = time.monotonic()
    s.keys('Up')
    s.expect('loader +< bad-none', 'limn goes on while it hangs', 3)
    s.expect('loader bad-none took more than 4 seconds', 'a hang is ended and named', 20)
    check(3 < time.monotonic() - began < 10 * SLOW, f'at the limit: {time.monotonic() - began:.1f} s')
    s.keys('Down', 'Right')
    s.expect('loader bad-none.*no memory after', 'a glutton is named', 60)
    worker = s.pids()[1]
    children = ' '.join(p.read_text() for p in pathlib.Path(f'/proc/{worker}/task').glob('*/children')).split()
    check(not children, f'none of them is left: {children}')
    s.keys('F9', 'i')
    s.type(' a hen')
    s.expect('a hen', 'limn goes on')
    s.close()


def colours():
    s = Screen((100, 30), env={'COLORTERM': 'truecolor'})
    s.expect('references', 'start')
    dark = s.text(True)
    s.keys(':')
    s.type('theme light')
    s.keys('Enter')
    time.sleep(0.5)
    check(re.search('\x1b\\[[0-9;]*48;', dark) and s.text(True) != dark, 'another theme, at once')
    s.keys(':')
    s.type('theme nonsense')
    s.keys('Enter')
    s.expect('nonsense', 'one that is not there is said')
    s.close()
    s = Screen((100, 30), home=s.home, env={'NO_COLOR': '1'}, args='--preview none')
    s.expect('references', 'start')
    for key in VIEWS:
        s.keys('Escape', key)
        time.sleep(0.15)
        check(not re.search('\x1b\\[([0-9;]*;)?(3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]', s.text(True)),
              f'NO_COLOR: no colour in view {key}')
    s.close()


def idle():
    s = Screen((100, 30))
    s.expect('references', 'start')
    time.sleep(1.5)

    def ticks():
        fields = pathlib.Path(f'/proc/{s.pids()[0]}/stat').read_text().rsplit(')', 1)[1].split()
        return int(fields[11]) + int(fields[12])
    before = ticks()
    time.sleep(3)
    check(ticks() - before <= 1, f'idle: {ticks() - before} ticks in 3 s')
    s.close()


def terminals():
    for term, what in (('dumb', 'cannot place the cursor'), ('no-such-terminal', 'is unknown')):
        s = Screen((80, 24), env={}, before=f'TERM={term}')
        s.expect('EXIT 2', f'TERM={term}')
        check(what in (s.home / 'err').read_text(), f'TERM={term}: {(s.home / "err").read_text()}')
        s.tmux('kill-server')
    for term in ('linux', 'vt100', 'screen', 'xterm-256color', 'xterm'):
        s = Screen((80, 24), before=f'TERM={term}', args='')
        s.expect('references', f'TERM={term}')
        s.keys('4')
        s.expect('styled-subject', f'TERM={term} templates')
        if term == 'linux': # eight colours: bold black would be grey on white
            s.keys('1', 'Tab')
            s.expect('references', 'TERM=linux compose')
            tab = re.search('((?:\x1b\\[[0-9;]*m)+) 1 compose', s.text(True))
            # Black on one of the terminal's own colours, or that reversed.
            check(tab and re.search(r'\[(0;)?7[;m]', tab[1]) and re.search(r'3[1-7]m', tab[1]) and
                  not re.search(r'\[(0;)?1[;m]', tab[1]), f'the tab can be read: {tab}')
            chosen = re.search('((?:\x1b\\[[0-9;]*m)+) *apple-fluent', s.text(True))
            check('…' not in s.text(), 'its fonts have no …', s)
            check(chosen and re.search(r'\[(0;)?1[;m]', chosen[1]), f'what is chosen is seen elsewhere too: {chosen}')
        s.close()


def plainly():
    # For screen readers: no lines, no pictures, and the cursor is where the chosen thing is.
    s = Screen((90, 30), args='--plain')
    s.expect('references', 'start')

    def at_cursor():
        x, y, seen = map(int, s.tmux('display-message', '-p', '#{cursor_x} #{cursor_y} #{cursor_flag}').split())
        lines = s.text().split('\n')
        return lines[y][x:] if seen and y < len(lines) else None

    def cursor_at(what, why):
        end = time.monotonic() + 5 * SLOW
        while time.monotonic() < end and not (at_cursor() or '').startswith(what):
            time.sleep(0.05)
        check((at_cursor() or '').startswith(what), f'{why}: the cursor is at {at_cursor()!r}, not {what!r}', s)

    cursor_at('apple-fluent-3d', 'the first file')
    s.keys('Down', 'Down')
    cursor_at('dog-twemoji', 'the third')
    s.keys('4')
    cursor_at('edge', 'the first template')
    s.keys('Down', 'Enter', 'Down')
    s.expect('Esc cancel', 'a form')
    cursor_at('subject', 'its second field')
    check(not re.search('[\u2500-\u259f]', s.text()), 'no lines, no blocks', s)
    s.keys('Escape', '1', 'i')
    s.type('a hen')
    x, y, seen = map(int, s.tmux('display-message', '-p', '#{cursor_x} #{cursor_y} #{cursor_flag}').split())
    check(seen and s.text().split('\n')[y][:x].endswith('a hen'), 'what is written has the cursor behind it', s)
    s.close()


tests = [views_at_every_size, plainly, forms, hostile_names, writing, drawing, cut_words, strangers_picture, sweeping,
         faults, hang_up, damaged_library, full_disk,
         mouse, clock_changed, bad_loaders, colours, idle, terminals]


if __name__ == '__main__':
    run(tests)
