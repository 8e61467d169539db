#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# That a row is all there is to add: limn-more is limn, linked from the same objects, with a row more in
# commands.def and that command's file. It runs, and it is in help, in suggestions, in the manual page, in
# docs/commands.md and in the completions of three shells, which nobody has told of it.
# usage: command_more.py LIMN_MORE SOURCE
import functools, os, pathlib, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test
from limn_test import check, environment, finish, work

MORE, source = sys.argv[1], pathlib.Path(sys.argv[2])
run = functools.partial(limn_test.limn, program=MORE, env=environment(work.name), timeout=60)


def limn(*args, code=0):
    p = run(*args, code=code)
    return p.stdout + p.stderr


check(limn('dummy', 'fox') == 'dummy fox\n', 'it runs')
for line in (['--times=2', 'fox'], ['--times', '2', 'fox'], ['-t2', 'fox'], ['--ti', '2', '--', 'fox']):
    check(limn('dummy', *line) == 'dummy fox\n' * 2, f'{line} is read as everywhere')
check('0..9' in limn('dummy', '--times=10', code=2), 'a value out of its range')
check("did you mean 'dummy'" in limn('dumy', code=2), 'a name that is nearly its own')
check('how often it is said (0..9' in limn('dummy', '--help'), 'its help')
check('say a word, for a test' in limn('--help'), 'the list of commands')
check('dummy' in limn('--print-docs') and '--times N' in limn('--print-docs'), 'docs/commands.md')
check('How often it is said' in limn('--print-man', str(source / 'docs/limn.1.in')), 'the manual page')
for shell in ('bash', 'zsh', 'fish'):
    said = limn('--print-completions', shell)
    check('dummy' in said and 'times' in said, f'the completions of {shell}')
finish()
