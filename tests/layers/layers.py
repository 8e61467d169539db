#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Arrows point one way, and files are opened at their door: reads docs/layers.txt, every #include line and
# every call that opens a file. usage: layers.py SOURCE
import pathlib, re, sys

FOLDERS = ('engine', 'renderer', 'sandbox', 'loaders', 'app')
# Not a struct's own (->open, .open, (*open)).
OPENS = re.compile(r'(?:^|[^_\w.>*])(?:open|open64|openat|fopen|freopen|creat|[io]?fstream)(?: +[a-z_]+)?\(')

source = pathlib.Path(sys.argv[1])
may, only, door, opening = {}, {}, {}, set()
for line in (source / 'docs/layers.txt').read_text().splitlines():
    if not line or line.startswith('#'):
        continue
    if line.startswith('door: '):
        folder, *doors = line.split()[1:]
        door[folder] = doors
    elif line.startswith('open: '):
        opening |= set(line.split()[1:])
    elif ' -> ' in line:
        header, _, files = line.partition(' -> ')
        only[header] = files.split()
    else:
        folder, _, folders = line.partition(':')
        may[folder] = folders.split()


def layer_of(path):
    """The most specific folder of layers.txt that a path lies in."""
    return max((folder for folder in may if path.startswith(folder + '/')), key=len, default=None)


def faults_of(file, text):
    layer = layer_of(file)
    if not layer:
        yield f'{file} lies in no layer of docs/layers.txt'
        return
    for name in re.findall(r'^#include [<"]([^>"]*)[>"]', text, re.M):
        target = layer_of(name) if name.startswith(tuple(f + '/' for f in FOLDERS)) else None
        if target and not (source / name).is_file():
            yield f'{file} includes {name}, which is not there'
        if target and target != layer and target not in may[layer]:
            yield f'{file} ({layer}) includes {name} ({target}): the arrow is not in docs/layers.txt'
        if target in door and target != layer and not {name, layer} & set(door[target]):
            yield f'{file} includes {name}: of {target} the others know only {" ".join(door[target])}'
        if file not in only.get(name, [file]):
            yield f'{file} includes {name}, which belongs to {" ".join(only[name])} alone'
    opens = any(OPENS.search(line.partition('//')[0]) for line in text.splitlines())
    if opens and file not in opening:
        yield f'{file} opens files: engine/base/file.h is the door'
    if not opens and file in opening:
        yield f'{file} opens no file: docs/layers.txt need not name it'


files = sorted(str(p.relative_to(source)) for folder in FOLDERS for p in (source / folder).rglob('*')
               if p.suffix in ('.c', '.h', '.cc', '.def'))
faults = [fault for file in files for fault in faults_of(file, (source / file).read_text())]
faults += [f'docs/layers.txt: there is no {file}' for file in sorted(opening - set(files))]
for fault in faults:
    print(fault)
print(f'{len(files)} files, {len(faults)} faults')
sys.exit(bool(faults) or len(files) < 300 or len(opening) < 10)
