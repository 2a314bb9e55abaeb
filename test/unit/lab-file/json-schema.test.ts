import { expect, test } from 'vitest';
import * as z from 'zod';
import { labFileJsonSchema } from '../../../backend/api/lab-file/json-schema.ts';
import { readLab } from '../../../backend/api/lab-file/read.ts';
import { settingInfos } from '../../../backend/api/node.ts';

const Part = z.looseObject({ description: z.string() });
const Node = z.object({
  properties: z.object({ settings: z.object({ properties: z.record(z.string(), Part) }) }),
});
const Schema = z.object({
  properties: z.object({
    nodes: z.object({ additionalProperties: z.object({ anyOf: z.array(z.unknown()) }) }),
  }),
});

test('every setting is in the schema that editors use, with what it means and values as YAML writes them', () => {
  const [node] = Schema.parse(labFileJsonSchema()).properties.nodes.additionalProperties.anyOf;
  const settings = Node.parse(node).properties.settings.properties;
  expect(Object.entries(settings).map(([name, { description }]) => [name, description])).toEqual(
    settingInfos().map(({ name, description }) => [name, description]),
  );
  expect(settings['mount.persist']).toMatchObject({ type: 'boolean', enum: [true, false] });
  expect(settings.expose).toMatchObject({ type: ['string', 'integer'] });
  expect(settings['cpu.cores']).toMatchObject({ type: 'integer', minimum: 1, maximum: 64 });
});

test('what the schema gives as examples is taken', () => {
  const examples = settingInfos().flatMap(({ name, examples: all }) =>
    all.map((value) => ({ [name]: value })),
  );
  for (const settings of examples) {
    const text = JSON.stringify({ nodes: { n1: { settings } } });
    expect(readLab(text, '/w').problems).toEqual([]);
  }
});
