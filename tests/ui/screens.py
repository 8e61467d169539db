#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The terminal UI from outside, in tmux: what is on the screen at several sizes, locales and terminals, and
# what keys, mouse and names from outside make of it.
# usage: screens.py LIMN SOURCE LOADERS [NAME...]
import os, pathlib, re, shutil, signal, subprocess, sys, tempfile, time, unicodedata
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import LIMN, SANITIZED, SLOW, SOURCE, check, environment, run, skip, until, work
from screen import Screen, command

VIEWS = {'1': 'references', '2': 'queue', '3': 'picture', '4': 'styled-subject', '5': 'limn-icons',
         '6': 'training runs', '7': 'log', '8': 'all commands'}


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
                check(re.search('Esc back$' if key == '8' else r'\? help$', s.text().rstrip()),
                      f'{locale} {size} view {key}: the way to help is told', s)
                if locale == 'C':
                    check(s.text().isascii(), f'{locale} {size} view {key}: only ASCII', s)
        s.keys('1')
        for size in ((10, 3), (39, 11), (200, 60), (1, 1), (80, 24)):
            s.resize(*size)
            time.sleep(0.1)
        s.expect('references', 'it survives every size')
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
        end, there = time.monotonic() + 5 * SLOW, None
        while time.monotonic() < end and not (there or '').startswith(what):
            time.sleep(0.05)
            there = at_cursor() # between two states of the screen there is none
        check((there or '').startswith(what), f'{why}: the cursor is at {there!r}, not {what!r}', s)

    cursor_at('apple-fluent-3d', 'the first file')
    s.keys('Tab', 'Tab')
    cursor_at('select a picture', 'no references')
    s.keys('Tab', 'Down', 'Down')
    cursor_at('dog-twemoji', 'the third')
    s.keys('b')
    cursor_at('h home', 'a question')
    s.keys('Escape')
    cursor_at('dog-twemoji', 'answered')
    s.keys('4')
    cursor_at('edge', 'the first template')
    s.keys('Down', 'Enter', 'Down')
    s.expect('Esc cancel', 'a form')
    cursor_at('subject', 'its second field')
    check(not re.search('[\u2500-\u259f]', s.text()), 'no lines, no blocks', s)
    s.keys('Escape', '1', 'p')
    s.expect('Esc cancel', 'the parameters')
    cursor_at('seed', 'the first of them')
    row = int(s.tmux('display-message', '-p', '#{cursor_y}'))
    check(re.match(r' *seed +\S', s.text().split('\n')[row]), 'nothing of the view is beside a form', s)
    # Where nothing can be chosen, what is to be read; a line says one thing, not what two panes have side by side.
    s.keys('Escape', '3')
    cursor_at('what you draw is kept here', 'an empty gallery')
    s.keys('8')
    cursor_at(' gallery:', 'the help')
    s.keys('1')
    cursor_at('dog-twemoji', 'the files again')
    check(re.fullmatch(r'dog-twemoji.png +\d+K *', at_cursor() or ''), 'nothing of another pane is beside it', s)
    s.keys('i')
    s.type('a hen')

    def behind_it():
        x, y, seen = map(int, s.tmux('display-message', '-p', '#{cursor_x} #{cursor_y} #{cursor_flag}').split())
        return seen and s.text().split('\n')[y][:x].endswith('a hen')
    check(until(behind_it, 'a cursor behind the text', 5), 'what is written has the cursor behind it', s)
    s.close()


def cells(screen):
    """What is seen: letters with their styles, of blanks the ground alone."""
    rows, style = [], {}
    for line in screen.split('\n'):
        row = []
        for control, letter in re.findall('\x1b\\[([0-9;:]*)m|([^\x1b])', line):
            codes = control.split(';') if not letter else []
            while codes:
                code = codes.pop(0) or '0'
                if code == '0':
                    style = {}
                elif code in ('38', '48'):
                    kind = codes.pop(0)
                    style[code] = [codes.pop(0) for _ in range(1 if kind == '5' else 3)]
                elif code in ('39', '49'):
                    style.pop({'39': '38', '49': '48'}[code], None)
                elif re.fullmatch('[39][0-7]', code):
                    style['38'] = code
                elif re.fullmatch('(4|10)[0-7]', code):
                    style['48'] = code
                elif code in ('22', '24', '25', '27', '28'):
                    for on in {'22': '12', '24': '4', '25': '5', '27': '7', '28': '8'}[code]:
                        style.pop(on, None)
                else:
                    style[code] = True
            if letter in ('\xa0', ' ') and '7' not in style and '4' not in style:
                row.append((' ', style.get('48')))
            elif letter:
                row.append((letter, *sorted(style.items())))
        while row and row[-1][0] == ' ' and len(row[-1]) == 2: # tmux does not tell erased cells from none
            row.pop()
        rows.append(row)
    return rows


def differences():
    """What is sent of each change makes the screen that curses, asked for all of it (^L), paints."""
    for term, locale, keys in (('xterm-256color', 'C.UTF-8', '1jjj 4jj/e\rjj 7k 8jjj 3 1ix[ref#1]\x1b :th'),
                               ('linux', 'C.UTF-8', '4jj 8j'), ('vt100', 'C', '4jj :th')):
        s = Screen((100, 30), locale, args='--preview none', before=f'TERM={term}')
        s.expect('references', f'{term}: start')
        for part in keys.split(' '):
            for key in part:
                s.keys({'\r': 'Enter', '\x1b': 'Escape'}.get(key, key), literal=False)
            time.sleep(0.2)
            sent = cells(s.text(escapes=True))
            s.keys('C-l')
            same = until(lambda: cells(s.text(escapes=True)) == sent, f'{term} {part!r}: painted whole it is the same', 5)
            for a, b in zip(sent, cells(s.text(escapes=True)) if not same else []):
                if a != b:
                    print('sent   ', a, '\npainted', b)
            if not part.startswith(':'):
                s.keys('Escape')
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
        s.expect('type(, or Right to edit| to change| a value) .*Enter OK .*Esc (cancel|.*…)', 'and so is how it is left')
        s.keys('Down')
        s.expect('< > change', 'a choice is turned')
        well_formed(s, f'{size}: a form')
        s.keys('Escape', 'p')
        s.expect('seed +auto \\(a new one\\)', 'the parameters')
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
    s.expect('role {3}', 'the form of the reference')
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


def mouse():
    s = Screen((100, 30))

    def at(x, y, button=0):
        # As terminals that are called `screen` say it: ESC [ M, then button, column and row from 33 up.
        buttons = (button, 3) if button < 64 else (button,)
        s.type(''.join('\x1b[M' + chr(32 + b) + chr(33 + x) + chr(33 + y) for b in buttons))

    def at_twice(x, y):
        s.type(''.join('\x1b[M' + chr(32 + b) + chr(33 + x) + chr(33 + y) for b in (0, 3, 0, 3)))
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
    lines = s.text().split('\n')
    row = next(i for i, l in enumerate(lines) if 'lion-noto' in l)
    at_twice(4, row)
    s.expect(r'\[ref#3\] +image.*lion-noto', 'a double click adds')
    row, hints = next((i, l) for i, l in enumerate(lines) if '? help' in l)
    at(hints.index('? help'), row)
    s.expect('all commands, with their keys', 'a click on a hint is its key')
    s.keys('/')
    s.type('upscale')
    s.expect('as large as its model can draw it', 'the help can be searched')
    check('redraw' not in s.text(), 'what does not match is left out', s)
    s.keys('Escape', 'Escape')
    # A double click acts on the row that it hits, and beside the list on none.
    at(s.text().split('\n')[0].index('templates'), 0)
    s.expect('what it draws', 'the templates')
    row = next(i for i, l in enumerate(s.text().split('\n')) if l.startswith(' mask '))
    for x, y in (70, 20), (4, 27):
        at_twice(x, y)
        time.sleep(0.5)
    at(4, row)
    s.expect('─ mask ─', 'a click chooses one')
    check('Esc cancel' not in s.text(), 'and the double clicks opened no form', s)
    time.sleep(0.5)
    at_twice(4, row)
    s.expect('Esc cancel', 'a double click fills it in')
    s.keys('Escape')
    s.expect('Esc cancel', 'the form is closed', gone=True)
    at(s.text().split('\n')[0].index('models'), 0)
    s.expect('limn-icons', 'the models')
    at_twice(70, 20)
    time.sleep(0.5)
    at(4, next(i for i, l in enumerate(s.text().split('\n')) if 'cpu' in l))
    s.expect('computes in', 'the card of a device')
    check('\n * ' not in s.text(), 'nothing was chosen beside the list', s)
    s.close()
    # Panes are one above the other for screen readers.
    s = Screen((100, 40), args='--plain')
    s.expect('references', 'start')
    at(10, next(i for i, l in enumerate(s.text().split('\n')) if l.strip(' :') == 'instruction') + 1)
    s.expect('writing: Esc ends it', 'a click on the text writes in it')
    s.keys('Escape')
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


def messages():
    """A notice goes with the first key after 4 s, an error with the first after 10 s."""
    s = Screen((80, 24))
    s.expect('references', 'start')

    def last(words):
        check(s.wait(words), f'{words!r} is said', s)
        began = time.monotonic()
        while re.search(words, s.text(), re.M) and time.monotonic() < began + 30 * SLOW:
            s.keys('Down', 'Up')
        return time.monotonic() - began
    s.keys('Y')
    seconds = last('Y does nothing here')
    check(3 < seconds < 10 * SLOW, f'a notice stays {seconds:.1f} s', s)
    command(s, 'steps 99999')
    seconds = last("steps is '99999'")
    check(9 < seconds < 16 * SLOW, f'an error stays {seconds:.1f} s', s)
    s.close()


def measured_in_a_used_home():
    """limn bench ui needs the keys as limn has them, and uses none of the person's files."""
    if SANITIZED:
        skip('measured_in_a_used_home: no key may take more than a second')
        return
    home = pathlib.Path(tempfile.mkdtemp(dir=work.name))
    own = home / 'config/limn'
    own.mkdir(parents=True)
    (own / 'keys').write_text('all draw\nall templates Z\nall command ;\n')
    env = environment(home, XDG_CONFIG_HOME=f'{home}/config', XDG_DATA_HOME=f'{home}/data',
                      XDG_STATE_HOME=f'{home}/state', TMPDIR=str(home))
    p = subprocess.Popen([LIMN, 'bench', 'ui'], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = ''
    for line in p.stdout:
        said += line
        if 'a program that only echoes' in line:
            break
    # What follows takes minutes; the limn that it plays with is in a session of its own.
    for process in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            if f'TMPDIR={home}'.encode() in (process / 'environ').read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
        except OSError: # another's, or it has just ended
            pass
    p.communicate()
    check('key to screen while drawing, 300 keys' in said, 'all keys come back', said)
    check(list(home.glob('limn-bench-*')) and not list(home.glob('data/**/*.db')), 'in a home of its own')


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
            check('…' not in s.text(), 'its fonts have no …', s)
            chosen = [row[1] for row in cells(s.text(True)) if ''.join(c[0] for c in row).startswith(' apple-fluent')]
            check(chosen and ('1', True) in chosen[0], f'what is chosen is seen elsewhere too: {chosen}')
        s.close()


tests = [views_at_every_size, plainly, differences, forms, hostile_names, writing, mouse, colours, idle, messages,
         measured_in_a_used_home, terminals]


if __name__ == '__main__':
    run(tests)
