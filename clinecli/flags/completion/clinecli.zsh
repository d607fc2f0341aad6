#compdef clinecli
# zsh completion for clinecli. @NOTE@

# Leaves those WORD:MEANING out of `entries` whose word is on the line already.
_clinecli_unused() {
  local word
  for word in "${(@)words[2,CURRENT-1]}"; do
    entries=("${(@)entries:#$word:*}")
  done
}

# @LISTS@

_clinecli_models() {
  local cache=$XDG_CACHE_HOME expl
  local -a models
  [[ $cache == /* ]] || cache=$HOME/.cache
  [[ -r $cache/clinecli/models.txt ]] && models=(${(f)"$(<$cache/clinecli/models.txt)"})
  _wanted models expl model compadd -a models
}

_clinecli_at_file() {
  compset -P @ && _files
}

_clinecli_delegate() {
  # A -- that comes first is left in `words`, a later one is not.
  if [[ $words[1] == -- ]]; then
    shift words
    (( CURRENT-- ))
  fi
  _normal
}

_clinecli() {
  local curcontext=$curcontext context state state_descr line ret=1
  local -A opt_args

  _arguments -C \
@TOP@ \
    '1:command:_clinecli_command_words' \
    '*::word:->words' && ret=0
  [[ $state == words ]] || return ret

  curcontext=${curcontext%:*:*}:clinecli-$words[1]:
  case $words[1] in
    # @SPECS@
  esac
  return ret
}

if [[ $funcstack[1] == _clinecli ]]; then
  _clinecli "$@"
else
  compdef _clinecli clinecli
fi
