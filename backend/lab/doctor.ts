import { existsSync } from 'node:fs';
import type { Paths } from '../state/paths.ts';
import { usedModels } from '../state/node-models.ts';
import { probeAcceleration, probeFiles } from './acceleration.ts';
import { checkArm } from './arm.ts';
import type { Check } from './check.ts';
import { checkDisk, checkFirmware, checkKvm, checkNode, checkUefi } from './check-machine.ts';
import { checkNamespaces } from './check-namespaces.ts';
import { checkPrograms, checkQemu } from './check-programs.ts';

export type { Check } from './check.ts';

export interface DoctorOptions {
  paths: Paths;
  /** the Node program that will run the daemon; the one that runs this process by default */
  node?: string;
  /** node models to look at besides those of the lab's nodes */
  models?: readonly string[];
}

/**
 * Looks at everything a lab needs of its host, by trying it rather than by reading settings. One check a line, in the order
 * in which a lab would trip over them; never rejects because of what it finds. `fail`: labs cannot work; `warn`: something is
 * slower or missing. Leaves nothing behind.
 */
export async function runDoctor(options: DoctorOptions): Promise<Check[]> {
  // KVM is tried with a kernel of the lab's own images; before the first is there, only the device is looked at.
  const files = probeFiles(options.paths);
  const probe = existsSync(files.kernel) ? () => probeAcceleration(files) : undefined;
  const groups = await Promise.all([
    checkNode(options.node ?? process.execPath),
    checkPrograms(),
    checkNamespaces(),
    checkQemu(),
    checkKvm(probe),
    checkDisk(options.paths.data),
  ]);
  const models = [...(options.models ?? []), ...usedModels(options.paths.database)];
  const arm = models.includes('qemu-arm-64') ? [checkArm()] : [];
  return [...groups.flat(), checkFirmware(), checkUefi(), ...arm];
}
