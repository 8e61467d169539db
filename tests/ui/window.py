#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The window beside the terminal, on a display of its own: files dropped on it by another program, as XDND says
# it; zoom, pan and the slider over the steps by mouse and keys, judged by the window's pixels.
# usage: window.py LIMN SOURCE LOADERS [NAME...]; exit 77 without Xvfb or python3-xlib.
import atexit, json, os, pathlib, select, shutil, struct, subprocess, sys, tempfile, time, urllib.parse
try:
    from Xlib import X, XK, Xatom, display, error, protocol
    from Xlib.ext import xtest
except ImportError: # python3 need not be the one that has the distribution's modules
    system = '/usr/bin/python3'
    if 'LIMN_TEST_PYTHON' not in os.environ and os.path.exists(system):
        os.execve(system, [system] + sys.argv, dict(os.environ, LIMN_TEST_PYTHON=system))
    print('python3-xlib is not there')
    sys.exit(77)
if not shutil.which('Xvfb'):
    print('Xvfb is not there')
    sys.exit(77)
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import frames
from limn_test import LIMN, SAMPLES, SLOW, check, run, work
from screen import Screen

SIDE, SLIDER = 640, 28 # renderer/window.c


class Display:
    """An X server, and a client of it that plays the mouse, the keyboard and other programs."""

    def __init__(self):
        read, write = os.pipe()
        self.server = subprocess.Popen(['Xvfb', '-displayfd', str(write), '-screen', '0', '1000x900x24', '-noreset'],
                                       pass_fds=[write], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        os.close(write)
        atexit.register(self.server.kill)
        number = b''
        while not number.endswith(b'\n'): # it dies when nobody reads its line to the end
            if not select.select([read], [], [], 20 * SLOW)[0]:
                raise SystemExit('Xvfb does not start')
            number += os.read(read, 20)
        os.close(read)
        self.name = ':' + number.decode().strip()
        self.x = display.Display(self.name)
        self.root = self.x.screen().root
        self.atoms = {}

    def close(self):
        self.x.close()
        self.server.terminate()
        self.server.wait()

    def atom(self, name):
        if name not in self.atoms:
            self.atoms[name] = self.x.intern_atom(name)
        return self.atoms[name]

    def window(self, seconds=15):
        """limn's window, once it is shown."""
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            for w in self.root.query_tree().children:
                try:
                    if (w.get_wm_name() or '').startswith('limn') and w.get_attributes().map_state == X.IsViewable:
                        return w
                except (error.BadWindow, error.BadDrawable):
                    pass  # SDL makes windows to try things with: this one went between the list and the question
            time.sleep(0.05)
        return None

    # --- hands

    def point(self, window, x, y):
        at = window.translate_coords(self.root, 0, 0)
        xtest.fake_input(self.x, X.MotionNotify, x=-at.x + x, y=-at.y + y)
        self.x.sync()
        time.sleep(0.05)

    def button(self, number, down):
        xtest.fake_input(self.x, X.ButtonPress if down else X.ButtonRelease, number)
        self.x.sync()
        time.sleep(0.05)

    def click(self, window, x, y, number=1):
        self.point(window, x, y)
        self.button(number, True)
        self.button(number, False)

    def key(self, window, name):
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        code = self.x.keysym_to_keycode(XK.string_to_keysym(name))
        for what in (X.KeyPress, X.KeyRelease):
            xtest.fake_input(self.x, what, code)
        self.x.sync()
        time.sleep(0.05)

    # --- eyes

    def pixels(self, window):
        g = window.get_geometry()
        data = window.get_image(0, 0, g.width, g.height, X.ZPixmap, 0xffffffff).data
        return lambda x, y: tuple(data[4 * (y * g.width + x) + k] for k in (2, 1, 0))

    # --- another program that drops something

    def drop(self, window, data, kind='text/uri-list', seconds=10):
        """What a file manager does (XDND 5): enter, position, drop, and hand over the data when asked for it.
        What the window answered: (will it take it, was it finished)."""
        source = self.root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        kinds, selection = self.atom(kind), self.atom('XdndSelection')
        source.set_selection_owner(selection, X.CurrentTime)

        def say(what, *numbers):
            event = protocol.event.ClientMessage(window=window, client_type=self.atom(what),
                                                 data=(32, (list(numbers) + [0] * 5)[:5]))
            window.send_event(event, event_mask=0)
            self.x.flush()
        say('XdndEnter', source.id, 5 << 24, kinds)
        at = window.translate_coords(self.root, 0, 0)
        say('XdndPosition', source.id, 0, (100 - at.x) << 16 | (100 - at.y), X.CurrentTime, self.atom('XdndActionCopy'))
        taken = finished = False
        dropped = False
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end and not finished:
            if not self.x.pending_events():
                select.select([self.x.fileno()], [], [], 0.1)
                continue
            e = self.x.next_event()
            if e.type == X.ClientMessage and e.client_type == self.atom('XdndStatus') and not dropped:
                taken = bool(e.data[1][1] & 1)
                if not taken:
                    say('XdndLeave', source.id)
                    break
                say('XdndDrop', source.id, 0, X.CurrentTime)
                dropped = True
            elif e.type == X.SelectionRequest and e.selection == selection:
                e.requestor.change_property(e.property, kinds, 8, data)
                answer = protocol.event.SelectionNotify(time=e.time, requestor=e.requestor, selection=selection,
                                                        target=e.target, property=e.property)
                e.requestor.send_event(answer)
                self.x.flush()
            elif e.type == X.ClientMessage and e.client_type == self.atom('XdndFinished'):
                finished = True
        source.destroy()
        self.x.flush()
        return taken, finished


def uris(paths):
    return ''.join('file://' + urllib.parse.quote(os.fsencode(p)) + '\r\n' for p in paths).encode()


def open_window(d, s):
    s.expect('references', 'start')
    s.keys('W')
    w = d.window()
    check(w is not None, f'the window opens ({(s.home / "err").read_text()[-500:]})', s)
    return w


def dropping():
    d = Display()
    folder = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    names = ['plain.png', 'with spaces and (signs) #1 %41 100%.png', 'Füchse – 日本語 \U0001f98a.png', 'a+b&c=d;e.png']
    for n, sample in zip(names, ('cat-noto', 'dog-twemoji', 'horse-fluent-flat', 'snail-noto')):
        shutil.copy(SAMPLES / f'{sample}.png', folder / n)
    (folder / 'letter.txt').write_text('no picture at all')
    (folder / 'folder').mkdir()
    s = Screen((140, 40), env={'DISPLAY': d.name, 'SDL_VIDEODRIVER': 'x11'})
    w = open_window(d, s)
    if w is None:
        return s.close()
    check(d.drop(w, uris([folder / names[0]])) == (True, True), 'the window takes a file')
    s.expect(r'\[ref#1\] +image +unchanged +plain\.png', 'it is a reference')
    s.expect(r'^.*│ *\[ref#1\]', 'and in the instruction')
    check(d.drop(w, uris(folder / n for n in names[1:])) == (True, True), 'it takes several at once')
    s.expect(r'\[ref#2\] .*with spaces and \(signs\) #1 %41 100%\.png', 'spaces, signs and percents in a name')
    s.expect(r'\[ref#3\] .*Füchse – 日本語 \U0001f98a\.png', 'other letters')
    s.expect(r'\[ref#4\] .*a\+b&c=d;e\.png', 'what means something elsewhere')
    check(d.drop(w, uris([folder / 'letter.txt'])) == (True, True), 'it takes what is no picture')
    s.expect(r'letter\.txt: .*picture', 'and limn says that it is none')
    s.expect(r'\[ref#5\]', 'no reference of it', 1, gone=True)
    check(d.drop(w, uris([folder / 'folder'])) == (True, True), 'a folder')
    s.expect(r'folder: .*(folder|directory)', 'is no picture either')
    check(d.drop(w, uris([folder / 'gone.png'])) == (True, True), 'a file that is not there')
    s.expect(r'gone\.png: .*(No such file|not there)', 'is a sentence')
    check('[ref#5]' not in s.text(), 'and none of them is a reference', s)
    d.drop(w, b'https://example.org/cat.png\r\n')
    d.drop(w, b'\x00\xff\xfe nonsense \r\n' * 50)
    d.drop(w, b'', seconds=2)
    check(d.drop(w, b'x', kind='image/x-nothing', seconds=3)[1] is False, 'a kind it does not know is refused')
    check(d.drop(w, uris([folder / names[0]])) == (True, True), 'after all that it takes files as before')
    s.expect(r'\[ref#5\] +image +unchanged +plain\.png', 'and limn has it')
    s.keys('W')
    end = time.monotonic() + 10 * SLOW
    while d.window(0.1) is not None and time.monotonic() < end:
        pass
    check(d.window(0.1) is None, 'W closes it again')
    s.close()
    d.close()


def frame(head, pixels):
    return frames.frame(json.loads('{"type":"frame",' + head + '}'), pixels)


def near(a, b, far=40):
    return all(abs(x - y) <= far for x, y in zip(a, b))


class Alone:
    """limn-window without limn: frames in, what is dropped out."""

    def __init__(self, d):
        self.d = d
        # Drivers that SDL has loaded and unloaded again leave memory behind that cannot be laid at their door.
        env = dict(os.environ, DISPLAY=d.name, SDL_VIDEODRIVER='x11', SDL_RENDER_DRIVER='software',
                   ASAN_OPTIONS=os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0')
        self.p = subprocess.Popen([str(pathlib.Path(LIMN).parent / 'limn-window')], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, env=env)
        self.w = d.window()

    def send(self, step, total, pixels, side=64):
        self.p.stdin.write(frame(f'"step":{step},"total":{total},"width":{side},"height":{side}', pixels))
        self.p.stdin.flush()

    def until(self, what, why, seconds=5):
        end = time.monotonic() + seconds * SLOW
        while time.monotonic() < end:
            if what(self.d.pixels(self.w)):
                return check(True, why)
            time.sleep(0.05)
        p = self.d.pixels(self.w)
        return check(False, f'{why}: middle {p(320, 320)}, left {p(160, 320)}, right {p(480, 320)}, title '
                            f'{self.w.get_wm_name()}')

    def title(self, what, why, seconds=5):
        end = time.monotonic() + seconds * SLOW
        while self.w.get_wm_name() != what and time.monotonic() < end:
            time.sleep(0.05)
        return check(self.w.get_wm_name() == what, f'{why}: {self.w.get_wm_name()!r}, not {what!r}')

    def close(self):
        self.p.stdin.close()
        check(self.p.wait(10 * SLOW) == 0, 'it ends when limn does')


RED, GREEN, BLUE, GROUND = (255, 0, 0), (0, 255, 0), (0, 0, 255), (28, 28, 30)


def looking():
    """A picture red on the left and green on the right, with a blue square in its middle."""
    d = Display()
    a = Alone(d)
    if not check(a.w is not None, 'the window opens'):
        return d.close()
    picture = b''.join(bytes(BLUE if 28 <= x < 36 and 28 <= y < 36 else RED if x < 32 else GREEN)
                       for y in range(64) for x in range(64))
    a.until(lambda p: near(p(320, 320), GROUND), 'nothing is shown at first')
    a.send(1, 1, picture)
    a.until(lambda p: near(p(320, 320), BLUE) and near(p(100, 100), RED) and near(p(540, 500), GREEN),
            'the picture fits')
    at = lambda p: near(p(390, 320), BLUE) # 10 pixels a pixel: the square ends at 360
    check(not at(d.pixels(a.w)), 'the square is small')
    d.key(a.w, 'plus'), d.key(a.w, 'plus'), d.key(a.w, 'plus')
    a.until(at, '+ makes it larger')
    d.key(a.w, '0')
    a.until(lambda p: not at(p) and near(p(320, 320), BLUE), '0 fits it again')
    # The wheel: what is under the mouse stays there.
    d.point(a.w, 285, 320)
    a.until(lambda p: near(p(285, 320), BLUE), 'the mouse is on the square')
    for _ in range(6):
        d.click(a.w, 285, 320, 4)
    a.until(lambda p: near(p(286, 320), BLUE) and near(p(255, 320), RED) and near(p(500, 320), BLUE),
            'the wheel enlarges what the mouse is on')
    for _ in range(12):
        d.click(a.w, 285, 320, 5)
    a.until(lambda p: near(p(20, 320), GROUND) and near(p(620, 320), GROUND), 'and makes it smaller')
    d.key(a.w, '0')
    a.until(lambda p: near(p(20, 320), RED), 'it fits before a horizontal wheel')
    for _ in range(6):
        d.click(a.w, 285, 320, 6), d.click(a.w, 285, 320, 7)
    d.key(a.w, 'plus')
    a.until(lambda p: near(p(100, 320), RED) and near(p(365, 320), BLUE), 'a horizontal wheel does not zoom')
    d.key(a.w, '0')
    a.until(lambda p: near(p(320, 320), BLUE) and near(p(100, 100), RED), 'fits')
    # Moving it.
    d.point(a.w, 320, 320)
    d.button(1, True)
    d.point(a.w, 370, 350)
    d.point(a.w, 420, 400)
    d.button(1, False)
    a.until(lambda p: near(p(420, 400), BLUE) and near(p(320, 320), RED) and near(p(50, 300), GROUND),
            'the mouse moves the picture')
    d.point(a.w, 100, 100) # the button is up: nothing moves
    a.until(lambda p: near(p(420, 400), BLUE), 'and lets it go')
    d.key(a.w, '0')
    a.until(lambda p: near(p(320, 320), BLUE), 'and back')
    a.close()
    d.close()


def steps():
    """Eleven steps, from black to red."""
    d = Display()
    a = Alone(d)
    if not check(a.w is not None, 'the window opens'):
        return d.close()

    def shade(step):
        return lambda p: near(p(320, 320), (25 * step, 0, 0), 12)
    for step in range(11):
        a.send(step, 10, bytes((25 * step, 0, 0)) * 4096)
    a.until(shade(10), 'the newest step is shown')
    a.title('limn: step 10 of 10', 'the title says so')
    d.key(a.w, 'Left'), d.key(a.w, 'Left')
    a.until(shade(8), 'left: the step before')
    a.title('limn: step 8 of 10', 'the title')
    d.key(a.w, 'Home')
    a.until(shade(0), 'Home: the first')
    d.key(a.w, 'Left') # there is none
    a.until(shade(0), 'the first stays')
    d.key(a.w, 'Right')
    a.until(shade(1), 'right: the next')
    d.click(a.w, 12 + (SIDE - 24) // 2, SIDE + SLIDER // 2)
    a.until(shade(5), 'a click into the middle of the slider')
    d.button(1, True)
    for x in range(320, 12 + 8 * (SIDE - 24) // 10 + 1, 20):
        d.point(a.w, x, SIDE + SLIDER // 2)
    d.point(a.w, 12 + 8 * (SIDE - 24) // 10, SIDE - 100) # beside it, still held
    d.button(1, False)
    a.until(shade(8), 'the knob follows the mouse')
    a.until(lambda p: near(p(12 + 8 * (SIDE - 24) // 10, SIDE + SLIDER // 2), (138, 180, 180)), 'and is drawn there')
    d.click(a.w, SIDE - 2, SIDE + SLIDER // 2)
    a.until(shade(10), 'its end is the last step')
    # What is looked at stays while more steps come; the newest follows.
    d.key(a.w, 'Home')
    a.send(11, 12, bytes((0, 0, 255)) * 4096)
    a.until(shade(0), 'the step that is looked at stays')
    d.key(a.w, 'End')
    a.until(lambda p: near(p(320, 320), BLUE), 'End: the newest')
    a.send(12, 12, bytes((0, 255, 0)) * 4096)
    a.until(lambda p: near(p(320, 320), GREEN), 'which is followed')
    a.send(1, 12, bytes((255, 0, 0)) * 4096)
    a.until(lambda p: near(p(320, 320), RED), 'another drawing begins')
    a.title('limn: step 1 of 12', 'its title')
    d.key(a.w, 'Left')
    a.until(lambda p: near(p(320, 320), RED), 'the old one is gone')
    d.key(a.w, 'q')
    check(a.p.wait(10 * SLOW) == 0, 'q closes it')
    d.close()


def painting():
    """A mask over a red picture: left and right button, the brush, undo, Enter, and what limn then gets."""
    d = Display()
    a = Alone(d)
    if not check(a.w is not None, 'the window opens'):
        return d.close()
    a.send(1, 1, bytes(GREEN) * 4096)
    a.until(lambda p: near(p(320, 320), GREEN), 'a frame')
    head = b'{"type":"paint","width":64,"height":64,"mask_width":64,"mask_height":64}'
    body = bytes(RED) * 4096 + bytes(4096)
    a.p.stdin.write(b'LMN1' + struct.pack('<IQ', len(head), len(body)) + head + body)
    a.p.stdin.flush()
    a.until(lambda p: near(p(320, 320), RED), 'the picture to paint over')
    title = a.w.get_wm_name()
    d.key(a.w, 'Left'), d.key(a.w, '0')
    a.title(title, 'a key for the steps does nothing while a mask is painted')
    check('paint' in title, title)

    def painted():
        """The newest message: whether Enter was pressed, and the mask's white pixels."""
        start = b''
        while len(start) < 16:
            start += os.read(a.p.stdout.fileno(), 16 - len(start))
        n, size = struct.unpack('<IQ', start[4:])
        rest = b''
        while len(rest) < n + size:
            rest += os.read(a.p.stdout.fileno(), n + size - len(rest))
        return json.loads(rest[:n]), rest[n:]

    d.point(a.w, 320, 320)
    d.button(1, True)
    for x in range(320, 480, 20):
        d.point(a.w, x, 320)
    d.button(1, False)
    a.until(lambda p: not near(p(400, 320), RED) and near(p(100, 320), RED), 'is striped where it was painted')
    head, mask = painted()
    white = [i for i, v in enumerate(mask) if v]
    check(head['width'] == 64 and all(26 <= i // 64 <= 37 and 28 <= i % 64 <= 50 for i in white) and
          60 < len(white) < 150, f'limn gets the stroke: {head}, {len(white)} pixels')
    d.point(a.w, 330, 320)
    d.button(3, True), d.button(3, False)
    check(len([v for v in painted()[1] if v]) < len(white), 'the right button takes away')
    d.key(a.w, 'u')
    check(painted()[1] == mask, 'u brings it back')
    d.key(a.w, 'i')
    check(painted()[1] == bytes(255 - v for v in mask), 'i turns it around')
    d.key(a.w, 'Return')
    head, _ = painted()
    check(head['ended'], 'Enter is said')
    a.p.stdin.write(b'LMN1' + struct.pack('<IQ', 16, 0) + b'{"type":"paint"}')
    a.p.stdin.flush()
    a.until(lambda p: near(p(320, 320), GREEN), 'then the frames are shown again')
    a.close()
    d.close()
    # Through limn: what is painted in the window becomes the instruction's mask.
    d = Display()
    s = Screen((100, 34), env={'DISPLAY': d.name, 'SDL_VIDEODRIVER': 'x11', 'SDL_RENDER_DRIVER': 'software'})
    s.expect('references', 'start')
    s.keys('M')
    s.expect('mask: what is painted', 'a picture of the list is painted over')
    s.expect('0.00 % is redrawn', 'nothing yet')
    s.keys('W')
    w = d.window()
    check(w is not None, 'the window beside it')
    end = time.monotonic() + 10 * SLOW
    while near(d.pixels(w)(320, 320), GROUND) and time.monotonic() < end:
        time.sleep(0.05)
    d.click(w, 320, 320)
    s.expect(r'[1-9]\d*\.\d+ % is redrawn|0\.[1-9]\d % is', 'a click in the window paints')
    d.key(w, 'Return')
    s.expect('mask .*painted.png', 'Enter there takes it')
    s.close()
    d.close()


def without_display():
    s = Screen((100, 30), env={'DISPLAY': ':4711', 'SDL_VIDEODRIVER': 'x11'})
    s.expect('references', 'start')
    s.keys('W')
    s.expect('no window can be opened', 'no display is a sentence')
    s.keys('i')
    s.type('a hen')
    s.expect('a hen', 'and limn goes on')
    s.close()


if __name__ == '__main__':
    run([dropping, looking, steps, painting, without_display])
