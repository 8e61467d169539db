#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Arrows point one way, and files are opened at their door: reads docs/layers.txt, every #include line and every call
# that opens a file. check.sh SOURCE
set -u
cd "$1" || exit 1
faults=0 files=0 opens='' opened=0

# The most specific folder of layers.txt that a path lies in.
layer_of() {
  local best='' l
  for l in "${!may[@]}"; do
    [[ $1 == "$l"/* && ${#l} -gt ${#best} ]] && best=$l
  done
  printf '%s' "$best"
}

declare -A may only door
while IFS= read -r line; do
  [[ -z $line || $line == \#* ]] && continue
  if [[ $line == door:* ]]; then
    read -r _ folder doors <<<"$line"
    door[$folder]=" $doors "
  elif [[ $line == open:* ]]; then
    opens+=" ${line#open:} "
  elif [[ $line == *' -> '* ]]; then
    only[${line%% -> *}]=" ${line##* -> } "
  else
    may[${line%%:*}]=" ${line#*:} "
  fi
done <docs/layers.txt

while IFS= read -r file; do
  files=$((files + 1))
  layer=$(layer_of "$file")
  [[ -n $layer ]] || { echo "$file lies in no layer of docs/layers.txt"; faults=$((faults + 1)); continue; }
  while IFS= read -r name; do
    case $name in
      engine/* | renderer/* | sandbox/* | loaders/* | app/*)
        target=$(layer_of "$name")
        [[ -f $name ]] || { echo "$file includes $name, which is not there"; faults=$((faults + 1)); }
        if [[ $target != "$layer" && ${may[$layer]} != *" $target "* ]]; then
          echo "$file ($layer) includes $name ($target): the arrow is not in docs/layers.txt"
          faults=$((faults + 1))
        fi
        if [[ $target != "$layer" && -n ${door[$target]:-} && ${door[$target]} != *" $name "* &&
              ${door[$target]} != *" $layer "* ]]; then
          echo "$file includes $name: of $target the others know only${door[$target]}"
          faults=$((faults + 1))
        fi
        ;;
    esac
    if [[ -n ${only[$name]:-} && ${only[$name]} != *" $file "* ]]; then
      echo "$file includes $name, which belongs to${only[$name]}alone"
      faults=$((faults + 1))
    fi
  done < <(sed -n 's/^#include [<"]\([^>"]*\)[>"].*/\1/p' "$file")
  # Not what a comment says, nor a struct's own (->open, .open, (*open)).
  if sed 's|//.*||' "$file" | grep -qE '(^|[^_[:alnum:].>*])(open|open64|openat|fopen|freopen|creat|(i|o)?fstream)( +[a-z_]+)?\('; then
    opened=$((opened + 1))
    [[ $opens == *" $file "* ]] || { echo "$file opens files: engine/base/file.h is the door"; faults=$((faults + 1)); }
  elif [[ $opens == *" $file "* ]]; then
    echo "$file opens no file: docs/layers.txt need not name it"
    faults=$((faults + 1))
  fi
done < <(find engine renderer sandbox loaders app -name '*.[ch]' -o -name '*.cc' -o -name '*.def' | sort)
echo "$files files, $faults faults"
[[ $faults -eq 0 && $files -gt 100 && $opened -gt 10 ]]
