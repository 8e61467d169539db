#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# limn eval from outside: a pack of drawn shapes, the shipped model, and one that was ruined.
# usage: eval.py LIMN SOURCE LOADERS      Exit 77 without the shipped weights.
import functools, json, os, pathlib, shutil, struct, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test
from limn_test import MODEL as model, check, drawn, environment, finish, needs_weights, png, work

needs_weights()
home = pathlib.Path(work.name).resolve()
os.chdir(home)
limn = functools.partial(limn_test.limn, env=environment(home))

# Shapes in two colours; each shape's picture in one of them is held out.
shapes = {'disc': lambda x, y: (x - 32) ** 2 + (y - 32) ** 2 < 400,
          'box': lambda x, y: abs(x - 32) < 18 and abs(y - 32) < 18,
          'bar': lambda x, y: abs(x - 32) < 6 and abs(y - 32) < 26,
          'beam': lambda x, y: abs(x - 32) < 26 and abs(y - 32) < 6,
          'ring': lambda x, y: 200 < (x - 32) ** 2 + (y - 32) ** 2 < 500,
          'corner': lambda x, y: x < 40 and y < 40 and (x > 30 or y > 30)}
icons = home / 'icons'
icons.mkdir()
for i, (name, inside) in enumerate(shapes.items()):
    for k, (style, colour) in enumerate((('red', (220, 30, 30)), ('blue', (30, 60, 220)), ('ink', (20, 20, 20)))):
        (icons / f'{name}-{style}.png').write_bytes(
            png((64, 64), drawn((64, 64), lambda x, y: colour if inside(x, y) else (255, 255, 255))))
        (icons / f'{name}-{style}.json').write_text(json.dumps(
            dict(caption=name, subject=name, style=style, keywords=['shape'],
                 split='heldout_pair' if i % 3 == k else 'train')))
limn('data', 'pack', icons, 'shapes.pack')

tasks = home / 'tasks.json'
tasks.write_text(json.dumps({'mixture': [
    {'name': 'mask', 'ratio': 1, 'texts': ['Fill {mask} with {subject}'],
     'references': [{'slot': 'mask', 'picture': 'role.mask', 'texts': ['mask']}]},
    {'name': 'text', 'ratio': 1, 'texts': ['{subject}']}]}))
args = ('--quick', '--tasks', tasks, '--examples', 4, '--steps', 2, '--device', 'cpu', '--json')
one = json.loads(limn('eval', model, 'shapes.pack', *args).stdout)
check([t['task'] for t in one] == ['mask', 'text'] and all(t['examples'] == 4 for t in one),
      f'{[t["task"] for t in one]}')
mask, text = one
check(mask['edges']['truth']['mean'] == 1 and mask['areas']['truth']['mean'] == 1 and
      mask['thumbnail']['truth']['mean'] == 0, 'the truth is itself')
check(mask['subject']['truth']['mean'] == 1, 'its subject is among the first five')
check('copy' in mask['edges'] and 'copy' not in text['edges'], 'a copy where there is a reference')
check(mask['areas']['copy']['mean'] < 0.9, 'a mask, copied, is no picture: it is white on black')
for t in one:
    for name in ('edges', 'areas', 'style', 'subject', 'thumbnail'):
        m = t[name]['model']
        check(0 <= m['low'] <= m['mean'] <= m['high'] <= 1 and m['n'] == 4, f'{name}: {m}')
check(json.loads(limn('eval', model, 'shapes.pack', *args).stdout) == one, 'the same figures again')

# With pictures of the model's index: a sentence that names one is drawn with it, and measured as before without.
with_index = home / 'with index'
shutil.copytree(model, with_index)
limn('index', 'shapes.pack', '-o', with_index / 'index.db', '--model', model, '--device', 'cpu')
found = json.loads(limn('eval', with_index, 'shapes.pack', *args, '--retrieve', 1).stdout)
check(found[0]['retrieved'] == {'model': 0} and found[1]['retrieved'] == {'model': 4}, f'for sentences alone: {found}')
check(found[0]['edges'] == mask['edges'] and found[1]['edges']['model'] != text['edges']['model'],
      'and only they change')
check('retrieved' not in text, 'said where it was asked for')
(with_index / 'index.db').unlink()
check('no index' in limn('eval', with_index, 'shapes.pack', *args, '--retrieve', 1, code=2).stderr, 'without an index')

# A sampler, steps and a scale that are asked for are as if they were the model's own.
own = home / 'own'
shutil.copytree(model, own)
index = json.loads((own / 'model_index.json').read_text())
index['limn'] |= {'sampler': 'euler', 'steps': 3, 'scale': 1.5}
(own / 'model_index.json').write_text(json.dumps(index))
few = ('--quick', '--tasks', tasks, '--task', 'mask', '--examples', 2, '--device', 'cpu', '--json')
asked = limn('eval', model, 'shapes.pack', *few, '--sampler', 'euler', '--steps', 3, '--scale', 1.5).stdout
check(asked == limn('eval', own, 'shapes.pack', *few).stdout, "as the model's own")
check(asked != limn('eval', model, 'shapes.pack', *few, '--steps', 3).stdout, 'which are others')

# Beside itself a model is no worse; with its weights turned round it is.
both = json.loads(limn('eval', model, model, 'shapes.pack', *args).stdout)
check(not any(t[m]['worse'] for t in both for m in ('edges', 'areas', 'thumbnail')) and
      both[0]['edges']['difference']['mean'] == 0, 'no worse than itself')
bad = home / 'bad'
shutil.copytree(model, bad)
weights = bad / 'unet/diffusion_pytorch_model.safetensors'
data = bytearray(weights.read_bytes())
head = json.loads(data[8:8 + struct.unpack('<Q', data[:8])[0]])
first, last = next(v['data_offsets'] for k, v in head.items() if k.endswith('conv_out.weight'))
base = 8 + struct.unpack('<Q', data[:8])[0]
for at in range(base + first + 1, base + last, 2): # the signs of bf16
    data[at] ^= 0x80
weights.write_bytes(data)
worse = json.loads(limn('eval', model, bad, 'shapes.pack', *args, code=1).stdout)
check(any(t[m]['worse'] for t in worse for m in ('edges', 'areas', 'thumbnail')), 'worse than before')
check('|' not in limn('eval', model, 'shapes.pack', '--tasks', tasks, '--task', 'text', '--examples', 1, '--steps', 1,
                      '--device', 'cpu').stdout, 'as a table')
unknown = limn('eval', model, 'shapes.pack', *args, '--task', 'nothing', code=2).stderr
check("there is no task 'nothing' among 'mask', 'text'" in unknown, unknown)
check('too many' in limn('eval', model, model, model, 'shapes.pack', code=2).stderr, 'three models')
limn('eval', model, 'nowhere.pack', *args, code=2)

finish()
