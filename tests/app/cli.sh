#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program as a person uses it, above all when they get it wrong: cli.sh LIMN SOURCE LOADERS
# Every refusal is exit code 2 (or 1), one line on standard error that starts "limn: ", and nothing
# written. What needs the shipped weights is left out when they are not there.
set -u
limn=$(realpath "$1") source=$(realpath "$2")
loaders=$(realpath "$3")
data=$(mktemp -d)
export LIMN_LOADER_PATH=$loaders XDG_DATA_HOME=$data GOMP_SPINCOUNT=3000
# A driver that is not used takes longer to be loaded than most commands to run.
export VK_DRIVER_FILES=/dev/null VK_ICD_FILENAMES=/dev/null
samples=$source/app/templates/samples
golden=$source/tests/reference/golden
work=$(mktemp -d)
trap 'rm -rf "$work" "$data"' EXIT
cd "$work" || exit 1
failures=0 checks=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# refuse CODE PATTERN COMMAND...: exits with CODE, says one line that has PATTERN, writes nothing.
refuse() {
  local code=$1 pattern=$2 rc lines before after
  shift 2
  checks=$((checks + 1))
  before=$(find . -type f | sort | xargs -r cksum)
  "$limn" "$@" >"$work/../out.$$" 2>"$work/../err.$$" </dev/null
  rc=$?
  after=$(find . -type f | sort | xargs -r cksum)
  lines=$(wc -l <"$work/../err.$$")
  [[ $rc -eq $code ]] || fail "limn $*: exit code $rc, not $code: $(head -c 300 "$work/../err.$$")"
  [[ $lines -eq 1 ]] || fail "limn $*: $lines lines: $(head -c 600 "$work/../err.$$")"
  grep -q "^limn: " "$work/../err.$$" || fail "limn $*: no 'limn: ' in $(head -c 300 "$work/../err.$$")"
  grep -qF -- "$pattern" "$work/../err.$$" || fail "limn $*: no '$pattern' in $(head -c 300 "$work/../err.$$")"
  [[ $before == "$after" ]] || fail "limn $*: wrote something"
  rm -f "$work/../out.$$" "$work/../err.$$"
}

accept() {
  checks=$((checks + 1))
  "$limn" "$@" >out.txt 2>err.txt </dev/null || fail "limn $*: exit code $?: $(head -c 300 err.txt)"
}

# --- commands and options
accept --help
grep -q "usage: limn" out.txt || fail "--help has no usage"
accept --version
grep -q "^limn [0-9]" out.txt || fail "--version has no version"
for command in generate instruct templates loaders load train data bench models; do
  "$limn" $command --help >/dev/null 2>&1; rc=$?
  [[ $rc -eq 0 || $rc -eq 2 ]] || fail "$command --help: exit code $rc"
done
accept templates
grep -q styled-subject out.txt || fail "no styled-subject among the templates"
accept loaders
for loader in edge mask sketch style subject; do grep -q "^$loader " out.txt || fail "no loader $loader"; done
# The loader unloads drivers before the leak checker runs, which then cannot name whose memory it was;
# tests/vulkan looks for leaks with the drivers kept loaded.
(unset VK_DRIVER_FILES VK_ICD_FILENAMES
  ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$limn" devices >out.txt 2>err.txt) || fail "limn devices: exit code $?: $(head -c 300 err.txt)"
grep -q "^cpu" out.txt || fail "no cpu among the devices"
rm -f out.txt err.txt
refuse 2 "did you mean 'generate'" genrate
refuse 2 "there is no option --bogus" generate text --bogus 1
refuse 2 "--steps is 'x', but must be a whole number in 1..1000" generate text --steps x
refuse 2 "needs a value" generate text --seed
refuse 2 "must be one of none, cfg, oscillating" generate text --guidance best
refuse 2 "did you mean 'style'" generate text --sweep stile=a,b
refuse 2 "has no choices" generate text --sweep "subject=*"
refuse 2 "but must be NAME=VALUES" generate text --sweep style
refuse 2 "is swept over twice" generate text --sweep seed=1,2 --sweep seed=3,4
refuse 2 "more than 3 things" generate text --sweep seed=1 --sweep steps=1 --sweep scale=1 --sweep style=noto
refuse 2 "the sweep has 400 pictures, it may have 256" generate text --sweep seed=1..20 --sweep steps=1..20
refuse 2 "in 1 to 65536 steps" generate text --sweep seed=1..65537
refuse 2 "seed is '9007199254740993', but must be a whole number in 0..9007199254740992" generate text --sweep seed=9007199254740991..9007199254740993
refuse 2 "the last picture's seed is 9007199254740993" generate text --seed 9007199254740992 --count 2
refuse 2 "exclude each other" generate text --sweep seed=1,2 --count 2
refuse 2 "--random has nothing to choose from" generate text --random 3
refuse 2 "steps is '0', but must be a whole number in 1..1000" generate text --sweep steps=0..2
refuse 2 "none.txt" generate text --sweep subject=@none.txt
refuse 2 "but must be one of auto, kitty, sixel" --preview best
refuse 2 "there is no option --frob" --frob
refuse 2 "needs a value" --theme
refuse 2 "did you mean 'styled-subject'" generate styld-subject
refuse 2 "has no variable 'subjekt', did you mean 'subject'" generate text --set subjekt=x
refuse 2 "but must be one of: noto" generate text --set style=oil
refuse 2 "but must be NAME=VALUE" generate text --set subject
refuse 2 "has no reference 3" generate edge --ref 3="$samples/snail-noto.png"

# --- the same command line everywhere
refuse 2 "there is no option --foo" generate text --foo
refuse 2 "did you mean --steps?" generate text --stepz 4
refuse 2 "--s is ambiguous: it could be --set, --start, --seed" generate text --s 4
refuse 2 "'- apples' begins with a dash but is not an option: put -- before it" instruct "- apples"
refuse 2 "--json takes no value" templates --json=yes
refuse 2 "--model needs a value" generate text --model --json
refuse 2 "limn jobs has no command 'lsit', did you mean 'list'?" jobs lsit
refuse 2 "did you mean 'rate'" library ratr 1 5
refuse 2 "limn models has no command 'gte', did you mean 'get'?" models gte
refuse 2 "limn data needs a command (see: limn data --help)" data
refuse 2 "IN is empty" load edge "" x.png
refuse 2 "FOLDER is empty" models check ""
for host in "" -oProxyCommand=x "a b" 'a;b' '$(x)' '`x`' 'a|b' '@h' 'u@' 'u@-x' 'a\b' $'a\nb' $'\e[31m'; do
  refuse 2 "--host is '" --host "$host" devices
done
echo 'instruction: a' >plainly
refuse 2 "for the file in the current folder: ./plainly" generate plainly
rm plainly
refuse 2 "OUT is missing" data pack somewhere
refuse 2 "'third' is one argument too many" data stats one third
refuse 2 "--golden here, check has it" models list --golden x
refuse 2 "--tolerance is 'inf', but must be a number in 0.." models check x --tolerance inf
refuse 2 "--columns is '0', but must be a whole number in 1..60" train r.yaml --sheet x.png --columns=0
for args in "--texts x.txt" "--model limn-icons" "--task text" "--first 3" "--scale 2" --styles; do
  refuse 2 "${args%% *} is for a sheet, and there is no --sheet" train r.yaml $args
done
refuse 2 "--minutes is '1h'" train r.yaml --minutes 1h
refuse 2 "--sort is 'age', but must be one of newest" library --sort=age
refuse 2 "--limit is '5 ', but must be a whole number" library list --limit "5 "
refuse 2 "is missing" instruct --
for line in "templates --json" "--json templates" "library --limit=5 --json" "library --json list --limit 5" \
  "models list --json" "--json models" "help train" "train x.yaml --help" "generate --frob -h" "jobs attach --help" "-h bench"; do
  # shellcheck disable=SC2086
  accept $line
done

# --- instructions
refuse 2 "mentions [ref#1], but no reference 1" instruct "draw [ref#1]"
refuse 2 "reference [ref#2] is given, but" instruct "draw [ref#1]" --ref 1="$samples/snail-noto.png" --ref 2="$samples/snail-noto.png"
refuse 2 "is not a marker" instruct "draw [ref#one]"
refuse 2 "but must be K=" instruct "draw" --ref "$samples/snail-noto.png"
refuse 2 "[ref#1]: no loader is called 'egde'" instruct "draw [ref#1]" --ref 1="$samples/snail-noto.png@egde"
refuse 2 "[ref#1]: loader edge: thickness is '900', but must be a number in 1..50" instruct "draw [ref#1]" --ref 1="$samples/snail-noto.png@edge:thickness=900"

# --- pictures
refuse 2 "missing.png" instruct "draw [ref#1]" --ref 1=missing.png
printf 'not a picture' >text.png
refuse 2 "text.png" instruct "draw [ref#1]" --ref 1=text.png
head -c 4000 "$samples/snail-noto.png" >cut.png
refuse 2 "cut.png" instruct "draw [ref#1]" --ref 1=cut.png
# A header that claims 2^31-1 pixels a side, with a right sum.
printf '\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0' >huge.png
printf '\x9b\xab\x9c\x31\0\0\0\0IDAT\x35\xaf\x06\x1e' >>huge.png
refuse 2 "huge.png" instruct "draw [ref#1]" --ref 1=huge.png
refuse 2 "not a regular file" instruct "draw [ref#1]" --ref 1=/dev/zero
refuse 2 "it contains no instruction" generate "$samples/snail-noto.png"

# --- what a stranger's files may ask for
python3 - "$samples/snail-noto.png" <<'MAKE' || fail "no pictures were made"
import base64, json, struct, sys, zlib
sample = base64.b64encode(open(sys.argv[1], 'rb').read()).decode()
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
def png(name, what, kind=b'iTXt'):
    text = json.dumps(what).encode()
    body = {b'tEXt': text, b'zTXt': b'\0' + zlib.compress(text), b'iTXt': b'\0\0\0\0' + text}[kind]
    open(name, 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0)) +
                           chunk(kind, b'limn\0' + body) + chunk(b'IDAT', zlib.compress(bytes(4))) + chunk(b'IEND', b''))
job = {'limn': '0', 'format': 1, 'instruction': 'a [ref#1] cat', 'seed': 4,
       'references': [{'marker': 1, 'text': 'image', 'loader': 'edge', 'settings': ['thickness=8'], 'png': sample}]}
png('picture.png', job)
png('later.png', dict(job, format=2))
png('seed.png', dict(job, seed='4'))
png('text-inside.png', dict(job, references=[{'marker': 1, 'png': base64.b64encode(b'root:x:0:0').decode()}]))
png('named.png', dict(job, references=[{'marker': 1, 'file': sys.argv[1]}]))
png('sheet.png', {'format': 1, 'sweep': {'cells': [{'label': 'x', 'job': {'instruction': 'a cat', 'model': '/nowhere', 'device': 'none'}}],
                                         'pictures': {}}})
MAKE
refuse 2 "later.png: written by a later limn, in format 2" generate later.png
refuse 2 "seed.png: its seed must be a whole number" generate seed.png
refuse 2 "text-inside.png: not a picture in a supported format" generate text-inside.png
refuse 2 "named.png: a reference in it is damaged" generate named.png
refuse 2 "picture.png is a picture and has no variables for --set 'subject=cat'" generate picture.png --set subject=cat
refuse 2 "has no variables for --set 'nonsense'" generate picture.png --set nonsense
refuse 2 "picture.png has no reference 7" generate picture.png --ref 7=/nonexistent
refuse 2 "nowhere.png" generate picture.png --ref 1=nowhere.png@
refuse 2 "but there is no reference 2" generate picture.png --ref-text 2=x
refuse 2 "but there is no reference 2" generate edge --ref-text 2=x
refuse 2 "--set" instruct "a cat" --set x=y
refuse 2 "but there is no reference 1" instruct "a cat" --ref-text 1=x
refuse 2 "/etc/passwd: not a picture in a supported format" instruct "a [ref#1]" --ref 1=/etc/passwd
refuse 2 "sheet.png is the sheet of a sweep" generate sheet.png --quiet --ref-text 1=x
printf '\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9' >photo.jpg
refuse 2 "photo.jpg is a picture, but no PNG: only a PNG holds an instruction" generate photo.jpg
refuse 2 "./photo.jpg is a picture, but no PNG" generate ./photo.jpg
printf 'instruction: "a [ref#1]"\nreferences:\n  1: {image: /etc/passwd}\n' >t.yaml
refuse 2 "t.yaml:3:14: /etc/passwd is an absolute path; to use it anyway: --ref 1=/etc/passwd" generate ./t.yaml
printf 'instruction: "{{x}}"\nvariables:\n  x: {file: ../../../../etc/passwd}\n' >t.yaml
refuse 2 "t.yaml:3:13: ../../../../etc/passwd leads outside the folder" generate ./t.yaml
printf 'instruction: "{{x}}"\nvariables:\n  x: a\nsweep:\n  x: "@/etc/passwd"\n' >t.yaml
refuse 2 "t.yaml:5:6: /etc/passwd is an absolute path" generate ./t.yaml

cp "$source/app/recipes/tasks.yaml" tasks.yaml
recipe() { printf 'model: limn-icons\npack: p\noutput: run\ntasks: tasks.yaml\n%s\n' "$1" >recipe.yaml; }
recipe "tokenizer: ../../../../etc/passwd"
refuse 2 "recipe.yaml:5:12: tokenizer: ../../../../etc/passwd leads outside the folder of the file that names it; to use it anyway: --set tokenizer=../../../../etc/passwd" train recipe.yaml --print
ln -s /etc/passwd linked && recipe "tokenizer: linked"
refuse 2 "recipe.yaml:5:12: tokenizer: linked is a link that leads out" train recipe.yaml --print
printf 'model: limn-icons\npack: p\noutput: /tmp/run\ntasks: tasks.yaml\n' >recipe.yaml
refuse 2 "recipe.yaml:3:9: output: /tmp/run is an absolute path; to use it anyway: --set output=/tmp/run" train recipe.yaml --print
printf 'model: limn-icons\npack: p\noutput: run\ntasks: /etc/passwd\n' >recipe.yaml
refuse 2 "recipe.yaml:4:8: tasks: /etc/passwd is an absolute path" train recipe.yaml --print
refuse 2 "/etc/passwd: tasks are a list of KEY: VALUE" train recipe.yaml --print --set tasks=/etc/passwd
rm -f linked recipe.yaml tasks.yaml

# --- loaders
refuse 2 "but must be a number in 0..1" load edge "$samples/snail-noto.png" edge.png detail=2
refuse 2 "has no parameter 'thick'" load edge "$samples/snail-noto.png" edge.png thick=2
refuse 2 "no loader is called" load hed "$samples/snail-noto.png" edge.png
accept load edge "$samples/snail-noto.png" edge.png
[[ -s edge.png ]] || fail "limn load wrote nothing"
mkdir -p bad && printf 'not a shared object' >bad/bad.so
LIMN_LOADER_PATH=$work/bad:$loaders "$limn" load mask "$samples/snail-noto.png" mask.png >out.txt 2>&1 || fail "a bad plugin stops a good one: $(cat out.txt)"
rm -f out.txt err.txt

# --- templates
printf 'instruction: "Draw {{subject}}"\n' >t.yaml
refuse 2 "t.yaml:1:14: {{subject}} is not among the variables" generate ./t.yaml
printf 'instruction: "Draw {{subject}}"\nvariables:\n  subject:\n    help: what\n' >t.yaml
refuse 2 "t.yaml:1:14: the variable subject has no value" generate ./t.yaml
printf 'instruction: "Draw [ref#1]"\nreferences:\n  1:\n    image: nowhere.png\n' >t.yaml
refuse 2 "t.yaml:4:12: there is no picture" generate ./t.yaml
refuse 2 "none.yaml" generate ./none.yaml

# --- model folders
refuse 2 "there is no model 'nowhere'" generate text --model nowhere
cp -r "$golden/t5" m
accept models check m
truncate -s 5000 m/text_encoder/model.safetensors
refuse 2 "outside the file" models check m
printf '\xff\xff\xff\xff\xff\xff\xff\x7f' | dd of=m/text_encoder/model.safetensors conv=notrunc status=none
refuse 2 "model.safetensors" models check m
header='{"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8]}}'
{ printf "\\x$(printf %x ${#header})\0\0\0\0\0\0\0"; printf '%s12345678' "$header"; } >m/text_encoder/model.safetensors
refuse 2 "model.safetensors" models check m
header='{"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[6],"data_offsets":[2,8]}}'
{ printf "\\x$(printf %x ${#header})\0\0\0\0\0\0\0"; printf '%s12345678' "$header"; } >m/text_encoder/model.safetensors
refuse 2 "overlap" models check m
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 18775052\n' 0 >m/text_encoder/model.safetensors
refuse 2 "model.safetensors: this is a Git LFS pointer, not the weights: run 'git lfs pull' there" models check m
mv m/text_encoder/model.safetensors m/text_encoder/pytorch_model.bin
refuse 2 "m/text_encoder has weights as .bin only, a format that can run code" models check m
rm m/text_encoder/pytorch_model.bin
refuse 2 "m/text_encoder has no model.safetensors" models check m
# A tensor too many of a type that is not known here is only too many.
python3 - "$golden/t5/text_encoder/model.safetensors" m/text_encoder/model.safetensors <<'MAKE' || fail "no weights were made"
import json, struct, sys
b = open(sys.argv[1], 'rb').read()
n = struct.unpack('<Q', b[:8])[0]
head, data = json.loads(b[8:8 + n]), b[8 + n:]
head['extra.weight'] = {'dtype': 'F8_E4M3', 'shape': [4], 'data_offsets': [len(data), len(data) + 4]}
text = json.dumps(head).encode()
text += b' ' * (-(len(text) + 8) % 8)
open(sys.argv[2], 'wb').write(struct.pack('<Q', len(text)) + text + data + b'1234')
MAKE
"$limn" models check m >out.txt 2>&1
[[ $? -eq 1 ]] && grep -q "surplus: text_encoder/extra.weight" out.txt && ! grep -q missing out.txt || fail "a surplus tensor of another type: $(cat out.txt)"
rm -f out.txt
refuse 2 "there is no model 'nowhere'" models check nowhere
accept models check limn-icons
for part in unet-plain t5; do accept models check "$golden/$part" --golden "$golden/$part/golden.safetensors" --tolerance 1e-4; done
"$limn" models check "$golden/t5" --golden "$golden/t5/golden.safetensors" --tolerance 1e-12 >/dev/null 2>&1
[[ $? -eq 1 ]] || fail "a golden over its tolerance is not exit code 1"

# --- drawing, with the shipped weights
model=$source/app/models/limn-icons
if [[ -s $model/unet/diffusion_pytorch_model.safetensors ]]; then
  export LIMN_MODEL=$model
  accept generate sheet.png --steps 1 --size 64 -o drawn.png
  grep -q "sheet.png asks for model /nowhere, device none: not followed" err.txt || fail "a sheet's wishes: $(cat err.txt)"
  accept generate picture.png --ref 1="$samples/snail-noto.png" --ref-text 1=outline --steps 1 --size 64 -o changed.png
  grep -q "reference 1 goes through the loader edge thickness=8, as picture.png has it" err.txt || fail "a picture's loader: $(cat err.txt)"
  rm -rf ./* && accept generate styled-subject --seed 3 --steps 3 -o a.png
  accept generate a.png -o b.png
  # Lists of any length, and lots out of millions.
  printf 'w%d\n' {1..5000} >words.txt
  printf 'instruction: "{{c}} {{d}}"\nvariables:\n  c: {file: words.txt}\n  d: x\n' >long.yaml
  accept generate ./long.yaml --set c=w4999 --steps 1 --size 64 -o long.png
  accept generate ./long.yaml --sweep "c=*" --sweep d=@words.txt --random 2 --steps 1 --size 64 -o long.png
  cmp -s a.png b.png || fail "a picture drawn again from itself differs"
  for _ in 1 2 3 4 5; do # a front that is slow to look, on a busy machine, is shown fewer
    rm -rf steps && accept generate styled-subject --seed 3 --steps 3 -o c.png --preview "file:steps"
    [[ $(find steps -type f | wc -l) -lt 6 ]] || break
  done
  [[ $(find steps -type f | wc -l) -eq 6 ]] || fail "a file preview did not write three steps of both passes"
  # Words that the model does not read are said, once; with --json as an event, with -q not. Nothing else is said.
  words=$(printf 'apple %.0s' {1..60}) cut="the model reads [0-9]* of the text's [0-9]* tokens"
  accept instruct "$words red" --steps 1 --size 64 --count 2 -o words.png
  [[ $(grep -c "^limn: $cut.*apple *red$" err.txt) -eq 1 && $(wc -l <err.txt) -eq 1 ]] || fail "words cut off: $(cat err.txt)"
  accept instruct "$words red" --steps 1 --size 64 -o words.png --json
  grep -q "^{\"event\": *\"notice\", *\"text\": *\"$cut" out.txt && [[ ! -s err.txt ]] || fail "--json, words cut off: $(cat out.txt err.txt)"
  accept instruct "$words red" --steps 1 --size 64 -o words.png --quiet
  [[ ! -s err.txt && ! -s out.txt ]] || fail "--quiet, words cut off: $(cat out.txt err.txt)"
  accept instruct "a red apple" --steps 1 --size 64 -o words.png
  [[ ! -s err.txt ]] || fail "nothing is cut off, and said is: $(cat err.txt)"
  accept generate text --count 2 --seed 5 --steps 2 --size 64 -o d.png
  [[ -s d-1.png && -s d-2.png ]] || fail "--count 2 did not write two pictures"
  accept generate text --seed 6 --steps 2 --size 64 -o e.png
  accept generate text --seed 9007199254740992 --steps 1 --size 64 -o last.png # the largest that there may be
  mkdir sweep && cd sweep
  accept generate text --sweep "subject=red apple, fox" --sweep seed=1..2 --steps 1 --size 64 -o s.png
  [[ $(echo s-[1-4].png) == "s-1.png s-2.png s-3.png s-4.png" && -s s-sheet.png ]] || fail "a sweep of 2 x 2: $(ls)"
  # Two tiles of 128 either way, 8 around each; 140 for the heads of rows, 18 for those of columns, and no more letters.
  size=$(od -An -tu1 -j16 -N8 s-sheet.png | tr -s ' ')
  [[ $size == " 0 0 1 172 0 0 1 50" ]] || fail "the sheet's width and height are the bytes$size"
  accept generate s-3.png -o again.png
  cmp -s s-3.png again.png || fail "a cell of a sweep cannot be drawn again from itself"
  accept generate text --seed 2 --set "subject=red apple" --steps 1 --size 64 -o alone.png
  cmp -s s-2.png alone.png || fail "a cell of a sweep is not what is drawn alone"
  printf '# words\n\nfox\nred apple\n' >words.txt
  accept generate text --sweep subject=@words.txt --sweep scale=1..3 --random 2 --seed 4 --steps 1 --size 64 -o lots.png --json
  grep -q '"event":"sheet"' out.txt || fail "--json has no sheet"
  [[ -s lots-2.png && ! -e lots-3.png ]] || fail "--random 2 drew $(ls)"
  accept generate text --sweep subject=@words.txt --sweep scale=1..3 --random 2 --seed 4 --steps 1 --size 64 -o same.png
  cmp -s lots-1.png same-1.png && cmp -s lots-2.png same-2.png || fail "the same seed draws other lots"
  printf 'instruction: "{{word}}"\nvariables:\n  word:\n    file: words.txt\n    default: fox\nsweep:\n  word: "*"\nparameters:\n  steps: 1\n  size: 64\n  seed: 1\n' >own.yaml
  accept generate ./own.yaml -o own.png
  [[ -s own-2.png && -s own-sheet.png && ! -e own-3.png ]] || fail "a template's own sweep drew $(ls)"
  accept generate ./own.yaml --set word=fox -o one.png
  [[ -s one.png ]] || fail "what is set is swept all the same"
  # A sheet has its whole sweep inside: pictures and sheet come out again, byte for byte.
  again() { # PREFIX COUNT: what the sheet of PREFIX draws is what PREFIX was
    local i
    mkdir -p again
    cp "$1-sheet.png" sheet.png
    accept generate sheet.png -o again/x.png
    for ((i = 1; i <= $2; i++)); do cmp -s "$1-$i.png" "again/x-$i.png" || fail "$1-$i.png is not what its sheet draws"; done
    cmp -s "$1-sheet.png" again/x-sheet.png || fail "the sheet of $1 draws another sheet"
    [[ $(find again -type f | wc -l) -eq $(($2 + 1)) ]] || fail "the sheet of $1 drew $(ls again)"
    rm -rf again sheet.png
  }
  again s 4
  again lots 2
  printf 'instruction: "Draw [ref#1] and [ref#2]"\nreferences:\n  1:\n    image: "{{picture}}"\n    loader:\n      name: edge\n      detail: "{{how}}"\n  2:\n    image: one.png\n    text: icon\nvariables:\n  picture:\n    type: image\n    default: one.png\n  how:\n    type: number\n    default: 0.5\nparameters:\n  steps: 1\n  size: 64\n  seed: 1\n' >two.yaml
  accept generate ./two.yaml --sweep picture=own-1.png,own-2.png --sweep how=0.1,0.9 -o two.png
  rm own-1.png own-2.png # what a sheet needs is in it
  again two 4
  rm -f out.txt err.txt
  refuse 2 "is the sheet of a sweep" generate two-sheet.png --sweep seed=1,2
  refuse 2 "is the sheet of a sweep" generate two-sheet.png --count 2
  accept generate two-sheet.png --seed 9 -o nine.png
  accept generate two-2.png --seed 9 -o single.png
  cmp -s nine-2.png single.png || fail "--seed does not reach the cells of a sheet"
  accept library search sweep
  grep -q "s-sheet.png" out.txt || fail "the sheet is not in the library"
  python3 - two-sheet.png broken.png <<'PY' || fail "no broken sheet"
import re, struct, sys, zlib
data, out, at = open(sys.argv[1], 'rb').read(), b'', 8
while at < len(data):
    n, kind = struct.unpack('>I4s', data[at:at + 8])
    body = data[at + 8:at + 8 + n]
    if kind in (b'iTXt', b'zTXt', b'tEXt') and body.startswith(b'limn\0'):
        text = zlib.decompress(body[body.index(b'x\xda'):]).decode() # zlib's best
        body = b'limn\0' + re.sub('"pictures":{"[^"]*":"[^"]{9}', '"pictures":{"x":"AAAAAAAA', text).encode('latin-1')
        kind = b'tEXt'
    out += struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    at += 12 + n
open(sys.argv[2], 'wb').write(data[:8] + out)
PY
  rm -f out.txt err.txt
  refuse 2 "broken.png: a reference in it is damaged" generate broken.png
  cd .. && rm -rf sweep
  accept instruct "Recreate the content of [ref#7] picture using the style of [ref#2] style image." \
    --ref "7=$samples/snail-noto.png@subject" --ref-text 7=picture --ref "2=$samples/style-blob.png" --ref-text "2=style image" --steps 2 --size 64 -o f.png --json
  grep -q '"event":"result"' out.txt || fail "--json has no result"
  rm -f out.txt err.txt
  refuse 1 "no/folder" generate text --steps 1 --size 64 -o no/folder/x.png
  (trap - INT; exec "$limn" generate text --steps 1000 --size 64 --seed 1 -o never.png >/dev/null 2>&1) &
  sleep 2
  kill -INT $!
  wait $!
  rc=$?
  [[ $rc -eq 130 ]] || fail "an interrupt is exit code $rc, not 130"
  [[ -z $(find . -name 'never*') ]] || fail "an interrupt left a file"
else
  echo "[  SKIPPED ] cli.sh: drawing: the weights are not here"
fi
echo "$checks checks, $failures failures"
[[ $failures -eq 0 ]]
