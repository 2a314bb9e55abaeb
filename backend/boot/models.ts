import { BootyardError } from '../errors.ts';

/** A kind of machine that an image can be made for (WalT: node model). */
export interface NodeModel {
  name: string;
  /** as OCI configurations name it */
  architecture: string;
  /** the script that the first stage asks for, in /boot/<model>/ of the image */
  bootScript: string;
}

const models: readonly NodeModel[] = [{ name: 'pc-x86-64', architecture: 'amd64', bootScript: 'start.ipxe' }];

export const DEFAULT_MODEL = 'pc-x86-64';

export function nodeModel(name: string): NodeModel {
  const model = models.find((candidate) => candidate.name === name);
  if (!model) {
    const known = models.map((candidate) => candidate.name).join(', ');
    throw new BootyardError('model.unknown', `No node model is named '${name}'; there is ${known}.`);
  }
  return model;
}
