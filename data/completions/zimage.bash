# zimage.bash: completion for zimage and zimage-service in bash
#
# SPDX-License-Identifier: GPL-3.0-or-later

# What there is to complete is read from the programs' own help, in English, so that it is always right.

_zimage_say () {
  LC_ALL=C.UTF-8 LANGUAGE= "$@" 2>/dev/null
}

# _zimage_argument HELP OPTION: what follows an option, as the help calls it; fails if there is no such option.
_zimage_argument () {
  local short long argument
  while read -r short long argument; do
    if [ "$2" = "$short" ] || [ "$2" = "$long" ]; then
      echo "$argument"
      return 0
    fi
  done < <(_zimage_options "$1")
  return 1
}

# Lines of “-s --long ARGUMENT”, with “-” where there is no short option.
_zimage_options () {
  sed -nE 's/^  (-[a-z]), (--[a-z0-9-]+)(=([^ ]+))?( .*)?$/\1 \2 \4/p; s/^  (--[a-z0-9-]+)(=([^ ]+))?( .*)?$/- \1 \3/p' <<<"$1"
}

# Those of the store; “:latest” goes without saying.
_zimage_models () {
  _zimage_say zimage list | sed -nE '2,$ s/^([^ ]+).*/\1/p' | sed 's/:latest$//'
}

# Adds to the replies what compgen finds.
_zimage_add () {
  local more
  mapfile -t more < <(compgen "$@")
  replies+=("${more[@]}")
}

# _zimage_values HELP OPTION ARGUMENT VALUE: what an option's value can be.
_zimage_values () {
  local types
  case $3 in
    FILE|FOLDER*)
      compopt -o filenames
      _zimage_add -f -- "$4" ;;
    DEVICE)
      _zimage_add -W "auto vulkan $(_zimage_say zimage devices | sed -nE '2,$ s/^([^ ]+).*/\1/p')" -- "$4" ;;
    TYPE)
      types=$(sed -nE 's/^.*--quantize=TYPE .*: (.*)$/\1/p' <<<"$1")
      types=${types/ or /, }
      _zimage_add -W "${types//, / }" -- "$4" ;;
    *[a-z]\|[a-z]*) _zimage_add -W "${3//|/ }" -- "$4" ;;
    NAME) [ "$2" != --synthetic ] || _zimage_add -W 'z-image-turbo z-image-base' -- "$4" ;;
  esac
}

# _zimage_words COMMAND NUMBER WORD: what an argument can be; the first is number 1.
_zimage_words () {
  case $1-$2 in
    run-1|show-1|bench-1|serve-*|service-*)
      compopt -o filenames
      _zimage_add -W "$(_zimage_models)" -- "$3"
      _zimage_add -f -- "$3" ;;
    cp-1|rm-*|stop-1) _zimage_add -W "$(_zimage_models)" -- "$3" ;;
    pull-1) _zimage_add -W 'z-image-turbo z-image-base' -- "$3" ;;
    store-1) _zimage_add -W 'check prune' -- "$3" ;;
    help-1) _zimage_add -W "$(_zimage_commands)" -- "$3" ;;
  esac
}

_zimage_commands () {
  _zimage_say zimage help | sed -nE '/^Commands:/,/^$/ s/^  ([a-z]+) .*/\1/p'
}

# _zimage_complete COMMAND HELP FIRST: completes the last of words, of which those from FIRST on belong to the command.
_zimage_complete () {
  local i n=1 argument= option=
  for ((i = $3; i < ${#words[@]} - 1; i++)); do
    case ${words[i]} in
      --*=*) ;;
      -?*)
        argument=$(_zimage_argument "$2" "${words[i]}")
        if [ -n "$argument" ] && ((++i == ${#words[@]} - 1)); then
          option=${words[i - 1]}
        fi ;;
      *) n=$((n + 1)) ;;
    esac
  done

  if [ -n "$option" ]; then
    _zimage_values "$2" "$option" "$argument" "$word"
  elif [[ $word == --*=* ]]; then
    option=${word%%=*}
    _zimage_values "$2" "$option" "$(_zimage_argument "$2" "$option")" "${word#*=}"
  elif [[ $word == -* ]]; then
    _zimage_add -W "$(_zimage_options "$2" | sed -E 's/^[^ ]+ ([^ ]+) $/\1/; s/^[^ ]+ ([^ ]+) .+$/\1=/')" -- "$word"
  else
    _zimage_words "$1" "$n" "$word"
  fi
}

_zimage () {
  # Words as they were typed: bash takes them apart at “=” and “:”, too.
  local line=${COMP_LINE:0:COMP_POINT} words word replies=()
  COMPREPLY=()
  read -ra words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=('')
  word=${words[-1]}
  if [ "${1##*/}" = zimage-service ]; then
    _zimage_complete service "$(_zimage_say zimage-service --help)" 1
  elif [ ${#words[@]} = 2 ]; then
    _zimage_add -W "$(_zimage_commands)" -- "$word"
  else
    _zimage_complete "${words[1]}" "$(_zimage_say zimage help "${words[1]}")" 2
  fi

  # What is before the last of these is on the line already.
  [[ $word != --*=* ]] || word=${word#*=}
  [[ $word != *:* ]] || replies=("${replies[@]#"${word%:*}:"}")
  COMPREPLY=("${replies[@]}")
  if [ ${#COMPREPLY[@]} = 1 ] && [[ ${COMPREPLY[0]} == --*= ]]; then
    compopt -o nospace
  fi
}

complete -F _zimage zimage zimage-service
