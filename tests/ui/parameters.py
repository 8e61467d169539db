#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The parameters of a drawing are the same everywhere: each row of app/job/parameters.def is looked for, with its
# range or names, on the command line, in help, in the manual page, in docs/commands.md, in the completions of
# three shells and in the form of the UI. What the manual and the docs say is what the program says.
# usage: parameters.py LIMN SOURCE LOADERS [NAME...]
import json, os, pathlib, re, shutil, subprocess, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test
from limn_test import GOLDEN, MODEL, SOURCE, check, environment, run, work
from screen import Screen
from script import DRAWN, Home

source = pathlib.Path(SOURCE)
ROW = re.compile(r'^PARAMETER\((\w+),\s(\w+),\s[^,]+,\s([^,]+),\s([^,]+),\s(\w+),\s(NULL|"[^"]*"),\s(\w+),\s+([^,]+),\s+'
                 r'(?:NULL|"[^"]*"),\s+"([^"]*)",\s+((?:"[^"]*"\s*)+)\)', re.M)
CONSTANTS = {'JOB_SEED_MAX': 2 ** 53}
for name, value in re.findall(r'(LIMIT_\w+) = (\d+),', (source / 'engine/base/limits.h').read_text()):
    CONSTANTS[name] = int(value)


def limn(*args, code=0):
    p = limn_test.limn(*args, code=code, env=environment(work.name))
    return p.stderr if code else p.stdout


def number(text):
    return CONSTANTS[text] if text in CONSTANTS else int(text)


text = re.sub('^#ifdef.*?^#endif', '', (source / 'app/job/parameters.def').read_text(), flags=re.M | re.S)
rows = [dict(kind=m[0], name=m[1], low=number(m[2]), high=number(m[3]), names=m[4], argument=m[5].strip('"'), of=m[6],
             where=m[7], label=m[8], help=''.join(re.findall('"([^"]*)"', m[9]))) for m in ROW.findall(text)]
check(len(rows) == len(re.findall('^PARAMETER', text, re.M)) and len(rows) > 8, 'every row is read')
plain = lambda text: ' '.join(text.split())
help_of = {c: plain(limn(c, '--help')) for c in ('generate', 'instruct')}
for row in rows:
    row['option'] = '--' + row['name'].replace('_', '-')
    row['number'] = row['low'] < row['high'] and row['kind'] not in ('WEIGHTED', 'WEIGHTS')
    row['range'] = f"{row['low']}..{row['high']}" if row['number'] else ''
    if row['kind'] == 'WEIGHTED':
        row['range'] = f"N:{row['low']} to N:{row['high']}"
    if row['kind'] == 'WEIGHTS':
        row['range'] = f"K={row['low']} to K={row['high']}"
    if row['kind'] == 'CHOICE':
        # As the program refuses another one.
        said = limn('generate', 'text', f"{row['option']}=nonsense", code=2)
        row['range'] = re.search(r'must be one of ([^;]*)', said)[1].strip()
        check(row['range'].count(',') >= 2, f"{row['name']} has names: {said}")


def command_line():
    for row in rows:
        for command, words in help_of.items():
            argument = f" {row['argument']}" if row['argument'] != 'NULL' else ''
            line = f"{row['option']}{argument} {row['help']}"
            check(plain(line) in words, f"limn {command} --help has {line}")
            check(not row['range'] or f"{plain(row['help'])} ({row['range']}" in words,
                  f"limn {command} --help has {row['range']} of {row['name']}")
        if row['number']:
            for value in (row['high'] + 1, row['low'] - 1, 'x', ''):
                said = limn('generate', 'text', f"{row['option']}={value}", code=2)
                check(f"in {row['range']}" in said, f"{row['option']}={value}: {said}")


def documents():
    page = limn('--print-man', str(source / 'docs/limn.1.in'))
    manual = plain(subprocess.run(['man', '-l', '-'], input=page, capture_output=True, text=True,
                                  env={'MANWIDTH': '2000', 'PATH': '/usr/bin:/bin', 'LC_ALL': 'C.UTF-8'}).stdout
                   if shutil.which('man') else page.replace('\\-', '-').replace('\\&', ''))
    docs = (source / 'docs/commands.md').read_text()
    check(docs == limn('--print-docs'), 'docs/commands.md is what the tables say: limn --print-docs >docs/commands.md')
    check('.\\"' not in page.replace('.\\" SPDX', ''), 'nothing is left to be filled in')
    for row in rows:
        where = {'the manual': manual, 'docs/commands.md': docs.replace('\\', '')}
        for name, words in where.items():
            check(row['option'] in words or row['option'][2:] in words, f"{name} has {row['option']}")
            check(row['range'] in words, f"{name} has {row['range']} of {row['name']}")
    if shutil.which('mandoc'):
        lint = subprocess.run(['mandoc', '-T', 'lint', '-W', 'warning'], input=page, capture_output=True,
                              text=True).stdout
        check(not lint, lint)
    else:
        print('[  SKIPPED ] parameters.py: the manual is not looked through: there is no mandoc')


def completions():
    shells = {shell: limn('--print-completions', shell) for shell in ('bash', 'zsh', 'fish')}
    for shell, words in shells.items():
        if shutil.which(shell):
            p = subprocess.run([shell, '-n'] + ([] if shell != 'fish' else ['/dev/stdin']), input=words,
                               capture_output=True, text=True)
            check(p.returncode == 0 and not p.stderr, f'{shell} reads it: {p.stderr}')
        else:
            print(f'[  SKIPPED ] parameters.py: completions for {shell}: it is not there')
        for row in rows:
            option = f"-l {row['name'].replace('_', '-')} " if shell == 'fish' else row['option']
            check(words.count(option) >= 2, f'{shell} has {option} for generate and instruct')
            if row['kind'] == 'CHOICE':
                check(row['range'].replace(',', '') in words, f"{shell} has {row['range']}")
    # In a shell that completes.
    file = pathlib.Path(work.name) / 'completion.bash'
    file.write_text(shells['bash'])

    def complete(*words, **more):
        script = (f'source {file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _limn; printf "%s\\n" "${{COMPREPLY[@]}}"')
        return subprocess.run(['bash', '-c', script, 'bash', *words], capture_output=True, text=True,
                              **more).stdout.split()

    check(complete('limn', 'gen') == ['generate'], 'a command')
    check(complete('limn', 'jobs', 'st') == ['stop'], 'a command below')
    check(complete('limn', 'generate', 'text', '--con') == ['--context-scale'], 'an option')
    check(complete('limn', 'generate', '--guidance', 's') == ['separate'], 'a name')
    check(complete('limn', 'generate', '--guidance', '=', 's') == ['separate'], 'a name behind =')
    check(complete('limn', 'models', 'check', '--dt') == ['--dtype'], 'an option below')
    check('--golden' not in complete('limn', 'models', 'list', '--'), 'not that of another')
    names_are_no_commands(complete)


def names_are_no_commands(complete):
    """Names of models and templates of strangers: bash's compgen runs what stands in $(…) of its words."""
    home = pathlib.Path(work.name) / 'strange'
    for folder in ('models', 'templates'):
        (home / 'data/limn' / folder).mkdir(parents=True, mode=0o700)
    for folder in (home, home / 'data', home / 'data/limn'):
        folder.chmod(0o700)
    for i, name in enumerate(('$(touch ${HOME}-ran%d)', '`touch ${HOME}-ran%d`', "';touch ${HOME}-ran%d;'")):
        name = name % i
        shutil.copytree(GOLDEN / 't5', home / 'data/limn/models' / name)
        shutil.copy(source / 'app/templates/edge.yaml', home / 'data/limn/templates' / f'{name}.yaml')
    shutil.copytree(GOLDEN / 't5', home / 'data/limn/models/mine-1.0')
    env = environment(home, XDG_DATA_HOME=f'{home}/data', PATH=f'{os.path.dirname(limn_test.LIMN)}:{os.environ["PATH"]}')
    check('mine-1.0' in complete('limn', 'generate', '--model', '', env=env), 'a model by its name')
    check('edge' in complete('limn', 'generate', '', env=env), 'a template')
    ran = [f.name for f in home.parent.glob('strange-ran*')]
    check(not ran, f'names of models or templates were run: {ran}')


def form():
    s = Screen((100, 40))
    s.expect('instruction', 'the UI')
    s.keys('Escape', 'p')
    s.expect(f"{rows[0]['label']} +auto \\(a new one\\)", 'the form')
    for row in rows:
        if row['name'] == 'strength': # behind the pictures that it is about
            s.expect('a picture to draw from', 'the form has the picture to start from')
            s.keys('Down', 'Down')
        s.expect(f"│ *{re.escape(row['label'])}  ", f"{row['name']} is in the form")
        words = plain(re.sub('[│]', ' ', s.text()))
        check(plain(row['help']) in words, f"the form says what {row['name']} is", s)
        check(not row['number'] or f"({row['range']})" in words, f"and its range {row['range']}", s)
        if row['kind'] == 'CHOICE':
            seen = set()
            for _ in range(row['range'].count(',') + 2):
                seen.add(re.search(f"{re.escape(row['label'])} +< (\\S+)( \\(.*\\))? >", s.text())[1])
                s.keys('Right')
            check(seen == {'auto', *row['range'].split(', ')}, f"{row['name']} can be {seen}", s)
        s.keys('Down')
    s.close()


def own_model():
    """$LIMN_MODEL, a folder of one's own: the UI goes by it, not by limn-icons."""
    h = Home()
    folder = h.path / 'quick-icons'
    folder.mkdir()
    for part in MODEL.iterdir():
        if part.name not in ('index.db', 'model_index.json'):
            (folder / part.name).symlink_to(part)
    index = json.loads((MODEL / 'model_index.json').read_text())
    index['limn']['steps'] = 7
    (folder / 'model_index.json').write_text(json.dumps(index))
    h.play(DRAWN, 'one of limn-icons')
    own = dict(LIMN_MODEL=str(folder))
    screen = h.play('size 120x40\nkeys 4 End\nsettle\nsave -\nkeys 5\nwait quick-icons\n'
                    'keys 1 n Esc p\nwait steps\nsave -', 'the form', **own)
    check('auto (7)' in screen and 'auto (24)' not in screen, 'has its defaults', screen)
    check('1 for words without references' not in screen, 'and no index', screen)
    check('klein-' in screen, 'templates for any model are listed', screen)
    # Words are not looked up in an index that it lacks, whether the worker has described it or not.
    for first in 'keys 5\nwait quick-icons\nkeys 1\n', '':
        screen = h.play(f'{first}keys n Esc :\ntype size 64\nkeys Enter :\ntype steps 1\nkeys Enter i\n'
                        'type a red apple\nkeys Esc F9\nwait done in\nsettle\nkeys 7\nwait drawn in\nsave -',
                        'a drawing', **own)
        check('has no index' not in screen, 'is not looked up where nothing is', screen)
    h.play('keys 5\nwait limn-icons\nkeys 3\nsettle\nkeys U\nwait the model .nonesuch. is not among the worker',
           'a model that is not there', LIMN_MODEL='nonesuch')


if __name__ == '__main__':
    run([command_line, documents, completions, form, own_model])
