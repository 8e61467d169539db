# SPDX-License-Identifier: MIT
"""A small byte-level BPE vocabulary as Qwen2 and Qwen3 have it, and what transformers makes of text.

    bpe.py              (needs transformers; strings are made alike by tests/data/t_bpe.c)

golden/flux2/tokenizer/ is the vocabulary, trained on tests/reference/bpe.txt; golden/bpe.json holds the
pieces that strings are made of, a digest for each hundred of 10,000 strings, and some in full.
"""
import json
import pathlib

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).resolve().parent
MERGED = 640  # entries before the special tokens
SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> "
    "<|box_end|> <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> "
    "<|image_pad|> <|video_pad|> <tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> "
    "<|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> <tool_response> </tool_response> "
    "<think> </think>").split()
PAD = MERGED
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
TEMPLATE = ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")


def vocabulary_size():
    return MERGED + len(SPECIAL)


def trained():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MERGED, show_progress=False, min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    t.train([str(HERE / "bpe.txt")], trainer)
    assert t.get_vocab_size() == MERGED, t.get_vocab_size()
    t.add_special_tokens(SPECIAL)
    return t


def save(folder):
    folder.mkdir(parents=True, exist_ok=True)
    t = trained()
    assert t.token_to_id("<|endoftext|>") == PAD
    t.save(str(folder / "tokenizer.json"), pretty=False)
    model = json.loads(t.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False) + "\n")
    merges = "".join(" ".join(m) + "\n" for m in model["merges"])
    (folder / "merges.txt").write_text("#version: 0.2\n" + merges)
    config = {"tokenizer_class": "Qwen2Tokenizer", "pad_token": "<|endoftext|>",
              "eos_token": "<|im_end|>", "model_max_length": 131072}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
