import type { Command } from 'commander';
import { labPaths } from '../api/lab-control.ts';
import { openHostPort } from '../api/ports/host-port.ts';
import type { LabSession, Session } from './session.ts';
import { UsageError } from './usage.ts';

interface DebugOptions {
  port?: string;
  json?: boolean;
}

/** `node debug`: opens a node to a debugger, and says how to get there. */
export function addNodeDebugCommand(node: Command, session: Session): void {
  node
    .command('debug')
    .description(
      "open a node's kernel to gdb until ctrl-C, whatever its network does; or a debugger that waits in it",
    )
    .argument('<node>')
    .option(
      '--port <port>',
      'not the kernel: a TCP port in the node, of debugpy, gdbserver or node --inspect',
    )
    .option('--json', 'print JSON')
    .action((name: string, options: DebugOptions) =>
      session.withLab(async (lab) => {
        if (options.port === undefined) await debugKernel(lab, name, options.json ?? false);
        else await debugProgram(lab, name, options.port, options.json ?? false);
      }),
    );
}

async function debugKernel(lab: LabSession, node: string, json: boolean): Promise<void> {
  const { session, client } = lab;
  const { stream, ...kernel } = await lab.call('debug.kernel', { node });
  const command = ['gdb', ...kernel.commands.map((line) => `-ex '${line}'`)].join(' ');
  if (json) session.printJson({ ...kernel, command });
  else {
    session.print(`Kernel ${kernel.release} of ${node} is open to a debugger until ctrl-C:\n  ${command}`);
    if (kernel.source === 'kernel')
      session.print(
        `Names come from the kernel itself. With linux-image-${kernel.release}-dbg in the image there are types and lines, too.`,
      );
  }
  await untilInterrupted(lab, (ended) => client.stream(stream).onEnd(ended));
}

async function debugProgram(lab: LabSession, name: string, text: string, json: boolean): Promise<void> {
  const nodePort = Number(text);
  if (!/^\d{1,5}$/.test(text) || nodePort < 1 || nodePort > 65_535)
    throw new UsageError(`'${text}' is no TCP port: expected is a number from 1 to 65535.`);
  const { session } = lab;
  const [node, ...others] = await lab.call('node.list', { nodes: [name] });
  if (node === undefined || others.length > 0) throw new UsageError('`node debug` takes one node.');
  const opened = await openHostPort({
    socketPath: labPaths().portsSocket,
    node: node.name,
    nodePort,
    hostPort: 0,
    onProblem: (sentence) => session.say(sentence),
  });
  try {
    const address = `127.0.0.1:${opened.port}`;
    if (json) session.printJson({ address });
    else
      session.print(
        `The debugger on port ${nodePort} of ${node.name} is at ${address} until ctrl-C. For gdbserver:\n  gdb -ex 'target remote ${address}'`,
      );
    await untilInterrupted(lab);
  } finally {
    await opened.close();
  }
}

/** Or until the daemon, or what `onEnd` tells of, ends. */
async function untilInterrupted(
  { session, client, signal }: LabSession,
  onEnd: (ended: (message?: string) => void) => void = () => undefined,
): Promise<void> {
  const message = await new Promise<string | undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
    onEnd((text) => resolve(text ?? 'The debugging has ended.'));
    client.onClose(() => resolve('The connection to the daemon ended.'));
  });
  if (signal.aborted || message === undefined) return;
  session.say(message);
  session.exitCode = 1;
}
