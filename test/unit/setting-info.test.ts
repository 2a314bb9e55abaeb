import { describe, expect, test } from 'vitest';
import { settingInfos, settingProblems } from '../../backend/nodes/setting-info.ts';
import { checkSettings, nodeDefaults, NodeSettings } from '../../backend/nodes/settings.ts';

const infos = settingInfos();
const byName = new Map(infos.map((info) => [info.name, info]));

describe('what forms know of settings', () => {
  test('each setting of the schema is there, in its order, with a description', () => {
    expect(infos.map(({ name }) => name)).toEqual(Object.keys(NodeSettings.shape));
    for (const { description } of infos) expect(description).not.toBe('');
  });

  test('defaults, examples, values and bounds are what the parser takes', () => {
    for (const { name, examples, values, minimum, maximum, ...info } of infos) {
      const bounds = [minimum, maximum].filter((bound) => bound !== undefined).map(String);
      for (const value of [info.default, ...examples, ...values, ...bounds])
        expect(() => checkSettings({ [name]: value }), `${name}=${value}`).not.toThrow();
    }
  });

  test('defaults are those of nodes', () => {
    for (const [name, value] of Object.entries(nodeDefaults)) {
      expect(byName.get(name)?.default).toBe(String(value));
    }
  });

  test('kinds come from the schema', () => {
    expect(byName.get('accel')).toMatchObject({ kind: 'choice', values: ['auto', 'kvm', 'tcg'] });
    expect(byName.get('cpu.cores')).toMatchObject({ kind: 'number', minimum: 1, maximum: 64, values: [] });
    expect(byName.get('boot.delay')).toMatchObject({ kind: 'number', minimum: 0, values: ['random'] });
    expect(byName.get('ram')).toMatchObject({ kind: 'text', values: [] });
    expect(byName.get('ram')?.examples).toContain('1G');
  });

  test('what needs a reboot says so', () => {
    expect(byName.get('ram')?.needsReboot).toBe(true);
    expect(byName.get('boot.retries')?.needsReboot).toBe(false);
  });
});

describe('settings as somebody types them', () => {
  test('a sentence for each wrong one, and nothing for the others', () => {
    const problems = settingProblems({ ram: '512', 'cpu.cores': '2', disks: '1G,', 'boot.delay': 'rand' });
    expect(problems).toEqual({
      ram: "Failed: ram value should be a number and M or G, such as 512M, not '512'.",
      disks: "Could not parse disks value '1G,'. See 'bootyard node config --help'.",
      'boot.delay': "Failed: boot.delay value should be random or a whole number from 0 to 3600, not 'rand'.",
    });
  });

  test('an empty value, and a name that is no setting', () => {
    expect(Object.keys(settingProblems({ ram: '', constructor: '1', accel: 'auto' }))).toEqual([
      'ram',
      'constructor',
    ]);
  });
});
