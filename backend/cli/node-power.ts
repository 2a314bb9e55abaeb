import { BootyardError } from '../errors.ts';
import { bootAndWatch } from './boot-watch.ts';
import { bootImage } from './engine-image.ts';
import { bootSentence } from './node-edit.ts';
import type { LabSession } from './session.ts';

export async function boot(
  lab: LabSession,
  set: string,
  image: string | undefined,
  wait: boolean,
): Promise<void> {
  const chosen = image === undefined ? undefined : await bootImage(lab, image);
  const powerOn = async () => {
    const nodes = await lab.call('node.boot', { nodes: [set], image: chosen });
    for (const node of nodes) lab.session.print(bootSentence(node));
    return nodes;
  };
  await (wait ? bootAndWatch(lab, powerOn) : powerOn());
}

export async function reboot(lab: LabSession, set: string, hard: boolean): Promise<void> {
  const nodes = await lab.call('node.reboot', { nodes: [set], hard });
  for (const node of nodes) lab.session.print(`Node ${node.name}: rebooted ok.`);
}

export async function stop(lab: LabSession, set: string): Promise<void> {
  const nodes = await lab.call('node.stop', { nodes: [set] });
  for (const node of nodes) lab.session.print(`Node ${node.name}: stopped.`);
}

/** Without a time it waits for ever. */
export async function wait(lab: LabSession, set: string, seconds: number | undefined): Promise<void> {
  const pending = (await lab.call('node.list', { nodes: [set] })).filter((node) => node.state !== 'booted');
  if (pending.length === 0) return;
  const names = pending.map((node) => node.name);
  lab.session.progress.show({ message: `Waiting for bootup of ${names.join(', ')}` });
  await lab.call('node.wait', { nodes: names, timeoutSeconds: seconds });
}

/**
 * What a shell or a command in a node waits for first. Ctrl-C goes on without: a node whose notification is missing may
 * answer all the same.
 */
export async function waitOrProceed(lab: LabSession, nodes: string[]): Promise<void> {
  const { session } = lab;
  const pending = (await lab.call('node.list', { nodes })).filter((node) => node.state !== 'booted');
  if (pending.length === 0) return;
  const names = pending.map((node) => node.name);
  const message = 'Node bootup notification still pending (press ctrl-C to proceed anyway)';
  await session.interruptible(async (signal) => {
    try {
      session.progress.show({ message });
      await lab.client.call('node.wait', { nodes: names }, { signal });
    } catch (error) {
      if (!(error instanceof BootyardError && error.code === 'call.cancelled')) throw error;
    } finally {
      session.progress.clear();
    }
  });
}
