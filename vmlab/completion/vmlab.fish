# Completion of vmlab for fish; vmlab itself knows what may stand where.
function __vmlab_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l found (command $words[1] __complete $words[2..] (commandline --current-token --cut-at-cursor) 2>/dev/null)
    if test $status -eq 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline --current-token)
    end
end
complete --command vmlab --no-files --arguments '(__vmlab_complete)'
