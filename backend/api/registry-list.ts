import { join } from 'node:path';
import { RegistryList } from '../images/registry/registries.ts';
import { labPaths } from '../state/paths.ts';

export type { Registry } from '../images/registry/registries.ts';

/** The registries of a lab: a file that each of its clients reads. */
export function registries(env: NodeJS.ProcessEnv = process.env): RegistryList {
  return new RegistryList(join(labPaths(env).state, 'registries.json'));
}
