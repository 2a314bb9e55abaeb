/**
 * A text that every line has which an ERE matches: the longest run of plain ASCII in it that nothing makes optional. A
 * database finds it faster than an expression can look. `pattern` must compile. Undefined: there is none of two characters.
 */
export function requiredText(pattern: string): string | undefined {
  const runs: string[] = [];
  let run = '';
  const end = (): void => {
    runs.push(run);
    run = '';
  };
  let depth = 0;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    if (char === '|' && depth === 0) return undefined;
    if (char === '[') {
      end();
      at = bracketEnd(pattern, at);
    } else if (char === '(' || char === ')') {
      end();
      depth += char === '(' ? 1 : -1;
    } else if ('*?+{'.includes(char)) {
      // Also for those that make nothing optional: it is one character less to look for.
      run = run.slice(0, -1);
      end();
      if (char === '{') at = Math.max(at, intervalEnd(pattern, at));
    } else if (char === '.' || char === '^' || char === '$') end();
    else {
      const plain = char === '\\' ? (pattern[++at] ?? '') : char;
      if (depth > 0 || plain < ' ' || plain > '~') end();
      else run += plain;
    }
  }
  end();
  const longest = runs.reduce((best, one) => (one.length > best.length ? one : best), '');
  return longest.length > 1 ? longest : undefined;
}

/** Where a bracket expression ends: a `]` that comes first is one of its characters, as are those of classes. */
function bracketEnd(pattern: string, begin: number): number {
  let at = begin + 1;
  if (pattern[at] === '^') at++;
  if (pattern[at] === ']') at++;
  for (; at < pattern.length && pattern[at] !== ']'; at++) {
    const kind = pattern[at] === '[' ? pattern[at + 1] : undefined;
    if (kind === ':' || kind === '.' || kind === '=') at = pattern.indexOf(`${kind}]`, at + 3) + 1;
  }
  return at;
}

/** Where `{1,3}` ends; the brace itself when it begins no interval. */
function intervalEnd(pattern: string, begin: number): number {
  const [all = '{'] = /^\{\d*,?\d*\}/.exec(pattern.slice(begin, begin + 16)) ?? [];
  return begin + all.length - 1;
}
