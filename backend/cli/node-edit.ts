import { checkSettings, type NodeInfo, type NodeSettings, withDefaults } from '../api/node.ts';
import { BootyardError } from '../errors.ts';
import { bootAndWatch } from './boot-watch.ts';
import type { LabSession } from './session.ts';
import { nameValuePairs } from './usage.ts';

export async function create(
  lab: LabSession,
  params: { name: string; image?: string; settings: NodeSettings },
  wait: boolean,
): Promise<void> {
  const powerOn = async () => {
    const node = await lab.call('node.create', params);
    lab.session.print(bootSentence(node));
    lab.session.print(`Use \`bootyard node boot ${node.name} <other-image>\` if needed.`);
    return [node];
  };
  await (wait ? bootAndWatch(lab, powerOn) : powerOn());
}

export function bootSentence(node: NodeInfo): string {
  return `Node ${node.name} is now booting your image "${node.image}".`;
}

/** Settings as users give them; wrong ones are said before a lab is started for them. */
export function settingsOf(words: string[]): NodeSettings {
  return checkSettings(nameValuePairs(words));
}

/** Without settings, shows those that the nodes have. */
export async function config(lab: LabSession, set: string, settings: Record<string, string>): Promise<void> {
  if (Object.keys(settings).length === 0) {
    const nodes = await lab.call('node.list', { nodes: [set] });
    return lab.session.print(nodes.map(describeSettings).join('\n\n'));
  }
  const { message } = await lab.call('node.config', { nodes: [set], settings });
  lab.session.print(message);
}

function describeSettings(node: NodeInfo): string {
  const lines = Object.entries(withDefaults(node.settings)).map(([name, value]) => `${name}=${value}`);
  return [`Node ${node.name} has the following config applied:`, ...lines.toSorted()].join('\n');
}

export async function rename(lab: LabSession, node: string, name: string): Promise<void> {
  const renamed = await lab.call('node.rename', { node, name });
  lab.session.print(`Node ${node} is now named ${renamed.name}.`);
}

/** A node that runs is removed after a question on a terminal, else only with --force. */
export async function remove(lab: LabSession, set: string, force: boolean): Promise<void> {
  const { session } = lab;
  try {
    await lab.call('node.remove', { nodes: [set], force });
  } catch (error) {
    const runs = error instanceof BootyardError && error.code === 'node.running';
    if (!runs || !session.interactive) throw error;
    if (!(await session.confirm(`${error.message}\nStop and remove anyway?`))) {
      session.exitCode = 1;
      return session.say('Nothing was removed.');
    }
    await lab.call('node.remove', { nodes: [set], force: true });
  }
}
