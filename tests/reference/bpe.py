# SPDX-License-Identifier: MIT
"""A small byte-level BPE vocabulary as Qwen2 and Qwen3 have it, and what transformers makes of text.

    bpe.py TOKENIZER.json OUT.json     the golden of another vocabulary, for a check of one's own

golden/flux2/tokenizer/ is the vocabulary, trained on bpe.txt and written by flux2.py; golden.json in it
holds the pieces that strings are made of, a digest for each hundred of 10,000 strings, and some in
full. tests/data/t_bpe.c makes the same strings.
"""
import json
import pathlib
import sys

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


MASK = (1 << 64) - 1
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x386, 0x3CE), (0x400, 0x52F), (0x5D0, 0x5EA),
          (0x620, 0x65F), (0x905, 0x94D), (0xE01, 0xE3A), (0x1100, 0x1112), (0x1E00, 0x1EFF),
          (0x2000, 0x206F), (0x2190, 0x21FF), (0x2460, 0x249B), (0x3041, 0x3096), (0x30A1, 0x30FA),
          (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xF900, 0xFA2D), (0xFB00, 0xFB06), (0xFF01, 0xFF5E),
          (0x1D400, 0x1D433), (0x1F300, 0x1F64F), (0x20000, 0x2A6D6)]
PIECES = [
    "the", " cat", " of ", "image 1", "Image 12", "fox", " Fuchs", "STYLE", "don't", "'Ll", "'ve", "'RE",
    "'s", "it'S", "I'M", "'\u017f", "'t", "'dx", "''", "'", "\n", "\r\n", "\n\n", " \n", "\t", "  ", "   ",
    " \t \n ", "\u00a0", "\u3000", "\u2028", "\u2003", "\x0b\x0c", "\x85", "\u200b", "\ufeff", "\x01",
    "1024x768", "007", "\u0663", "\u00bd", "\u2167", "3.14", "-1", "_", "__init__", "for (i=0;i<n;i++) {",
    "}\n\n    return x;", "<a href=\"#\">", "</p>", "// ...", "!!!", " ?!", "...\n", "--", "\u2014",
    "caf\u00e9", "cafe\u0301", "\u212b", "A\u030a", "\u1e69", "s\u0323\u0307", "s\u0307\u0323", "\u0344",
    "\u0958", "\ufb01", "\u1100\u1161\u11a8", "\uac01", "\u0e01\u0e33", "\u05d0\u05b7", "\ufb2e",
    "\u6771\u4eac\u30bf\u30ef\u30fc", "\u732b\u3092", "\ud55c\uad6d\uc5b4", "\u0642\u0637\u0629",
    "\u05e9\u05d5\u05e2\u05dc", "\u0915\u094d\u0937", "\u0e41\u0e21\u0e27", "\u041a\u043e\u0448\u043a\u0430",
    "\u0391\u03bb\u03b5\u03c0\u03bf\u03cd", "\u01c5", "\u02b0", "\u0130", "\u1e9e", "\U0001f98a",
    "\U0001f469\u200d\U0001f3a8", "\U0001f1ef\U0001f1f5", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\u0031\ufe0f\u20e3",
    "\u00ad", "\u0301", "\ufffd", "\U000e0041", "\ue000", "[ref#1]", " [ref#2],", "aaaaaaaaaaaaaaaaaaaaaaaa"]


def splitmix(state):
    """Steele et al. 2014; the state and a number."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return state, z ^ z >> 31


def string(i):
    """String i of the 10,000: up to a dozen pieces, now and then a character out of a range."""
    state, r = splitmix(i)
    text = ""
    for _ in range(r % 13):
        state, r = splitmix(state)
        at = r % (len(PIECES) + 24)
        if at < len(PIECES):
            text += PIECES[at]
            continue
        low, high = RANGES[(at - len(PIECES)) % len(RANGES)]
        state, r = splitmix(state)
        text += chr(low + r % (high - low + 1))
    return text


def framed(t, plain, text):
    """The pipeline's chat template; what the text spells is text."""
    head, tail = TEMPLATE[0].split("<|im_start|>")[1], TEMPLATE[1]
    return [t.token_to_id("<|im_start|>"), *plain.encode(head + text, add_special_tokens=False).ids,
            *t.encode(tail, add_special_tokens=False).ids]


def digest(t, plain, first, count):
    """FNV-1a over the ids of some strings, four bytes each, and the end of each."""
    h = 0xCBF29CE484222325
    for i in range(first, first + count):
        for x in [*framed(t, plain, string(i)), 0xFFFFFFFF]:
            for byte in x.to_bytes(4, "little"):
                h = (h ^ byte) * 0x100000001B3 & MASK
    return f"{h:016x}"


def without_added(t):
    data = json.loads(t.to_str())
    data["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(data))


SHOWN = ["", "a red fox", "Put the cat from image 1 on the sofa of image 2, in the style of image 3.",
         "It's 1024x768 \u2014 caf\u00e9, \u6771\u4eac\u30bf\u30ef\u30fc\n\n  two  spaces",
         "<|im_end|><think>", "\nagain"]


def golden(t):
    plain = without_added(t)
    return {"ranges": RANGES, "pieces": PIECES,
            "digests": [digest(t, plain, i, 100) for i in range(0, 10000, 100)],
            "strings": [{"text": s, "ids": framed(t, plain, s)} for s in SHOWN]}


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
    (folder / "added_tokens.json").write_text(json.dumps({s: PAD + i for i, s in enumerate(SPECIAL)}) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\n" + merges)
    config = {"tokenizer_class": "Qwen2Tokenizer", "pad_token": "<|endoftext|>",
              "eos_token": "<|im_end|>", "model_max_length": 131072}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "golden.json").write_text(json.dumps(golden(t)) + "\n")


if __name__ == "__main__":
    made = golden(Tokenizer.from_file(sys.argv[1]))
    pathlib.Path(sys.argv[2]).write_text(json.dumps(made) + "\n")
