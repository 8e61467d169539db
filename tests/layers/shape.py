#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# The shape of the source: no function over 60 lines; no file over 600 lines, nor a line over 100 columns, in
# the tests and shaders either (130 columns in the tests' Python, which quotes other languages); no files
# that include one another.
# usage: shape.py SOURCE
import pathlib, re, sys

FUNCTION, FILE, LINE, PYTHON_LINE = 60, 600, 100, 130
# What may be longer, and why. Empty is best.
LONGER = {}

source = pathlib.Path(sys.argv[1])
C, SHADERS = ('.c', '.h', '.cc', '.def', '.inc'), ('.comp', '.glsl')


def files_of(folders, ends):
    return sorted(p for folder in folders for p in (source / folder).rglob('*') if p.suffix in ends)


program = ('engine', 'renderer', 'sandbox', 'loaders', 'app')
files = files_of(program, C)
faults, functions, lines_read = [], 0, 0


def check_length(where, lines):
    if len(lines) - 1 > FILE and where not in LONGER:
        faults.append(f'{where}: {len(lines) - 1} lines, at most {FILE} are one idea')


for path in files_of(['tests'], C + ('.py', '.sh')):
    check_length(str(path.relative_to(source)), path.read_text(encoding='utf-8').split('\n'))
for path in files + files_of(['tests'], C + ('.py',)) + files_of(program, SHADERS):
    most = PYTHON_LINE if path.suffix == '.py' else LINE
    for i, line in enumerate(path.read_text(encoding='utf-8').split('\n'), 1):
        lines_read += 1
        if len(line) > most:
            faults.append(f'{path.relative_to(source)}:{i}: {len(line)} columns, '
                          f'at most {most} are read at once')


def functions_of(lines):
    """Name and length of each: its name begins a line, its body is between braces that do."""
    start, name = None, None
    for i, line in enumerate(lines):
        if line == '{':
            start = i
        elif line.startswith('}') and start is not None:
            yield name, i - start + 1
            start = None
        elif start is None:
            found = re.match(r'(?:extern "C" )?(?:[\w*]+[ *]+)*\*?(\w+)\(', line)
            name = found[1] if found else name


includes = {}
for path in files:
    where = str(path.relative_to(source))
    text = path.read_text(encoding='utf-8')
    lines = text.split('\n')
    check_length(where, lines)
    for name, length in functions_of(lines):
        functions += 1
        if length > FUNCTION:
            faults.append(f'{where}: {name}() has {length} lines, at most {FUNCTION} are understood')
    includes[where] = set(re.findall(r'^#include "([^"]+)"', text, re.M))
for where in LONGER:
    if where not in includes:
        faults.append(f'{where} may be longer, but is not there')


def cycles(graph):
    """Every group of nodes that reach one another (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(group) > 1:
                found.append(sorted(group))

    sys.setrecursionlimit(10000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


for group in cycles({where: {n for n in names if n in includes} for where, names in includes.items()}):
    faults.append('these include one another: ' + ', '.join(group))

for fault in faults:
    print(fault)
print(f'{len(files)} files, {functions} functions, {lines_read} lines, {len(faults)} faults')
sys.exit(bool(faults) or len(files) < 300 or functions < 3000 or lines_read < 50000)
