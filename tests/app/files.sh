#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What limn writes to and reads from, and what it leaves alone: files.sh LIMN SOURCE LOADERS [PART]
# PART: what not every user and machine can try (permissions, nodes, records, mount); exit 77 where it cannot be tried.
# Devices are pipes here (mkfifo), or nodes of their own where those can be made; never the machine's.
set -u
limn=$(realpath "$1") source=$(realpath "$2") loaders=$(realpath "$3") part=${4:-}
work=$(mktemp -d)
export LIMN_LOADER_PATH=$loaders HOME=$work/home XDG_DATA_HOME=$work/data XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
export XDG_RUNTIME_DIR=$work/run
# A driver that is not used takes longer to be loaded than a small picture to be drawn.
export VK_DRIVER_FILES=/dev/null VK_ICD_FILENAMES=/dev/null
samples=$source/app/templates/samples
mkdir -p "$work/home" "$work/run" "$work/in"
chmod 700 "$work/run"
trap 'umount "$work/in/mounted.png" 2>/dev/null; chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work/in" || exit 1
failures=0 checks=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# said CODE PATTERN COMMAND...: ends within 20 s with CODE and a line that has PATTERN.
said() {
  local code=$1 pattern=$2 rc
  shift 2
  checks=$((checks + 1))
  timeout "${SECONDS_ALLOWED:-120}" "$limn" "$@" >"$work/out" 2>"$work/err" </dev/null
  rc=$?
  [[ $rc -eq $code ]] || fail "limn $*: exit code $rc, not $code: $(head -c 300 "$work/err")"
  [[ -z $pattern ]] || grep -qF -- "$pattern" "$work/err" || fail "limn $*: no '$pattern' in $(head -c 300 "$work/err")"
}

is_png() { [[ $(head -c 8 "$1" | od -An -tx1 | tr -d ' \n') == 89504e470d0a1a0a ]]; }

# Drawn with one step; a refusal before drawing leaves no job in the library.
draw=(generate text --steps 1 --size 64 --seed 1 --preview none)
jobs() { "$limn" library list --json | grep -c '"file"'; }

mkfifo pipe
mkdir folder
cp "$samples/snail-noto.png" snail.png
cp -r "$samples" pictures
for f in pictures/*.png; do echo "a $(basename "$f" .png)" >"${f%.png}.txt"; done

refuses() { # NODE: what is no regular file is not written to, and stays what it is; nothing is drawn
  local node=$1 kind
  kind=$(stat -c %F "$node")
  said 2 "limn writes only to regular files" "${draw[@]}" -o "$node"
  said 2 "limn writes only to regular files" load edge snail.png "$node"
  said 2 "limn writes only to regular files" data pack pictures "$node" --size 16 --roles none
  ln -sf "$node" link
  said 2 "limn writes only to regular files" "${draw[@]}" -o link
  [[ $(stat -c %F "$node") == "$kind" ]] || fail "$node was a $kind, it is a $(stat -c %F "$node")"
  rm -f link
}

# --- parts

part_nodes() { # a device of its own, which root may make
  mknod null c 1 3 2>/dev/null && [[ -c null ]] || return 77
  refuses null
}

# For root, as another user who may run limn.
other() {
  if [[ $EUID -ne 0 ]]; then
    "$@"
  else
    setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent XDG_DATA_HOME="$work/o" XDG_STATE_HOME="$work/o" \
      XDG_RUNTIME_DIR="$work/o" XDG_CACHE_HOME="$work/o" "$@"
  fi
}

part_permissions() {
  local args
  mkdir locked && echo kept >read-only.png && chmod 755 locked && chmod 644 read-only.png && mkdir -m 777 "$work/o" open
  if [[ $EUID -eq 0 ]]; then
    chmod 711 "$work" "$work/in" "$work/home"
    command -v setpriv >/dev/null && other test -x "$limn" -a -r "$source/app/templates/text.yaml" || return 77
  else
    chmod 500 locked && chmod 400 read-only.png
  fi
  for args in locked/x.png read-only.png; do
    checks=$((checks + 1))
    other "$limn" "${draw[@]}" --no-library -o $args >"$work/out" 2>"$work/err" && fail "-o $args: no error"
    grep -q "Permission denied" "$work/err" || fail "-o $args: $(cat "$work/err")"
  done
  [[ $(cat read-only.png) == kept ]] || fail "a read-only file was replaced"
  other "$limn" "${draw[@]}" --no-library -o open/x.png >"$work/out" 2>"$work/err" && is_png open/x.png || fail "a folder that is open: $(cat "$work/err")"
}

# A single file that is mounted by itself, as containers do it, cannot be replaced: that is said before drawing.
part_mount() {
  echo below >below.png && echo above >mounted.png
  mount --bind below.png mounted.png 2>/dev/null || return 77
  said 1 "mounted.png" "${draw[@]}" -o mounted.png
  [[ $(cat mounted.png) == below && $(jobs) -eq 0 ]] || fail "a mounted file was written to, or drawn for: $(cat "$work/err")"
  said 1 "mounted.png" load edge snail.png mounted.png
  umount mounted.png
  said 0 "" load edge snail.png mounted.png
  is_png mounted.png || fail "what is mounted no longer is a file like others"
}

# Job records of other users, or that others could write, are none.
part_records() {
  [[ $EUID -eq 0 ]] || return 77
  id=20260101-000000-0badc0de
  mkdir -p -m 700 "$work/state/limn/jobs"
  mkdir -m 700 "$work/state/limn/jobs/$id"
  record=$work/state/limn/jobs/$id/record.json
  echo '{"words":["devices"],"environment":{},"about":{"recipe":"planted","output":"/"},"started":1}' >"$record"
  chmod 600 "$record"
  [[ $("$limn" jobs 2>/dev/null) == *planted* ]] || fail "a record of one's own is not listed"
  chmod 666 "$record"
  [[ $("$limn" jobs 2>/dev/null) != *planted* ]] || fail "a record that others can write is listed"
  chmod 600 "$record"; chown 65534 "$record"
  [[ $("$limn" jobs 2>"$work/err") != *planted* ]] || fail "another user's record is listed"
  grep -q "is ignored" "$work/err" || fail "no word of the record that is ignored: $(cat "$work/err")"
  said 2 "there is no job" jobs resume $id
  chown 0 "$record"
  for folder in "$work/state/limn" "$work/state/limn/jobs"; do
    chown 65534 "$folder"
    [[ $("$limn" jobs 2>"$work/err") != *planted* ]] || fail "a record is listed that others could have put there"
    grep -q "belongs to another user" "$work/err" || fail "no word of $folder: $(cat "$work/err")"
    chown 0 "$folder"
    chmod 777 "$folder"
    [[ $("$limn" jobs 2>/dev/null) != *planted* ]] || fail "a record in a folder that others can write to is listed"
    chmod 700 "$folder"
  done
  [[ $("$limn" jobs 2>/dev/null) == *planted* ]] || fail "a record of one's own is no longer listed"
  echo words >"$work/state/limn/elsewhere" && ln -s "$work/state/limn/elsewhere" "${record%/*}/output"
  [[ $("$limn" jobs attach $id 2>&1) != *words* ]] || fail "a link in place of a job's output is followed"
}

if [[ -n $part ]]; then
  "part_$part"
  rc=$?
  [[ $rc -ne 77 ]] || { echo "$part: cannot be tried by this user, or on this machine"; exit 77; }
  echo "$checks checks, $failures failures"
  [[ $failures -eq 0 ]]
  exit
fi

# --- what is no regular file is not written to, and stays what it is; nothing is drawn
refuses pipe
said 2 "folder is a folder" "${draw[@]}" -o folder
said 2 "-o is ''" "${draw[@]}" -o ""
said 2 "OUT.png is empty" load edge snail.png ""
said 1 "nothing/here.png" "${draw[@]}" -o nothing/here.png
said 1 "No such file or directory" load edge snail.png nothing/here.png
said 1 "Not a directory" "${draw[@]}" -o snail.png/x.png
said 1 "File name too long" "${draw[@]}" -o "$(printf 'n%.0s' {1..300}).png"
said 2 "there is no such folder" "${draw[@]}" -o new/
ln -s loop loop
said 1 "symbolic links" "${draw[@]}" -o loop
[[ $(jobs) -eq 0 ]] || fail "something was drawn all the same"
long=$(printf 'n%.0s' {1..246}).png
said 0 "" "${draw[@]}" -o "$long"
is_png "$long" || fail "a name of 250 bytes is one"

# --- a link to a regular file is followed, and stays; modes stay; hard links part
echo old >target.png
chmod 640 target.png
ln -s target.png link.png
said 0 "" "${draw[@]}" -o link.png
[[ -L link.png ]] && is_png target.png || fail "the link is gone, or its target is not the picture"
[[ $(stat -c %a target.png) == 640 ]] || fail "the mode of the file is $(stat -c %a target.png)"
ln -s folder/through.png dangling.png
said 0 "" "${draw[@]}" -o dangling.png
[[ -L dangling.png ]] && is_png folder/through.png || fail "a link to a new name"

# --- standard output
"$limn" "${draw[@]}" -o - >piped.png 2>"$work/err" || fail "-o -: $(cat "$work/err")"
is_png piped.png && cmp -s piped.png target.png || fail "-o - is not the picture alone"
"$limn" "${draw[@]}" -o /dev/stdout 2>/dev/null | cmp -s - target.png || fail "-o /dev/stdout is not the picture alone"
[[ ! -e ./- ]] || fail "there is a file called -"
said 2 "cannot both go to standard output" "${draw[@]}" -o - --json
said 2 "takes one picture" "${draw[@]}" -o - --count 2
"$limn" load edge snail.png - 2>/dev/null >edges.png; is_png edges.png || fail "load to standard output"

# --- what is read is not written over
cp snail.png same.png
said 2 "is an input" load edge same.png same.png
ln same.png hard.png
said 2 "is an input" load edge same.png hard.png
cmp -s same.png snail.png || fail "the picture was written over"
said 2 "is a reference of the instruction" instruct "Draw [ref#1]" --ref 1=same.png --steps 1 --size 64 -o same.png
(cd pictures && tar cf ../pictures.tar .)
cp pictures.tar whole.tar
ln -s whole.tar link.tar
ln whole.tar hard.tar
for out in whole.tar link.tar hard.tar ./folder/../whole.tar; do
  said 2 "is an input" data pack whole.tar "$out" --size 16 --roles none
done
cmp -s whole.tar pictures.tar || fail "the archive was written over"
said 2 "is an input" data pack pictures pictures/snail-noto.png --size 16 --roles none
cmp -s pictures/snail-noto.png snail.png || fail "a picture of the source was written over"
said 2 "is an input" index pictures -o pictures/snail-noto.png --device cpu
said 2 "is an input" index pictures -o pictures/snail-noto.txt --device cpu
cmp -s pictures/snail-noto.png snail.png || fail "a picture of the index's source was written over"
said 0 "" index pictures -o pictures/own.index --device cpu
said 0 "" index pictures -o pictures/own.index --device cpu
said 0 "" data pack pictures pictures/own.pack --size 16 --roles none
said 0 "" data pack pictures pictures/own.pack --size 16 --roles none
head -c 2660 pictures.tar >cut.tar
said 2 "ends inside" data pack cut.tar cut.pack --size 16 --roles none

# --- what is read is a regular file, everywhere
export SECONDS_ALLOWED=60
mkfifo a.png b.yaml c.safetensors
for args in "generate pipe" "generate a.png" "generate b.yaml" "instruct x --ref 1=a.png" "load edge a.png x.png" "data pack pipe x.pack" \
  "data stats pipe" "library import pipe" "train b.yaml" "models check c.safetensors" "generate text --sweep subject=@pipe" \
  "generate text --model pipe" "models check limn-icons --golden pipe" "--theme ./pipe templates" "generate text --start pipe" \
  "generate text --start snail.png --mask pipe" "instruct x --negative-ref pipe" "generate text --index pipe" "generate text --lora ./pipe" \
  "retrieve pipe" "retrieve snail.png --index pipe" "index pipe -o x.index" "models add x pipe" "models merge limn-icons x --lora ./pipe" \
  "models fit-preview limn-icons pipe" "eval limn-icons pipe" "data clusters pipe x.pack" "--script pipe --preview none"; do
  checks=$((checks + 1))
  timeout 60 "$limn" $args >"$work/out" 2>"$work/err" </dev/null
  rc=$?
  [[ $rc -eq 1 || $rc -eq 2 ]] || fail "limn $args: exit code $rc: $(head -c 300 "$work/err")"
done
for ending in -journal -wal -shm; do
  mkdir -p -m 700 "$work/beside$ending/limn" && mkfifo "$work/beside$ending/limn/library.db$ending"
  XDG_DATA_HOME=$work/beside$ending said 1 "library.db$ending is a pipe" library list
done
mkdir import && mkfifo import/a.png && cp target.png import/b.png
said 0 "" library import import

# --- a standard output that is closed, or full, is an error of every command that prints
lost() { # PATTERN RC WORDS...
  local pattern=$1 rc=$2
  shift 2
  checks=$((checks + 1))
  [[ $rc -eq 1 ]] && grep -q "$pattern" "$work/err" || fail "limn $* ($pattern): exit code $rc, $(head -c 300 "$work/err")"
}
for args in templates "templates --json" loaders "loaders --json" "models list" "models list --json" devices "library list" --version --help \
  "data stats pictures/own.pack" "generate --help" "jobs --json" --print-keys --print-docs "models get" "bench --help" help "retrieve apple"; do
  "$limn" $args >&- 2>"$work/err" </dev/null
  lost "standard output is closed" $? "$args"
  [[ ! -w /dev/full ]] || { "$limn" $args >/dev/full 2>"$work/err" </dev/null; lost "standard output: No space left" $? "$args"; }
done
(ulimit -f 0; "$limn" templates 2>&1 >small </dev/null; echo "rc $?") | cat >"$work/err" # which is no file there
lost "standard output: File too large" "$(sed -n 's/^rc //p' "$work/err")" templates
before=$(jobs)
"$limn" "${draw[@]}" -o - >&- 2>"$work/err"
lost "standard output is closed" $? "${draw[@]}" -o -
[[ $(jobs) -eq $before ]] || fail "it was drawn all the same"
(sleep 0.3; "$limn" templates 2>"$work/err"; echo $? >"$work/rc") | :
[[ $(cat "$work/rc") -eq 1 && ! -s $work/err ]] || fail "a reader that reads no further: $(cat "$work/rc" "$work/err")"
if [[ -w /dev/full ]]; then
  "$limn" "${draw[@]}" -o - >/dev/full 2>"$work/err" && fail "a picture to a full standard output: no error"
  "$limn" "${draw[@]}" -o x.png >/dev/full 2>"$work/err" && fail "a drawing's lines to a full standard output: no error"
fi

# --- no room at the end: where the picture is, is said, and it is there
bash -c 'ulimit -f 4; exec "$0" "$@"' "$limn" "${draw[@]}" -o full.png >"$work/out" 2>"$work/err" && fail "no room is no error"
[[ ! -e full.png ]] || fail "a file that is not whole"
[[ -z $(find . -name '.limn-*') ]] || fail "a temporary file is left: $(find . -name '.limn-*')"
# A folder that goes while it is drawn.
mkdir going
(while [[ ! -e $work/begun ]]; do sleep 0.05; done; rm -rf going) &
"$limn" generate text --steps 60 --size 64 --seed 2 --preview none --json -o going/x.png 2>"$work/err" | while read -r line; do touch "$work/begun"; done
wait
kept=$(sed -n 's/.*the picture is kept as \(.*\.png\).*/\1/p' "$work/err")
checks=$((checks + 1))
[[ -n $kept ]] && is_png "$kept" || fail "where the picture lies is not said, or it is not there: $(cat "$work/err")"

# --- names that limn chooses: no file is written over, no link followed
ln -s "$work/elsewhere.png" limn-7.png
said 0 "" generate text --steps 1 --size 64 --seed 7 --preview none
[[ ! -e $work/elsewhere.png && -f limn-7-2.png ]] || fail "a link to nowhere was followed: $(ls)"
for axis in steps=1,2 guidance=none,separate; do
  said 0 "" generate text --steps 1 --size 64 --seed 7 --preview none --sweep "$axis"
done
[[ -f limn-sheet-7.png && -f limn-sheet-7-2.png ]] || fail "a second sheet took the first one's place: $(ls)"
rm limn-*.png
ln -s "$work/elsewhere.png" s-2.png
said 2 "s-2.png is a symbolic link" generate text --steps 1 --size 64 --seed 7 --preview none --count 2 -o s.png
mkdir preview
ln -s "$work/elsewhere.png" preview/step-0001.png
said 2 "preview/step-0001.png is a symbolic link" generate text --steps 1 --size 64 --seed 7 --preview file -o s.png
[[ ! -e $work/elsewhere.png ]] || fail "a link that nobody named was followed"
rm -r s-2.png preview

# --- what a dead process left goes, what a living one writes stays
touch .limn-abcdef.part
exec 9>.limn-ghijkl.part
flock 9
said 0 "" "${draw[@]}" -o x.png
[[ ! -e .limn-abcdef.part ]] || fail "a dead process's temporary file stays"
[[ -e .limn-ghijkl.part ]] || fail "a living process's temporary file was taken"
exec 9>&-

echo "$checks checks, $failures failures"
[[ $failures -eq 0 ]]
