#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# docs/security.md has every limit of engine/base/limits.h with its value, and no other; every limit is
# used; the program decodes pictures in the sandbox alone.
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
for file in (source / 'app').rglob('*.[ch]'):
    for call in re.findall(r'\bcodec_(?:decode|decode_as|check_in)\(', file.read_text()):
        faults.append(f'{file.relative_to(source)} calls {call[:-1]}: pictures are decoded by loaders/look.h')
for fault in faults:
    print(fault)
print(f'{len(values)} limits, {len(faults)} faults')
sys.exit(1 if faults else 0)
