#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The commands behind the colon, and keys of one's own.
# usage: palette.py LIMN SOURCE LOADERS [NAME...]
import os, pathlib, re, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import SOURCE, check, run
from script import Home


def palette():
    h = Home()
    screen = h.play('keys :\nsave -', 'the palette')
    check(re.search(r'^  draw +F9 \^G +draw the instruction', screen, re.M), 'everything is listed, with its keys',
          screen)
    screen = h.play('keys :\ntype guid\nsave -', 'filtered')
    check('guidance' in screen and 'next-pane' not in screen, 'what is typed filters', screen)
    themes = sorted(p.stem for p in (pathlib.Path(SOURCE) / 'themes').glob('*.theme'))
    screen = h.play('keys :\ntype them\nkeys Tab\nsave -\ntype x\nkeys Backsp Tab\nsave -\nkeys Tab S-Tab\nsave -',
                    'completed')
    check(re.search('^ :theme$', screen, re.M), 'Tab completes a name', screen)
    check(len(re.findall(f'^ :theme {themes[0]}$', screen, re.M)) == 2, 'and its value, forwards and back', screen)
    screen = h.play('keys :\ntype sampler\nkeys Space\nsave -', 'choices')
    check('heun' in screen and 'ddim' in screen, 'the names of a parameter\'s values', screen)
    screen = h.play('keys :\ntype open ca\nkeys Tab\nsave -', 'files')
    check(':open cat-noto.png' in screen, 'files are completed', screen)
    (h.path / 'real').mkdir()
    (h.path / 'link').symlink_to('real')
    screen = h.play('keys :\ntype cd ~/\nkeys Tab\nsave -\n', 'folders')
    check(re.search('^ +~/link/', screen, re.M) and re.search('~/real/', screen), 'links to them, too', screen)
    h.play('keys :\ntype steps 7\nkeys Enter\nwait steps 7', 'one is set')
    screen = h.play('keys : Up\nsave -\nkeys Esc :\ntype st\nkeys Up\nsave -\nkeys Down\nsave -', 'later')
    check(screen.count(':steps 7') == 2 and ':st\n' in screen,
          'what was asked before comes with Up, also of an earlier limn', screen)
    h.play('keys :\ntype q\nkeys Enter', ':q is quit')
    screen = h.play('keys :\ntype gallexy\nkeys Enter\nsave -', 'a slip')
    check("unknown command 'gallexy'; did you mean 'gallery'?" in screen, 'is answered', screen)
    screen = h.play('keys :\npaste steps 9\nsave -\nkeys Esc Y\nsave -', 'pasted')
    check(':steps 9' in screen and 'Y does nothing here' in screen, 'a paste goes in; a key without use says so',
          screen)
    screen = h.play('keys :\ntype abc\nkeys ^A\ntype x\nsave -\nkeys ^_\nsave -', 'undone')
    check(':xabc' in screen and re.search('^ :abc$', screen, re.M), 'what was typed since the cursor moved', screen)


def own_keys():
    h = Home()
    shipped = h.limn('--print-keys').stdout
    check(shipped == (pathlib.Path(SOURCE) / 'docs/keys').read_text(),
          'docs/keys is what limn has: limn --print-keys >docs/keys')
    folder = h.path / '.config/limn'
    folder.mkdir(parents=True)
    own = folder / 'keys'
    own.write_text(shipped)
    check(h.limn('--print-keys').stdout == shipped, 'the shipped file changes nothing')
    own.write_text('# mine\n\nall gallery 3 Z\nall help\ncompose add +\ngallery mark Space c\n')
    screen = h.play('keys Z\nwait newest first\nsave -\nkeys 1 +\nwait \\[ref#1\\]\nkeys 8\nsave -', 'own keys')
    check('? help' not in screen.split('instruction')[0], 'one that was taken away', screen)
    screen = h.play('keys a\nsave -', 'a key that is free')
    check('a: there is nothing to' in screen or 'a does nothing here' in screen, 'says so', screen)
    check('compose    add            +' in h.limn('--print-keys').stdout, 'and they are printed')
    for line, what in (('al draw F9', "keys:2: 'al' is not a view or all; did you mean 'all'?"),
                       ('all darw x', "did you mean 'draw'?"),
                       ('all draw Foo', "'Foo' is not a key"), ('all', 'the action after the view is missing')):
        own.write_text(f'# mine\n{line}\n')
        p = h.limn('--print-keys')
        check(p.returncode == 2 and what in p.stderr, f'{line}: {p.stderr}')
        screen = h.play('save -\nkeys 2\nwait queue', f'limn starts with {line}')
        check('keys:2' in screen, 'and says what is wrong', screen)


SAMPLE = 'keys 1 :\ntype size 64\nkeys Enter :\ntype steps 2\nkeys Enter F9\nwait done in\nsettle\n'


def helped():
    screen = Home().play('keys 8 /\ntype sweep\nkeys Enter\nsave -', 'the help')
    check('every value of a variable' in screen and 'contact-sheet' not in screen, 'can be filtered', screen)


def said_once():
    screen = Home().play('keys i\ntype Draw [ref#3]\nkeys Esc F9\nsave -\nkeys 3 F9\nsave -', 'no such reference')
    first, second = screen.split(' 8 help')[1:3]
    fault = 'the instruction mentions [ref#3], but no reference 3 is given'
    check(first.count(fault) == 1 and 'not drawn: the reason is below the instruction' in first,
          'what is wrong is said below the text', screen)
    check(fault in second, 'and, where the text is not shown, in the last lines', screen)


def says(h, line, keys='1'):
    """What the last lines of the screen are after a command."""
    return h.play(f'keys {keys} :\ntype {line}\nkeys Enter\nsave -', line)


def names():
    """A parameter is set by any name that the screen has for it."""
    h = Home()
    for line, what in (('pictures 3', 'pictures 3'), ('count=4', 'pictures 4'), ('set steps=6', 'steps 6'),
                       ('Guidance Scale 2', 'guidance 2'), ('guidance-scale = 3', 'guidance 3'),
                       ('size 64', 'size 64'), ('steer away from a cat', 'steer away from a cat'),
                       ('reference weights 1=2', 'reference weights 1=2')):
        screen = says(h, line)
        check(what in screen.split('seed new')[-1].split(' references ')[0], f'{line}: the composer shows it', screen)
    screen = says(h, 'steps=7')
    for what in ('steps 7', 'pictures 4', 'size 64', 'steer away from a cat', 'reference weights 1=2'):
        check(what in screen, f'all that is set is shown: {what}', screen)
    check("did you mean 'pictures'?" in says(h, 'pictres 3'), 'a slip in it')
    check('pictures must be' in says(h, 'pictures x').replace("is 'x', but ", ''), 'a wrong value names it so')
    check('theme: dark' in says(h, 'theme'), 'the theme, when none is named')


def habits():
    """Names from other programs, and values for what a command would ask for."""
    h = Home()
    h.play('keys 1 :\ntype wq\nkeys Enter', 'it ends')
    h.play('keys 1 :\ntype q!\nkeys Enter', 'it ends')
    check('keys of' in says(h, 'h').lower() or 'commands' in says(h, 'h'), 'help')
    check('quit takes no value' in says(h, 'quit now'), 'a value too many')
    check('the instruction is empty' in says(h, 'w mine'), ':w saves')
    screen = h.play(SAMPLE + 'keys 3\nwait newest\nkeys :\ntype rate 4\nkeys Enter :\ntype tag fox\nkeys Enter\n'
                    'wait fox\nsave -\nkeys :\ntype filter nothing-like-it\nkeys Enter\n'
                    'wait with: nothing-like-it\nsave -',
                    'rated, tagged, filtered')
    check('****' in screen or '\u2605\u2605\u2605\u2605' in screen, 'four stars', screen)
    screen = h.play('keys 3\nwait newest\nkeys :\ntype rate 9\nkeys Enter\nsave -', 'no such rating')
    check('how many stars? 0 to 5' in screen, 'a value that is none is asked for', screen)
    screen = h.play('keys 3\nwait newest\nkeys End\nsettle\nsave -', 'read aloud', args=('--plain',))
    check(re.search('^ 4 stars +seed', screen, re.M), 'stars are a number', screen)


def only_what_is_there():
    """A model or device that the machine does not have is refused where it is set, not when it is to draw."""
    h = Home()
    (h.path / 'mine').mkdir()
    first = 'keys 5\nwait limn-icons\nkeys 1 :\n'
    for line, what in (('model nope', "there is no model 'nope'; 5 lists what there is"),
                       ('model limn-icon', "there is no model 'limn-icon'; did you mean 'limn-icons'?"),
                       ('device nope', "there is no device 'nope'"), ('model limn-icons', 'model: limn-icons, for'),
                       ('model mine', 'model: mine, for'), ('device cpu', 'device: cpu, for'),
                       ('device auto', 'device: auto, for')):
        screen = h.play(f'{first}type {line}\nkeys Enter\nsave -', line, folder=str(h.path))
        check(what in ' '.join(screen.split()), f'{line}: {what}', screen)
    screen = says(h, 'steps 7', keys='4')
    check('steps: 7, for the instruction of 1; a template has its own' in screen, 'what a parameter is for', screen)


def sample_as_set():
    """F9 in an empty composer draws with the parameters that were set."""
    h = Home()
    screen = h.play('keys :\ntype size 64\nkeys Enter :\ntype steps 3\nkeys Enter F9\nwait done in\nsave -', 'a sample')
    check('after step 3' in screen, 'in three steps', screen)


if __name__ == '__main__':
    run([palette, own_keys, helped, said_once, names, habits, only_what_is_there, sample_as_set])
