import type { z } from 'zod';
import { type Path, YamlText } from '../../backend/api/yaml-file.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Something that may stand at the cursor. */
export interface Proposal {
  text: string;
  isName: boolean;
  /** what it means */
  about?: string;
  /** what is put into the text */
  insert: string;
}
export interface Proposals {
  /** where the word at the cursor begins, and where it ends; offsets in the text */
  from: number;
  to: number;
  all: Proposal[];
}

/** No file has it. */
const MARK = 'at-the-cursor';

/**
 * What a JSON Schema lets stand at an offset of a YAML text: names that are not there yet, and values. `more`: values at a
 * path that the schema does not know.
 */
export function propose(
  text: string,
  offset: number,
  schema: JsonSchema,
  more: (path: Path, yaml: YamlText) => readonly string[],
): Proposals {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);
  const word = /[\w.@/-]*$/.exec(line)?.[0] ?? '';
  const before = line.slice(0, line.length - word.length);
  const from = offset - word.length;
  const to = offset + (/^[\w.@/-]*/.exec(text.slice(offset))?.[0].length ?? 0);
  const behind = text.slice(to);
  const isNamed = /^[ \t]*:/.test(behind);
  // A word that stands alone may become a name or be a value: the text tells which of them there is room for.
  const forms = /:\s+$/.test(before) || isNamed ? [MARK] : [`${MARK}: `, MARK];
  const isBlock = before.trim() === '';
  const all = forms.flatMap((form) => {
    const yaml = new YamlText(text.slice(0, from) + form + behind, 'text');
    const found = yaml.scalarAt(from);
    if (!found) return [];
    if (!found.isName) return values(schemasAt(schema, found.path), more(found.path, yaml));
    if (form === MARK && !isNamed) return [];
    const above = found.path.slice(0, -1);
    return names(schemasAt(schema, above), new Set(yaml.names(above)), isBlock, isNamed);
  });
  return { from, to, all: [...new Map(all.map((one) => [one.text, one])).values()] };
}

function names(
  schemas: readonly JsonSchema[],
  there: ReadonlySet<string>,
  isBlock: boolean,
  isNamed: boolean,
): Proposal[] {
  return schemas.flatMap(({ properties = {} }) =>
    Object.entries(properties).flatMap(([name, schema]) => {
      if (there.has(name) || typeof schema === 'boolean') return [];
      const all = variants(schema);
      // What no value fits, for now.
      if (all.some(({ not }) => not !== undefined)) return [];
      const hasParts = isBlock && all.every(({ type }) => type === undefined || type === 'object');
      const insert = isNamed ? name : hasParts ? `${name}:\n  ` : `${name}: `;
      return [{ text: name, isName: true, insert, ...about(all) }];
    }),
  );
}

function values(schemas: readonly JsonSchema[], more: readonly string[]): Proposal[] {
  const own = schemas.flatMap((schema) => {
    const given = schema.enum ?? ('const' in schema ? [schema.const] : []);
    const isTruth = schema.type === 'boolean' && given.length === 0;
    return (isTruth ? [true, false] : [...given, ...(schema.examples ?? [])]).map(String);
  });
  return [...more, ...own].map((text) => ({ text, isName: false, insert: text }));
}

/** What the scalar at an offset is for, by its schema. */
export function explain(text: string, offset: number, schema: JsonSchema): string | undefined {
  const found = new YamlText(text, 'text').scalarAt(offset);
  if (!found) return undefined;
  const all = schemasAt(schema, found.path);
  const takes = [...new Set(values(all, []).map((value) => `\`${value.text}\``))];
  const sentences = [about(all).about, takes.length > 0 ? `Such as ${takes.join(', ')}` : undefined];
  return sentences.filter((one) => one !== undefined).join('\n\n') || undefined;
}

function about(schemas: readonly JsonSchema[]): { about?: string } {
  const description = schemas.find((schema) => schema.description !== undefined)?.description;
  return description === undefined ? {} : { about: description };
}

function schemasAt(schema: JsonSchema, path: Path): JsonSchema[] {
  let found = variants(schema);
  for (const step of path) found = found.flatMap((one) => below(one, step));
  return found;
}

function below({ properties, additionalProperties, items }: JsonSchema, step: PropertyKey): JsonSchema[] {
  if (typeof step === 'number') return Array.isArray(items) ? [] : variants(items);
  return variants(properties?.[String(step)] ?? additionalProperties);
}

/** A schema, and what it says that may stand there instead. */
function variants(schema: JsonSchema | boolean | undefined): JsonSchema[] {
  if (typeof schema !== 'object') return [];
  return [schema, ...(schema.anyOf ?? []).flatMap(variants)];
}
