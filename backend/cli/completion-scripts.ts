export type Shell = 'bash' | 'zsh';

/** Both ask the hidden `bootyard __complete <words>` and offer what it prints. Files complete where it prints nothing. */
export const completionScripts: Record<Shell, string> = {
  bash: `
_bootyard() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <(bootyard __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} -ne 1 || \${COMPREPLY[0]} != *[=:] ]] || compopt -o nospace
}
complete -o default -F _bootyard bootyard
`,
  zsh: `
#compdef bootyard
_bootyard() {
  local -a found
  found=("\${(@f)$(bootyard __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} )); then compadd -S '' -a found; else _files; fi
}
compdef _bootyard bootyard
`,
};
