#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Terminals that are not to be had here, played on a pseudo-terminal: they answer as they are documented to, or late,
# in part, never, with nonsense, while somebody types. What the UI then sends, and that no key is lost or made up.
# usage: answers.py LIMN SOURCE LOADERS [NAME...]
import base64, os, pathlib, re, select, signal, sys, tempfile, time
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import LIMN, SAMPLES, SLOW, check, environment, in_terminal, side_by_side, work

# What they answer to CSI c, CSI 16 t, XTSMGRAPHICS (colours) and the query of kitty's protocol.
WEZTERM = dict(da1=b'\x1b[?65;4;6;18;22c', cell=b'\x1b[6;19;10t', colours=b'\x1b[?1;0;65536S')
WEZTERM_KITTY = dict(WEZTERM, kitty=b'\x1b_Gi=31;OK\x1b\\') # enable_kitty_graphics
WINDOWS = dict(da1=b'\x1b[?61;4;6;7;14;21;22;23;24;28;32;42c', cell=b'\x1b[6;20;10t', colours=b'\x1b[?1;2S')
WINDOWS_BEFORE = dict(da1=b'\x1b[?61;6;7;14;21;22;23;24;28;32;42c', cell=b'\x1b[6;16;8t')
PLAIN = dict(da1=b'\x1b[?62;c')
LIGHT = dict(PLAIN, ground=b'\x1b]11;rgb:ffff/ffff/f0f0\x1b\\')
SIXEL, KITTY, CELLS = b'\x1bP0;1q', b'\x1b_Ga=t', '▀▄▁▂▃▆▌▐▖▗▘▝█'


class Terminal:
    def __init__(self, answers, late=0, silent=False, typed=b'', term='xterm-256color', size=(100, 30), before=None,
                 split=False):
        self.answers, self.late, self.silent, self.typed, self.split = answers, late, silent, typed, split
        self.before, self.due, self.out, self.asked, self.last = before, [], b'', 0, 0
        home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
        env = environment(home, XDG_DATA_HOME=f'{home}/data', XDG_STATE_HOME=f'{home}/state',
                          XDG_CONFIG_HOME=f'{home}/config', TERM=term)
        self.pid, self.fd = in_terminal([LIMN], env, SAMPLES, size)
        self.seen = 0

    def send(self, data, when=0):
        self.due.append((time.monotonic() + when, data))

    def reply(self, data, when):
        self.last = max(time.monotonic() + when, self.last) # never before an earlier one
        self.due.append((self.last, data))

    def answer(self):
        """To the questions in what has come since."""
        if self.silent:
            return
        for m in re.finditer(rb'\x1b\[c|\x1b\]11;\?\x1b\\|\x1b\[16t|\x1b\[\?1;1;0S|\x1b_Gi=31[^\x1b]*\x1b\\|\x1b\[5n',
                             self.out[self.seen:]):
            name = {b'\x1b[c': 'da1', b'\x1b[16t': 'cell', b'\x1b[?1;1;0S': 'colours',
                    b'\x1b[5n': 'here', b'\x1b]11;?\x1b\\': 'ground'}.get(m[0], 'kitty')
            reply = b'\x1b[0n' if name == 'here' else self.answers.get(name, b'')
            if name == 'da1':
                if self.asked == 0 and self.typed:
                    self.send(self.typed)
                self.asked += 1
            if self.split: # byte by byte
                for i in range(len(reply)):
                    self.reply(reply[i:i + 1], self.late + 0.001 * i)
            elif reply:
                self.reply(reply, self.late)
        last = self.out.rfind(b'\x1b')
        self.seen = len(self.out) if last < 0 or len(self.out) - last > 60 else max(self.seen, last)
        # A question that was seen whole must not be answered twice.
        if re.fullmatch(rb'\x1b(\[c|\[16t|\[\?1;1;0S|\[5n)|\x1b_Gi=31[^\x1b]*\x1b\\', self.out[self.seen:]):
            self.seen = len(self.out)

    def run(self, seconds, until=None):
        end = time.monotonic() + seconds * (SLOW if until else 1)
        while time.monotonic() < end:
            if until and until(self.out):
                return True
            now = time.monotonic()
            ready = [d for d in self.due if d[0] <= now]
            self.due = [d for d in self.due if d[0] > now]
            for _, data in ready:
                os.write(self.fd, data)
            if select.select([self.fd], [], [], 0.005)[0]:
                try:
                    data = os.read(self.fd, 1 << 16)
                except OSError:
                    return bool(until and until(self.out))
                self.out += data
                self.answer()
        return bool(until and until(self.out))

    def expect(self, what, why, seconds=10):
        ok = self.run(seconds, lambda out: what in out)
        return check(ok, f'{why}: no {what!r} ({self.out[-300:]!r})')

    def text(self):
        """What was printed, in the order of printing, without control sequences and pictures."""
        t = re.sub(rb'\x1b[P_\]][^\x1b]*\x1b\\|\x1b\[[0-9;?]*[@-~]|\x1b[()][A-Z0-9]|\x1b.', b'', self.out)
        return t.decode('utf-8', 'replace')

    def close(self):
        for key in (b'\x1b', b'\x1b', b'q'):
            self.send(key)
            self.run(0.15)
        end = time.monotonic() + 10 * SLOW
        pid = status = 0
        while not pid and time.monotonic() < end:
            self.run(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        check(pid and status == 0, f'limn ends with 0, not {status}')
        if not pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def kind(out):
    return ('kitty' if KITTY in out else 'sixel' if SIXEL in out else
            'cells' if any(c.encode() in out for c in CELLS) else None)


def started(answers, expected, why, **how):
    t = Terminal(answers, **how)
    check(t.run(10, lambda out: kind(out) is not None), f'{why}: a picture is sent ({t.out[-200:]!r})')
    t.run(0.3)
    check(kind(t.out) == expected, f'{why}: {expected}, not {kind(t.out)}')
    return t


def as_documented():
    for answers, expected, why in ((WEZTERM, 'sixel', 'WezTerm'),
                                   (WEZTERM_KITTY, 'kitty', 'WezTerm with kitty\'s protocol'),
                                   (WINDOWS, 'sixel', 'Windows Terminal 1.22'),
                                   (WINDOWS_BEFORE, 'cells', 'Windows Terminal before'), (PLAIN, 'cells', 'neither')):
        for split in (False, True):
            t = started(answers, expected, f'{why}{", byte by byte" if split else ""}', split=split)
            if expected == 'sixel': # whole cells of the size that was said
                height = int(re.match(rb'\x1b\[6;(\d+);(\d+)t', answers['cell'])[1])
                width = int(re.match(rb'\x1b\[6;(\d+);(\d+)t', answers['cell'])[2])
                sizes = re.findall(rb'"1;1;(\d+);(\d+)', t.out)
                check(sizes and all(int(w) % width == 0 and int(h) % height == 0 for w, h in sizes), f'{why}: {sizes}')
                check(t.out.count(b'\x1bP') == len(sizes), f'{why}: each sixel image says its size')
            if expected == 'sixel' and not split: # down the list of files: what is sent besides the picture that comes
                moves = []
                for _ in range(3):
                    before = len(t.out)
                    t.send(b'\x1b[B')
                    t.run(0.5)
                    moves.append(len(re.sub(rb'\x1bP.*?\x1b\\', b'', t.out[before:], flags=re.S)))
                check(0 < min(moves) <= 1024, f'{why}: a move takes {moves} bytes')
            if expected == 'kitty':
                check(all(len(c) <= 4096 for c in re.findall(rb'\x1b_G[^;]*;([^\x1b]*)\x1b', t.out)), 'chunks of 4096')
                check(b'\x1b[?2026h' not in t.out,
                      'nothing is held back: kitty 0.26 loses pictures of what it holds back')
            t.close()
            check(expected != 'kitty' or b'a=d' in t.out, f'{why}: the pictures are taken off at the end')
            check(t.out.rstrip().count(b'\x1b[?1049l') == 1, f'{why}: the screen is given back')


def who_does_not_answer():
    t = started({}, 'cells', 'silence', silent=True)
    t.close()
    t = started(dict(cell=b'\x1b[6;20;10t'), 'cells', 'only the cell\'s size')
    t.close()
    t = started(dict(kitty=b'\x1b_Gi=31;OK\x1b\\'), 'kitty', 'only kitty\'s protocol')
    t.close()
    for junk in (b'\x1b[?62;4', b'\x1b[;;;;;;;;;;;;;', b'\x1b[?' + b'4;' * 3000 + b'c',
                 b'\x1b_G' + b'A' * 500 + b'\x1b\\',
                 b'\x1b[?99999999999999999999;4c', b'\x1b[6;0;0t\x1b[6;-1;x', b'\xff\xfe\x80',
                 b'\x1b]10;rgb:ff/ff/ff\x1b\\'):
        t = Terminal(dict(da1=junk))
        check(t.run(10, lambda out: kind(out) is not None), f'{junk[:20]!r}: a picture is sent')
        t.send(b'\x1b[27;1~') # ends whatever was open
        t.run(0.8)
        t.close()


def typing_meanwhile():
    # `4` opens the templates, `i` begins the instruction; they come before the first answer, or between the answers.
    for answers, expected in ((WINDOWS, 'sixel'), (WEZTERM_KITTY, 'kitty'), (PLAIN, 'cells')):
        t = Terminal(answers, typed='ia hen, \u00e9\u65e5'.encode())
        ok = t.run(10, lambda out: 'a hen, \u00e9\u65e5' in t.text())
        check(ok, f'{expected}: what was typed is in the instruction ({t.text()[-200:]!r})')
        check(t.run(10, lambda out: kind(out) is not None) and kind(t.out) == expected, f'and it is {expected}')
        t.close()
    t = Terminal(WINDOWS, typed=b'\x1b[B\x1b[B') # cursor down, twice
    check(t.run(10, lambda out: kind(out) is not None), 'a picture')
    t.send(b'a')
    t.expect(b'dog-twemoji.png; its loader', 'keys with sequences of their own are not lost')
    t.close()
    t = Terminal({}, silent=True, typed=b'')
    t.send(b'4', 0.1) # in the time that limn waits
    t.expect(b'styled-subject', 'a key that is typed to a silent terminal')
    t.close()


def late():
    # The answers come when limn waits no longer: they are no keys, and what they say is still of use.
    for answers, expected, split in ((WINDOWS, 'sixel', False), (WEZTERM_KITTY, 'kitty', False),
                                     (PLAIN, 'cells', False), (WINDOWS_BEFORE, 'cells', True)):
        t = Terminal(answers, late=1.2, split=split)
        check(t.run(10, lambda out: kind(out) == 'cells'), f'{expected}: symbols at first')
        t.run(1.0)
        if expected != 'cells':
            check(t.run(5, lambda out: kind(out) == expected), f'late: then {expected}, not {kind(t.out)}')
        text = t.text()
        for wrong in ('all commands', 'training runs', 'styled-subject', '0 pictures', 'how many stars'):
            check(wrong not in text, f'{expected}: a late answer opened {wrong!r}')
        t.send(b'ia hen')
        check(t.run(5, lambda out: 'a hen' in t.text()), f'{expected}: keys are keys')
        check(';' not in t.text().split('a hen')[-1], 'and nothing of the answers is text')
        t.close()
    # Half of an answer in time, half of it late, with somebody typing after.
    t = Terminal({})
    t.answers = dict(da1=b'\x1b[?61;4;6')
    t.send(b';7;22c', 0.9)
    check(t.run(10, lambda out: kind(out) is not None), 'a picture')
    t.run(1.0)
    t.send(b'4')
    t.expect(b'styled-subject', 'a key after an answer in two halves')
    t.close()
    # The other half never comes: letters are keys all the same.
    t = Terminal(dict(da1=b'\x1b[?61;4;6'))
    check(t.run(10, lambda out: kind(out) is not None), 'a picture')
    t.send(b'ia hen')
    check(t.run(5, lambda out: 'a hen' in t.text()), 'letters after half an answer')
    t.close()
    # Keys that the terminal's description lacks do nothing, instead of being Esc and letters.
    t = started(PLAIN, 'cells', 'keys')
    t.send(b'i')
    t.run(0.3)
    for sequence in (b'\x1b[1;5C', b'\x1b[25;2~', b'\x1b[200~', b'\x1bOx', b'\x1b[?1;2;4c', b'\x1b[8;30;100t'):
        t.send(sequence)
        t.run(0.15)
    t.send(b'a hen')
    check(t.run(5, lambda out: 'a hen' in t.text()), f'they leave the instruction alone ({t.text()[-200:]!r})')
    t.close()


def on_a_light_ground():
    # Whose ground is light gets the theme for it, at once or when the answer comes, unless another one was chosen.
    def grounds(terminal):
        return set(re.findall(rb'48;5;(\d+)', terminal.out))
    t = started(PLAIN, 'cells', 'no answer')
    dark = grounds(t)
    t.send(b':theme light\r')
    check(t.run(5, lambda out: grounds(t) - dark), 'the light theme has grounds of its own')
    t.run(0.5)
    light = grounds(t) - dark
    t.close()
    for how, late, split in (('at once', 0, False), ('late', 1.2, False), ('late, in pieces', 1.2, True)):
        t = Terminal(LIGHT, late=late, split=split)
        check(t.run(10, lambda out: grounds(t) & light), f'{how}: the light theme ({grounds(t)}, not {light})')
        t.send(b'ia hen')
        check(t.run(5, lambda out: 'a hen' in t.text()), f'{how}: keys are keys')
        check('rgb' not in t.text(), f'{how}: the answer is no text')
        t.close()
    t = Terminal(dict(PLAIN, ground=b'\x1b]11;rgb:1e1e/1e1e/2e2e\a'))
    check(t.run(10, lambda out: kind(out) is not None), 'a dark ground, ended by a bell')
    t.run(1)
    check(not grounds(t) & light, f'the dark theme ({grounds(t)})')
    t.close()


def pasted():
    # Outside a text it is no keys; in one it goes in whole. A byte that is no character costs that letter.
    t = started(PLAIN, 'cells', 'a paste')
    t.send(b'\x1b[200~6q\rquick\x1b[201~')
    t.run(1)
    check('training runs' not in t.text() and os.waitpid(t.pid, os.WNOHANG)[0] == 0, 'pasted text is no keys')
    t.send(b'i')
    t.run(0.3)
    t.send('\x1b[200~a caf\u00e9, q\x1b]0;x\x07 and a\x1b[201~'.encode())
    check(t.run(5, lambda out: 'caf\u00e9, q' in t.text() and 'and a' in t.text()),
          f'whole in a text ({t.text()[-200:]!r})')
    t.send(b' h\xe9n in red')
    check(t.run(5, lambda out: 'hn in red' in t.text()), f'a broken byte is one letter ({t.text()[-200:]!r})')
    check(b'\x1b[?2004h' in t.out, 'it is asked for')
    t.close()
    check(b'\x1b[?2004l' in t.out, 'and no more at the end')


def the_mouse_paints():
    t = Terminal(WINDOWS_BEFORE, size=(100, 40))
    check(t.run(15, lambda out: 'instruction' in t.text()), 'start')
    t.send(b'M')
    check(t.run(10, lambda out: '0.00 % is redrawn' in t.text()), f'the painter ({t.text()[-300:]!r})')
    check(t.run(5, lambda out: b'\x1b[?1002h' in t.out), 'the mouse is followed')
    t.send(b'\x1b[<0;45;15M')
    for x in range(45, 60):
        t.send(b'\x1b[<32;%d;15M' % x, 0.01 * (x - 40))
    t.send(b'\x1b[<0;60;15m', 0.3)
    t.send(b'\x0c', 0.6) # the screen whole
    check(t.run(5, lambda out: re.search(r'[1-9]\d*\.\d\d % is redrawn', t.text())), f'a stroke ({t.text()[-300:]!r})')
    t.send(b'u')
    t.run(0.5)
    before = t.out.count(b'\x1b[?1002l')
    t.send(b'\x1b')
    check(t.run(5, lambda out: 'the mask is unchanged' in t.text()), 'Esc leaves it')
    check(t.out.count(b'\x1b[?1002l') == before + 1, 'and the mouse is followed no more')
    t.close()


def for_other_programs():
    """The clipboard (OSC 52) and the bell, as bytes."""
    t = Terminal(WINDOWS_BEFORE, size=(100, 30))
    check(t.run(15, lambda out: 'instruction' in t.text()), 'start')
    t.send(b':size 64\r:retrieve 0\r:steps 2\r')
    t.run(0.5)
    t.send('ia caf\u00e9, "quoted"'.encode())
    t.run(0.5)
    t.send(b'\x1b')
    t.run(0.5)
    began = time.monotonic()
    t.send(b'\x07') # ^G draws
    check(t.run(30, lambda out: 'done in' in t.text()), 'a drawing')
    took = time.monotonic() - began
    t.send(b'yi')
    sent = b'\x1b]52;c;' + base64.b64encode('a caf\u00e9, "quoted"'.encode()) + b'\x1b\\'
    check(t.run(5, lambda out: sent in t.out), f'the instruction goes to the clipboard ({t.out[-200:]!r})')
    check(took > 10 or b'\x07' not in t.out, 'a drawing that took less than ten seconds rings no bell')
    t.send(b'1:steps 1000\r:count 4\r') # more than ten seconds anywhere; it is stopped after that
    t.run(0.5)
    before = len(t.out)
    t.send(b'\x07')
    check(t.run(30, lambda out: len(out) > before + 4000), 'previews come') # so it has begun
    t.run(11)
    t.send(b'Xy')
    check(t.run(10, lambda out: b'\x07' in t.out), 'the bell rings when a queue of more than ten seconds has ended')
    t.close()


def drawing(answer, argv=(), typed=b'', **more):
    """limn generate under a shell on a terminal that answers when `answer` says: what came, in whole."""
    home = tempfile.mkdtemp(dir=work.name)
    env = environment(home, **dict(dict(TERM='xterm-256color'), **more))
    line = ' '.join([LIMN, 'generate', 'text', '--steps', '2', '--no-library', '-o', f'{home}/x.png', *argv])
    # What is left behind on the terminal is the next program's line.
    pid, fd = in_terminal(['/bin/sh', '-c', f'{line}; stty -echo; echo READY; read left; echo "LEFT<$left>"'],
                          env, home)
    out, due = b'', [(time.monotonic() + 0.05, typed)] if typed else []
    end = time.monotonic() + 60 * SLOW
    asked = ended = False
    while time.monotonic() < end and b'LEFT<' not in out:
        if select.select([fd], [], [], 0.02)[0]:
            try:
                out += os.read(fd, 1 << 16)
            except OSError:
                break
        if not asked and b'\x1b[c' in out and answer is not None:
            asked = True
            due.append((time.monotonic() + answer * SLOW, b'\x1b[6;20;10t\x1b[?62;22c'))
        if not ended and b'READY' in out:
            ended = True
            due.append((time.monotonic() + 0.3, b'\n'))
        for d in [d for d in due if d[0] <= time.monotonic()]:
            due.remove(d)
            os.write(fd, d[1])
    try:
        out += os.read(fd, 1 << 16) if select.select([fd], [], [], 0.2)[0] else b''
    except OSError: # it has ended
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)
    return out


def moves_over_the_line():
    """A move prints what differs, and no cell under a picture that stays: at most 1 KB, pictures aside."""
    t = started(WEZTERM, 'sixel', 'moves', size=(120, 40))
    t.send(b'4')
    check(t.run(10, lambda out: b'what it draws' in out), 'the templates', t)
    t.run(0.5)
    t.out, t.seen = b'', 0
    for _ in range(7):
        t.send(b'j')
        t.run(0.25) # where that is too short two moves are one, and less is printed
    t.run(10, lambda out: len(out) > 10000)
    t.run(0.25)
    n = len(re.sub(rb'\x1bP[^\x1b]*\x1b\\', b'', t.out))
    scrolls = re.search(rb'\x1bM|\x1b\[[0-9;]*[rLMST]|\x1b\[\?69h', t.out) # terminals take pictures along
    check(not scrolls, f'nothing is scrolled under pictures: {scrolls}')
    check(500 < n < 7 * 1024, f'seven moves over templates and their pictures print {n} bytes')
    t.close()


def what_is_left_to_the_shell():
    out = drawing(0.01)
    check(b'LEFT<>' in out and b'\x1b[c' in out, f'an answer at once: {out[-300:]}')
    out = drawing(0.9 / SLOW)
    check(b'LEFT<>' in out, f'an answer that is late: {out[-300:]}')
    out = drawing(None, typed=b'typed ahead\n')
    check(b'LEFT<typed ahead>' in out, f'what was typed ahead: {out[-300:]}')
    out = drawing(0.01, argv=['--json'])
    check(b'\x1b' not in out and b'"result"' in out, f'nothing between lines of JSON: {out[:300]}')
    for argv, more in ((['-q'], {}), ([], dict(TERM='dumb'))):
        out = drawing(0.01, argv=argv, **more)
        check(b'\x1b[c' not in out and b'\x1b_G' not in out, f'{argv} {more}: nothing is asked: {out[:300]}')


if __name__ == '__main__':
    side_by_side([who_does_not_answer], [late], [for_other_programs], [what_is_left_to_the_shell, pasted],
                 [as_documented, the_mouse_paints], [typing_meanwhile, on_a_light_ground, moves_over_the_line])
