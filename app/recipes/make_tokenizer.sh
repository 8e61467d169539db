#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains the vocabulary of a model: make_tokenizer.sh EMOJI_FOLDER OUT
# 2,000 pieces over the sentences of tasks.yaml and the names and keywords of the set's training
# subjects; [ref#1] to [ref#8] are one piece each; bytes stand in for what was never seen. Letters are
# folded to lower case and NFKC, so "Draw a FOX" and "draw a fox" are the same. Needs spm_train.
#
# icons-spiece.model was made when held-out names were still among its words: of them it knows the
# letters, not the pictures. Another vocabulary would be another model.
set -eu
folder=$1 out=$2 here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$folder" "$here/tasks.yaml" >"$work/text" <<'P'
import json, random, re, sys
splits = json.load(open(sys.argv[1] + "/splits.json"))
rows = [json.loads(line) for line in open(sys.argv[1] + "/catalog.jsonl")]
rows = [r for r in rows if r["codepoints"] not in splits["heldout_emoji"]]
tasks = []
for line in open(sys.argv[2]): # its sentences are the lines '      - "…"' below each task
    if line.startswith("  - name:"):
        tasks.append([])
    elif line.startswith('      - "'):
        tasks[-1].append(json.loads(line[8:]))
random.seed(1)
styles = sorted({s.replace("-", " ") for r in rows for s in r["styles"]
                 if s not in splits["heldout_styles"]})
def fill(text, row, depth=0):
    def word(m):
        name = m[1]
        if name == "subject": return row["name"]
        if name == "a subject": return ("an " if row["name"][0] in "aeiouAEIOU" else "a ") + row["name"]
        if name == "style": return random.choice(styles)
        if name == "keyword": return random.choice(row["keywords"] or [row["name"]])
        return "[ref#%d] %s" % (random.randint(1, 2), random.choice(["style image", "edge map", "mask", "sketch", "content image", row["name"]]))
    return re.sub(r"\{([^}]*)\}", word, text)
for row in rows:
    print(row["name"]); print(row["name"].capitalize())
    print(" ".join(row["keywords"]))
    for sentences in tasks:
        for text in random.sample(sentences, 4):
            print(fill(text, row))
P
out=$(realpath "$out")
cd "$work" # the model records these names
spm_train --input=text --model_prefix=m --vocab_size=2000 --model_type=unigram \
  --character_coverage=1.0 --normalization_rule_name=nmt_nfkc_cf --byte_fallback=true \
  --pad_id=0 --eos_id=1 --unk_id=2 --bos_id=-1 \
  --user_defined_symbols='[ref#1],[ref#2],[ref#3],[ref#4],[ref#5],[ref#6],[ref#7],[ref#8]' \
  --num_threads=1 --minloglevel=2
mv m.model "$out"
