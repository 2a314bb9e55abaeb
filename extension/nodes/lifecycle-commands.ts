import type * as vscode from 'vscode';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Parts } from '../features.ts';
import { fetchedImage } from '../images/engine-boot.ts';
import { pickImage } from '../images/image-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { inView } from '../ui/progress.ts';
import { watchBoot } from './boot-watch.ts';
import { nameList } from './node-names.ts';
import { targetNodes, validFor } from './node-targets.ts';

const VIEW = 'bootyard.nodes';
const namesOf = (nodes: NodeInfo[]): string[] => nodes.map((node) => node.name);

/** Power: boot, boot on another image, reboot, power-cycle, power off. */
export function registerLifecycleCommands(parts: Parts): vscode.Disposable {
  const { connection, errors, requireLab } = parts;
  const { model } = connection;

  /** Boots nodes, on another image if one is named; answers them once they are booted. */
  async function boot(nodes: NodeInfo[], image?: string): Promise<NodeInfo[]> {
    const on = image ? ` on ${image}` : '';
    return watchBoot(parts, `Booting ${nameList(nodes)}${on}`, async (task) => {
      const chosen = image === undefined ? undefined : await fetchedImage(parts, image, task);
      return connection.call('node.boot', { nodes: namesOf(nodes), image: chosen }, { signal: task.signal });
    });
  }

  async function reboot(args: unknown[], hard: boolean): Promise<NodeInfo[]> {
    await requireLab();
    const title = hard ? 'Power-cycle which nodes?' : 'Reboot which nodes?';
    const nodes = await targetNodes(model, args, { title, ...validFor.on });
    return watchBoot(parts, `Rebooting ${nameList(nodes)}`, ({ signal }) =>
      connection.call('node.reboot', { nodes: namesOf(nodes), hard }, { signal }),
    );
  }

  return registerCommands(errors, {
    'bootyard.node.boot': async (...args) => {
      await requireLab();
      return boot(await targetNodes(model, args, { title: 'Boot which nodes?', ...validFor.any }));
    },
    'bootyard.node.bootImage': async (...args) => {
      await requireLab();
      const nodes = await targetNodes(model, args, { title: 'Boot which nodes?', ...validFor.any });
      // The last argument names the image when a drop or another extension runs this.
      const named = typeof args[2] === 'string' ? args[2] : undefined;
      return boot(nodes, named ?? (await pickImage(parts, `Boot ${nameList(nodes)} on which image?`)));
    },
    'bootyard.node.reboot': (...args) => reboot(args, false),
    'bootyard.node.powerCycle': (...args) => reboot(args, true),
    'bootyard.node.stop': async (...args) => {
      await requireLab();
      const nodes = await targetNodes(model, args, { title: 'Power off which nodes?', ...validFor.on });
      return inView(VIEW, () => connection.call('node.stop', { nodes: namesOf(nodes) }));
    },
  });
}
