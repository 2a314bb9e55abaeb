import { expect, test } from 'vitest';
import * as z from 'zod';
import { parseYaml, YamlError } from '../../backend/api/yaml-file.ts';

const Lab = z.strictObject({
  name: z.string(),
  nodes: z.array(z.strictObject({ ram: z.string().optional() }, { error: 'Known: ram.' })).default([]),
});
const read = (text: string) => parseYaml(text, 'lab.yaml', Lab);
function problems(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof YamlError) return error.message;
    throw error;
  }
  return '';
}

test('values are known by their place', () => {
  const { value, at } = read('# a lab\nname: one\nnodes:\n  - ram: 1G\n  - {}\n');
  expect(value).toEqual({ name: 'one', nodes: [{ ram: '1G' }, {}] });
  expect(at(['name']).from).toEqual({ line: 2, column: 7 });
  expect(at(['nodes']).from).toEqual({ line: 3, column: 1 });
  expect(at(['nodes', 0, 'ram']).from).toEqual({ line: 4, column: 10 });
  expect(at(['nodes', 1, 'gone']).from).toEqual({ line: 5, column: 5 });
});

test.each([
  ['name: one\nnodes:\n  - rma: 1G\n', "lab.yaml:3:5: there is no 'rma' here. Known: ram."],
  ['name: 1\n', 'lab.yaml:1:7: name: Invalid input: expected string, received number.'],
  ['nodes: []\n', 'lab.yaml:1:1: name: Invalid input: expected string, received undefined.'],
  ['', 'lab.yaml:1:1: Invalid input: expected object, received null.'],
])('%j is refused where it is wrong', (text, message) => {
  expect(problems(text)).toBe(message);
});

test('syntax, double keys and aliases without end are said with their place', () => {
  expect(problems('name: [one\n')).toMatch(/^lab\.yaml:\d+:\d+: /);
  expect(problems('name: one\nname: two\n')).toMatch(
    /^lab\.yaml:2:1: This is no YAML that is understood: Map keys must be unique\.$/,
  );
  const bomb = [
    'a: &a [1,1,1,1,1,1,1,1,1]',
    ...[1, 2, 3, 4].map(
      (n) =>
        `b${n}: &b${n} [${Array(9)
          .fill(n === 1 ? '*a' : `*b${n - 1}`)
          .join(',')}]`,
    ),
  ];
  expect(problems(`${bomb.join('\n')}\n`)).toMatch(
    /^lab\.yaml:1:1: The aliases of this file cannot be followed: Excessive alias count/,
  );
});

test('all that is wrong is said at once', () => {
  expect(problems('name: 1\nnodes: 2\n').split('\n')).toHaveLength(2);
});
