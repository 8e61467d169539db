#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Nothing that was held out is in the index that the shipped model brings. What was held out is listed in
# heldout.txt, from the splits of both sets. usage: heldout.py SOURCE
import contextlib, pathlib, sqlite3, sys

source = pathlib.Path(sys.argv[1]).resolve()
rows = [tuple(line.split('\t')) for line in (source / 'tests/retrieval/heldout.txt').read_text().splitlines()
        if line[0] != '#']
names = {name for name, style in rows if style == '*'}
styles = {style for name, style in rows if name == '*'}
pairs = set(rows)


def held_out(pictures):
    return [(n, s) for n, s in pictures if n in names or s in styles or (n, s) in pairs]


with contextlib.closing(sqlite3.connect(f'file:{source}/app/models/limn-icons/index.db?mode=ro&immutable=1',
                                        uri=True)) as db:
    pictures = db.execute('SELECT entry.name, style.name FROM picture JOIN entry ON entry.id=picture.entry '
                          'JOIN style ON style.id=picture.style').fetchall()
    found = [row[0] for row in db.execute('SELECT name FROM entry')]
assert len(pictures) > 10000 and len(names) == 41 and styles == {'openmoji'} and len(pairs) == 1033, (
    len(pictures), len(names), len(pairs))
assert not held_out(pictures), held_out(pictures)
assert not names & set(found), names & set(found)  # nor their words
# The names are spelled as the index spells them: other styles of the pairs are in it.
known = {name for name, style in pairs if style != '*' and name in set(found)}
assert len(known) > 500, len(known)
assert held_out(pictures + [('snail', 'noto')]) and held_out(pictures + [('fox', 'openmoji')])
