# bash completion for clinecli. @NOTE@

# Sets `options` and `operands` to what command $1 takes, and `takes` to what its option $2
# takes: nothing for a flag.
_clinecli_describe() {
  options='' operands='' takes=''
  case $1 in
    # @SPECS@
  esac
}

# Offers the variables of the prompt file that is on the line; $1 is the beginning of one.
_clinecli_variables() {
  local file='' i line name
  for ((i = 1; i < ${#words[@]} - 1; i++)); do
    case ${words[i]} in
      -P | --prompt-file) file=${words[i + 1]} ;;
      --prompt-file=*) file=${words[i]#*=} ;;
      -P?*) file=${words[i]#-P} ;;
    esac
  done
  file=${file//[\\\"\']/}
  [[ ${file:0:2} == \~/ ]] && file=$HOME/${file:2}
  [[ -f $file && -r $file ]] || return 0
  while IFS= read -r line || [[ -n $line ]]; do
    while [[ $line =~ \{\{([A-Za-z0-9_.-]+)\}\}(.*) ]]; do
      name=${BASH_REMATCH[1]} line=${BASH_REMATCH[2]}
      [[ $name == "$1"* && " ${COMPREPLY[*]-} " != *" $name= "* ]] && COMPREPLY+=("$name=")
    done
  done <"$file"
  compopt -o nospace 2>/dev/null
}

# Offers what completes $2 where $1 is wanted.
_clinecli_offer() {
  local value=$2 word
  case $1 in
    words\ *)
      for word in ${1#words }; do
        [[ $word == "$value"* ]] && COMPREPLY+=("$word")
      done ;;
    model)
      # Not compgen -W, which would run a $(command) in a list that comes from the network.
      local cache=${XDG_CACHE_HOME-}
      local -a models=()
      [[ $cache == /* ]] || cache=$HOME/.cache
      { IFS=$'\n' read -r -d '' -a models <"$cache/clinecli/models.txt"; } 2>/dev/null
      for word in ${models[@]+"${models[@]}"}; do
        [[ $word == "$value"* && $word != *[!A-Za-z0-9._:/@+=,~-]* ]] && COMPREPLY+=("$word")
      done ;;
    file)
      while IFS= read -r word; do
        COMPREPLY+=("$word")
      done < <(compgen -f -- "$value")
      compopt -o filenames 2>/dev/null
      # What is quoted or escaped is left to readline.
      ((${#COMPREPLY[@]})) || compopt -o default 2>/dev/null ;;
    prompt-file)
      while IFS= read -r word; do
        [[ -d $word || $word == *.yml || $word == *.yaml || $word == *.txt || $word == *.md ]] &&
          COMPREPLY+=("$word")
      done < <(compgen -f -- "$value")
      compopt -o filenames 2>/dev/null
      ((${#COMPREPLY[@]})) || compopt -o default 2>/dev/null ;;
    variable | variable-file)
      if [[ $value != *=* ]]; then
        _clinecli_variables "$value"
      elif [[ $1 == variable-file ]]; then
        _clinecli_offer file "${value#*=}"
      fi ;;
    at-file)
      [[ $value == @* ]] || return 0
      while IFS= read -r word; do
        COMPREPLY+=("@$word")
      done < <(compgen -f -- "${value#@}")
      compopt -o filenames 2>/dev/null ;;
  esac
}

# Completes a command line that begins at word $1 of this one.
_clinecli_delegate() {
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "$1"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    local word
    while IFS= read -r word; do
      COMPREPLY+=("$word")
    done < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
  elif [[ ${COMP_WORDS[$1]##*/} == clinecli ]]; then
    local -a rest=("${COMP_WORDS[@]:$1}")
    local line=$COMP_LINE i
    for ((i = 0; i < $1; i++)); do
      line=${line#*"${COMP_WORDS[i]}"}
    done
    line=${line#"${line%%[![:space:]]*}"}
    COMP_POINT=$((COMP_POINT - ${#COMP_LINE} + ${#line})) COMP_LINE=$line
    COMP_CWORD=$((COMP_CWORD - $1)) COMP_WORDS=("${rest[@]}")
    _clinecli clinecli "${2-}"
  else
    _clinecli_offer file "${COMP_WORDS[COMP_CWORD]}"
  fi
}

_clinecli() {
  local IFS=$' \t\n' line=${COMP_LINE:-${COMP_WORDS[*]}}
  line=${line:0:${COMP_POINT:-${#line}}}
  COMPREPLY=()

  # Bash cuts words at COMP_WORDBREAKS too (--opt=value, model:free): put them together again.
  # `words` are whole, the last one up to the cursor; `at` is where each begins in COMP_WORDS.
  local -a words=() at=()
  local i n=-1 piece gap
  for ((i = 0; i <= COMP_CWORD; i++)); do
    gap=${line%%[![:space:]]*} piece=${COMP_WORDS[i]}
    line=${line#"$gap"}
    ((i < COMP_CWORD)) || piece=$line
    line=${line#"$piece"}
    if ((i == 0)) || [[ -n $gap ]]; then
      n=$((n + 1)) words[n]=$piece at[n]=$i
    else
      words[n]+=$piece
    fi
  done
  local current=${words[n]} redirection='^[0-9&]*[<>]+[|&]?'

  # The value that is completed, and what is wanted there.
  local value=$current wanted='' options operands takes command word first
  for ((i = 1; i < n; i++)); do
    [[ ${words[i]} == -* ]] || break
    [[ " @TOP@ " == *" ${words[i]} "* ]] && return 0
  done
  if [[ $current =~ $redirection || ${words[n - 1]} =~ $redirection$ ]]; then
    wanted=file value=${current#"${BASH_REMATCH[0]}"}
  elif ((i >= n)); then
    wanted='words @COMMANDS@'
    [[ $current == -* ]] && wanted='words @TOP@'
  else
    command=${words[i]} first=$((i + 1))
    _clinecli_describe "$command" ''
    wanted=$operands
    for ((i++; i < n; i++)); do
      word=${words[i]}
      if [[ $word == -- ]]; then
        i=$((i + 1)) options=''
        break
      elif [[ " @HELP@ " == *" $word "* ]]; then
        return 0
      elif [[ $word == -?* && $word != --*=* ]]; then
        _clinecli_describe "$command" "${word:0:2}"
        while [[ $word == -[!-]?* && -z $takes ]]; do
          word=-${word:2}
          _clinecli_describe "$command" "${word:0:2}"
        done
        [[ $word == --* ]] && _clinecli_describe "$command" "$word"
        if [[ -n $takes && ( $word == --* || $word == -? ) ]] && ((++i == n)); then
          wanted=$takes options=''
        fi
      elif [[ $operands == command ]]; then
        options=''
        break
      fi
    done
    if [[ $wanted == command && ( -z $options || ( -n $current && $current != -* ) ) ]]; then
      _clinecli_delegate "${at[i]}" "${2-}"
      return 0
    elif [[ -n $options && $current == --*=* ]]; then
      _clinecli_describe "$command" "${current%%=*}"
      wanted=$takes value=${current#*=}
    elif [[ -n $options && ( $current == -* || $wanted == command ) ]]; then
      wanted="words $options"
      [[ $operands == command ]] && wanted+=' --'
    elif [[ $wanted == 'words '* && $wanted == "$operands" ]]; then
      # Not those that are on the line already.
      wanted+=' '
      for word in "${words[@]:first:n-first}"; do
        wanted=${wanted/" $word "/ }
      done
    fi
  fi

  value=${value#[\"\']}
  _clinecli_offer "$wanted" "$value"

  # Readline replaces only what follows the last word break: leave out, or put back, the rest.
  piece=${2-${COMP_WORDS[COMP_CWORD]}}
  [[ $piece == *[!=:]* ]] || piece=''
  local lead=${value%"$piece"} extra=${piece%"$value"}
  for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
    if ((${#piece} > ${#value})); then
      COMPREPLY[i]=$extra${COMPREPLY[i]}
    else
      COMPREPLY[i]=${COMPREPLY[i]#"$lead"}
    fi
  done
}

# Old versions cannot ask for readline's own file names only where a file is wanted.
if type compopt >/dev/null 2>&1; then
  complete -o bashdefault -F _clinecli clinecli
else
  complete -o bashdefault -o default -F _clinecli clinecli
fi
