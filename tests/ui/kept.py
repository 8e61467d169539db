#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Nothing that a person has made is lost: instructions, what stands in forms, the picture that is meant.
# usage: kept.py LIMN SOURCE LOADERS [NAME...]
import os, re, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import check, run
from screen import Screen

DRAWN = 'done +Recreate|done +Draw|after step [24]|2 of 2|4 of 4'


def composed(s, text='Draw [ref#1], a fox'):
    s.keys('a')
    s.expect('\\[ref#1\\] is', 'a picture is added')
    s.keys('i', 'C-u')
    s.type(text)
    s.keys('Escape')
    s.expect('a fox', 'it is composed')


def instructions():
    s = Screen((110, 34))
    s.expect('references', 'start')
    composed(s)
    # A template in its place, and back.
    s.keys('4', 'Enter')
    s.expect('Enter OK', 'its form')
    s.keys('Enter')
    s.expect('u brings back', 'a template replaced it')
    check('a fox' not in s.text(), 'it is not there any more', s)
    s.keys('u')
    s.expect('a fox', 'u brings it back')
    s.keys(']')
    s.expect('a fox', '] goes on again', gone=True)
    s.keys('[')
    s.expect('a fox', '[ goes back')
    s.keys('[')
    s.expect('no instruction before', 'there is no other')
    # An empty one is no loss either.
    s.keys('n')
    s.expect('an empty instruction', 'n begins anew')
    s.type('a whale')
    s.keys('Escape', '[')
    s.expect('a fox', '[ goes back over it')
    s.keys(']')
    s.expect('a whale', 'and it is still there')
    # Two references; one is removed and comes back into its place.
    s.keys('n', 'Escape', 'Escape', 'a', 'Down', 'a')
    s.expect('\\[ref#1\\] \\[ref#2\\]', 'two references')
    s.keys('Tab', 'Tab', 'Up', 'Up', 'x')
    s.expect('removed \\[ref#1\\]', 'the first is removed')
    s.keys('u')
    s.expect('\\[ref#1\\].*\n.*\\[ref#2\\] ', 'it is the first again')
    s.close()


def writing():
    s = Screen((100, 30))
    s.expect('references', 'start')
    s.keys('a', 'Down', 'a')
    s.expect('\\[ref#1\\] \\[ref#2\\]', 'two references')
    s.keys('i', 'C-u')
    s.type('of [')
    s.keys('Tab')
    s.expect('of \\[ref#1\\]', 'Tab completes')
    s.keys('Tab')
    s.expect('of \\[ref#2\\]', 'again: the next')
    s.keys('Tab')
    s.expect('of \\[ref#1\\]', 'and around')
    s.type(' p')
    s.keys('Tab')
    s.type('x')
    s.expect('of \\[ref#1\\] px', 'Tab does not leave the text while it is written')
    s.close()


def forms():
    s = Screen((110, 34))
    s.expect('references', 'start')
    composed(s)
    # Esc takes back what the form of a reference did.
    s.keys('Enter')
    s.expect('role {3}', 'the form of the reference')
    s.keys('Down')
    for _ in range(20):  # until the worker has said which there are
        s.keys('Right')
        if s.wait('< (edge|mask|sketch|style|subject)', 0.3):
            break
        s.keys('Escape', 'Enter', 'Down')
    s.expect('< (edge|mask|sketch|style|subject)', 'another loader')
    s.keys('Escape')
    s.expect('unchanged', 'Esc takes it back')
    # A wrong value keeps the form with what else was written.
    s.keys('4', 'Home')
    s.expect('mask-horse|edges-fox|style-', 'templates')
    for _ in range(8):
        if re.search('─ mask ─', s.text()):
            break
        s.keys('Down')
    s.keys('Enter')
    s.expect('Enter OK', 'the form of the template mask')
    s.type('/no/such.png')
    s.keys('Tab')
    s.type('a red cube')
    s.keys('Enter', 'Enter')
    s.expect('no/such.png', 'the wrong path is said')
    s.expect('┌.*(\n.*)*a red cube', 'and the form is there, with the words')
    s.keys('Escape')
    s.close()


def sweeps_stay():
    s = Screen((110, 34))
    s.expect('references', 'start')
    s.keys('4')
    s.expect('styled-subject', 'templates')
    s.keys('End', 's')
    s.expect('sweep over', 'the form of the sweep')
    for _ in range(14):
        s.keys('Right')
        if '< seed' in s.text():
            break
    s.keys('Down')
    s.type('1..41..2')
    s.keys('Enter', 'F9')
    s.expect('1\\.\\.41\\.\\.2', 'the wrong values are said')
    s.expect('values \\(1\\) +1\\.\\.41\\.\\.2', 'and the form is still there')
    s.keys('Escape')
    s.close()


def templates_draw():
    s = Screen((110, 34))
    s.expect('references', 'start')
    s.keys('i')
    s.type('a fox')
    s.keys('Escape', '4')
    s.expect('styled-subject', 'templates')
    s.keys('End', 'F9')
    s.expect('step|waiting|ready', 'F9 draws the template')
    s.keys('1')
    s.expect('a fox', 'and the composer is as it was')
    s.close()


def comparison():
    s = Screen((110, 34))
    s.expect('references', 'start')
    s.keys(':')
    s.type('steps 1')
    s.keys('Enter', ':')
    s.type('size 64')
    s.keys('Enter', 'i')
    s.type('a fox')
    s.keys('Escape')
    for i in range(3):
        s.keys('1', 'F9')
        s.expect(f'{i + 1} job|step|done', 'it is drawn')
    s.keys('3')
    s.expect('3 pictures', 'three are there', 60)
    s.keys('Home', 'c', 'Right', 'c', 'Right', 'Left', 'Enter')
    s.expect('seed.*seed', 'two side by side')
    s.keys('Left', '*')
    s.expect('how many stars', 'a question')
    s.keys('4')
    s.expect('★★★★', 'the chosen one of the two has them')
    s.keys('x')
    s.expect('removed picture 3', 'and is the one that goes')
    s.keys('u')
    s.expect('picture 3 is back', 'and comes back')
    s.keys('Escape', 'Escape')
    s.expect('\\+', 'Esc takes the marks off', gone=True)
    s.close()


def first_seconds():
    s = Screen((110, 34))
    s.expect('F9 draws a sample now', 'an empty home is told what can be done')
    s.keys('F9')
    s.expect('a sample: 4 lists templates', 'F9 draws it')
    s.expect('done', 'and it comes', 60)
    s.keys('1')
    s.expect('Press i and write', 'the composer is empty still')
    check('a sample now' not in s.text(), 'and the welcome has gone', s)
    s.keys('i')
    s.expect('writing: Esc ends it', 'writing is a mode that can be seen')
    s.keys('Escape')
    s.expect('writing: Esc', 'which ends', gone=True)
    # A home is ~ where files are typed, too; a window needs a display.
    s.keys(':')
    s.type('add ~/none.png')
    s.keys('Enter')
    s.expect('none.png', 'it is looked for')
    check('~/none' not in s.text().split('\n')[-4], 'in the home', s)
    s.keys('W')
    s.expect('a window needs a display', 'and what it lacks is said')
    s.close()
    s = Screen((100, 30), before='TERM=nonsense-42')
    s.expect('EXIT 2', 'a terminal that is not known is refused')
    check("'nonsense-42' is unknown" in (s.home / 'err').read_text(), 'in a sentence')
    check('\x1b' not in s.text() and not re.search('\\?[0-9;]+[cuR]', s.text().split('EXIT')[0]),
          'and it is not asked', s)
    s.close(quit=False)


if __name__ == '__main__':
    run([first_seconds, instructions, writing, forms, sweeps_stay, templates_draw, comparison])
