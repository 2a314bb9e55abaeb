import * as z from 'zod';
import { BootyardError } from '../errors.ts';
import { checkSettings, needsReboot, nodeDefaults, NodeSettings, type SettingName } from './settings.ts';

/** A setting as help texts, completion and forms show it; all of it comes from the schema `NodeSettings`. */
export const SettingInfo = z.object({
  name: z.string(),
  description: z.string(),
  /** as it is written after the equals sign */
  default: z.string(),
  /** `choice`: one of `values`. `number`: a whole one, or one of `values`. `text` has a grammar of its own. */
  kind: z.enum(['choice', 'boolean', 'number', 'text']),
  values: z.array(z.string()),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  examples: z.array(z.string()),
  /** a running machine takes it over at its next start */
  needsReboot: z.boolean(),
});
export type SettingInfo = z.infer<typeof SettingInfo>;

/** JSON Schema, as far as settings use it. */
const Part = z.object({
  type: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
});
const Property = Part.extend({
  description: z.string().default(''),
  examples: z.array(z.string()).default([]),
  anyOf: z.array(Part).optional(),
});

/** Every setting, in the order of the schema. */
export function settingInfos(): SettingInfo[] {
  const { properties } = z.toJSONSchema(NodeSettings, { unrepresentable: 'any' });
  return Object.entries(properties ?? {}).map(([name, schema]) => {
    const { description, examples, anyOf, ...whole } = Property.parse(schema);
    return {
      name,
      description,
      examples,
      default: String(nodeDefaults[name as SettingName]),
      ...typeOf(anyOf ?? [whole]),
      needsReboot: needsReboot(name),
    };
  });
}

type SettingType = Pick<SettingInfo, 'kind' | 'values' | 'minimum' | 'maximum'>;

function typeOf(parts: z.infer<typeof Part>[]): SettingType {
  const values = parts.flatMap(valuesOf).map(String);
  const number = parts.find(({ type }) => type === 'integer' || type === 'number');
  if (number) return { kind: 'number', values, minimum: number.minimum, maximum: number.maximum };
  const isBoolean = values.toSorted().join() === 'false,true';
  if (isBoolean) return { kind: 'boolean', values };
  return { kind: values.length > 0 && parts.every(isClosed) ? 'choice' : 'text', values };
}

function valuesOf(part: z.infer<typeof Part>): unknown[] {
  if (part.type === 'boolean') return [true, false];
  return part.enum ?? (part.const === undefined ? [] : [part.const]);
}

function isClosed(part: z.infer<typeof Part>): boolean {
  return valuesOf(part).length > 0;
}

/** What is wrong with settings as a user types them: a sentence for each wrong one, by its name. */
export function settingProblems(given: Readonly<Record<string, string>>): Record<string, string> {
  const problems = Object.entries(given).flatMap(([name, value]) => {
    const problem = problemOf(name, value);
    return problem === undefined ? [] : [[name, problem] as const];
  });
  return Object.fromEntries(problems);
}

function problemOf(name: string, value: string): string | undefined {
  try {
    checkSettings({ [name]: value });
    return undefined;
  } catch (error) {
    if (error instanceof BootyardError) return error.message;
    throw error;
  }
}
