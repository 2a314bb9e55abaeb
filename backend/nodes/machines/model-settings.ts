import { nodeModel } from '../../boot/models.ts';
import { hostArchitecture } from '../../images/import-layout.ts';
import { BootyardError } from '../../errors.ts';
import type { NodeSettings, SettingName } from '../settings.ts';

/** Throws `node.setting` when a setting means nothing to a node's model, or asks for what this host cannot do. */
export function checkModelSettings(node: string, model: string, settings: NodeSettings): void {
  const { firmware, architecture } = nodeModel(model);
  const refuse = (setting: SettingName, why: string): never => {
    throw new BootyardError(
      'node.setting',
      `Failed: ${node} is a ${model} node, ${why}, so '${setting}' setting cannot be applied.`,
      { setting, node },
    );
  };
  if (settings.firmware !== undefined && !applies(model, 'firmware'))
    refuse('firmware', `which starts with ${firmware}`);
  if (settings.accel === 'kvm' && architecture !== hostArchitecture())
    refuse('accel', `which KVM on this ${hostArchitecture()} host cannot run`);
}

/** The settings of a node without those that mean nothing to its model. */
export function modelSettings<T extends NodeSettings>(model: string, settings: T): Partial<T> {
  const entries = Object.entries(settings).filter(([name]) => applies(model, name));
  return Object.fromEntries(entries) as Partial<T>;
}

function applies(model: string, setting: string): boolean {
  return setting !== 'firmware' || nodeModel(model).firmware === undefined;
}
