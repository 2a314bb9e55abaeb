/** A word of an instruction that announces a here-document (Dockerfile reference, "Here-Documents"): `[<fd>]<<[-]<name>`. */
export interface HereWord {
  text: string;
  /** of the line that ends it */
  name: string;
  /** `<<-`: tabs at the begin of its lines do not count */
  stripsTabs: boolean;
}
export interface HereDocument {
  word: HereWord;
  /** as they are, the one that ends it too */
  lines: string[];
  /** without that, and without tabs that do not count */
  content: string;
}

/** Instructions that may have some; after ONBUILD, too. */
const TAKES_DOCUMENTS = /^(?:ONBUILD\s+)?(?:ADD|COPY|RUN)\s/i;
/** One word, in which quotes and escapes protect what is special. */
const WORD = /(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/g;
const HERE = /^\d*<<(-?)([^<]+)$/;

/** Words that announce here-documents, in their order. An exec form (JSON) has none. */
export function hereWords(keyword: string, value: string): HereWord[] {
  if (!value.includes('<<') || !TAKES_DOCUMENTS.test(`${keyword} ${value}`) || isJson(value)) return [];
  return (value.match(WORD) ?? []).flatMap((text) => {
    const [, dash, quoted = ''] = HERE.exec(text) ?? [];
    const name = quoted.replace(/^(["'])(.*)\1$/, '$2').replaceAll(/\\(.)/g, '$1');
    return name === '' ? [] : [{ text, name, stripsTabs: dash === '-' }];
  });
}

function isJson(value: string): boolean {
  try {
    return Array.isArray(JSON.parse(value));
  } catch {
    return false;
  }
}

/** What stands behind line `from` (from 1) up to the line that ends it; undefined when there is none. */
export function hereDocumentAfter(
  lines: readonly string[],
  from: number,
  word: HereWord,
): HereDocument | undefined {
  const own = (line: string): string => (word.stripsTabs ? line.replace(/^\t+/, '') : line);
  const end = lines.findIndex((line, at) => at >= from && own(line) === word.name);
  if (end < 0) return undefined;
  const content = lines.slice(from, end).map((line) => `${own(line)}\n`);
  return { word, lines: lines.slice(from, end + 1), content: content.join('') };
}
