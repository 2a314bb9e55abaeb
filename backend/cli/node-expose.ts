import type { Command } from 'commander';
import { openHostPort } from '../api/ports/host-port.ts';
import { labPaths } from '../api/lab-control.ts';
import { servePorts } from '../api/ports/porter.ts';
import type { LabSession, Session } from './session.ts';
import { formatTable } from './table.ts';
import { portNumber, UsageError } from './usage.ts';

interface ExposeOptions {
  bind?: string;
}

/** `node expose`, `node ports`, and the hidden verb by which a lab opens the ports of settings. */
export function addNodeExposeCommands(program: Command, node: Command, session: Session): void {
  node
    .command('expose')
    .description('let a port of this host lead to a port of a node, until ctrl-C')
    .argument('<node>')
    .argument('<node-port>', 'TCP port in the node')
    .argument('<local-port>', 'TCP port of this host; 0: a free one is chosen and printed')
    .option('--bind <address>', 'address of this host to listen on, such as 0.0.0.0 (default: 127.0.0.1)')
    .addHelpText('after', '\nFor good: `bootyard node config <node> expose=<node port>:<host port>`.')
    .action(async (name: string, nodePort: string, localPort: string, options: ExposeOptions) => {
      const ports = { nodePort: portNumber(nodePort, 1), hostPort: portNumber(localPort, 0) };
      await session.withLab((lab) => expose(lab, name, ports, options.bind ?? '127.0.0.1'));
    });
  node
    .command('ports')
    .description('list the ports of this host that lead to nodes')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => session.withLab((lab) => showPorts(lab, options.json ?? false)));
  program
    .command('__ports', { hidden: true })
    .action(() => servePorts((line) => session.say(`${new Date().toISOString()} ports: ${line}`)));
}

async function expose(
  lab: LabSession,
  name: string,
  ports: { nodePort: number; hostPort: number },
  address: string,
): Promise<void> {
  const { client, session, signal } = lab;
  const [node, ...others] = await lab.call('node.list', { nodes: [name] });
  if (node === undefined || others.length > 0) throw new UsageError('`node expose` takes one node.');
  const port = await openHostPort({
    socketPath: labPaths().portsSocket,
    node: node.name,
    ...ports,
    address,
    onProblem: (sentence) => session.say(sentence),
  });
  try {
    const { nodePort } = ports;
    const entry = { node: node.name, nodePort, hostPort: port.port, address, permanent: false, reason: null };
    await client.holdPort(entry, { signal });
    session.print(`Port ${nodePort} of ${node.name} is now at ${address}:${port.port}. Press ctrl-C to end.`);
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      client.onClose(resolve);
    });
    if (signal.aborted) return;
    session.say('The connection to the daemon ended, and the port with it.');
    session.exitCode = 1;
  } finally {
    await port.close();
  }
}

async function showPorts(lab: LabSession, json: boolean): Promise<void> {
  const ports = await lab.call('port.list', {});
  if (json) return lab.session.printJson(ports);
  if (ports.length === 0) return lab.session.print('No port of this host leads to a node.');
  const rows = ports.map((port) => [
    port.node,
    String(port.nodePort),
    `${port.address}:${port.hostPort}`,
    port.permanent ? 'setting' : 'until its command ends',
    port.reason ?? port.state,
  ]);
  lab.session.print(formatTable(['node', 'port', 'host', 'opened by', 'state'], rows));
}
