# fish completion for limn
complete -c limn -n __fish_use_subcommand -f -a 'generate' -d 'draw from a template or picture'
complete -c limn -n __fish_use_subcommand -f -a 'instruct' -d 'draw from an instruction'
complete -c limn -n __fish_use_subcommand -f -a 'templates loaders models devices load library data train jobs bench'
complete -c limn -n '__fish_seen_subcommand_from generate' -a "(limn templates 2>/dev/null | string match -r '^[a-z][a-z-]*')"
for command in generate instruct
    complete -c limn -n "__fish_seen_subcommand_from $command" -s o -r -d 'where the picture goes'
    for option in set ref sweep random seed steps size count scale context-scale model device dtype
        complete -c limn -n "__fish_seen_subcommand_from $command" -l $option -x
    end
    complete -c limn -n "__fish_seen_subcommand_from $command" -l guidance -x -a 'cfg oscillating separate interleaved'
    complete -c limn -n "__fish_seen_subcommand_from $command" -l sampler -x -a 'ddpm ddim dpm++'
    complete -c limn -n "__fish_seen_subcommand_from $command" -l host -x -a '(__fish_complete_user_at_hosts)' -d 'compute there, through ssh'
    complete -c limn -n "__fish_seen_subcommand_from $command" -l preview -x -a 'auto kitty sixel cells sdl file none'
    complete -c limn -n "__fish_seen_subcommand_from $command" -l json -d 'events as JSON lines'
end
complete -c limn -n '__fish_seen_subcommand_from load' -a "(limn loaders 2>/dev/null | string match -rg '^([a-z][a-z0-9-]*) \(')"
for command in train bench models data devices jobs
    complete -c limn -n "__fish_seen_subcommand_from $command" -l host -x -a '(__fish_complete_user_at_hosts)' -d 'compute there, through ssh'
end
complete -c limn -n '__fish_seen_subcommand_from train' -l detach -d 'goes on without its terminal'
complete -c limn -n '__fish_seen_subcommand_from train' -l resume -d 'go on from the checkpoint'
for option in set until minutes device
    complete -c limn -n '__fish_seen_subcommand_from train' -l $option -x
end
complete -c limn -n '__fish_seen_subcommand_from jobs' -f -a 'list attach stop resume forget'
complete -c limn -n '__fish_seen_subcommand_from jobs' -f -a "(limn jobs 2>/dev/null | string match -rg '^([0-9][0-9a-f-]*) ')"
