import type { NodeRecord } from './registry.ts';
import { needsReboot, nodeDefaults, type SettingName, withDefaults } from './settings.ts';

/**
 * What a node's running machine does not have of its record: names of settings, and `image` when it boots another one than
 * `imageId`, which has the name now. Empty for a node that is off.
 */
export function outdated({ running, settings }: NodeRecord, imageId: string | undefined): string[] {
  if (!running?.machine) return [];
  const now = withDefaults(settings);
  const then = withDefaults(running.machine.settings);
  const names = (Object.keys(nodeDefaults) as SettingName[]).filter(
    // A delay is over when the machine runs.
    (name) => name !== 'boot.delay' && needsReboot(name) && now[name] !== then[name],
  );
  const isOther = running.imageId !== undefined && imageId !== undefined && running.imageId !== imageId;
  return isOther ? ['image', ...names] : names;
}
