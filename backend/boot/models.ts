import { BootyardError } from '../errors.ts';
import { hostArchitecture } from '../images/import-layout.ts';

/** A kind of machine that an image can be made for (WalT: node model). */
export interface NodeModel {
  name: string;
  /** as OCI configurations name it */
  architecture: string;
  /** what runs before the image's script does, in the words of a timeline; undefined: the setting `firmware` says */
  firmware?: string;
  /** the script that the first stage asks for, in /boot/<model>/ of the image */
  bootScript: string;
}

export const nodeModels: readonly NodeModel[] = [
  { name: 'pc-x86-64', architecture: 'amd64', bootScript: 'start.ipxe' },
  { name: 'qemu-arm-64', architecture: 'arm64', firmware: 'U-Boot', bootScript: 'start.uboot' },
];

const DEFAULT_MODEL = 'pc-x86-64';
export const MODEL_NAMES = nodeModels.map((model) => model.name);

/** Throws `model.unknown` with the names of those that there are. */
export function nodeModel(name: string): NodeModel {
  const model = nodeModels.find((candidate) => candidate.name === name);
  if (model) return model;
  throw new BootyardError(
    'model.unknown',
    `No node model is named '${name}'; there are ${MODEL_NAMES.join(', ')}.`,
  );
}

/** The model of a new node that names none: the default one, unless its image serves only others. */
export function modelFor(imageModels: readonly string[] = [DEFAULT_MODEL]): string {
  if (imageModels.includes(DEFAULT_MODEL)) return DEFAULT_MODEL;
  return MODEL_NAMES.find((name) => imageModels.includes(name)) ?? DEFAULT_MODEL;
}

/** The model that this host's own processor can run with KVM, if there is one. */
export function hostModel(): string | undefined {
  return nodeModels.find((model) => model.architecture === hostArchitecture())?.name;
}
