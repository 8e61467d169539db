#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that nothing that splits.json holds out is ever trained on.

    heldout.py LIMN TASKS                      two tiny sets, packed here
    heldout.py LIMN TASKS PACK SOURCE…         the sets that PACK was made from

What is held out is read from the sources, by rules of this file's own: a subject in every style, a
style, a subject in a style; what one source holds out, all do. Then, in the pack: each picture is where
it belongs, and none for training has the pixels of one that is held out. And in the examples that
limn makes of pack and tasks (every task, target and references, roles included): every picture is one
for training. The stage `words` and retrieval draw from the same examples and splits."""
import collections
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import png

COUNT = 20000


def held_out(sources):
    subjects, styles, pairs = set(), set(), set()
    for source in map(pathlib.Path, sources):
        rows = [json.loads(line) for line in open(source / 'catalog.jsonl', encoding='utf-8')]
        name = {row['codepoints']: row['name'] for row in rows}
        splits = json.loads((source / 'splits.json').read_text())
        subjects |= {name[code] for code in splits['heldout_emoji']}
        styles |= set(splits['heldout_styles'])
        pairs |= {(name[code], style) for code, style in splits['heldout_pairs']}
    return lambda name, style: name in subjects or style in styles or (name, style) in pairs


def tensors(path):
    with open(path, 'rb') as f:
        size = struct.unpack('<Q', f.read(8))[0]
        header = json.loads(f.read(size))
        def read(name):
            first, last = header[name]['data_offsets']
            f.seek(8 + size + first)
            return f.read(last - first)
        count, side, _, _ = header['images']['shape']
        data = {name: read(name) for name in header if name.startswith(('text.', 'style', 'split'))}
        digests = []
        f.seek(8 + size + header['images']['data_offsets'][0])
        for _ in range(count):
            digests.append(hashlib.sha256(f.read(side * side * 3)).digest())
    return count, header['__metadata__'], data, digests


def captions(data, count):
    ends = struct.unpack('<%dq' % count, data['text.caption.ends'])
    return [data['text.caption'][a:b].decode() for a, b in zip((0,) + ends, ends)]


def check_pack(path, held):
    count, metadata, data, digests = tensors(path)
    names, styles = captions(data, count), json.loads(metadata['styles'])
    style = [styles[i] for i in struct.unpack('<%di' % count, data['style'])]
    kept = [held(names[i], style[i]) for i in range(count)]
    assert any(kept) and not all(kept), 'a proof needs pictures of both kinds'
    shown = {digests[i] for i in range(count) if kept[i]}
    kept = [digest in shown for digest in digests]  # and those that look the same
    for i in range(count):
        assert (data['split'][i] != 0) == kept[i], (i, names[i], style[i], data['split'][i])
    return kept, names, style


def check_examples(limn, tasks, pack, kept, names, style, count):
    out = subprocess.Popen([limn, 'data', 'examples', pack, tasks, '--count', str(count), '--json'],
                           stdout=subprocess.PIPE, text=True)
    seen = collections.Counter()
    for line in out.stdout:
        e = json.loads(line)
        seen[e['task'], len(e['references'])] += 1
        for picture in [e] + e['references']:
            i = picture['record']
            assert (names[i], style[i]) == (picture['caption'], picture['style']), picture
            assert not kept[i] and picture['split'] == 'train', (e, picture)
    assert out.wait() == 0 and sum(seen.values()) == count
    return seen


def tiny_set(folder, subjects, styles, splits, hue):
    """Each subject in each style, one colour a picture."""
    folder.mkdir()
    with open(folder / 'catalog.jsonl', 'w', encoding='utf-8') as f:
        for code, name in subjects.items():
            f.write(json.dumps(dict(codepoints=code, name=name, keywords=['thing'], styles=styles)) + '\n')
    (folder / 'splits.json').write_text(json.dumps(splits))
    for s, style in enumerate(styles):
        with tarfile.open(folder / (style + '.tar'), 'w', format=tarfile.USTAR_FORMAT) as tar:
            for k, code in enumerate(subjects):
                picture = folder / (code + '.webp')
                # The first set draws its key in wax as its fox, which is held out.
                colour = 0 if subjects[code] == 'key' and style == 'wax' else 20 * k
                picture.write_bytes(png((16, 16), bytes((hue, colour, 60 * s, 255)) * 256, channels=4))
                tar.add(picture, picture.name)
                picture.unlink()


def tiny(limn, tasks):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        names = ['fox', 'owl', 'snail', 'ship', 'key', 'cup', 'sun', 'map']
        tiny_set(work / 'one', {str(i): n for i, n in enumerate(names)}, ['ink', 'wax', 'chalk', 'clay'],
                 dict(heldout_emoji=['2'], heldout_pairs=[['0', 'wax'], ['3', 'ink']], heldout_styles=['chalk']), 30)
        # The other set has a snail and an owl too, and would train on the snail.
        tiny_set(work / 'two', {'a': 'snail', 'b': 'owl', 'c': 'kite', 'd': 'drum'}, ['felt', 'wood'],
                 dict(heldout_emoji=[], heldout_pairs=[['c', 'felt']], heldout_styles=[]), 200)
        pack, sources = str(work / 'tiny.pack'), [str(work / 'one'), str(work / 'two')]
        subprocess.run([limn, 'data', 'pack', *sources, pack, '--size', '16'], check=True)
        kept, names, style = check_pack(pack, held_out(sources))
        assert ('key', 'wax') in {(names[i], style[i]) for i in range(len(kept)) if kept[i]}
        seen = check_examples(limn, tasks, pack, kept, names, style, 3000)
        assert len({task for task, _ in seen}) >= 10, seen  # all that have pictures to be made of
        # The proof can fail: with the snail handed to training it does.
        where = next(i for i in range(len(kept)) if names[i] == 'snail' and style[i] == 'felt')
        data = bytearray(pathlib.Path(pack).read_bytes())
        size = struct.unpack('<Q', data[:8])[0]
        at = json.loads(data[8:8 + size])['split']['data_offsets'][0]
        data[8 + size + at + where] = 0
        pathlib.Path(pack).write_bytes(data)
        for check in (lambda: check_pack(pack, held_out(sources)),
                      lambda: check_examples(limn, tasks, pack, kept, names, style, 3000)):
            try:
                check()
            except AssertionError:
                continue
            raise SystemExit('a held-out picture went to training, and nobody noticed')


def main():
    limn, tasks, *rest = sys.argv[1:]
    if not rest:
        return tiny(limn, tasks)
    pack, *sources = rest
    kept, names, style = check_pack(pack, held_out(sources))
    seen = check_examples(limn, tasks, pack, kept, names, style, COUNT)
    print('%d pictures, %d held out; %d examples of %d tasks: none of them shows one' %
          (len(kept), sum(kept), sum(seen.values()), len({task for task, _ in seen})))


main()
