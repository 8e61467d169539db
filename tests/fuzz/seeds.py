#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Small good inputs for the fuzz targets, a folder a target, from the repository's own samples and from the
# formats as the documents describe them.
# usage: seeds.py SOURCE OUTPUT MADE, an empty file for whoever asks whether they are there
import base64, hashlib, io, json, pathlib, shutil, struct, sys, tarfile, zlib

source, output, made = (pathlib.Path(a) for a in sys.argv[1:4])
shutil.rmtree(output, ignore_errors=True)


def seed(target, name, data):
    folder = output / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def copies(target, pattern, most=64 << 10, before=b''):
    for path in sorted(source.glob(pattern)):
        if path.is_file() and path.stat().st_size <= most:
            seed(target, path.parent.name + '-' + path.name, before + path.read_bytes())


# --- safetensors, packs, tasks

TYPES = {'F32': 4, 'F16': 2, 'BF16': 2, 'I64': 8, 'I32': 4, 'U8': 1}


def safetensors(tensors, metadata=None):
    """[(name, type, shape, bytes)] to a file."""
    head, data = {}, b''
    if metadata:
        head['__metadata__'] = metadata
    for name, kind, shape, content in tensors:
        data += bytes(-len(data) % TYPES[kind])
        head[name] = dict(dtype=kind, shape=shape, data_offsets=[len(data), len(data) + len(content)])
        data += content
    text = json.dumps(head, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + data


seed('safetensors', 'one', safetensors([('a', 'F32', [2, 2], bytes(16)), ('b', 'U8', [0], b'')], {'format': 'pt'}))
seed('safetensors', 'types', safetensors([(k, k, [1], bytes(n)) for k, n in TYPES.items()]))
seed('safetensors', 'empty', safetensors([]))
for name, weights in (('whole', {'a': 's1.safetensors', 'b': 's2.safetensors', 'empty': 's1.safetensors'}),
                      ('one', {'a': 's1.safetensors', 'empty': 's1.safetensors'}), ('folder', {'a': 'folder'})):
    seed('index', name, json.dumps({'metadata': {'total_size': 32}, 'weight_map': weights}))

texts = ['fox', 'red apple', 'moon', 'fox']
ends = [sum(map(len, texts[:i + 1])) for i in range(4)]
whole = ''.join(texts).encode()
pack = [('text.caption.ends', 'I64', [4], struct.pack('<4q', *ends)),
        ('text.keywords.ends', 'I64', [4], struct.pack('<4q', *ends)),
        ('subject', 'I32', [4], struct.pack('<4i', 0, 1, 2, 0)), ('style', 'I32', [4], struct.pack('<4i', 0, 0, 1, 1)),
        ('split', 'U8', [4], bytes([0, 0, 1, 0])), ('text.caption', 'U8', [len(whole)], whole),
        ('text.keywords', 'U8', [len(whole)], whole), ('images', 'U8', [4, 2, 2, 3], bytes(range(48))),
        ('role.edge', 'U8', [4, 2, 2, 3], bytes(48)), ('role.mask', 'U8', [4, 2, 2, 3], bytes(48)),
        ('role.sketch', 'U8', [4, 2, 2, 3], bytes(48))]
seed('pack', 'four', safetensors(pack, {'format': 'limn pack 1', 'size': '2', 'styles': '["flat","blob"]'}))
seed('pack', 'no-roles', safetensors(pack[:8], {'format': 'limn pack 1', 'size': '2', 'styles': '["flat","blob"]'}))
seed('tasks', 'mixture', json.dumps({'drop_all': 0.1, 'drop_context': 0.1, 'mixture': [
    {'name': 'text', 'ratio': 2, 'texts': ['{a subject}, {style} style, {keyword}', '{last word} {style name}']},
    {'name': 'edge', 'ratio': 1, 'texts': ['along {edge}: {subject} {edge.marker}'],
     'references': [{'slot': 'edge', 'picture': 'role.edge', 'texts': ['edge map', 'outline of {subject}']}]},
    {'name': 'transfer', 'ratio': 4, 'texts': ['C {content.marker} S {look.marker}', '{the style name} {an last word}'],
     'references': [{'slot': 'content', 'picture': 'subject', 'texts': ['content image']},
                    {'slot': 'look', 'picture': 'style', 'texts': ['style image']}]}]}))

# --- what people write

for name, text in (('one', '\1Draw [ref#1] in the style of [ref#2]: a fox\nfox\n[ref#2] style image'),
                   ('none', '\1a fox on a hill'), ('high', '\x63[ref#99] along [ref#1]\nedge map\nx')):
    seed('instruction', name, text)
copies('template', 'app/templates/*.yaml')
seed('template', 'everything', '''name: All
summary: Everything a template can say.
instruction: "Draw [ref#1] {{what}} {{n}} [ref#2]: {{where}}"
references:
  1: {text: "{{what}}", image: samples/fox-noto.png, loader: edge, settings: {thickness: 2, width: "{{n}}"}}
  2: {text: "[ref#2] style", image: "{{p}}"}
variables:
  what: {default: fox, help: what it is}
  n: {type: number, default: 2, range: [1, 9]}
  where: {type: choice, choices: [hill, "a wood"], default: hill}
  p: {type: image, default: p.png}
sweep: {what: "fox, snail", n: "1..4", seed: [1, 2, 3]}
seed: 4
steps: 20
count: 2
size: 64
scale: 3.5
context_scale: 1
guidance: both
sampler: ddim
''')
seed('template', 'lists',
     'instruction: "{{what}}"\nvariables:\n  what: {type: choice, file: words.txt}\n'
     'sweep: {what: "*", steps: "@words.txt"}\n')
copies('recipe', 'app/recipes/*.yaml')
copies('tasks', 'app/recipes/tasks.yaml')
copies('theme', 'themes/*.theme')
seed('trainlog', 'steps', ''.join(
    json.dumps(dict(step=i, loss=1 / i, lr=1e-4, seconds=0.5, grad_norm=1.0, examples=8,
                    tasks={'text': 0.5, 'edge': 0.25})) + '\n' for i in range(1, 40)))

# --- what others made

for size in (0, 700):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w', format=tarfile.GNU_FORMAT if size else tarfile.PAX_FORMAT) as tar:
        for name in ('./a/fox.png', 'a/fox.txt', 'b/' + 'long' * 40 + '.png'):
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
        tar.addfile(tarfile.TarInfo('c'))
    seed('tar', f'of-{size}', archive.getvalue()[:8192])
copies('config', 'tests/reference/golden/*/unet/config.json', before=b'\0')
copies('config', 'tests/reference/golden/*/super_resolution/config.json', before=b'\0')
copies('config', 'app/models/*/unet/config.json', before=b'\0')
copies('config', 'tests/reference/golden/*/text_encoder/config.json', before=b'\1')
copies('config', 'app/models/*/scheduler/scheduler_config.json', before=b'\2')
seed('config', 'scheduler', b'\2' + json.dumps(dict(
    _class_name='DDPMScheduler', num_train_timesteps=1000, beta_schedule='squaredcos_cap_v2',
    beta_start=1e-4, beta_end=0.02, prediction_type='epsilon', variance_type='learned_range',
    thresholding=True, dynamic_thresholding_ratio=0.95, sample_max_value=1.5,
    clip_sample=True, clip_sample_range=1.0, timestep_spacing='leading', steps_offset=1)).encode())
copies('tokenizer', 'tests/reference/golden/tokenizer/plain-spiece.model')
FLUX = 'tests/reference/golden/flux2/'
for part in ('transformer', 'text_encoder', 'vae'):
    seed('config', 'flux2-' + part, b'\3' + (source / FLUX / part / 'config.json').read_bytes())
copies('gguf', 'tests/reference/golden/packed.*')
copies('lora', FLUX + 'lora-[a-z]*[a-z].safetensors')
copies('bpe', FLUX + 'tokenizer/tokenizer.json', before=b'\0')
copies('bpe', 'tests/reference/golden/bpe.gguf')
seed('bpe', 'files',
     b'\1' + b'\xff'.join((source / FLUX / 'tokenizer' / n).read_bytes()
                          for n in ('vocab.json', 'merges.txt', 'added_tokens.json')))
seed('keys', 'some', '# mine\nall draw F9 ^G\ncompose undo u Tab\ngallery rate-1\nall help F1 ? S-Tab\n')
seed('script', 'words',
     'size 80x24\nwait (references|compose)$\nkeys 4 End F9 ^G Esc\ntype a hen, q\npaste b\ngone 1 job\nlimit 2.5\n'
     'settle\nsave -\n# x\nquit\n')
MODEL_FILES = ['model_index.json', 'transformer/config.json', 'transformer/diffusion_pytorch_model.safetensors',
               'text_encoder/config.json',
               'text_encoder/model.safetensors.index.json', 'text_encoder/model-00001-of-00002.safetensors',
               'vae/config.json', '../x', 'LICENSE',
               'vae/diffusion_pytorch_model.fp16.safetensors', 'tokenizer/tokenizer.json',
               'scheduler/scheduler_config.json']
for gated in (False, 'manual'):
    seed('hub', f'model-{gated}',
         json.dumps(dict(
             sha='a' * 40, gated=gated,
             cardData=dict(license='other', license_name='n', license_link='https://x'),
             siblings=[dict(rfilename=f, size=5,
                            **(dict(blobId='b' * 40) if i % 2 else dict(lfs=dict(sha256='c' * 64, size=9))))
                       for i, f in enumerate(MODEL_FILES)])).encode()
         + b'\xff' + (source / FLUX / 'model_index.json').read_bytes())
seed('hub', 'name', 'https://huggingface.co/org/name/tree/main')


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(*texts):
    rows = b''.join(b'\0' + bytes(3 * 4) for _ in range(4))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 4, 8, 2, 0, 0, 0)) + b''.join(texts) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


PNG = png()
HASH = hashlib.sha256(PNG).hexdigest()


def job(picture=True, **more):
    reference = dict(marker=1, words='fox', file='fox.png', loader='edge', settings=['thickness=2'], hash=HASH)
    if picture:
        reference['png'] = base64.b64encode(PNG).decode()
    return dict(dict(id='a-job', instruction='Draw [ref#1] fox', references=[reference], seed=3, steps=2, count=1,
                     size=0,
                     scale=-1, context_scale=-1, sampler='ddim', guidance='both', model_hash='00', dtype='f32'), **more)


drawn = dict(job(), limn='0.1.0', format=1)
sheet = dict(limn='0.1.0', format=1, sweep=dict(
    instruction='Draw [ref#1] {{what}}',
    axes=[dict(name='what', values=['fox', 'snail']), dict(name='seed', values=['1', '2'])],
    lots=2, columns=2, pictures={HASH: base64.b64encode(PNG).decode()},
    cells=[dict(label=f'seed={i}', job=job(False, seed=i)) for i in (1, 2)]))
for name, value in (('job', drawn), ('sheet', sheet)):
    text = json.dumps(value).encode()
    seed('png', name, text)
    seed('png', name + '-itxt', png(chunk(b'iTXt', b'limn\0\0\0\0\0' + text)))
    seed('png', name + '-itxt-packed', png(chunk(b'iTXt', b'limn\0\1\0en\0k\0' + zlib.compress(text))))
    seed('png', name + '-ztxt', png(chunk(b'zTXt', b'limn\0\0' + zlib.compress(text)), chunk(b'tEXt', b'Software\0x')))
copies('codec', 'tests/image/samples/*', most=24 << 10)
seed('codec', 'picture.png', PNG)
seed('codec', 'picture.svg',
     '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h5v5z" fill="red"/></svg>')
seed('codec', 'picture.ppm', b'P6 2 2 255 ' + bytes(12))

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="%s" height="%s">%s</svg>'
for name, text in (('path', SVG % ('9', '9', '<path d="M0 0h5v5z" fill="red" stroke="#00f" stroke-width=".5"/>')),
                   ('shapes', SVG % ('1e3', '50%',
                                     '<g transform="rotate(9)"><circle r="2"/><rect width="3" height="4"/></g>')),
                   ('text', SVG % ('2in', '3em',
                                   '<defs><linearGradient id="g"><stop offset="1"/></linearGradient></defs>'
                                   '<text fill="url(#g)">fox</text><image href="a.png" width="1" height="1"/>'))):
    seed('untrusted', name, b'\1' + text.encode())
copies('untrusted', 'tests/image/samples/*bmp*', most=24 << 10, before=b'\0')
for bits, colours in ((1, 2), (4, 16), (8, 256), (24, 0), (32, 0)):
    rows = bytes(4 * ((2 * bits + 31) // 32)) * 2
    seed('untrusted', f'bmp-{bits}',
         b'\0BM' + struct.pack('<IHHIIiiHHIIiiII', 54 + 4 * colours + len(rows), 0, 0, 54 + 4 * colours, 40,
                               2, 2, 1, bits, 0, len(rows), 0, 0, colours, 0) + bytes(4 * colours) + rows)

# --- a child of the sandbox

ERROR = 512 # ERR_TEXT_MAX


def answer(refused=0, width=0, height=0, kind=0, text=b''):
    return struct.pack('<4i', refused, width, height, kind) + text.ljust(ERROR, b'\0')


def card(count, **param):
    one = (param.get('name', b'n').ljust(32, b'\0') + b'help'.ljust(256, b'\0') +
           param.get('choices', b'').ljust(512, b'\0') +
           struct.pack('<i4xddd', param.get('kind', 0), 0, 9, 1))
    return (b'mine'.ljust(32, b'\0') + b'edge map'.ljust(64, b'\0') + b'what it does'.ljust(256, b'\0') +
            struct.pack('<I4x', count) + one.ljust(len(one), b'\0') * 16)


for kind in range(6):
    for form, channels in ((1, 1), (2, 3), (3, 4)):
        seed('inside', f'{kind}-{form}', bytes([kind, 0, 64, 0]) + answer(0, 2, 2, form) + bytes(4 * channels))
    seed('inside', f'{kind}-zeros', bytes([kind, 128, 0, 16]) + answer(0, 16, 16, 3))
    seed('inside', f'{kind}-refused', bytes([kind, 1, 0, 0]) + answer(1, text=b'unknown format'))
seed('inside', 'letters', bytes([6, 0, 1, 1]) + answer(0, 2, 2, 2) + bytes(12) + answer(0, 2, 2, 1) + bytes(4))
for count, more in ((0, {}), (1, {}), (1, dict(kind=3, choices=b'thin|thick')), (16, {})):
    seed('inside', f'card-{count}-{len(more)}', bytes([3, 0, 0, 0]) + answer() + card(count, **more))

# --- terminals

seed('terminal', 'xterm', b'\x1b[6;20;10t\x1b[?64;1;2;4;6;9;15;22c\x1b[?1;0;1024S\x1b[?64;4c')
seed('terminal', 'kitty', b'\x1b_Gi=31;OK\x1b\\\x1b[6;18;9tq\x1b[?62c')
seed('terminal', 'typed', b'abc\x1b[A\x1b\x1b[?62;4c/x')
seed('terminal', 'ground', b'\x1b]11;rgb:ffff/ffff/dddd\x1b\\\x1b[6;20;10t\x1b[?62;22c')
seed('terminal', 'ground-bell', b'\x1b]11;rgb:1/f0/0a1\a\x1b]11;rgba:ff/ff/ff/80\a\x1b[?62;4c')
seed('terminal', 'ground-alone', b'\x1b]11;rgb:fdf6/e3e3/1\x1b\\')
seed('terminal', 'late', b'\x1b[?6\x1b[0n\x1b[6;20;10t\x1b[?64;4;4c')
seed('terminal', 'keys', bytes(range(0, 240)))


def curses(key):
    return b'\xff\1' + struct.pack('>H', key - 0o401)


DOWN, UP, F9 = 0o402, 0o403, 0o410 + 9
WINDOW = {name: b'\xff\3' + bytes([rows - 1, columns - 1]) for name, rows, columns in
          (('small', 5, 10), ('narrow', 12, 40), ('large', 60, 200))}
seed('ui', 'draw', b'aifox\x1b' + curses(F9) + b'\xff\0' + b'2' + curses(DOWN) + b'12345678q')
seed('ui', 'text',
     b'iDraw [re\t \x01\x05\x17\x19\x15\x1b' + 'é漢'.encode() + b'p' + b'\r' + b'12\x1b' + b':steps 4\r:theme light\r')
seed('ui', 'paste', b'i\xff\4red\tfox\nq\xff\5\x1b\xff\4never\xff\5')
seed('ui', 'mouse', b'\xff\2\0\5\2\xff\2\5\5\2\xff\2\5\5\3\xff\2\12\5\20\xff\2\0\24\2')
seed('ui', 'windows',
     b'8' + WINDOW['small'] + b'\xff\0' + WINDOW['narrow'] + b'\xff\0' + b'4' + WINDOW['large'] + b'\xff\0G\r\r')
seed('ui', 'trainings', b'6n' + curses(DOWN) + b'\r' + b'1\r\x1b' + b':train r.yaml\r')
seed('ui', 'templates', b'4G\r' + curses(DOWN) + b'\rfox\r' + curses(UP) + b'wmine\r5/fox\r*m3d')
seed('ui', 'sequences', b'\x1b[?62;4c\x1b_Gi=1;OK\x1b\\\x1b[Z\x1bOP\x1b[200~')

for name, content in (('whole', b'\0\0a red fox on a hill, in noto style'),
                      ('marker', b'\0\0Draw [ref#1] moon and a house'),
                      ('words', b'\0\0"fox* NEAR(house ^ - : AND fluent-3d style of'), ('cut', b'\x80\0fox'),
                      ('changed', b'\0\2\x10\0\0\1\0\x40\0\xffcat with tears of joy')):
    seed('retrieval', name, content)

# --- the line between limn and its worker


def frame(head, payload=b''):
    text = json.dumps(head).encode()
    return b'LMN1' + struct.pack('<IQ', len(text), len(payload)) + text + payload


COMMAND = dict(type='command', id='c-1',
               words=['train', dict(name='r.yaml', hash=HASH), dict(before='tasks=', name='t.json', hash=HASH),
                      dict(name='sheet.png', result=True)], folder='/tmp',
               environment={'NO_COLOR': '1'},
               terminal=[True, False, True], detach=True, where='here', about={'output': 'run'})
for greeting in (0, 1):
    seed('wire', f'submit-{greeting}', bytes([128, greeting]) + (b'hello\nlimn-worker\n' if greeting else b'') +
         frame(dict(type='submit', previews=True, job=job(False))) + frame(dict(type='blob', hash=HASH), PNG))
    seed('wire', f'command-{greeting}',
         bytes([40, greeting]) + (b'limn-worker\n' if greeting else b'') + frame(COMMAND))
    seed('relay', f'submit-{greeting}', bytes([greeting]) + frame(dict(type='submit', job=job(False))))
    seed('relay', f'blob-{greeting}', bytes([greeting + 2]) + frame(dict(type='blob', hash=HASH), PNG * 40))


def lines(*messages):
    """For frames.c; the first byte is the target's own."""
    return ('@' + '\n'.join(messages)).encode()


def message(kind, payload=None, **head):
    return json.dumps(dict(type=kind, **head)) + ('' if payload is None else '\t' + payload)


HELLO = message('hello', protocol=2, version='0.1.0', host='gpu', pid=7,
                jobs=[dict(id='a', state='running', step=1, total=2)],
                results=[dict(job='a', index=0)], commands=['train', 'bench', 'models', 'data', 'devices'])
seed('client', 'drawn',
     lines(HELLO, message('queued', job='a', ahead=0),
           message('started', job='a', model='m', model_hash='00', device='cpu'),
                              message('progress', 'x' * 12, job='a', step=1, total=2, seconds=0.5, width=2, height=2,
                                      count=1),
                              message('log', level='warning', module='vulkan', text='slow'),
                              message('result', 'PNG', job='a', index=0, count=2, seed=1),
           message('result', 'PNG', job='a', index=1),
                              message('done', job='a', steps=2, sampler='ddim', guidance='both', text_seconds=0.1,
                                      reference_seconds=0.1, denoise_seconds=1.5, peak_bytes=1000)))
seed('client', 'failed', lines(HELLO, message('want', hash=hashlib.sha256(b'abc').hexdigest()),
                               message('failed', job='a', code='input', text='reference 1 has no picture')))
seed('client', 'command', lines(HELLO, message('running', id='c', pid=3), message('output', 'hi', id='c', stream=1),
                                message('file', 'PNG', id='c', index=0, name='sheet.png'),
                                message('ended', id='c', code=0)))
seed('client', 'other',
     lines(HELLO, message('loaders',
                          loaders=[dict(name='edge', summary='s',
                                        params=[dict(name='w', type='int', minimum=0, maximum=4)])]),
                              message('described', devices=[dict(name='cpu', detail='x', memory=1)],
                                      models=[dict(name='m', path='/m')]),
                              message('loaded', 'PNG', id='1'),
           message('commands', jobs=[dict(id='c', state='running', started=1, about={})]),
                              message('changed'),
           message('piece', 'x', id='c', name='log.jsonl', size=9, sheets=['sheet-1.png'])))
seed('worker', 'submit', lines(message('hello', protocol=2, version='0.1.0', hangup='stop'), message('describe'),
                               message('submit', previews=True, job=job(False, references=[], instruction='a fox')),
                               message('cancel', job='a-job'), message('seen', job='a-job'),
                               message('stored', job='a-job', index=0)))
seed('worker', 'pictures', lines(message('hello', protocol=2, hangup='finish'), message('submit', job=job(False)),
                                 message('blob', 'PNG', hash='x'), message('cancel', job='a-job'),
                                 message('load', id='1', side=64, reference=job(False)['references'][0]),
                                 message('fetch', job='ab', index=0)))
seed('worker', 'commands',
     lines(message('hello', protocol=2, hangup='stop'), json.dumps(COMMAND), message('interrupt', id='c-1'),
                                 message('pause', id='c-1', on=True), message('commands'),
           message('follow', id='ab', **{'from': 0}),
                                 message('read', id='ab', name='log.jsonl', **{'from': 0}), message('again', id='ab'),
                                 message('remove', id='ab'), message('quit')))
for name, patches in (('whole', b'\0'), ('short', b'\x81\0\0\0\0'),
                      ('patched', bytes([0, 16, 0, 0, 9, 28, 0, 0, 255, 100, 0, 0, 13]))):
    seed('library', name, patches)
made.touch()
