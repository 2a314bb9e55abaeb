import type { NodeInfo, SettingInfo } from '../../../backend/api/node.ts';
import type { Field } from './messages.ts';

/** The lines of the form for some nodes: one for each setting that the daemon names. */
export function settingFields(infos: readonly SettingInfo[], nodes: readonly NodeInfo[]): Field[] {
  return infos.map((info) => {
    const isChoice = info.kind === 'choice' || info.kind === 'boolean';
    const suggestions = [...new Set([...info.values, ...info.examples, info.default])];
    return {
      name: info.name,
      description: `${info.description}${bounds(info)}`,
      control: isChoice ? 'choice' : 'text',
      options: isChoice ? info.values : suggestions,
      numeric: info.kind === 'number' && info.values.length === 0,
      defaultValue: info.default,
      needsReboot: info.needsReboot,
      value: commonValue(info, nodes),
    };
  });
}

function bounds({ minimum, maximum }: SettingInfo): string {
  return minimum === undefined || maximum === undefined ? '' : ` (${minimum} to ${maximum})`;
}

function commonValue({ name, default: value }: SettingInfo, nodes: readonly NodeInfo[]): string | null {
  const [first = value, ...others] = new Set(
    nodes.map(({ settings }) => String(new Map(Object.entries(settings)).get(name) ?? value)),
  );
  return others.length > 0 ? null : first;
}
