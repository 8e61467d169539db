#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# What people read: spelling (codespell), the manual page (mandoc's linter), links between the documents, and
# in them names: of files of the source, of options, of samplers and ways to show pictures, which the tables have.
# usage: words.py SOURCE LIMN.1
# Exit 77 where neither codespell nor mandoc is installed.
import pathlib, re, shutil, subprocess, sys

source, manual = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
# nd is a macro of manual pages, requestor X11's word, caf the beginning of a word whose end is given in bytes; the others
# are mistakes that tests make on purpose. Versions of codespell know different mistakes.
MEANT = 'nd,requestor,caf,fo,loder,waht,seperate,lsit,genrate,egde,nmber'
FOLDERS = ('README.md', 'docs', 'app', 'engine', 'renderer', 'loaders', 'sandbox', 'tests')
checks = failures = 0


def check(condition, what):
    global checks, failures
    checks += 1
    if not condition:
        failures += 1
        print('FAILED:', what, flush=True)


def spelling():
    p = subprocess.run(['codespell', '--builtin', 'clear,rare', '-q', '3', '-L', MEANT, '--skip',
                        '*/heldout.txt,*.png,*.safetensors,*.model,*.bin,*/golden,*/golden/*,*/seeds/*,*/corpus/*,*.json,*.spv,'
                        './tests/layers/words.py',
                        *FOLDERS], cwd=source, capture_output=True, text=True, errors='replace')
    lines = [l for l in p.stdout.splitlines() if '==>' in l and 'words.py' not in l]
    check(not lines, 'spelling:\n  ' + '\n  '.join(lines))


def manual_page():
    p = subprocess.run(['mandoc', '-T', 'lint', '-W', 'warning', manual], capture_output=True, text=True)
    check(p.returncode == 0, f'the manual page:\n{p.stdout}')


def anchor(heading):
    """As GitHub makes it of a heading."""
    text = re.sub(r'[`*\[\]()]', '', heading.strip().lower())
    return re.sub(r'[^\w\- ]', '', text).replace(' ', '-')


def documents():
    files = [source / 'README.md', *sorted((source / 'docs').glob('*.md'))]
    for f in files:
        text = re.sub(r'```.*?```', '', f.read_text(), flags=re.S)
        for target in re.findall(r'\]\(([^)\s]+)\)', text):
            if re.match(r'[a-z]+:', target):
                continue
            name, _, part = target.partition('#')
            to = (f.parent / name).resolve() if name else f
            check(to.exists(), f'{f.name}: {target} leads nowhere')
            if part and to.suffix == '.md' and to.exists():
                anchors = [anchor(h) for h in re.findall(r'^#+ (.*)$', to.read_text(), re.M)]
                check(part in anchors, f'{f.name}: {target}: there is no such heading')
        # Files of the source that are named whole.
        for name in re.findall(r'`((?:app|engine|renderer|loaders|sandbox|tests)/[\w/.{},-]+'
                               r'\.(?:c|h|def|py|sh|yaml|inc|cc))`', text):
            if '{' not in name and 'NAME' not in name:
                check((source / name).exists(), f'{f.name}: there is no {name}')


def tests():
    """What the list of past faults says of tests: each file has the names in brackets behind it."""
    page = (source / 'docs/past-faults.md').read_text()
    for name, parts in re.findall(r'`(tests/[\w/.]+)`(?: \(((?:[^()]|\([^()]*\))*)\))?', page):
        text = (source / name).read_text() if (source / name).exists() else ''
        check(text, f'past-faults.md: there is no {name}')
        for part in parts.split('; ') if parts else []:
            check(part in text, f'past-faults.md: {name} has no {part!r}')


def names():
    """Options are those of docs/commands.md, which is made from the tables, or of the project's own scripts."""
    table = (source / 'docs/commands.md').read_text()
    known = set(re.findall(r'--[a-z][a-z-]*', table))
    scripts = [p for folder in ('tests', 'app') for p in (source / folder).rglob('*')
               if p.suffix in ('.py', '.sh') or p.name == 'run']
    own = set(re.findall(r'--[a-z][a-z-]*', ''.join(p.read_text() for p in scripts)))
    # Of the launchers of parallel programs.
    own |= {'--bind-to', '--cpus-per-task', '--kill-on-bad-exit', '--map-by', '--mpi', '--nodes', '--ntasks-per-node',
            '--signal', '--time'}
    for f in [source / 'README.md', *sorted((source / 'docs').glob('*.md'))]:
        for option in re.findall(r'(?<![\w-])--[a-z][a-z-]*', f.read_text()):
            check(option in known | own, f'{f.name}: there is no option {option}')
    for option in re.findall(r'Fl -([a-z\\-]+)', (source / 'docs/limn.1.in').read_text()):
        check('--' + option.replace('\\', '') in known, f'limn.1.in: there is no option --{option}')

    def rows(name, macro):
        text = re.sub('^#ifdef LIMN_DUMMY.*?^#endif', '', (source / name).read_text(), flags=re.M | re.S)
        return re.findall(rf'^{macro}\((\w+)', text, re.M)
    samplers = [re.search(r'\.name = "([^"]+)"', (source / f'engine/diffusion/sampler_{s}.c').read_text())[1]
                for s in rows('engine/diffusion/samplers.def', 'SAMPLER')]
    check(f'({", ".join(samplers)})' in table, f'docs/commands.md has the samplers {samplers}')
    parameters = re.findall(r'^PARAMETER\(\w+, (\w+),((?:[^"]|"(?:[^"\\]|\\.)*")*?)\)$',
                            re.sub('^#ifdef.*?^#endif', '', (source / 'app/job/parameters.def').read_text(),
                                   flags=re.M | re.S), re.M | re.S)
    keys = re.search(r'^\| `parameters` \| (.*?): their', (source / 'docs/template.md').read_text(), re.M)[1]
    keys = set(re.findall(r'`(\w+)`', keys))
    wanted = {name for name, row in parameters if 'TEMPLATE' in row}
    check(len(wanted) > 10 and keys == wanted,
          f'docs/template.md has the parameters of templates: {sorted(keys ^ wanted)}')
    numbers = 'no one two three four five six seven eight nine ten eleven twelve'.split()
    check(f'one of {numbers[len(samplers)]} samplers' in (source / 'README.md').read_text(),
          'README.md counts the samplers')
    kinds = re.findall(r'\[CANVAS_\w+\] = \{"(\w+)"', (source / 'renderer/canvas.c').read_text())
    kinds = ', '.join(dict.fromkeys(kinds))
    check(f'({kinds})' in (source / 'docs/limn.1.in').read_text(), f'limn.1.in has the ways to show pictures: {kinds}')


documents()
tests()
names()
tools = [(t, test) for t, test in (('codespell', spelling), ('mandoc', manual_page)) if shutil.which(t)]
for _, test in tools:
    test()
print(f'{checks} checks, {failures} failures')
sys.exit(failures > 0 if tools or failures else 77)
