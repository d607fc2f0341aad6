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

_clinecli_prompt_files() {
  _files -g '*.(yml|yaml|txt|md)(-.)'
}

# Offers the variables of the prompt file that is on the line.
_clinecli_variables() {
  local file= i text expl
  local -a names
  compset -P '*=' && return 1
  for (( i = 1; i < CURRENT; i++ )); do
    case $words[i] in
      -P|--prompt-file) file=$words[i+1] ;;
      --prompt-file=*) file=${words[i]#*=} ;;
      -P?*) file=${words[i]#-P} ;;
    esac
  done
  file=${${(Q)file}/#\~\//$HOME/}
  [[ -f $file && -r $file ]] || return 1
  text=$(<$file)
  while [[ $text =~ '\{\{([A-Za-z0-9_.-]+)\}\}' ]]; do
    names+=($match[1])
    text=${text[MEND+1,-1]}
  done
  _wanted variables expl variable compadd -S = -q -a names
}

_clinecli_variable_files() {
  if compset -P '*='; then
    _files
  else
    _clinecli_variables
  fi
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
