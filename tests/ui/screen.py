# SPDX-License-Identifier: MIT
# The terminal UI in a tmux of its own: keys go in, what is on the screen comes out.
import atexit, os, pathlib, re, subprocess, sys, tempfile, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import LIMN, SLOW, SOURCE, check, environment, work


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
