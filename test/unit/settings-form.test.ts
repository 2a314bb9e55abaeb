import { describe, expect, test } from 'vitest';
import type { NodeSettings } from '../../backend/api/node.ts';
import { settingInfos } from '../../backend/nodes/setting-info.ts';
import { settingFields } from '../../extension/nodes/settings/fields.ts';
import { FromPage, ToPage, type Field } from '../../extension/nodes/settings/messages.ts';
import { node } from '../support/api-lab.ts';

const infos = settingInfos();
function fieldsOf(...settings: NodeSettings[]): Map<string, Field> {
  const nodes = settings.map((some, index) => ({ ...node(`vnode${index}`), settings: some }));
  return new Map(settingFields(infos, nodes).map((field) => [field.name, field]));
}

describe('lines of the settings form', () => {
  test('each setting has one, with the value of the node or the default', () => {
    const fields = fieldsOf({ ram: '1G', 'cpu.cores': 3 });
    expect([...fields.keys()]).toEqual(infos.map(({ name }) => name));
    expect(fields.get('ram')?.value).toBe('1G');
    expect(fields.get('cpu.cores')?.value).toBe('3');
    expect(fields.get('accel')).toMatchObject({ value: 'auto', defaultValue: 'auto' });
  });

  test('nodes that differ have no common value; a default that is written out is no difference', () => {
    const fields = fieldsOf({ ram: '1G', accel: 'auto' }, { ram: '2G' });
    expect(fields.get('ram')?.value).toBeNull();
    expect(fields.get('accel')?.value).toBe('auto');
  });

  test('choices are closed, texts are open and suggest what there is', () => {
    const fields = fieldsOf({});
    expect(fields.get('accel')).toMatchObject({ control: 'choice', options: ['auto', 'kvm', 'tcg'] });
    expect(fields.get('boot.delay')).toMatchObject({ control: 'text', options: ['random', '0'] });
    expect(fields.get('cpu.cores')).toMatchObject({ numeric: true });
    expect(fields.get('cpu.cores')?.description).toMatch(/\(1 to 64\)$/);
  });

  test('a setting of two words is a choice between them', () => {
    const [base] = infos;
    if (!base) throw new Error('no setting');
    const info = {
      ...base,
      name: 'kexec',
      kind: 'boolean' as const,
      values: ['true', 'false'],
      default: 'true',
    };
    expect(settingFields([info], [node('vnode1')])).toMatchObject([{ control: 'choice', value: 'true' }]);
  });
});

describe('messages of the settings form', () => {
  test('others are refused', () => {
    for (const message of [undefined, {}, { type: 'save' }, { type: 'save', values: { ram: 1 } }]) {
      expect(FromPage.safeParse(message).success).toBe(false);
      expect(ToPage.safeParse(message).success).toBe(false);
    }
  });
});
