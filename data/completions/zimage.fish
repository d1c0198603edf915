# zimage.fish: completion for zimage and zimage-service in fish
#
# SPDX-License-Identifier: GPL-3.0-or-later

# What there is to complete is read from the programs' own help, in English, so that it is always right.

function __zimage_say
    env LC_ALL=C.UTF-8 LANGUAGE= $argv 2>/dev/null
end

function __zimage_help
    set -l words (commandline -opc)
    if string match -q '*zimage-service' -- $words[1]
        __zimage_say zimage-service --help
    else if set -q words[2]
        __zimage_say zimage help $words[2]
    end
end

function __zimage_commands
    __zimage_say zimage help | sed -nE '/^Commands:/,/^$/ s/^  ([a-z]+) +(.*)/\1\t\2/p'
end

# Those of the store; “:latest” goes without saying.
function __zimage_models
    __zimage_say zimage list | sed -nE '2,$ s/^([^ ]+).*/\1/p' | sed 's/:latest$//'
end

# Lines of “--long[=ARGUMENT] <tab> what it is”.
function __zimage_options
    __zimage_help | sed -nE 's/^  (-[a-z], )?(--[a-z0-9-]+(=[^ ]+)?)  +(.*)$/\2\t\4/p'
end

# What the value of an option can be, by what the help calls it.
function __zimage_values --argument-names argument value
    switch $argument
        case FILE 'FOLDER*'
            __fish_complete_path $value
        case DEVICE
            printf '%s\n' auto vulkan
            __zimage_say zimage devices | sed -nE '2,$ s/^([^ ]+).*/\1/p'
        case TYPE
            __zimage_help | sed -nE 's/^.*--quantize=TYPE .*: (.*)$/\1/p' | string replace ' or ' ', ' | string split ', '
        case '*|*'
            string split '|' $argument
    end
end

# The argument of the option that a word is or begins with.
function __zimage_argument --argument-names word
    set -l option (string split -m 1 '=' -- $word)[1]
    __zimage_help | sed -nE "s/^  (-[a-z], )?$option=([^ ]+) .*/\2/p; s/^  $option, --[a-z0-9-]+=([^ ]+) .*/\1/p"
end

# How many arguments there are before the word that is typed, options and their values aside.
function __zimage_count
    set -l n 0
    set -l is_value 0
    for word in (commandline -opc)[2..]
        if test $is_value = 1
            set is_value 0
        else if string match -q -- '--*=*' $word
            continue
        else if string match -q -- '-?*' $word
            set -l argument (__zimage_argument $word)
            test -z "$argument"; or set is_value 1
        else
            set n (math $n + 1)
        end
    end
    echo $n
end

function __zimage_words
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l command service
    set -l n (__zimage_count)
    if not string match -q '*zimage-service' -- $words[1]
        set command $words[2]
        set n (math $n - 1)
    end
    switch $command-$n
        case run-0 show-0 bench-0 'serve-*' 'service-*'
            __zimage_models
            __fish_complete_path $word
        case cp-0 'rm-*' stop-0
            __zimage_models
        case pull-0
            printf '%s\n' z-image-turbo z-image-base
        case store-0
            printf '%s\n' check prune
        case help-0
            __zimage_commands
    end
end

function __zimage_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l argument (__zimage_argument $words[-1])
    if string match -q '*zimage' -- $words[1]; and not set -q words[2]
        __zimage_commands
    else if string match -q -- '--*=*' $word
        set -l parts (string split -m 1 '=' -- $word)
        for value in (__zimage_values (__zimage_argument $word) $parts[2])
            echo $parts[1]=$value
        end
    else if string match -q -- '-*' $words[-1]; and test -n "$argument"
        __zimage_values $argument $word
    else if string match -q -- '-*' $word
        __zimage_options | sed -E 's/^([^=\t]+=)[^\t]*/\1/'
    else
        __zimage_words
    end
end

complete -c zimage -f -a '(__zimage_complete)'
complete -c zimage-service -f -a '(__zimage_complete)'
