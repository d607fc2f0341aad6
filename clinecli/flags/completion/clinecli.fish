# fish completion for clinecli. @NOTE@

# Whether the command on the line is $argv; without $argv, whether there is none yet.
function __clinecli_is
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        contains -- $word @TOP@; and return 1
        string match -q -- '-*' $word; and continue
        test "$word" = "$argv"
        return
    end
    test -z "$argv"
end

# The words of the command line that $argv[1] runs; false where it has not begun. The other
# arguments are the flags that take a value.
function __clinecli_inner
    set -l words (commandline -opc)
    while test "$words[1]" != $argv[1]
        set -e words[1]
        set -q words[1]; or return
    end
    set -e words[1]
    while set -q words[1]
        if test "$words[1]" = --
            set -e words[1]
            set -q words[1]; and string join -- \n $words
            return 0
        else if contains -- $words[1] $argv[2..-1]
            set -e words[1]
        else if not string match -q -- '-*' $words[1]
            string join -- \n $words
            return 0
        end
        set -e words[1]
    end
    return 1
end

# Completes the command line that $argv[1] runs.
function __clinecli_delegate
    set -l line
    for word in (__clinecli_inner $argv)
        set -a line (string escape -- $word)
    end
    complete -C "$line "(commandline -ct)
end

# Those of the WORD:MEANING in $argv that are not on the line already.
function __clinecli_unused
    set -l words (commandline -opc)
    for each in $argv
        set -l parts (string split -m 1 : -- $each)
        contains -- $parts[1] $words; or string join -- \t $parts
    end
end

function __clinecli_models
    set -l cache $XDG_CACHE_HOME
    string match -q -- '/*' "$cache"; or set cache $HOME/.cache
    set -l list $cache/clinecli/models.txt
    test -r $list; and string match -r '^[A-Za-z0-9._:/@+=,~-]+$' <$list
end

function __clinecli_prompt_files
    set -l value (commandline -ct | string replace -r '^(-P|--[a-z-]+=)' '')
    for path in (complete -C "'' $value")
        string match -qr '(/|\.(ya?ml|txt|md))$' -- $path; and echo $path
    end
end

# The variables of the prompt file that is on the line.
function __clinecli_variables
    set -l words (commandline -opc)
    set -l file
    for i in (seq (count $words))
        switch $words[$i]
            case -P --prompt-file
                set file $words[(math $i + 1)]
            case '--prompt-file=*' '-P*'
                set file (string replace -r '^(-P|--prompt-file=)' '' -- $words[$i])
        end
    end
    test -f "$file" -a -r "$file"; or return
    for found in (string match -ra '\{\{[A-Za-z0-9_.-]+\}\}' <$file)
        echo (string trim -c '{}' -- $found)=
    end
end

function __clinecli_variable_files
    set -l value (commandline -ct | string replace -r '^--[a-z-]+=' '')
    if not string match -q -- '*=*' $value
        __clinecli_variables
        return
    end
    set -l parts (string split -m 1 = -- $value)
    for path in (complete -C "'' $parts[2]")
        echo $parts[1]=$path
    end
end

function __clinecli_at_file
    set -l value (commandline -ct | string replace -r '^--[a-z-]+=' '')
    string match -q -- '@*' $value; or return
    # Fish completes files for a command that it does not know.
    for path in (complete -C "'' "(string sub -s 2 -- $value))
        echo @$path
    end
end

complete -c clinecli -f
# @SPECS@
