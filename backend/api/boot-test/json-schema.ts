import * as z from 'zod';
import { settingJsonSchemas } from '../lab-file/json-schema.ts';
import { BootTestFile, LinePattern, LogPattern, Matrix, PathPattern, Settings } from './file.ts';

const PATTERNS: readonly unknown[] = [LinePattern, LogPattern, PathPattern];

/** JSON Schema (draft 2020-12) of a file of boot tests, for editors: from the schemas that check it. */
export function bootTestJsonSchema(): z.core.JSONSchema.BaseSchema {
  const settings = settingJsonSchemas();
  const lists = Object.entries(settings).map(([name, items]) => [name, { type: 'array', items }] as const);
  const schema = z.toJSONSchema(BootTestFile, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // What its own check leaves to that of the settings.
      if (zodSchema === Settings)
        Object.assign(jsonSchema, { properties: settings, additionalProperties: false });
      if (zodSchema === Matrix) Object.assign(jsonSchema.properties ?? {}, Object.fromEntries(lists));
      if (PATTERNS.some((pattern) => zodSchema === pattern)) alsoText(jsonSchema);
    },
  });
  return { ...schema, title: 'Bootyard boot test' };
}

function alsoText(schema: z.core.JSONSchema.BaseSchema): void {
  const { description, ...object } = schema;
  const { seen } = object.properties ?? {};
  for (const key of Object.keys(object)) Reflect.deleteProperty(schema, key);
  const text = { type: 'string', description: typeof seen === 'object' ? seen.description : undefined };
  Object.assign(schema, { description, anyOf: [text, object] });
}
