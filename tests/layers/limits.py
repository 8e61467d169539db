#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# docs/security.md has every limit of engine/base/limits.h with its value, and no other; every limit is
# used, and tested at its edge or in the list of those that are not, with the reason; the program decodes
# pictures and draws letters in the sandbox alone; no script writes to a file in /tmp whose name can be guessed.
# usage: limits.py SOURCE [--write]    --write puts the header's limits into the page
import pathlib, re, sys

source = pathlib.Path(sys.argv[1])
header = (source / 'engine/base/limits.h').read_text()
page = source / 'docs/security.md'
BEGIN, END = '<!-- limits: begin -->\n', '<!-- limits: end -->\n'
UNITS = (('_BYTES', ((1 << 30, 'GiB'), (1 << 20, 'MiB'), (1 << 10, 'KiB'), (1, 'bytes'))),
         ('_MEGABYTES', ((1, 'MiB'),)), ('_SECONDS', ((1, 's'),)), ('_MS', ((1, 'ms'),)),
         ('_PIXELS', ((1 << 20, '× 2²⁰ pixels'), (1, 'pixels'))), ('_SIDE', ((1, 'pixels'),)), ('', ((1, ''),)))


def shown(name, value):
    steps = next(s for end, s in UNITS if name.endswith(end))
    size, unit = next(s for s in steps if value % s[0] == 0)
    return f'{value // size} {unit}'.strip()


# Limits that no test brings to their edge, each with its reason.
NO_EDGE = {}
# A test gives these functions a limit that can be reached; what the program gives them is this one.
GIVEN = dict(LIMIT_SOURCE_FILES='data_source_open_folder', LIMIT_TAR_ENTRIES='data_source_open_archive data_tar_open',
             LIMIT_INDEX_PICTURES='index_count_allowed')
# Tested through others that are made of them, or where a test says it with a number.
BY_ANOTHER = dict(
    LIMIT_PICTURE_PIXELS=('tests/image/t_image.c', '16384, 4097'),
                  LIMIT_JOB_INPUTS=('tests/app/edges.py', "'JOB_AWAY'"),
                  LIMIT_LOOK_VECTOR_MS=('tests/loaders/t_hostile.c', 'it takes more than 1 s to draw'),
    LIMIT_LOADER_LOAD_MS=('tests/loaders/t_host.c', 'bad-hang-on-load'))

rows, values, title = [], {}, ''
for line in header.splitlines():
    comment = re.match(r'// (.*)', line)
    entry = re.match(r'\s+(LIMIT_\w+) = ([^,/]+),(?:\s*// (.*))?', line)
    if entry:
        name, value, what = entry[1], eval(entry[2], {}, dict(values)), re.sub(r'^pixels[:,]? ?', '', entry[3] or '')
        values[name] = value
        rows.append((title, f'| `{name}` | {shown(name, value)} | {what} |'))
    elif comment and not rows or comment and title and line_before != 'comment':
        title = comment[1]
    elif comment:
        title += ' ' + comment[1]
    line_before = 'comment' if comment else 'other'
assert len(values) > 60, 'the header is not understood'

table, last = '', None
for title, row in rows:
    if title != last:
        table += f'\n{title}\n\n| limit | value | of what |\n|---|---|---|\n'
        last = title
    table += row + '\n'
table = BEGIN + table + '\n' + END

text = page.read_text()
at, end = text.index(BEGIN), text.index(END) + len(END)
if '--write' in sys.argv:
    page.write_text(text[:at] + table + text[end:])
    text = page.read_text()
    end = text.index(END) + len(END)

faults = []
said, wanted = set(text[at:end].splitlines()), set(table.splitlines())
for row in sorted(said ^ wanted):
    faults.append(f'docs/security.md {"has" if row in said else "lacks"}: {row}')
if faults:
    faults.append('limits.h and the page differ: tests/layers/limits.py SOURCE --write')
words = set()
for folder in ('app', 'engine', 'loaders', 'renderer', 'sandbox'):
    for file in (source / folder).rglob('*'):
        if file.suffix in ('.c', '.h', '.cc') and file.name != 'limits.h':
            words |= set(re.findall(r'\bLIMIT_[A-Z0-9_]+', file.read_text()))
faults += [f'{name} is used nowhere' for name in values if name not in words]
tested = set()
for file in (source / 'tests').rglob('*'):
    if file.suffix in ('.c', '.py', '.sh') and file.parent.name not in ('fuzz', 'layers'):
        text = file.read_text()
        tested |= set(re.findall(r'\bLIMIT_[A-Z0-9_]+', text))
        if file.name in ('edges.py', 'host_edges.py'):
            tested |= {'LIMIT_' + name for name in re.findall(r"'([A-Z0-9_]+)'", text)}
tested |= {name for name, (file, words) in BY_ANOTHER.items() if words in (source / file).read_text()}
faults += [f'{name} is tested at no edge' for name in values if name not in tested and name not in NO_EDGE]
faults += [f'{name} has an edge that is tested after all, or is none' for name in NO_EDGE if name in tested or
           name not in values]
for name, functions in GIVEN.items():
    for function in functions.split():
        # A function passes on what it was given, `most`.
        given = [call for file in (source / 'app').rglob('*.c')
                 for call in re.findall(rf'(?<!\n)\b{function}\(([^;{{]*?)\)[ ;?:]', file.read_text())]
        faults += [f'{function}({call}) is not given {name}' for call in given
                   if not re.search(rf'\b({name}|most)\b', call)]
        if not any(name in call for call in given):
            faults.append(f'nobody gives {function} {name}')
# What libvips does, it does in children of the sandbox: it decodes strangers' bytes, and ends a process without memory.
for file in [f for folder in ('app', 'renderer', 'loaders') for f in (source / folder).rglob('*.[ch]')]:
    if str(file.relative_to(source)) in ('loaders/inside.c', 'loaders/look.c', 'loaders/look.h') or 'renderer/image' in str(file):
        continue
    for call in re.findall(r'\bcodec_(?:start|decode|check_in|reduce|text|letter)\(', file.read_text()):
        faults.append(f'{file.relative_to(source)} calls {call[:-1]}: loaders/look.h decodes pictures and draws letters')
# A file whose name can be guessed may be there already, put by another user: mktemp makes one.
for file in (source / 'run', source / 'check', *source.glob('*/*/*.sh'), *source.glob('tests/*/run')):
    for line in file.read_text().splitlines():
        if re.search(r'>\s*"?(/tmp|\$TMPDIR|\$\{TMPDIR[^}]*\})/', line):
            faults.append(f'{file.relative_to(source)} names a file in /tmp by itself: {line.strip()}')
for fault in faults:
    print(fault)
print(f'{len(values)} limits, {len(NO_EDGE)} of them without a test at the edge, {len(faults)} faults')
sys.exit(1 if faults else 0)
