# SPDX-License-Identifier: MIT
# A training for tests: a step takes milliseconds.
import json, pathlib, shutil


def make(source, folder):
    """A model small enough to be trained in milliseconds, a pack for it, tasks and a recipe."""
    folder.mkdir(exist_ok=True)
    shipped = pathlib.Path(source) / 'app/models/limn-icons'
    model = folder / 'model'
    for part in ('tokenizer', 'scheduler'):
        shutil.copytree(shipped / part, model / part)
    shutil.copy(shipped / 'model_index.json', model)
    changes = {'unet': dict(block_out_channels=[16, 16, 32], cross_attention_dim=32, encoder_hid_dim=32,
                            attention_head_dim=16, context_attention_head_dim=16, norm_num_groups=8, sample_size=8,
                            text_thumbnail_size=4, time_embedding_dim=64,
                            addition_embed_type_num_heads=2),
               'text_encoder': dict(d_ff=32, d_kv=16, d_model=32, num_heads=2, num_layers=1)}
    for part, change in changes.items():
        (model / part).mkdir()
        config = json.loads((shipped / part / 'config.json').read_text())
        (model / part / 'config.json').write_text(json.dumps(dict(config, **change)))
    pictures = folder / 'pictures'
    pictures.mkdir()
    for f in sorted(pathlib.Path(source, 'app/templates/samples').glob('*.png'))[:8]:
        shutil.copy(f, pictures)
        (pictures / f.name).with_suffix('.txt').write_text('a ' + f.name.split('-')[0])
    (folder / 'tasks.json').write_text(json.dumps(dict(drop_all=0.1, drop_context=0.1, mixture=[
        dict(name='text', ratio=1, references=[], texts=['{subject}'])])))
    (folder / 'small.yaml').write_text('model: model\npack: small.pack\noutput: run\ntasks: tasks.json\nseed: 1\n'
                                       'steps: 1000000\nmicro_batch: 1\naccumulate: 1\ntext_tokens: 8\n'
                                       'reference_tokens: 4\nlr: 1.0e-3\nsave_every: 100000\n'
                                       # oneDNN 2.6 reads past its own memory when it makes a bf16 convolution as
                                       # small as these; on the sanitizers' heap one training in ten crashed.
                                       'dtype: f32\n')


def pack(limn):
    """The words that make its pack, in its folder."""
    return [limn, 'data', 'pack', 'pictures', 'small.pack', '--size', '8', '--roles', 'none', '--workers', '1']
