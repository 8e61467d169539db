#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes golden/tokenizer: a small T5-like vocabulary without markers, and ids.

    tokenizer.py            (needs sentencepiece and transformers)

ids.json is a list of {"model", "text", "ids"}: ids by sentencepiece itself for limn-icons' vocabulary,
and by transformers' T5Tokenizer, with <extra_id_k> for [ref#k], for the small one."""
import json
import pathlib
import shutil
import tempfile

import sentencepiece
from transformers import T5Tokenizer

here = pathlib.Path(__file__).parent
folder = here / "golden" / "tokenizer"
icons = here.parent.parent / "app" / "recipes" / "icons-spiece.model"
plain = folder / "plain-spiece.model"

TEXTS = [
    "", " ", "fox", "Draw a fox.", "DRAW A FOX!", "a fox  on   a hill ", "\ttabs\nand lines",
    "Draw [ref#1] in the style of [ref#2]: a fox on a hill", "[ref#1]", "[ref#8][ref#3]",
    "[ref#2] twemoji style image", "draw[ref#1]now", "draw [ref#5] , [ref#4].",
    "pi\u00f1ata, woman\u2019s boot", "Fuchs \u00fcber \u72d0\u72f8 \U0001F98A", "\ufb01ne \uff21\uff22",
    "12 o'clock, 1975", "fluent 3d style; noto, blob & fxemoji",
    "e\u0301t\u00e9 \u200bzero width", "x" * 300,
]
PLAIN = [
    "", "fox", "Draw a fox.", "a fox  on   a hill ", "Draw [ref#1] in the style of [ref#2]: a fox",
    "[ref#1]", "[ref#2] style image", "draw [ref#12] , [ref#4].", "[ref#1] [ref#99]",
    "the end [ref#7]", "draw[ref#1]now", "[ref#1][ref#2]",
]


def train_plain():
    lines = (icons.parent / "tasks.yaml").read_text().splitlines()
    texts = sorted({json.loads(line[8:]) for line in lines if line.startswith('      - "')})
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(t.translate({ord("{"): " ", ord("}"): " "}) for t in texts))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "plain-spiece"), vocab_size=300,
        normalization_rule_name="identity", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1,
        character_coverage=1.0, minloglevel=2)
    corpus.unlink()
    (folder / "plain-spiece.vocab").unlink()


def main():
    folder.mkdir(parents=True, exist_ok=True)
    if not plain.exists():
        train_plain()
    cases = []
    own = sentencepiece.SentencePieceProcessor(model_file=str(icons))
    for text in TEXTS:
        cases.append({"model": "icons", "text": text, "ids": own.encode(text) + [own.eos_id()]})
    with tempfile.TemporaryDirectory() as model:
        shutil.copy(plain, model + "/spiece.model")
        t5 = T5Tokenizer.from_pretrained(model)
    assert len(t5) == 400
    for text in PLAIN:
        for k in range(100):
            text_t5 = text if k == 0 else text_t5
            text_t5 = text_t5.replace("[ref#%d]" % k, "<extra_id_%d>" % k)
        cases.append({"model": "plain", "text": text, "ids": t5(text_t5)["input_ids"]})
    lines = ",\n".join(json.dumps(c) for c in cases)
    (folder / "ids.json").write_text("[\n" + lines + "\n]\n")


main()
