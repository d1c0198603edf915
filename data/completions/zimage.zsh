#compdef zimage zimage-service
# zimage.zsh: completion for zimage and zimage-service in zsh, installed as _zimage
#
# SPDX-License-Identifier: GPL-3.0-or-later

# What there is to complete is read from the programs' own help, in English, so that it is always right.

_zimage_say () {
  LC_ALL=C.UTF-8 LANGUAGE= "$@" 2>/dev/null
}

_zimage_commands () {
  local -a commands
  commands=(${(f)"$(_zimage_say zimage help | sed -nE '/^Commands:/,/^$/ s/^  ([a-z]+) +(.*)/\1:\2/p')"})
  _describe -t commands command commands
}

# Those of the store; “:latest” goes without saying.
_zimage_models () {
  local -a models
  models=(${(f)"$(_zimage_say zimage list | sed -nE '2,$ s/^([^ ]+).*/\1/p' | sed 's/:latest$//')"})
  compadd -a models
}

_zimage_models_and_files () {
  _alternative 'models:model:_zimage_models' 'files:file:_files'
}

_zimage_devices () {
  compadd auto vulkan ${(f)"$(_zimage_say zimage devices | sed -nE '2,$ s/^([^ ]+).*/\1/p')"}
}

# Sets action to how an option's value is completed, by what the help calls it: HELP ARGUMENT.
_zimage_action () {
  local types
  case $2 in
    FILE|FOLDER*) action=_files ;;
    DEVICE) action=_zimage_devices ;;
    TYPE)
      types=${${(M)${(f)1}:#*--quantize=TYPE *}##*: }
      action="(${${types// or/,}//,/ })" ;;
    *[a-z]\|[a-z]*) action="(${2//|/ })" ;;
    *) action=' ' ;;
  esac
}

# Fills specs with what _arguments wants to know of the options in a help.
_zimage_specs () {
  local line short long argument about action
  for line in ${(f)1}; do
    [[ $line =~ '^  (-([a-z]), )?--([a-z0-9-]+)(=([^ ]+))? +(.*)$' ]] || continue
    short=$match[2] long=$match[3] argument=$match[5] about=${${match[6]//\[/(}//\]/)}
    if [[ -z $argument ]]; then
      [[ -z $short ]] || specs+=("-${short}[$about]")
      specs+=("--${long}[$about]")
    else
      _zimage_action "$1" "$argument"
      [[ -z $short ]] || specs+=("*-${short}[$about]:$argument:$action")
      specs+=("*--${long}=[$about]:$argument:$action")
    fi
  done
}

_zimage () {
  local command help
  local -a specs
  if [[ $service == zimage-service ]]; then
    _zimage_specs "$(_zimage_say zimage-service --help)"
    _arguments $specs '*:model:_zimage_models_and_files'
    return
  fi
  if ((CURRENT == 2)); then
    _zimage_commands
    return
  fi

  command=$words[2]
  _zimage_specs "$(_zimage_say zimage help $command)"
  case $command in
    run|show|bench) specs+=('1:model:_zimage_models_and_files') ;;
    serve) specs+=('*:model:_zimage_models_and_files') ;;
    cp|stop) specs+=('1:model:_zimage_models') ;;
    rm) specs+=('*:model:_zimage_models') ;;
    pull) specs+=('1:name:(z-image-turbo z-image-base)') ;;
    store) specs+=('1:what to do:(check prune)') ;;
    help) specs+=('1:command:_zimage_commands') ;;
  esac
  shift words
  ((CURRENT--))
  _arguments $specs
}

_zimage "$@"
