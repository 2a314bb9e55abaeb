import type { Params } from '../api/contract.ts';
import { checkSettings, modelSettings, type NodeInfo, type NodeSettings, withDefaults } from '../api/node.ts';
import { bootAndWatch } from './boot-watch.ts';
import { bootImage } from './engine-image.ts';
import type { LabSession } from './session.ts';
import { type Consent, withConsent } from './consent.ts';
import { nameValuePairs } from './usage.ts';

const SET_ASIDE: Consent = {
  code: 'disk.loses',
  question: 'Go on with an empty disk?',
  unchanged: 'Nothing was changed.',
};
const STOP_AND_REMOVE: Consent = {
  code: 'node.running',
  question: 'Stop and remove anyway?',
  unchanged: 'Nothing was removed.',
};

const REMOVE_WITH_DATA: Consent = {
  code: 'node.loses',
  question: 'Remove anyway?',
  unchanged: 'Nothing was removed.',
};

export async function create(lab: LabSession, params: Params<'node.create'>, wait: boolean): Promise<void> {
  const { image } = params;
  const chosen = image === undefined ? params : { ...params, image: await bootImage(lab, image) };
  const powerOn = async () => {
    const node = await lab.call('node.create', chosen);
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

/** Without settings, shows those that the nodes have. Disks with data are set aside after a question, or with --force. */
export async function config(
  lab: LabSession,
  set: string,
  settings: Record<string, string>,
  force: boolean,
): Promise<void> {
  if (Object.keys(settings).length === 0) {
    const nodes = await lab.call('node.list', { nodes: [set] });
    return lab.session.print(nodes.map(describeSettings).join('\n\n'));
  }
  const change = async (consent: boolean) => {
    const { message } = await lab.call('node.config', { nodes: [set], settings, force: consent });
    lab.session.print(message);
  };
  await withConsent(lab, force, SET_ASIDE, change);
}

function describeSettings(node: NodeInfo): string {
  const settings = modelSettings(node.model, withDefaults(node.settings));
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [`Node ${node.name} has the following config applied:`, ...lines.toSorted()].join('\n');
}

export async function rename(lab: LabSession, node: string, name: string): Promise<void> {
  const renamed = await lab.call('node.rename', { node, name });
  lab.session.print(`Node ${node} is now named ${renamed.name}.`);
}

/** A node that runs, or has data that goes with it, is removed after a question on a terminal, else only with --force. */
export async function remove(lab: LabSession, set: string, force: boolean): Promise<void> {
  await withConsent(lab, force, STOP_AND_REMOVE, (stop) =>
    withConsent(lab, stop, REMOVE_WITH_DATA, (consent) =>
      lab.call('node.remove', { nodes: [set], force: consent }),
    ),
  );
}
