import { BootyardError } from '../../backend/errors.ts';
import type { NodeShells } from '../files/node-shell.ts';

const MAX_OUTPUT = 4_096;

/** Puts what a debugger needs into a folder of a node, from a tar; it is gone with the next boot. `what`: for people. */
export async function giveTo(
  shells: Pick<NodeShells, 'run'>,
  node: string,
  { what, folder, tar }: { what: string; folder: string; tar: Buffer },
): Promise<void> {
  const fresh = `${folder}.new`;
  const unpack = `rm -rf ${folder} ${fresh} && mkdir -p ${fresh} && tar -xf - -C ${fresh} && mv ${fresh} ${folder}`;
  const { code, stderr } = await shells.run(node, unpack, MAX_OUTPUT, tar);
  if (code !== 0)
    throw new BootyardError('debug.gift', `${what} cannot be copied to ${node}: ${stderr.trim()}`);
}
