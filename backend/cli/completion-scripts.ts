export type Shell = 'bash' | 'zsh';

/**
 * Both ask the hidden `bootyard __complete <words>` and offer what it prints. Files complete where it prints nothing. No
 * space follows what ends with = : @ or /, where more is to come. Readline takes those characters (COMP_WORDBREAKS) for ends
 * of words, so bash is told only what comes behind the last one.
 */
export const completionScripts: Record<Shell, string> = {
  bash: `
_bootyard() {
  local line word breaks=\${COMP_WORDBREAKS//[!=:@]/}
  local -a words
  COMPREPLY=()
  line=\${COMP_LINE:0:COMP_POINT}
  read -ra words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=('')
  word=\${words[\${#words[@]} - 1]}
  [[ -n $breaks && $word == *[$breaks]* ]] && word=\${word%"\${word##*[$breaks]}"} || word=
  while IFS= read -r line; do
    COMPREPLY+=("\${line#"$word"}")
  done < <("$1" __complete -- "\${words[@]:1}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -ne 1 || \${COMPREPLY[0]} != *[=:@/] ]] || compopt -o nospace
}
complete -o default -F _bootyard bootyard
`,
  zsh: `
#compdef bootyard
_bootyard() {
  local -a found open
  found=("\${(@f)$("$words[1]" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( ! \${#found} )); then _files; return; fi
  open=(\${(M)found:#*[=:@/]})
  found=(\${found:#*[=:@/]})
  (( ! \${#open} )) || compadd -S '' -a open
  (( ! \${#found} )) || compadd -a found
}
if [[ $funcstack[1] == _bootyard ]]; then _bootyard "$@"; else compdef _bootyard bootyard; fi
`,
};
