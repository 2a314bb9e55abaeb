import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { z } from 'zod';
import { BootyardError, messageOf } from '../errors.ts';

/** Both count from 1. */
export interface Position {
  line: number;
  column: number;
}
/** `to` is behind the last character. */
export interface Place {
  from: Position;
  to: Position;
}
/** What is wrong with a file: one sentence, and where. */
export interface Problem extends Place {
  message: string;
}
export type Path = readonly PropertyKey[];

/** All that is wrong with a file: `message` has a line `file:line:column: sentence` for each. */
export class YamlError extends BootyardError {
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    const lines = problems.map(({ from, message }) => `${placed(file, from)}: ${message}`);
    super('file.yaml', lines.join('\n'), { file });
    this.problems = problems;
  }
}

/** As editors and terminals make links of it. */
export function placed(file: string, { line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

const MAX_BYTES = 1_000_000;
/** A few lines of aliases of aliases could become gigabytes. */
const MAX_ALIASES = 100;

/** A YAML 1.2 text (and so JSON, too) that knows where each part of it stands. */
export class YamlText {
  /** absent when there are problems */
  readonly value: unknown;
  /** of its syntax */
  readonly problems: Problem[];
  readonly #lines = new LineCounter();
  readonly #document: Document;

  /** `scalars`: as YAML has them, or all but null as their text, so that the `1.10` of a build argument is no number */
  constructor(text: string, scalars: 'typed' | 'text') {
    const isLong = Buffer.byteLength(text) > MAX_BYTES;
    this.#document = parseDocument(isLong ? '' : text, {
      lineCounter: this.#lines,
      merge: true,
      prettyErrors: false,
    });
    if (scalars === 'text') this.#takeAsText();
    const { errors, warnings } = this.#document;
    this.problems = [...errors, ...warnings].map(({ message, pos }) => ({
      message: `This is no YAML that is understood: ${sentence(message)}`,
      ...this.#place(pos[0], pos[1]),
    }));
    if (isLong) this.#add('A file has at most 1 MB.');
    this.value = this.#toValue();
  }

  #takeAsText(): void {
    visit(this.#document, {
      Scalar: (_, scalar) => {
        const { value, source } = scalar;
        if (typeof value !== 'string' && value !== null) scalar.value = source ?? String(value);
      },
    });
  }

  #toValue(): unknown {
    if (this.problems.length > 0) return undefined;
    try {
      return this.#document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      this.#add(`The aliases of this file cannot be followed: ${sentence(messageOf(error))}`);
      return undefined;
    }
  }

  #add(message: string): void {
    this.problems.push({ message, ...this.#place(0, 0) });
  }

  /** Where a value stands, or its name (`key`); of something that is not there, the nearest thing around it. */
  at(path: Path, key = false): Place {
    const found = this.#follow(path);
    const last = found.at(-1);
    // Of something that has parts, its name says enough.
    const isNamed =
      (key && found.length === path.length) || !isScalar(last?.value) || last.value.value === null;
    const range = rangeOf(isNamed ? last?.key : last?.value) ?? rangeOf(this.#document.contents);
    return range ? this.#place(range[0], range[1]) : this.#place(0, 0);
  }

  /** The names below a part, also of a text that has problems. */
  names(path: Path): string[] {
    const found = this.#follow(path);
    const last = found.length === path.length ? found.at(-1)?.value : undefined;
    const node = path.length === 0 ? this.#document.contents : last;
    return isMap(node) ? node.items.map(({ key }) => nameOf(key)) : [];
  }

  /** The scalar at an offset in the text, if there is one: its path, and whether it is a name. */
  scalarAt(offset: number): { path: Path; isName: boolean } | undefined {
    let found: { path: Path; isName: boolean } | undefined;
    visit(this.#document, {
      Scalar: (key, scalar, above) => {
        const [from, to] = scalar.range ?? [0, -1];
        if (offset < from || offset > to) return undefined;
        found = { path: pathOf([...above, scalar]), isName: key === 'key' };
        return visit.BREAK;
      },
    });
    return found;
  }

  /** What a path leads through, as far as it is there. */
  #follow(path: Path): { key: unknown; value: unknown }[] {
    const found: { key: unknown; value: unknown }[] = [];
    let node: unknown = this.#document.contents;
    for (const step of path) {
      const pair = this.#pair(node, step);
      if (!pair) break;
      found.push(pair);
      node = pair.value;
    }
    return found;
  }

  #pair(parent: unknown, step: PropertyKey): { key: unknown; value: unknown } | undefined {
    const node = isAlias(parent) ? parent.resolve(this.#document) : parent;
    if (isMap(node)) return node.items.find(({ key }) => nameOf(key) === String(step));
    const item: unknown = isSeq(node) ? node.items[Number(step)] : undefined;
    return item === undefined ? undefined : { key: item, value: item };
  }

  #place(from: number, to: number): Place {
    const at = (offset: number): Position => {
      const { line, col } = this.#lines.linePos(offset);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    };
    return { from: at(from), to: at(to) };
  }
}

export interface YamlFile<T> {
  value: T;
  /** Where the value at a path stands, or the nearest thing around it. */
  at: (path: Path) => Place;
}

/** Reads a text by a schema. Throws `YamlError` with all that is wrong: its syntax, or what the schema refuses. */
export function parseYaml<T extends z.ZodType>(text: string, file: string, schema: T): YamlFile<z.output<T>> {
  const yaml = new YamlText(text, 'typed');
  if (yaml.problems.length > 0) throw new YamlError(file, yaml.problems);
  const checked = schema.safeParse(yaml.value);
  if (checked.success) return { value: checked.data, at: (path) => yaml.at(path) };
  throw new YamlError(
    file,
    checked.error.issues.flatMap((issue) => {
      if (issue.code !== 'unrecognized_keys') return { ...yaml.at(issue.path), message: said(issue) };
      const known = issue.message.startsWith('Unrecognized') ? '' : ` ${issue.message}`;
      return issue.keys.map((key) => ({
        ...yaml.at([...issue.path, key], true),
        message: `there is no '${key}' here.${known}`,
      }));
    }),
  );
}

function rangeOf(node: unknown): Node['range'] {
  return isNode(node) ? node.range : undefined;
}
/** Of the last of these, each of which is a part of the one before. */
function pathOf(chain: readonly unknown[]): Path {
  return chain.flatMap((part, at): PropertyKey[] => {
    if (isPair(part)) return [nameOf(part.key)];
    return isSeq(part) ? [part.items.indexOf(chain[at + 1])] : [];
  });
}
function nameOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function said(issue: z.core.$ZodIssue): string {
  const where = issue.path.map(String).join('.');
  return where === '' ? sentence(issue.message) : `${where}: ${sentence(issue.message)}`;
}

function sentence(text: string): string {
  const trimmed = text.trim().replace(/\s*\n\s*/g, ' ');
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
