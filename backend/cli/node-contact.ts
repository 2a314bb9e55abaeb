import type { Command } from 'commander';
import { printStream } from './node-console.ts';
import type { LabSession, Session } from './session.ts';
import { UsageError } from './usage.ts';

/** `node ping` and `node blink`. */
export function addNodeContactCommands(node: Command, session: Session): void {
  node
    .command('ping')
    .description('check that a node answers: ten requests, from the network of the lab')
    .argument('<node>')
    .action((name: string) => session.withLab((lab) => ping(lab, name)));
  node
    .command('blink')
    .description(
      'let a node blink, by the program /bin/blink of its image, which is called with 1 and then 0',
    )
    .argument('<node>')
    .argument('[duration]', 'seconds', '60')
    .action(async (name: string, duration: string) => {
      const seconds = Number(duration);
      if (!/^\d{1,5}$/.test(duration) || seconds < 1 || seconds > 86_400)
        throw new UsageError(`A node blinks for 1 to 86400 seconds, not '${duration}'.`);
      await session.withLab((lab) => blink(lab, name, seconds));
    });
}

async function ping(lab: LabSession, node: string): Promise<void> {
  const { client, signal } = lab;
  const { stream } = await client.call('node.ping', { node }, { signal });
  await printStream(lab, client.stream(stream));
}

async function blink(lab: LabSession, node: string, seconds: number): Promise<void> {
  lab.session.progress.show({ message: `Node ${node} blinks for ${seconds} s (ctrl-C ends it)` });
  await lab.call('node.blink', { node, seconds });
}
