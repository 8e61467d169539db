#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# limn index, limn retrieve and retrieval-augmented drawing from outside, beside Python's own SQLite.
# usage: retrieve.py LIMN SOURCE LOADERS      Exit 77 without the shipped weights.
import contextlib, json, os, pathlib, shutil, sqlite3, struct, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test
from limn_test import (LIMN, MODEL as model, SOURCE, SAMPLES as samples, check, environment, finish, needs_weights,
                       text_of, work)

needs_weights()
home = pathlib.Path(work.name).resolve()
os.chdir(home)
env = environment(home / 'home', LIMN_MODEL=str(model))


def limn(*args, code=0, **more):
    return limn_test.limn(*args, code=code, env=env, more=more)


# --- a folder of one's own: names, captions, a twin, one that is held out

icons = home / 'my icons'
(icons / 'more').mkdir(parents=True)
for name, sample in (('fox.png', 'fox-fluent-3d'), ('space-rocket.png', 'rocket-fluent-3d'),
                     ('horse.png', 'horse-fluent-flat'),
                     ('a.png', 'lion-noto'), ('more/fox.png', 'fox-fluent-3d'), ('snail.png', 'snail-noto')):
    shutil.copy(samples / f'{sample}.png', icons / name)
(icons / 'a.txt').write_text('mountain lion')
(icons / 'snail.json').write_text(json.dumps({'caption': 'snail', 'split': 'heldout_subject'}))
(icons / 'horse.json').write_text(json.dumps({'caption': 'horse', 'keywords': ['pony', 'animal'], 'style': 'flat'}))
(icons / 'drawn.svg').write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" '
                                 'r="3"/></svg>')

made = json.loads(limn('index', icons, '--json', '--device', 'cpu', '--credit', 'me, CC0').stdout)
index = home / 'my icons.index'
check(index.exists() and pathlib.Path(made['file']).name == index.name, f'the usual name: {made}')
check((made['pictures'], made['held_out'], made['duplicates']) == (5, 1, 1), f'{made}')
check(sorted(p.name for p in home.iterdir()) == ['home', 'my icons', 'my icons.index'],
      f'left over: {list(home.iterdir())}')
with contextlib.closing(sqlite3.connect(index)) as db:
    rows = db.execute('SELECT name, source, image FROM picture, entry WHERE entry.id=picture.entry').fetchall()
    check(sorted(r[0] for r in rows) == ['drawn', 'fox', 'horse', 'mountain lion', 'space rocket'],
          f'names: {[r[0] for r in rows]}')
    check({r[1] for r in rows} <= {'fox.png', 'more/fox.png', 'space-rocket.png', 'horse.png', 'a.png', 'drawn.svg'},
          f'sources: {rows}')
    check(all(r[2][:4] == b'RIFF' and r[2][8:12] == b'WEBP' for r in rows), 'pictures are WebP')
    check(db.execute('PRAGMA integrity_check').fetchone() == ('ok',), 'SQLite finds nothing wrong')
    check(len(db.execute('SELECT rows FROM vectors').fetchone()[0]) == 5 * 256, 'a vector each')
check(str(home).encode() not in index.read_bytes(), 'no path of this machine is in it')

# Made again it is the same, byte for byte.
limn('index', icons, '-o', 'again.index', '--device', 'cpu', '--credit', 'me, CC0', "--json")
check(index.read_bytes() == (home / 'again.index').read_bytes(), 'the same index again')

# --- limn retrieve


def found(*args, **how):
    return json.loads(limn('retrieve', *args, '--index', index, '--json', **how).stdout)


check([p['name'] for p in found('a fox on a hill', '-k', 1)] == ['fox'], 'by a name')
pony = found('my pony', '-k', 1)[0]
check(pony['name'] == 'horse' and pony['keyword'] and pony['style'] == 'flat' and pony['credit'] == 'me, CC0',
      f'by a keyword: {pony}')
none = limn('retrieve', 'a quokka', '--index', index)
check(none.stdout == '' and "no picture of 'quokka'" in none.stderr, f'nothing: {none}')
near = found(samples / 'horse-fluent-flat.png', '-k', 3)
check(near[0]['name'] == 'horse' and near[0]['distance'] < 0.05 < near[1]['distance'], f'by a picture: {near}')
check([p['distance'] for p in near] == sorted(p['distance'] for p in near), 'nearest first')
limn('retrieve', 'horse', '--index', index, '-o', 'found.png')
check((home / 'found.png').read_bytes()[:4] == b'\x89PNG', 'a sheet')
(home / 'bad.index').write_bytes(index.read_bytes()[:20000])
check('bad.index' in limn('retrieve', 'fox', '--index', 'bad.index', code=2).stderr, 'a damaged index is named')
limn('retrieve', 'fox', '--index', home, code=2)
limn('index', home / 'nowhere', code=2)

# --- clusters: each picture with those that look most like it, and nothing that is held out

shown = home / 'shown'
shown.mkdir()
for sample in samples.glob('*.png'):
    shutil.copy(sample, shown / sample.name)
(shown / 'snail-noto.json').write_text(json.dumps({'caption': 'snail', 'split': 'heldout_subject'}))
limn('data', 'pack', shown, 'shown.pack', '--size', 64, '--names', '--roles', 'edge', '--workers', 1)
count = json.loads(limn('data', 'stats', 'shown.pack', '--json').stdout)['pictures']
said = json.loads(limn('data', 'clusters', 'shown.pack', 'clusters.pack', '--keep', 4, '--device', 'cpu',
                       '--json').stdout)
check(said['pictures'] == count - 1 and 0 < said['clusters'] <= count - 1, f'clusters: {said}')


def tensors(path):
    data = pathlib.Path(path).read_bytes()
    head = json.loads(data[8:8 + int.from_bytes(data[:8], 'little')])
    at = 8 + int.from_bytes(data[:8], 'little')
    about = head.pop('__metadata__')
    return {k: data[at + v['data_offsets'][0]:at + v['data_offsets'][1]] for k, v in head.items()}, about


before, after = tensors('shown.pack')[0], tensors('clusters.pack')
rows = struct.unpack(f'<{said["clusters"] * 4}i', after[0].pop('clusters'))
check(before == after[0] and 'clusters' in after[1], 'the rest of the pack is as it was')
check(all(len(set(rows[i:i + 4])) == 4 for i in range(0, len(rows), 4)), 'four different pictures')
check(all(before['split'][r] == 0 for r in rows), 'none of them held out')
check(sorted(set(rows[::4])) == list(rows[::4]), 'one a picture, in their order')
limn('data', 'clusters', 'clusters.pack', 'again.pack', '--keep', 4, '--device', 'cpu')
check((home / 'again.pack').read_bytes() == (home / 'clusters.pack').read_bytes(), 'clusters are made anew, not twice')
check('--keep' in limn('data', 'clusters', 'shown.pack', 'x.pack', '--keep', 65, code=2).stderr, 'at most 64 of one')
check('smaller clusters' in limn('data', 'clusters', 'shown.pack', 'x.pack', '--keep', 64, '--nearest', 64, '--device',
                                 'cpu', code=2).stderr, 'none so large')
check('is the input' in limn('data', 'clusters', 'shown.pack', 'shown.pack', code=2).stderr, 'not over its input')
limn('data', 'clusters', 'nowhere.pack', 'x.pack', code=2)
check(not (home / 'x.pack').exists(), 'nothing is left of what failed')
mixture = pathlib.Path(SOURCE) / 'app/recipes/retrieval.yaml'
for e in map(json.loads,
             limn('data', 'examples', 'clusters.pack', mixture, '--count', 20, '--json').stdout.splitlines()):
    of = [e['record']] + [r['record'] for r in e['references']]
    check(any(set(of) <= set(rows[i:i + 4]) for i in range(0, len(rows), 4)), f'not of one cluster: {of}')

# --- drawing


def draw(*args, code=0, **more):
    p = limn('generate', 'text', '--steps', 1, '--size', 64, '--seed', 3, '--device', 'cpu', '-o', 'out.png',
             '--no-library', '--preview', 'none', *args, code=code, **more)
    return p, text_of('out.png') if code == 0 else None


said, about = draw('--index', index, '--set', 'subject=horse')
check(about['instruction'] == '[ref#1] horse in fluent 3d style', f"the words: {about['instruction']}")
reference = about['references'][0]
check(reference['text'] == '[ref#1] horse' and reference['file'] == 'horse.png' and reference['credit'] == 'me, CC0' and
      reference['retrieved'] is True, f'{reference}')
check("drawn after 'horse' in flat (me, CC0)" in said.stderr, f'what was taken is said: {said.stderr}')
first = (home / 'out.png').read_bytes()
index.rename(home / 'gone.index')
limn('generate', 'out.png', '-o', 'twice.png', '--device', 'cpu', '--no-library', '--preview', 'none')
(home / 'gone.index').rename(index)
# A picture that is given for the same words was not retrieved.
limn('instruct', about['instruction'], '--ref', f'1={samples}/horse-fluent-flat.png', '--steps', 1, '--size', 64,
     '--seed', 3, '--device', 'cpu', '-o', 'given.png', '--no-library', '--preview', 'none')
check('retrieved' not in text_of('given.png')['references'][0], 'a reference that is given is none that was retrieved')
check(text_of('twice.png') == about and (home / 'twice.png').read_bytes() == first, 'drawn again without the index')

said, about = draw('--index', index, '--set', 'subject=quokka')
check(not about['references'] and "no picture of 'quokka'" in said.stderr, f'from words alone: {said.stderr}')
said, about = draw('--index', index, '--retrieve', 0, '--set', 'subject=horse')
check(not about['references'] and 'drawn after' not in said.stderr, 'not asked for')
said, about = draw('--index', index, '--retrieve', 3, '--set', 'subject=fox beside a mountain lion')
check(about['instruction'].startswith('[ref#1] fox beside a [ref#2] mountain lion'), f"two: {about['instruction']}")
check('bad.index' in draw('--index', 'bad.index', code=2)[0].stderr, 'a damaged index is an error')

# What is said of references holds for those that come.
said, about = draw('--index', index, '--ref-weight', '1=0.5', '--set', 'subject=horse')
check(about['ref_weight'] == '1=0.5', 'a weight of one that was found')
check('there is no reference 2' in draw('--index', index, '--ref-weight', '2=0.5', '--set', 'subject=horse',
                                        code=2)[0].stderr, 'one too many')

# A model's own index, on the machine that draws; one without.
own = home / 'model'
shutil.copytree(model, own)
(own / 'index.db').unlink(missing_ok=True)
said, about = draw('--retrieve', 1, '--set', 'subject=horse', LIMN_MODEL=str(own))
check(not about['references'] and 'has no index' in said.stderr, f'none: {said.stderr}')
shutil.copy(index, own / 'index.db')
said, about = draw('--retrieve', 1, '--set', 'subject=horse', LIMN_MODEL=str(own))
check(len(about['references']) == 1 and "drawn after 'horse'" in said.stderr, f'its own: {said.stderr}')

# A model from elsewhere could lead to an index of one's own, whose pictures would be in what is drawn.
(own / 'index.db').unlink()
(own / 'index.db').symlink_to(index)
said, about = draw('--retrieve', 1, '--set', 'subject=horse', LIMN_MODEL=str(own))
check(not about['references'] and 'is a link that leads out' in said.stderr, f'a link: {said.stderr}')
check('is a link that leads out' in limn('retrieve', 'horse', '--model', own, code=2).stderr, 'retrieve: a link')
snapshot = home / 'hub/models--a--b/snapshots/1'
shutil.copytree(own, snapshot, symlinks=True)
(snapshot / 'index.db').unlink()
(snapshot.parent.parent / 'blobs').mkdir()
shutil.copy(index, snapshot.parent.parent / 'blobs/0')
(snapshot / 'index.db').symlink_to('../../blobs/0')
limn('retrieve', 'horse', '--model', snapshot)
(own / 'index.db').unlink()
shutil.copy(index, own / 'index.db')

# Another machine: a stand-in for ssh runs the command here, where no file of ours is known.
ssh = home / 'ssh'
ssh.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift 2; cd /; exec sh -c "$*"\n')
ssh.chmod(0o755)
there = dict(LIMN_SSH=str(ssh), LIMN_REMOTE=LIMN)
_, here = draw('--index', index.name, '--set', 'subject=horse')
said, about = draw('--index', index.name, '--host', 'gpu', '--set', 'subject=horse', **there)
check(about == here, 'an index of this machine, drawn on another one')
said, about = draw('--host', 'gpu', '--retrieve', 1, '--set', 'subject=horse', **{**there, 'LIMN_MODEL': str(own)})
check(len(about['references']) == 1 and "drawn after 'horse'" in said.stderr, f'the other one\'s: {said.stderr}')

finish()
