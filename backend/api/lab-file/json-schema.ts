import * as z from 'zod';
import { NodeSettings } from '../../nodes/settings.ts';
import { LabFile } from './schema.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** JSON Schema (draft 2020-12) of a lab file, for editors: from the schemas that check it. */
export function labFileJsonSchema(): JsonSchema {
  return { ...asYaml(LabFile), title: 'Bootyard lab' };
}

/** Of each setting of nodes, as a YAML file has it. */
export function settingJsonSchemas(): Record<string, z.core.JSONSchema._JSONSchema> {
  return asYaml(NodeSettings).properties ?? {};
}

function asYaml(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // The checks see every scalar as its text; to an editor a plain `true` or number of YAML is none.
      if (jsonSchema.enum?.includes('true'))
        Object.assign(jsonSchema, { enum: [true, false], type: 'boolean' });
      if (jsonSchema.const === 'true') Object.assign(jsonSchema, { const: true, type: 'boolean' });
      if (zodSchema === NodeSettings.shape.expose) Object.assign(jsonSchema, { type: ['string', 'integer'] });
    },
  });
}
