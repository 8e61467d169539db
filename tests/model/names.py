#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# FLUX.2's weights under the names of the original files answer the goldens as diffusers' do: fused
# projections, swapped halves, levels counted from the other end, 1x1 convolutions; so do they as GGUF, whole
# and in blocks, the text encoder with them, and in 8 bits with scales. names.py LIMN SOURCE
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from limn_test import metadata_of as said_of, safetensors as write, tensors_of as read

limn, source = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]) / 'tests/reference/golden'
# The same kernels on every machine, and no Vulkan driver, which takes longer to be loaded than these models to run.
HERE = {'LIMN_CPU_ISA': 'v3', 'VK_DRIVER_FILES': '/dev/null', 'VK_ICD_FILENAMES': '/dev/null'}
LIMITS = (pathlib.Path(sys.argv[2]) / 'engine/base/limits.h').read_text()
LORAS = int(re.search(r'LIMIT_LORAS = (\d+)', LIMITS)[1])
LORA_CHANGES = int(re.search(r'LIMIT_LORA_CHANGES = (\d+)', LIMITS)[1])
PLAIN = {
    'x_embedder': 'img_in', 'context_embedder': 'txt_in', 'proj_out': 'final_layer.linear',
    'time_guidance_embed.timestep_embedder.linear_1': 'time_in.in_layer',
    'time_guidance_embed.timestep_embedder.linear_2': 'time_in.out_layer',
    'time_guidance_embed.guidance_embedder.linear_1': 'guidance_in.in_layer',
    'time_guidance_embed.guidance_embedder.linear_2': 'guidance_in.out_layer',
    'double_stream_modulation_img.linear': 'double_stream_modulation_img.lin',
    'double_stream_modulation_txt.linear': 'double_stream_modulation_txt.lin',
    'single_stream_modulation.linear': 'single_stream_modulation.lin',
    'norm_out.linear': 'final_layer.adaLN_modulation.1'}
DOUBLE = {
    'attn.norm_q': 'img_attn.norm.query_norm.scale', 'attn.norm_k': 'img_attn.norm.key_norm.scale',
    'attn.norm_added_q': 'txt_attn.norm.query_norm.scale', 'attn.norm_added_k': 'txt_attn.norm.key_norm.scale',
    'attn.to_out.0': 'img_attn.proj.weight', 'attn.to_add_out': 'txt_attn.proj.weight',
    'ff.linear_in': 'img_mlp.0.weight', 'ff.linear_out': 'img_mlp.2.weight',
    'ff_context.linear_in': 'txt_mlp.0.weight', 'ff_context.linear_out': 'txt_mlp.2.weight'}
SINGLE = {'attn.to_qkv_mlp_proj': 'linear1.weight', 'attn.to_out': 'linear2.weight',
          'attn.norm_q': 'norm.query_norm.scale', 'attn.norm_k': 'norm.key_norm.scale'}


def stack(parts):
    return parts[0][0], [sum(p[1][0] for p in parts), *parts[0][1][1:]], b''.join(p[2] for p in parts)


def transformer(t, prefix=''):
    out = {}
    for name, value in t.items():
        group, _, rest = name.partition('.')
        number, _, rest = rest.partition('.')
        stem = rest.removesuffix('.weight')
        if group == 'transformer_blocks' and stem in DOUBLE:
            out[f'double_blocks.{number}.{DOUBLE[stem]}'] = value
        elif group == 'transformer_blocks':
            kind, qkv = ('img', ('to_q', 'to_k', 'to_v')) if 'to_' in stem else \
                ('txt', ('add_q_proj', 'add_k_proj', 'add_v_proj'))
            out[f'double_blocks.{number}.{kind}_attn.qkv.weight'] = stack(
                [t[f'transformer_blocks.{number}.attn.{x}.weight'] for x in qkv])
        elif group == 'single_transformer_blocks':
            out[f'single_blocks.{number}.{SINGLE[stem]}'] = value
        else:
            if name == 'norm_out.linear.weight':
                half = len(value[2]) // 2
                value = value[:2] + (value[2][half:] + value[2][:half],)
            out[PLAIN[name.removesuffix('.weight')] + '.weight'] = value
    return {prefix + k: v for k, v in out.items()}


def autoencoder(t, levels=4):
    out = {}
    for name, (dtype, shape, data) in t.items():
        side, _, rest = name.partition('.')
        parts = rest.split('.')
        if parts[0] in ('down_blocks', 'up_blocks'):
            up = parts[0] == 'up_blocks'
            level = levels - 1 - int(parts[1]) if up else int(parts[1])
            tail = '.'.join(parts[4:]).replace('conv_shortcut', 'nin_shortcut')
            rest = f'{"up" if up else "down"}.{level}.' + (
                f'block.{parts[3]}.{tail}' if parts[2] == 'resnets' else
                f'{"up" if up else "down"}sample.{tail}')
        elif parts[0] == 'mid_block' and parts[1] == 'resnets':
            rest = f'mid.block_{int(parts[2]) + 1}.' + '.'.join(parts[3:])
        elif parts[0] == 'mid_block':
            new = {'group_norm': 'norm', 'to_q': 'q', 'to_k': 'k', 'to_v': 'v', 'to_out': 'proj_out'}[parts[3]]
            rest = f'mid.attn_1.{new}.{parts[-1]}'
            if len(shape) == 2:
                shape = [*shape, 1, 1]
        elif parts[0] == 'conv_norm_out':
            rest = 'norm_out.' + parts[1]
        full = f'{side}.{rest}'
        full = 'encoder.' + name if side == 'quant_conv' else 'decoder.' + name if side == 'post_quant_conv' else full
        out[full] = (dtype, shape, data)
    return out


LAYER = {'input_layernorm': 'attn_norm', 'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k',
         'self_attn.v_proj': 'attn_v', 'self_attn.o_proj': 'attn_output', 'self_attn.q_norm': 'attn_q_norm',
         'self_attn.k_norm': 'attn_k_norm', 'post_attention_layernorm': 'ffn_norm',
         'mlp.gate_proj': 'ffn_gate', 'mlp.up_proj': 'ffn_up', 'mlp.down_proj': 'ffn_down'}


def text_encoder(t):
    out = {}
    for name, value in t.items():
        parts = name.split('.')
        if parts[1] == 'layers':
            out[f'blk.{parts[2]}.{LAYER[".".join(parts[3:-1])]}.weight'] = value
        else:
            out[{'model.embed_tokens.weight': 'token_embd.weight',
                 'model.norm.weight': 'output_norm.weight'}[name]] = value
    return out


def floats(data):
    return struct.unpack(f'<{len(data) // 2}e', data)


def q8_0(data):
    """32 weights a block: a scale in f16, and a byte each."""
    values, out = floats(data), b''
    for i in range(0, len(values), 32):
        block = values[i:i + 32]
        scale = struct.unpack('<e', struct.pack('<e', max(map(abs, block)) / 127))[0]
        out += struct.pack('<e32b', scale, *(round(v / scale) if scale else 0 for v in block))
    return out


def words_of(path):
    """The number of keys and values in the head of a GGUF file without tensors, and their bytes."""
    data = path.read_bytes()
    tensors, count = struct.unpack('<QQ', data[8:24])
    assert tensors == 0
    return count, data[24:]


def write_gguf(path, tensors, blocks=False, words=(0, b'')):
    """Alignment 32; matrices whose rows are whole blocks in Q8_0 if asked for, the rest in f16; `words`: more keys."""
    def text(s):
        return struct.pack('<Q', len(s)) + s.encode()

    head, data = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), 1 + words[0]), b''
    head += text('general.architecture') + struct.pack('<I', 8) + text('flux') + words[1]
    for name, (_, shape, raw) in tensors.items():
        packs = blocks and len(shape) == 2 and shape[1] % 32 == 0
        raw = q8_0(raw) if packs else raw
        head += text(name) + struct.pack('<I', len(shape))
        head += struct.pack(f'<{len(shape)}Q', *reversed(shape)) + struct.pack('<IQ', 8 if packs else 1, len(data))
        data += raw + bytes(-len(raw) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def e4m3(value):
    """The nearest of the numbers of 8 bits, of which the last is 448."""
    table = [(8 + m) * 2.0 ** (e - 10) if e else m * 2.0 ** -9 for e in range(16) for m in range(8)][:127]
    at = min(range(127), key=lambda i: abs(table[i] - abs(value)))
    return at | (0x80 if value < 0 else 0)


def scaled_fp8(tensors, across=None, ending='.weight_scale', dtype='F32'):
    """Some weights in 8 bits, with a scale for all of a weight, or for blocks of so many rows and columns (0: all)."""
    out = {}
    for name, (kind, shape, raw) in tensors.items():
        if len(shape) != 2 or 'to_q' not in name:
            out[name] = (kind, shape, raw)
            continue
        rows, columns = shape
        high, wide = [n or all_ for n, all_ in zip(across or (0, 0), shape)]
        values, scales = floats(raw), {}
        for i, v in enumerate(values):
            block = i // columns // high, i % columns // wide
            scales[block] = max(scales.get(block, 0), abs(v) / 448)
        data = bytes(e4m3(v / (scales[i // columns // high, i % columns // wide] or 1)) for i, v in enumerate(values))
        out[name] = ('F8_E4M3', shape, data)
        beside = [] if not across else [rows // high] if not across[1] else [rows // high, columns // wide]
        numbers = [scales[k] for k in sorted(scales)]
        out[name.removesuffix('.weight') + ending] = (
            dtype, beside, struct.pack(f'<{len(numbers)}f', *numbers) if dtype == 'F32' else bytes(len(numbers)))
    return out


def line(*args):
    """A command line; models' commands as a worker's child runs them, without limn and its worker around it."""
    direct = args[0] == 'models' and args[1] != 'list'
    return [limn, *(['worker', '--run'] if direct else []), *map(str, args)]


def check(folder, golden, good=True, tolerance=1e-4):
    r = subprocess.run(line('models', 'check', folder, '--golden', source / golden, '--json',
                            '--tolerance', str(tolerance)),
                       capture_output=True, text=True, env={**os.environ, **HERE})
    assert (r.returncode == 0) == good, f'{folder} {golden}: {r.stdout}{r.stderr}'
    return r.stdout + r.stderr


with tempfile.TemporaryDirectory() as temp:
    temp = pathlib.Path(temp)
    file = 'diffusion_pytorch_model.safetensors'
    for model, part, goldens, rename in (
            ('flux2', 'transformer', ('transformer-0', 'transformer-3'), transformer),
            ('flux2', 'transformer', ('transformer-1',), lambda t: transformer(t, 'model.diffusion_model.')),
            ('flux2-dev', 'transformer', ('transformer',), transformer),
            ('flux2', 'vae', ('vae_encoder', 'vae_decoder'), autoencoder)):
        shutil.rmtree(temp / model, ignore_errors=True)
        shutil.copytree(source / model, temp / model)
        tensors = read(source / model / part / file)
        renamed = rename(tensors)
        assert len(set(renamed) & set(tensors)) * 4 < len(tensors)
        write(temp / model / part / file, renamed)
        for golden in goldens:
            check(temp / model, f'{model}/{golden}.safetensors')
        # A projection of another width is named as it is called in the file.
        name = next(n for n in renamed if n.endswith(('linear1.weight', 'mid.attn_1.q.weight')))
        dtype, shape, data = renamed[name]
        renamed[name] = (dtype, [shape[0] - 1, *shape[1:]], data[:len(data) // shape[0] * (shape[0] - 1)])
        write(temp / model / part / file, renamed)
        said = check(temp / model, f'{model}/{goldens[0]}.safetensors', good=False)
        assert name in said, said
    shutil.rmtree(temp / 'flux2', ignore_errors=True)
    shutil.copytree(source / 'flux2', temp / 'flux2')
    dit, text = temp / 'flux2/transformer', temp / 'flux2/text_encoder'
    tensors, layers = read(dit / file), read(text / 'model.safetensors')
    for across, ending in ((None, '.weight_scale'), ((1, 0), '.scale_weight'), ((8, 16), '.weight_scale_inv')):
        write(dit / file, scaled_fp8(tensors, across, ending))
        check(temp / 'flux2', 'flux2/transformer-1.safetensors', tolerance=3e-2)
    write(dit / file, scaled_fp8(tensors, (1, 16), dtype='U8'))  # as MXFP8 has them, in another order
    said = check(temp / 'flux2', 'flux2/transformer-1.safetensors', good=False)
    assert 'to_q.weight_scale is U8 [' in said, said
    (dit / file).unlink()
    (text / 'model.safetensors').unlink()
    gguf = dit / file.replace('safetensors', 'gguf')
    write_gguf(text / 'model.gguf', text_encoder(layers))
    write_gguf(gguf, transformer(tensors))
    check(temp / 'flux2', 'flux2/text_encoder.safetensors')
    check(temp / 'flux2', 'flux2/pipeline.safetensors')
    write_gguf(gguf, transformer(tensors), blocks=True)
    check(temp / 'flux2', 'flux2/transformer-3.safetensors', tolerance=2e-2)
    check(temp / 'flux2', 'flux2/transformer-3.safetensors', good=False, tolerance=1e-5)
    check(temp / 'flux2', 'flux2/pipeline.safetensors', tolerance=5e-2)  # drawn: the blocks stay in memory

    # A model of files in several places, under whichever names: the picture of the folder that says the same. What
    # no tensor tells is as in the published models, so the folder's configs are made to say that.
    plain, parts, home = temp / 'plain', temp / 'parts', temp / 'home'
    shutil.copytree(source / 'flux2', plain)
    parts.mkdir()
    for name, change in (('transformer/config.json', dict(axes_dims_rope=[4, 4, 4, 4])),
                         ('vae/config.json', dict(norm_num_groups=8)),
                         ('model_index.json', dict(text_tokens=512))):
        (plain / name).write_text(json.dumps({**json.loads((plain / name).read_text()), **change}))
    codes = read(plain / 'vae' / file)
    write(parts / 'klein.safetensors', tensors)
    write(parts / 'klein-bfl.safetensors', transformer(tensors, 'model.diffusion_model.'))
    write_gguf(parts / 'klein.gguf', transformer(tensors))
    write(parts / 'qwen.safetensors', layers)
    write_gguf(parts / 'qwen.gguf', text_encoder(layers))
    write(parts / 'vae.safetensors', codes)
    write(parts / 'ae.safetensors', autoencoder(codes))
    write(parts / 'dev.safetensors', read(source / 'flux2-dev/transformer' / file))
    write(parts / 'flux1.safetensors', {'double_blocks.0.img_mod.lin.weight': ('F16', [2], bytes(4))})
    write(parts / 'lora.safetensors',
          {'diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight': ('F16', [2], bytes(4))})
    write(parts / 'narrow.safetensors',
          {**codes,
           'encoder.conv_out.weight': ('F16', [6, *codes['encoder.conv_out.weight'][1][1:]],
                                       codes['encoder.conv_out.weight'][2][:len(codes['encoder.conv_out.weight'][2]) // 8 * 6])})
    write(parts / 'holes.safetensors',
          {k: v for k, v in tensors.items() if 'transformer_blocks.1.ff.linear_in' not in k})
    (parts / 'cut.safetensors').write_bytes((parts / 'klein.safetensors').read_bytes()[:-100])
    (parts / 'notes.safetensors').write_bytes(b'hello')
    (home / '.local/share').mkdir(parents=True)

    def run(*args, code=0, says=''):
        r = subprocess.run(line(*args), capture_output=True, text=True, cwd=temp,
                           env={**os.environ, **HERE, 'HOME': str(home), 'XDG_CACHE_HOME': '', 'XDG_DATA_HOME': ''})
        assert r.returncode == code and says in r.stdout + r.stderr, f'{args}: {r.returncode}: {r.stdout}{r.stderr}'
        assert code == 0 or len(r.stderr.splitlines()) == 1, f'{args}: one sentence: {r.stderr}'
        return r.stdout + r.stderr

    def picture(model):
        run('instruct', 'a fox', '--model', model, '--size', '96x64', '--seed', '3', '--device', 'cpu', '--dtype',
            'f32', '--no-library', '-q', '-o', 'a.png')
        data = (temp / 'a.png').read_bytes()
        return data[data.index(b'IDAT'):]

    words = plain / 'tokenizer/tokenizer.json'
    want = picture(plain)
    own = home / '.local/share/limn/models'
    for name, files in (('one', ('klein.safetensors', 'qwen.safetensors', 'vae.safetensors', words)),
                        ('two', (words, 'ae.safetensors', 'qwen.gguf', 'klein-bfl.safetensors')),
                        ('three', ('klein.gguf', 'vae.safetensors', 'qwen.gguf'))):  # with the tokenizer of the others
        run('models', 'add', name, *(parts / f for f in files), says=f'--model {name}')
        assert picture(name) == want, f'{name} draws something else'
        assert name in run('models', 'list')
        run('models', 'check', name)
    # A GGUF text encoder has the tokenizer in it: none need be given, here with no other model to have it from.
    write_gguf(parts / 'words.gguf', text_encoder(layers), words=words_of(source / 'bpe.gguf'))
    for name in ('one', 'two', 'three'):
        (own / f'{name}.yaml').rename(temp / f'{name}.yaml')
    run('models', 'add', 'bare', *(parts / f for f in ('klein.safetensors', 'vae.safetensors', 'qwen.gguf')), code=2,
        says='the files include no tokenizer')
    run('models', 'add', 'four', *(parts / f for f in ('klein.safetensors', 'vae.safetensors', 'words.gguf')))
    assert picture('four') == want, 'its own tokenizer draws something else'
    shutil.copytree(plain, temp / 'speaks', ignore=shutil.ignore_patterns('tokenizer', 'model.safetensors'))
    shutil.copy(parts / 'words.gguf', temp / 'speaks/text_encoder/model.gguf')
    assert picture(temp / 'speaks') == want
    shutil.copy(parts / 'qwen.gguf', temp / 'speaks/text_encoder/model.gguf')
    run('instruct', 'a fox', '--model', temp / 'speaks', '--no-library', '-o', 'b.png', code=2,
        says='this file contains no tokenizer')
    (own / 'four.yaml').unlink()
    for name in ('one', 'two', 'three'):
        (temp / f'{name}.yaml').rename(own / f'{name}.yaml')
    # In shards, given as a folder, as one of them, as their index; saved without a head; and all in one file.
    def split(folder, tensors):
        folder.mkdir()
        names = sorted(tensors)
        shards = {f'model-0000{i + 1}-of-00002.safetensors': names[i::2] for i in range(2)}
        for shard, held in shards.items():
            write(folder / shard, {k: tensors[k] for k in held})
        (folder / 'model.safetensors.index.json').write_text(
            json.dumps({'weight_map': {k: shard for shard, held in shards.items() for k in held}}))

    split(parts / 'qwen', {k.removeprefix('model.'): v for k, v in layers.items()})
    write(parts / 'checkpoint.safetensors',
          {**transformer(tensors, 'model.diffusion_model.'), **{f'vae.{k}': v for k, v in autoencoder(codes).items()},
           **{f'text_encoders.qwen3_4b.transformer.{k}': v for k, v in layers.items()},
           'text_encoders.qwen3_4b.logit_scale': ('F16', [], bytes(2))})
    for given in ('qwen', 'qwen/model-00002-of-00002.safetensors', 'checkpoint.safetensors'):
        files = () if 'checkpoint' in given else ('klein.safetensors', 'vae.safetensors')
        run('models', 'add', 'five', *(parts / f for f in files), parts / given)
        if 'checkpoint' in given:
            assert picture('five') == want, f'{given} draws something else'
        else:
            assert 'qwen/model.safetensors.index.json"' in (own / 'five.yaml').read_text()
    run('models', 'add', 'five', *(parts / f for f in ('klein.safetensors', 'vae.safetensors', 'qwen')))
    assert picture('five') == want, 'shards draw something else'
    run('models', 'add', 'wrong', parts / 'checkpoint.safetensors', parts / 'vae.safetensors', code=2,
        says='are both a vae')
    run('models', 'add', 'wrong', plain, code=2, says='is a whole model')
    run('models', 'add', 'wrong', parts, code=2, says='has neither weights')
    (own / 'five.yaml').unlink()
    # In the hub's cache: links to files whose names say nothing. limn's own name for a model finds it there.
    cache = home / '.cache/huggingface/hub/models--black-forest-labs--FLUX.2-klein-4B'
    commit = cache / 'snapshots' / ('0' * 40)
    for n, path in enumerate(sorted(p for p in plain.rglob('*') if p.is_file())):
        place = commit / path.relative_to(plain)
        place.parent.mkdir(parents=True, exist_ok=True)
        (cache / 'blobs').mkdir(exist_ok=True)
        shutil.copy(path, cache / f'blobs/{n:040x}')
        place.symlink_to(os.path.relpath(cache / f'blobs/{n:040x}', place.parent))
    (cache / 'refs').mkdir()
    (cache / 'refs/main').write_text('0' * 40)
    (cache / f'blobs/{99:040x}').write_bytes((parts / 'klein.gguf').read_bytes())
    (commit / 'flux-2-klein-base-4b.gguf').symlink_to(f'../../blobs/{99:040x}')
    assert picture('flux2-klein-4b') == want
    run('models', 'check', 'flux.2-klein-4b')
    run('models', 'add', 'six', commit / 'flux-2-klein-base-4b.gguf', commit / 'text_encoder', commit / 'vae')
    assert 'distilled: no' in (own / 'six.yaml').read_text()
    (own / 'six.yaml').write_text((own / 'six.yaml').read_text().replace('distilled: no', 'distilled: yes'))
    assert picture('six') == want, 'links into the cache draw something else'
    run('instruct', 'a fox', '--model', 'other/one', '--no-library', '-o', 'b.png', code=2, says='there is no model')
    (own / 'six.yaml').unlink()
    shutil.rmtree(cache)
    # They may move: the YAML says where they are.
    (parts / 'klein.gguf').rename(parts / 'moved.gguf')
    run('instruct', 'a fox', '--model', 'three', '--no-library', '-o', 'b.png', code=2, says='three.yaml: ')
    (own / 'three.yaml').write_text((own / 'three.yaml').read_text().replace('klein.gguf', 'moved.gguf'))
    assert picture('three') == want
    (own / 'three.yaml').write_text('class: Nothing\n')
    run('instruct', 'a fox', '--model', 'three', '--no-library', '-o', 'b.png', code=2, says='not with Nothing')
    (own / 'three.yaml').unlink()
    for files, code, says in ((('klein.safetensors', 'qwen.safetensors'), 2, 'the files include no vae'),
                              (('klein.safetensors', 'klein-bfl.safetensors'), 2, 'are both a transformer'),
                              (('dev.safetensors', 'qwen.safetensors', 'vae.safetensors'), 2,
                               'dev.safetensors (transformer) with qwen.safetensors (text_encoder)'),
                              (('klein.safetensors', 'qwen.safetensors', 'narrow.safetensors'), 2,
                               "it is another model's"),
                              (('klein.safetensors', 'flux1.safetensors'), 2,
                               'flux1.safetensors is a transformer of FLUX.1'),
                              (('klein.safetensors', 'lora.safetensors'), 2, 'is a LoRA'),
                              (('holes.safetensors', 'qwen.safetensors', 'vae.safetensors'), 2,
                               'holes.safetensors is not a complete transformer: 1 missing'),
                              (('cut.safetensors', 'qwen.safetensors', 'vae.safetensors'), 2, 'cut.safetensors'),
                              (('notes.safetensors',), 2, 'notes.safetensors'),
                              (('none.safetensors',), 2, 'none.safetensors'),
                              ((words,), 2, 'include no weights')):
        run('models', 'add', 'wrong', *(parts / f for f in files), code=code, says=says)
        assert not (own / 'wrong.yaml').exists(), files
    run('models', 'add', '../wrong', parts / 'klein.safetensors', code=2, says='is not a name for a model')
    # Goldens of other writers: without the batch of one, with one more, ids of 64 bits and masks of bytes.
    def rewritten(name, change, wide):
        tensors, metadata = read(source / f'flux2/{name}.safetensors'), said_of(source / f'flux2/{name}.safetensors')
        for key, (dtype, shape, data) in tensors.items():
            if wide and dtype in ('I32', 'I64'):
                numbers = struct.unpack(f'<{len(data) // (4 if dtype == "I32" else 8)}{"i" if dtype == "I32" else "q"}', data)
                dtype, data = ('BOOL',
                               bytes(numbers)) if 'mask' in key else ('I64', struct.pack(f'<{len(numbers)}q', *numbers))
            tensors[key] = (dtype, change(shape), data)
        write(parts / 'golden.safetensors', tensors, metadata)
        run('models', 'check', source / 'flux2', '--golden', parts / 'golden.safetensors')
    for name in ('transformer-3', 'text_encoder', 'vae_encoder', 'vae_decoder', 'pipeline'):
        rewritten(name, lambda s: s[1:] if len(s) > 1 and s[0] == 1 else s, True)
        rewritten(name, lambda s: [1, *s], False)
    # What a picture takes is said before it is taken, and by check; previews without the decoder.
    assert 'takes up to ' in run('instruct', 'a fox', '--model', plain, '--size', '64', '--steps', '1', '--no-library',
                                 '-o', 'b.png')
    assert re.search(r'memory at 1024x1024: [\d.]+ [MG]B .*q8_0 .*q4_0', run('models', 'check', plain))
    memory = json.loads(run('models', 'check', plain, '--json'))['memory']
    assert [m['size'] for m in memory[::3]] == [512, 1024, 2048] and all(0 < m['least'] <= m['most'] for m in memory)
    run('models', 'fit-preview', plain, temp / 'b.png', says=f'{plain}/preview.safetensors: it accounts for')
    fitted = read(plain / 'preview.safetensors')
    assert fitted['weight'][1] == [12, 16] and fitted['bias'][1] == [12]
    run('models', 'fit-preview', plain)
    assert read(plain / 'preview.safetensors') != fitted
    assert picture(plain) == want  # previews change no picture
    (plain / 'preview.safetensors').unlink()
    (plain / 'preview.safetensors').mkdir()  # nothing can be written there
    run('models', 'fit-preview', plain, says=str(home / '.local/share/limn/previews'))
    (plain / 'preview.safetensors').rmdir()
    run('models', 'fit-preview', plain, temp / 'nothing.png', code=2, says='nothing.png')
    # Changes of the weights, in three dialects, on weights under three sets of names.
    loras, own_loras = source / 'flux2', home / '.local/share/limn/loras'
    gguf = temp / 'flux2'
    write_gguf(dit / file.replace('safetensors', 'gguf'), transformer(tensors))
    original = temp / 'original'
    shutil.copytree(source / 'flux2', original)
    write(original / 'transformer' / file, transformer(tensors))
    for kind, changes in (('original', 7), ('kohya', 7), ('peft', 6)):
        for folder in (source / 'flux2', gguf, original):
            run('models', 'check', folder, '--golden', loras / f'lora-{kind}-golden.safetensors', '--lora',
                loras / f'lora-{kind}.safetensors:0.75',
                says=f'all of its {changes} changes are used')
        run('models', 'check', source / 'flux2', '--golden', loras / f'lora-{kind}-golden.safetensors', '--lora',
            loras / f'lora-{kind}.safetensors', code=1, says='ABOVE')
    run('models', 'check', source / 'flux2', '--golden', loras / 'transformer-1.safetensors', '--lora',
        f'{loras}/lora-peft.safetensors:0.5,{loras}/lora-peft.safetensors:-0.5')
    peft = read(loras / 'lora-peft.safetensors')
    more = {**peft, 'transformer.other.block.lora_A.weight': ('F16', [1, 4], bytes(8)),
            'transformer.other.block.lora_B.weight': ('F16', [4, 1], bytes(8))}
    write(parts / 'more.safetensors', more)
    run('models', 'check', source / 'flux2', '--golden', loras / 'transformer-1.safetensors', '--lora',
        f'{parts}/more.safetensors:0',
        says='6 of its 7 changes are used; the model does not know transformer.other.block')
    a = next(k for k in peft if 'to_q.lora_A' in k)
    for name, tensors_of, says in (
            ('wide', {**peft, a: ('F16', [3, 40], bytes(240))}, 'of another size'),
            ('half', {k: v for k, v in peft.items() if k != a}, 'do not fit each other'),
            ('rank', {**peft, a: ('F16', [2, 32], bytes(128))}, 'do not fit each other'),
            ('lokr', {**peft, 'transformer.x_embedder.lokr_w1': ('F16', [2, 2], bytes(8))},
             'a kind that limn does not merge'),
            ('none', {'x.weight': ('F16', [2], bytes(4))}, 'is not a LoRA'),
            ('far', {k: v for k, v in more.items() if 'other' in k},
             'nothing in it is for this model (transformer.other.block)')):
        write(parts / f'{name}.safetensors', tensors_of)
        run('instruct', 'a fox', '--model', plain, '--lora', parts / f'{name}.safetensors', '--no-library', '-o',
            'no.png', code=2, says=says)
    for wrong, says in ((f'{parts}/cut.safetensors', 'cut.safetensors'), ('nothing', 'nothing'),
                        (f'{loras}/lora-peft.safetensors:1e9', 'a weight of -100 to 100'),
                        (','.join(['./a'] * (LORAS + 1)), f'more than {LORAS} LoRAs'),
                        (','.join(['./a'] * LORAS), 'a: ')):
        run('instruct', 'a fox', '--model', plain, '--lora', wrong, '--no-library', '-o', 'no.png', code=2, says=says)
    # In a drawing: by a name in limn's own folder, which is what its picture keeps of it.
    own_loras.mkdir()
    shutil.copy(loras / 'lora-kohya.safetensors', own_loras / 'fog.safetensors')
    draw = ('--model', plain, '--size', '64', '--seed', '3', '--steps', '1', '--no-library', '-q')
    for out, lora in (('f1.png', 'fog'), ('f2.png', own_loras / 'fog.safetensors:1'), ('f3.png', 'fog:0'),
                      ('f4.png', None)):
        run('instruct', 'a fox', *draw, *(['--lora', lora] if lora else []), '-o', out)
    pixels = {out: (lambda d: d[d.index(b'IDAT'):])((temp / out).read_bytes())
              for out in ('f1.png', 'f2.png', 'f3.png', 'f4.png')}
    assert pixels['f1.png'] == pixels['f2.png'] != pixels['f4.png'] == pixels['f3.png']
    assert str(home).encode() not in (temp / 'f2.png').read_bytes()
    run('generate', 'f2.png', '--model', plain, '--no-library', '-q', '-o', 'f5.png')
    assert (lambda d: d[d.index(b'IDAT'):])((temp / 'f5.png').read_bytes()) == pixels['f1.png']
    for text in ('parameters:\n  lora: ../x.safetensors', 'sweep:\n  lora: [fog, ../x.safetensors]',
                 'sweep:\n  lora: "fog, /x"', 'sweep:\n  lora: "@list"'):
        (temp / 't.yaml').write_text(f'instruction: a fox\n{text}\n')
        (temp / 'list').write_text('/etc/hostname\n')
        run('generate', 't.yaml', *draw, '-o', 'no.png', code=2, says='t.yaml:3:')
    # What a picture calls a LoRA is none of the folder that limn happens to be in.
    (own_loras / 'fog.safetensors').rename(temp / 'fog.safetensors')
    for lora in ([], ['--lora', 'fog.safetensors']):
        run('generate', 'f2.png', '--model', plain, *lora, '--no-library', '-q', '-o', 'no.png', code=2,
            says='fog.safetensors: there is no such LoRA in')
    run('generate', 'f2.png', '--model', plain, '--lora', './fog.safetensors', '--no-library', '-q', '-o', 'f5.png')
    (temp / 'fog.safetensors').rename(own_loras / 'fog.safetensors')
    for count, says in ((LORA_CHANGES, 'nothing in it is for this model'),
                        (LORA_CHANGES + 1, f'it changes more than {LORA_CHANGES} weights')):
        write(parts / 'many.safetensors',
              {f'a{i}.lora_{half}.weight': ('F16', [1, 1], bytes(2)) for i in range(count) for half in 'AB'})
        run('instruct', 'a fox', '--model', plain, '--lora', parts / 'many.safetensors', '--no-library', '-q', '-o',
            'no.png', code=2, says=says)
    (temp / 't.yaml').write_text('instruction: a fox\nparameters:\n  lora: fog:1\n')
    run('generate', 't.yaml', *draw, '-o', 'f6.png')
    assert (lambda d: d[d.index(b'IDAT'):])((temp / 'f6.png').read_bytes()) == pixels['f1.png']
    # A base model is one by its name, or because it is said.
    shutil.copy(parts / 'klein.safetensors', parts / 'klein-base.safetensors')
    run('models', 'add', 'base',
        *(parts / f for f in ('klein-base.safetensors', 'qwen.safetensors', 'vae.safetensors')))
    assert 'distilled: no' in (own / 'base.yaml').read_text()
    run('instruct', 'a fox', '--model', 'base', '--size', '64', '--steps', '4', '--no-library', '-o', 'b.png',
        says='about 50 steps')
print('ok')
