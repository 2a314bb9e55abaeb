import { RE2JS } from 're2js';
import { BootyardError } from '../errors.ts';

/** What RE2 repeats at most; POSIX demands 255. */
const MOST_REPEATS = 1000;
const LONGEST = 2000;

/** Named classes of a bracket expression, as RE2 has them for all of Unicode. */
const CLASSES: Readonly<Record<string, string>> = {
  alpha: '\\p{L}\\p{M}',
  digit: '0-9',
  alnum: '\\p{L}\\p{M}0-9',
  upper: '\\p{Lu}',
  lower: '\\p{Ll}',
  space: '\\x09-\\x0d\\p{Z}',
  blank: '\\x09\\x20',
  punct: '\\p{P}\\p{S}',
  cntrl: '\\p{Cc}',
  graph: '\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}',
  print: '\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\x20',
  xdigit: '0-9A-Fa-f',
};
/** What people write who think of Perl. */
const INSTEAD: Readonly<Record<string, string>> = {
  d: '[0-9]',
  D: '[^0-9]',
  w: '[[:alnum:]_]',
  W: '[^[:alnum:]_]',
  s: '[[:space:]]',
  S: '[^[:space:]]',
  t: '[[:blank:]]',
};

/** Whether a line matches anywhere in it. */
export type LineMatcher = (line: string) => boolean;

/**
 * Compiles a POSIX extended regular expression (IEEE 1003.1, XBD 9.4). It is matched by RE2, in time that grows with the
 * line and not with what the expression can be made to try. What POSIX leaves undefined, other than GNU's `{,n}` and a
 * brace that begins no interval, is refused. Throws `log.regexp`.
 */
export function compileEre(pattern: string): LineMatcher {
  if (pattern.length > LONGEST) throw refused(pattern, `it has more than ${LONGEST} characters`);
  try {
    const compiled = RE2JS.compile(new EreParser(pattern).translate(), RE2JS.DOTALL);
    return (line) => compiled.test(line);
  } catch (error) {
    if (error instanceof BootyardError) throw error;
    throw refused(pattern, 'it is too large');
  }
}

function refused(pattern: string, why: string): BootyardError {
  const shown = pattern.length > 80 ? `${pattern.slice(0, 80)}...` : pattern;
  return new BootyardError('log.regexp', `Invalid regular expression: ${shown} (${why}).`, { pattern });
}

/** Writes an ERE as RE2 does, piece by piece. */
class EreParser {
  readonly #pattern: string;
  readonly #chars: string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#chars = Array.from(pattern);
  }

  translate(): string {
    const text = this.#alternatives();
    if (this.#at < this.#chars.length) throw this.#error("a ')' closes nothing");
    return text;
  }

  #alternatives(): string {
    let text = this.#branch();
    while (this.#take('|')) text += `|${this.#branch()}`;
    return text;
  }

  #branch(): string {
    let text = '';
    for (;;) {
      const next = this.#chars[this.#at];
      if (next === undefined || next === '|' || (next === ')' && this.#depth > 0)) return text;
      text += this.#repeated(this.#atom());
    }
  }

  #atom(): string {
    const char = this.#chars[this.#at++] ?? '';
    switch (char) {
      case '(':
        return this.#group();
      case ')':
        throw this.#error("a ')' closes nothing");
      case '[':
        return this.#bracket();
      case '\\':
        return this.#escaped();
      case '^':
      case '$':
      case '.':
        return char;
      case '*':
      case '+':
      case '?':
        throw this.#error(`there is nothing before '${char}' to repeat; \\${char} is the character`);
      case '{':
        if (this.#interval() !== undefined)
          throw this.#error("there is nothing before '{' to repeat; \\{ is the character");
    }
    return literal(char);
  }

  #group(): string {
    if (++this.#depth > 100) throw this.#error('its groups are too deep');
    const text = this.#alternatives();
    if (!this.#take(')')) throw this.#error("a '(' is not closed");
    this.#depth--;
    return `(?:${text})`;
  }

  #escaped(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#error('it ends with a backslash');
    if (!/[A-Za-z0-9<>`']/.test(char)) return literal(char);
    if (/[1-9]/.test(char)) throw this.#error(`\\${char} would refer to a group, which cannot be done here`);
    const instead = INSTEAD[char];
    throw this.#error(
      `\\${char} is not in POSIX extended regular expressions${instead ? `: write ${instead}` : ''}`,
    );
  }

  /** RE2 refuses a repetition of a repetition unless it is in a group. */
  #repeated(atom: string): string {
    let text = atom;
    for (;;) {
      const char = this.#chars[this.#at] ?? '';
      let repeat: string | undefined;
      if (char === '*' || char === '+' || char === '?') {
        this.#at++;
        repeat = char;
      } else if (char === '{') {
        this.#at++;
        repeat = this.#interval();
        if (repeat === undefined) this.#at--;
      }
      if (repeat === undefined) return text;
      text = `(?:${text})${repeat}`;
    }
  }

  /** Behind a `{`: what it repeats; undefined, and nothing taken, when it begins no interval. */
  #interval(): string | undefined {
    const rest = this.#chars.slice(this.#at, this.#at + 16).join('');
    const [all, least = '', comma, most = ''] = /^(\d*)(,?)(\d*)\}/.exec(rest) ?? [];
    if (all === undefined || (least === '' && comma === '')) return undefined;
    this.#at += all.length;
    const [from, to] = [Number(least || '0'), Number(most || least || '0')];
    if (Math.max(from, to) > MOST_REPEATS) throw this.#error(`it repeats more than ${MOST_REPEATS} times`);
    if (most !== '' && to < from) throw this.#error('the numbers of an interval are the wrong way round');
    return `{${from}${comma}${most}}`;
  }

  #bracket(): string {
    const negated = this.#take('^');
    let members = '';
    for (let isFirst = true; isFirst || !this.#take(']'); isFirst = false) members += this.#member();
    return `[${negated ? '^' : ''}${members}]`;
  }

  #member(): string {
    const [first, named] = this.#element();
    if (named !== undefined) return named;
    const isRange = this.#chars[this.#at] === '-' && this.#chars[this.#at + 1] !== ']';
    if (!isRange || this.#chars[this.#at + 1] === undefined) return literal(first);
    this.#at++;
    const [last, isNamed] = this.#element();
    if (isNamed !== undefined) throw this.#error('a range ends with a class');
    if ((last.codePointAt(0) ?? 0) < (first.codePointAt(0) ?? 0)) {
      throw this.#error(`the range ${first}-${last} is the wrong way round`);
    }
    return `${literal(first)}-${literal(last)}`;
  }

  /** One of a bracket expression: a character, or the members of a class. */
  #element(): [char: string, named?: string] {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#error("a '[' is not closed");
    const kind = char === '[' ? this.#chars[this.#at] : undefined;
    if (kind !== ':' && kind !== '.' && kind !== '=') return [char];
    const end = this.#chars.findIndex(
      (one, index) => index > this.#at + 1 && one === kind && this.#chars[index + 1] === ']',
    );
    if (end < 0) throw this.#error(`a '[${kind}' is not closed`);
    const name = this.#chars.slice(this.#at + 1, end).join('');
    this.#at = end + 2;
    if (kind === ':') return ['', this.#class(name)];
    if (Array.from(name).length !== 1) throw this.#error(`[${kind}${name}${kind}] names no character`);
    return kind === '=' ? ['', literal(name)] : [name];
  }

  #class(name: string): string {
    const members = CLASSES[name];
    if (members !== undefined) return members;
    throw this.#error(`there is no class [:${name}:]`);
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #error(why: string): BootyardError {
    return refused(this.#pattern, why);
  }
}

function literal(char: string): string {
  return /^[A-Za-z0-9]$/.test(char) ? char : `\\x{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}
