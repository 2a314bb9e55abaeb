import type { Command } from 'commander';
import { eachLine } from '../api/stream-lines.ts';
import { messageOf } from '../errors.ts';
import { printStream } from './node-console.ts';
import { inParallel, writeLine } from './node-run.ts';
import type { LabSession, Session } from './session.ts';
import { UsageError } from './usage.ts';

/** `node ping` and `node blink`. */
export function addNodeContactCommands(node: Command, session: Session): void {
  node
    .command('ping')
    .description('check that nodes answer: ten requests to each, from the network of the lab')
    .argument('<set>', 'node names, comma separated, or all-nodes')
    .action((set: string) => session.withLab((lab) => ping(lab, set)));
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

/** One node: what `ping` says, as it is. Several: at the same time, each line with the name of its node. */
async function ping(lab: LabSession, set: string): Promise<void> {
  const { session, client, signal } = lab;
  const nodes = (await lab.call('node.list', { nodes: [set] })).map(({ name }) => name);
  const [single] = nodes;
  if (single !== undefined && nodes.length === 1) {
    return printStream(lab, await client.ping(single, { signal }));
  }
  const sentences = await inParallel(nodes, (node) => pingPrefixed(lab, node));
  if (signal.aborted) {
    session.exitCode = 130;
    return;
  }
  const failures = sentences.flatMap(({ result }) => result ?? []);
  for (const sentence of failures) session.say(sentence);
  session.exitCode = failures.length > 0 ? 1 : 0;
}

/** Answers with what went wrong, which is told when all have ended. */
async function pingPrefixed({ client, signal }: LabSession, node: string): Promise<string | undefined> {
  try {
    const stream = await client.ping(node, { signal });
    return await eachLine(stream, signal, (line) => writeLine(process.stdout, `${node}: `, line));
  } catch (error) {
    return messageOf(error);
  }
}

async function blink(lab: LabSession, node: string, seconds: number): Promise<void> {
  lab.session.progress.show({ message: `Node ${node} blinks for ${seconds} s (ctrl-C ends it)` });
  await lab.call('node.blink', { node, seconds });
}
