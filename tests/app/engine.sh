#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# limn-engine, limn without its screen: engine.sh LIMN LIMN_ENGINE SOURCE LOADERS
# It trains by the JSON that limn prints of a recipe, with the numbers that limn trains with.
set -u
limn=$(realpath "$1") engine=$(realpath "$2") source=$(realpath "$3")
LIMN_LOADER_PATH=$(realpath "$4")
work=$(mktemp -d)
export LIMN_LOADER_PATH XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state GOMP_SPINCOUNT=3000
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# refuse CODE PATTERN COMMAND...: that exit code and one line with PATTERN.
refuse() {
  local code=$1 pattern=$2
  shift 2
  "$@" >out 2>err </dev/null
  [[ $? -eq $code ]] || fail "$*: not exit code $code: $(head -c 300 err)"
  [[ $(wc -l <err) -eq 1 ]] && grep -qF -- "$pattern" err || fail "$*: no '$pattern' in $(head -c 300 err)"
}

mkdir pictures
for picture in "$source"/app/templates/samples/*.png; do
  cp "$picture" pictures/
  basename "$picture" .png | tr -- -_ '  ' >"pictures/$(basename "$picture" .png).txt"
done
cat >tasks.json <<'END'
{"drop_all": 0.1, "drop_context": 0.1,
 "mixture": [{"name": "text", "ratio": 1, "references": [], "texts": ["Draw {subject}.", "{subject}"]}]}
END
"$limn" data pack pictures icons.pack --size 64 >out 2>&1 || fail "no pack: $(tail -1 out)"
settings=(--set pack=icons.pack --set tasks=tasks.json --set micro_batch=1 --set sheet_every=0)
recipe=$source/app/recipes/limn-icons.yaml

"$limn" train "$recipe" "${settings[@]}" --set output=there --print >recipe.json || fail "no recipe printed"
"$limn" train "$recipe" "${settings[@]}" --set output=here --until 2 --device cpu >out 2>&1 ||
  fail "limn does not train: $(tail -1 out)"
# Stopped after a step and gone on with: paths in the JSON are whole, so it runs from any folder.
mkdir elsewhere
(cd elsewhere && "$engine" train ../recipe.json --until 1 --device cpu >../out 2>&1 &&
  "$engine" train ../recipe.json --until 2 --resume --device cpu >>../out 2>&1) ||
  fail "limn-engine does not train: $(tail -1 out)"
losses() { sed -n 's/.*"loss": *\([^,}]*\).*/\1/p' "$1/log.jsonl"; }
[[ $(losses here | wc -l) -eq 2 && $(losses here) == "$(losses there)" ]] ||
  fail "limn's losses $(losses here | xargs) are not limn-engine's $(losses there | xargs)"
for file in unet/diffusion_pytorch_model.safetensors text_encoder/model.safetensors; do
  cmp "here/model/$file" "there/model/$file" || fail "$file differs"
done

"$engine" --help | grep -q "bench" || fail "no help"
# Drivers keep memory until the end, and are unloaded before a leak checker could name them.
ASAN_OPTIONS=detect_leaks=0 "$engine" devices | grep -q "^cpu" || fail "no devices"
refuse 2 "there is no command 'draw'" "$engine" draw
echo '{"model": ' >broken.json
refuse 2 "broken.json" "$engine" train broken.json
refuse 2 "missing.json" "$engine" train missing.json
refuse 1 "draws no sheets" "$engine" train recipe.json --sheet x.png --device cpu
echo "$failures failed"
[[ $failures -eq 0 ]]
