#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# What the parameters of a drawing do to its pictures, by what must be equal: usage: drawing.py LIMN SOURCE LOADERS
# Exit 77 without the shipped weights.
import functools, os, pathlib, sys
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import limn_test
from limn_test import GOLDEN, MODEL, check, environment, finish, needs_weights, pixels, png, size_of, text_of, work

needs_weights()
os.chdir(work.name)
run = functools.partial(limn_test.limn, env=environment(work.name, LIMN_MODEL=str(MODEL)))


def limn(*args, code=0):
    return run(*args, code=code).stderr


def far(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


def draw(name, *args):
    limn('generate', 'text', '--retrieve', '0', '--steps', '2', '--size', '64', '--no-library', '-q', '--preview',
         'none', '-o', name, *args)
    return pixels(name)


# Another seed's noise: its ends are known.
plain, nine = draw('plain.png', '--seed', '3'), draw('nine.png', '--seed', '9')
check(draw('zero.png', '--seed', '3', '--variation', '9:0') == plain, 'a variation of 0 changes no bit')
check(draw('one.png', '--seed', '3', '--variation', '9:1') == nine, 'one of 1 is the other seed')
smooth = [draw('smooth.png', '--sampler', 'dpm++', *more) for more in (('--seed', '3', '--variation', '9:1'), ('--seed', '9'))]
check(smooth[0] == smooth[1] != nine, 'with and without noise in every step')
some = draw('some.png', '--seed', '3', '--variation', '9:0.2')
check(some not in (plain, nine), 'one between them is another picture')
check(text_of('some.png')['variation'] == '9:0.2' and 'variation' not in text_of('plain.png'), 'it is in the picture')
limn('generate', 'some.png', '--no-library', '-q', '-o', 'again.png')
# Transparent, or laid on a colour: a c + (1 - a) b.
laid = bytes((plain[4 * i + c] * plain[4 * i + 3] + (0x33, 0x66, 0xcc)[c] * (255 - plain[4 * i + 3]) + 127) // 255
             for i in range(len(plain) // 4) for c in range(3))
check(draw('blue.png', '--seed', '3', '--background', '#36c') == laid, 'on a colour')
check(draw('none.png', '--seed', '3', '--background', 'none') == plain and text_of('blue.png')['background'] == '#36c',
      'on none')
check(0 < sum(plain[3::4]) < 255 * len(plain) // 4, 'something is there, and something is not')
# What is written for another family of models is refused before anything is drawn.
said = limn('generate', 'klein-text', '--no-library', '-o', 'no.png', code=2)
check('written for models of the family flux2, but' in said and '--model' in said and
      not os.path.exists('no.png'), said)
# Weights in 8 bits: another picture, which says so and is drawn again with them.
eight = draw('eight.png', '--seed', '3', '--quantise', 'q8_0')
limn('generate', 'eight.png', '--no-library', '-q', '-o', 'eight-again.png')
check(eight != plain and pixels('eight-again.png') == eight and text_of('eight.png')['quantise'] == 'q8_0',
      'quantised weights')
check(pathlib.Path('again.png').read_bytes() == pathlib.Path('some.png').read_bytes(), 'and is drawn again with it')

# Away from the instruction itself: w*f + (1-w)*f is f, as without guidance.
own = text_of('plain.png')['instruction']
unguided = draw('unguided.png', '--seed', '3', '--scale', '1')
away = draw('away.png', '--seed', '3', '--negative', own, '--scale', '4', '--dtype', 'f32')
unguided32 = draw('unguided32.png', '--seed', '3', '--scale', '1', '--dtype', 'f32')
check(far(away, unguided32) <= 1, f'away from itself is unguided: {far(away, unguided32)}')
other = draw('other.png', '--seed', '3', '--negative', 'a blue car')
check(other not in (plain, unguided), 'away from something else is another picture')
check(text_of('other.png')['negative'] == 'a blue car', 'it is in the picture')
limn('generate', 'other.png', '--no-library', '-q', '-o', 'again.png')
check(pathlib.Path('again.png').read_bytes() == pathlib.Path('other.png').read_bytes(), 'and is drawn again with it')
said = limn('generate', 'text', '--steps', '1', '--negative', 'x', '--scale', '1', '--no-library', '-o', 'no.png',
            code=2)
check('needs guidance' in said and not pathlib.Path('no.png').exists(), said)
# With references, in a sweep.
limn('generate', 'edge', '--steps', '1', '--size', '64', '--seed', '3', '--sweep', 'negative=red,blue', '--sweep',
     'variation=4:0.3,5:0.3', '--no-library', '-q', '-o', 'sweep.png')
cells = [pixels(f'sweep-{i}.png') for i in range(1, 5)]
check(len(set(cells)) == 4, 'four cells, four pictures')
check(text_of('sweep-3.png')['negative'] == 'blue' and text_of('sweep-3.png')['variation'] == '4:0.3',
      'as they were asked for')
# From a picture: both ends are known, what a mask keeps is kept to the bit.
side = size_of('nine.png')[0]
pathlib.Path('top.png').write_bytes(
    png((side, side), bytes([255]) * (side * side // 2) + bytes(side * (side - side // 2)), channels=1))
check(draw('s0.png', '--seed', '3', '--start', 'nine.png', '--strength', '0') == nine, 'strength 0 is the picture')
check(draw('s1.png', '--seed', '3', '--start', 'nine.png', '--strength', '1') == plain, 'strength 1 ignores it')
half = draw('half.png', '--seed', '3', '--start', 'nine.png', '--strength', '0.5')
check(half not in (plain, nine), 'between them it is another picture')
top = draw('topped.png', '--seed', '3', '--start', 'nine.png', '--mask', 'top.png')
check(top[len(top) // 2:] == nine[len(nine) // 2:], 'what is black is kept to the pixel')
check(top[:len(top) // 2] != nine[:len(nine) // 2], 'what is white is drawn anew')
check([r.get('use') for r in text_of('topped.png')['references']] == ['start', 'mask'], 'both are in the picture')
pathlib.Path('nine.png').rename('nine-elsewhere.png')
for name in ('half.png', 'topped.png'):
    limn('generate', name, '--no-library', '-q', '-o', 'again.png')
    check(pathlib.Path('again.png').read_bytes() == pathlib.Path(name).read_bytes(),
          f'{name} is drawn again from itself')
limn('generate', 'topped.png', '--start', 'half.png', '--no-library', '-q', '-o', 'again.png')
check(pixels('again.png')[len(top) // 2:] == half[len(top) // 2:], 'with another start')
pathlib.Path('tall.png').write_bytes(png((64, 64), b'\xff' * 3 * 64 * 64))
for args, says in ((['--mask', 'top.png'], 'a mask needs a picture to start from'),
                   (['--strength', '0.5'], 'a strength needs a picture to start from'),
                   (['--ref-weight', '1=2'], 'there is no reference 1'),
                   (['--ref-weight', '1'], 'K=WEIGHT or K=WEIGHT@FROM..TO'),
                   (['--start', 'missing.png'], 'missing.png'),
                   (['--negative', '[ref#1]'], 'no reference 1 is given')):
    said = limn('generate', 'text', '--retrieve', '0', '--steps', '1', *args, '--no-library', '-o', 'no.png', code=2)
    check(says in said and not pathlib.Path('no.png').exists(), said)

# Weights of references, and pictures to steer away from.
edge = ('generate', 'edge', '--steps', '2', '--size', '64', '--seed', '3', '--no-library', '-q', '-o')
limn(*edge, 'e.png')
limn(*edge, 'e1.png', '--ref-weight', '1=1')
check(pixels('e1.png') == pixels('e.png'), 'a weight of 1 changes no bit')
limn(*edge, 'e0.png', '--ref-weight', '1=0')
limn(*edge, 'enone.png', '--ref-weight', '1=5@0.9..1')  # of two steps none begins there
check(pixels('e0.png') == pixels('enone.png') != pixels('e.png'), 'no weight, or no step to act in')
limn(*edge, 'e2.png', '--ref-weight', '1=0.5', '--negative-ref', 'half.png')
check(text_of('e2.png')['ref_weight'] == '1=0.5' and text_of('e2.png')['references'][1]['use'] == 'away',
      'both are in the picture')
limn('generate', 'e2.png', '--no-library', '-q', '-o', 'again.png')
check(pathlib.Path('again.png').read_bytes() == pathlib.Path('e2.png').read_bytes(), 'and are drawn again')
limn('generate', 'edge', '--steps', '1', '--size', '64', '--seed', '3', '--sweep', 'ref_weight=1=0,1=1,1=2',
     '--no-library', '-q', '-o', 'w.png')
check(len({pixels(f'w-{i}.png') for i in range(1, 4)}) == 3, 'three weights, three pictures')

# Sizes: rectangles of a model that draws any, squares of one side's number, a sentence where there is one size alone.
any_size = ('--model', str(GOLDEN / 'flux2'), '--device', 'cpu', '--no-library', '-q')
for size, shape in (('112x64', (112, 64)), ('64', (64, 64)), ('64x64', (64, 64))):
    limn('instruct', 'a fox', *any_size, '--seed', '1', '--size', size, '-o', 's.png')
    check(size_of('s.png') == shape and text_of('s.png')['size'] == (shape[0] if shape[0] == shape[1] else size),
          f'--size {size}')
limn('instruct', 'a fox', *any_size, '--seed', '1', '--sweep', 'size=64,64x96', '-o', 'sizes.png')
check((size_of('sizes-1.png'), size_of('sizes-2.png')) == ((64, 64), (64, 96)), 'a sweep over sizes')
check(pixels('sizes-1.png') == pixels('s.png'), 'a cell of it is that drawing')
limn('generate', 'sizes-2.png', *any_size, '-o', 'again.png')
check(pathlib.Path('again.png').read_bytes() == pathlib.Path('sizes-2.png').read_bytes(),
      'a rectangle is drawn again from itself')
pathlib.Path('wide.png').write_bytes(png((160, 80), b'\xc0\x20\x40' * 160 * 80))
limn('instruct', '[ref#1] in the rain', '--ref', '1=wide.png', *any_size, '--steps', '1', '-o', 'edit.png')
check(size_of('edit.png') == (160, 80), "the first reference's shape where no size is said")
kept = pathlib.Path('.local/state/limn/latents')
check(kept.is_dir() and not list(kept.iterdir()), 'latents are kept until there is the picture')
for args, says in ((['--size', '100x64', *any_size], 'multiples of 16, not 100 x 64'),
                   (['--size', '64x96', '--no-library'],
                    'limn-icons draws pictures of 64 x 64 or, enlarged, of 256 x 256 pixels, not 64 x 96')):
    said = limn('instruct', 'a fox', *args, '-o', 'no.png', code=2)
    check(says in said and not pathlib.Path('no.png').exists(), said)
finish()
