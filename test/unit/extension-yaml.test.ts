import { describe, expect, test } from 'vitest';
import { bootTestJsonSchema } from '../../backend/api/boot-test/json-schema.ts';
import { labFileJsonSchema } from '../../backend/api/lab-file/json-schema.ts';
import type { Path } from '../../backend/api/yaml-file.ts';
import { explain, type JsonSchema, propose } from '../../extension/yaml/schema-help.ts';

const lab = labFileJsonSchema();
const bootTest = bootTestJsonSchema();

/** What is proposed where the text has a `|`. */
function at(schema: JsonSchema, text: string, more: (path: Path) => readonly string[] = () => []) {
  const offset = text.indexOf('|');
  const { from, to, all } = propose(text.replace('|', ''), offset, schema, more);
  return { from, to, texts: all.map((one) => one.text), inserts: all.map(({ insert }) => insert) };
}

describe('names that are not there yet', () => {
  test.each<[string, JsonSchema, string, string[]]>([
    ['at the top', lab, '|', ['networks', 'images', 'nodes']],
    ['beside others', lab, 'images: {}\n|\nnodes: {}\n', ['networks']],
    [
      'of a node, below its name',
      lab,
      'nodes:\n  web:\n    |',
      ['image', 'model', 'power', 'settings', 'from', 'snapshots'],
    ],
    [
      'of a node, behind others',
      lab,
      'nodes:\n  web:\n    image: x\n    from: y@z\n    s|\n',
      ['model', 'power', 'settings', 'snapshots'],
    ],
    ['in braces', lab, 'networks: {home-net: {lat: 1ms, |}}', ['bw', 'loss']],
    ['in braces that are not closed', lab, 'networks: {home-net: {lat: 1ms, |', ['bw', 'loss']],
    ['in a list', bootTest, 'expect:\n  commands:\n    - |', ['run', 'exit', 'output', 'within']],
    [
      'a name that is being changed',
      lab,
      'nodes:\n  web:\n    ima|ge: x\n',
      ['image', 'model', 'power', 'settings', 'from', 'snapshots'],
    ],
    ['of images, which have any', lab, 'images:\n  |', []],
    ['in a comment', lab, '# |', []],
  ])('%s', (_, schema, text, names) => {
    expect(at(schema, text).texts).toEqual(names);
  });

  test('what has parts goes on in the next line; a name in braces, or with a value, does not', () => {
    expect(at(lab, 'nodes: {}\n|').inserts).toContain('images:\n  ');
    expect(at(lab, 'nodes: {web: {|}}').inserts).toContain('settings: ');
    expect(at(lab, 'nodes:\n  web:\n    set|: {}\n')).toMatchObject({
      from: 18,
      to: 21,
      inserts: expect.arrayContaining(['settings']),
    });
  });
});

describe('values', () => {
  test.each<[string, JsonSchema, string, string[]]>([
    ['of a setting', lab, 'nodes: {web: {settings: {firmware: |}}}', ['ipxe', 'pxe', 'uefi']],
    [
      'while one is typed',
      bootTest,
      'expect:\n  stage: wa|\n',
      ['firmware', 'dhcp', 'boot files', 'kernel', 'root', 'walt-init', 'init', 'booted'],
    ],
    ['truths', bootTest, 'expect:\n  panic: |\n', ['true', 'false']],
    ['in a list', bootTest, 'matrix:\n  netsetup: [LAN, |]\n', ['LAN', 'NAT']],
    ['examples', lab, 'nodes:\n  web:\n    from: |\n', ['web@fresh']],
    ['of any text', lab, 'nodes:\n  web:\n    image: |\n', []],
  ])('%s', (_, schema, text, values) => {
    expect(at(schema, text).texts).toEqual(values);
  });

  test('what the schema does not know comes by the path', () => {
    const paths: Path[] = [];
    const seen = at(bootTest, 'matrix:\n  image: [one, |]\n', (path) => {
      paths.push(path);
      return ['box'];
    });
    expect([seen.texts, paths]).toEqual([['box'], [['matrix', 'image', 1]]]);
  });
});

test('what a scalar is for', () => {
  const text = 'nodes:\n  web:\n    power: off\n';
  expect(explain(text, text.indexOf('power') + 2, lab)).toBe(
    'whether it shall run (default: on)\n\nSuch as `on`, `off`',
  );
  expect(explain(text, text.indexOf('off'), lab)).toContain('whether it shall run');
  expect(explain(text, text.indexOf('web'), lab)).toBe('a virtual node');
  expect(explain('nodes: {web: {nothing: 1}}', 16, lab)).toBeUndefined();
});
