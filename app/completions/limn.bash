# bash completion for limn
_limn() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
  if [[ $COMP_CWORD -eq 1 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "generate instruct templates load loaders models devices library data train jobs bench --host --theme --preview --help --version" -- "$word")
    return
  fi
  case $command:$word in
    generate:-* | instruct:-*)
      mapfile -t COMPREPLY < <(compgen -W "-o --set --ref --ref-text --sweep --random --no-sweep --seed --steps --size --count --guidance --scale --context-scale --sampler --model --device --dtype --offload --host --no-library --preview --json --quiet --help" -- "$word") ;;
    generate:*)
      mapfile -t COMPREPLY < <(compgen -W "$(limn templates 2>/dev/null | sed -n 's/^\([a-z][a-z-]*\) .*/\1/p')" -- "$word"; compgen -f -- "$word") ;;
    load:*)
      if [[ $COMP_CWORD -eq 2 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(limn loaders 2>/dev/null | sed -n 's/^\([a-z][a-z0-9-]*\) (.*/\1/p')" -- "$word")
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
      fi ;;
    devices:*) mapfile -t COMPREPLY < <(compgen -W "--host" -- "$word") ;;
    jobs:*)
      if [[ $COMP_CWORD -eq 3 && ${COMP_WORDS[2]} != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(limn jobs 2>/dev/null | sed -n 's/^\([0-9][0-9a-f-]*\) .*/\1/p')" -- "$word")
      else
        mapfile -t COMPREPLY < <(compgen -W "list attach stop resume forget --host --json" -- "$word")
      fi ;;
    models:*) mapfile -t COMPREPLY < <(compgen -W "list check --golden --device --dtype --tolerance --host --json" -- "$word"; compgen -d -- "$word") ;;
    library:*) mapfile -t COMPREPLY < <(compgen -W "list search show rate tag untag delete undelete purge import --tag --rating --sort --limit --json" -- "$word"; compgen -f -- "$word") ;;
    data:*) mapfile -t COMPREPLY < <(compgen -W "pack stats --size --roles --workers --host --json" -- "$word"; compgen -f -- "$word") ;;
    train:-*) mapfile -t COMPREPLY < <(compgen -W "--resume --set --until --minutes --device --detach --host --json --print --sheet --model --task --columns --first --steps --scale --styles --texts" -- "$word") ;;
    bench:*) mapfile -t COMPREPLY < <(compgen -W "step ops ui --device --host --model --batch --references --text-tokens --dtype --repeats --forward --train --checkpoint --nodes" -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  esac
}
complete -o filenames -F _limn limn
