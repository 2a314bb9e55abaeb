import type { Command } from 'commander';
import type { LabStatus } from '../api/lab.ts';
import { labPaths, labStatus, stopLab } from '../api/lab-control.ts';
import { addLabFileCommands } from './lab-file.ts';
import { addLabTopologyCommand } from './lab-topology.ts';
import { addLabWebCommand } from './lab-web.ts';
import type { Session } from './session.ts';
import { formatSize } from './table.ts';

export function addLabCommands(program: Command, session: Session): void {
  const lab = program.command('lab').description('the private network with its servers, in which nodes boot');
  lab
    .command('start')
    .description('start the lab (commands that need it do so on their own)')
    .action(() => session.withLab(async (lab) => session.print(describe(await lab.call('lab.status', {})))));
  lab
    .command('stop')
    .description('end the lab with all its nodes')
    .action(async () => {
      const wasRunning = await stopLab(labPaths(), session.progress.show);
      session.print(wasRunning ? 'The lab is stopped.' : 'The lab was not running.');
    });
  lab
    .command('status')
    .description('say what the lab does; does not start it')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const status = await labStatus();
      if (options.json) session.printJson(status);
      else session.print(describe(status));
    });
  addLabTopologyCommand(lab, session);
  addLabFileCommands(lab, session);
  addLabWebCommand(lab, session);
}

function describe(status: LabStatus): string {
  if (status.state === 'stopped') return 'The lab is stopped.';
  const { daemon, nodes, network, acceleration, registry } = status;
  const reason = status.accelerationReason ? ` (${status.accelerationReason})` : '';
  return [
    `The lab is ${status.state}.`,
    ...(daemon
      ? [`daemon: process ${daemon.pid}, version ${daemon.version}, ${formatSize(daemon.rssBytes)}`]
      : []),
    `network: ${network.name}, ${network.address}`,
    `acceleration: ${acceleration}${reason}`,
    `nodes: ${nodes.booted} booted of ${nodes.total}`,
    ...(registry ? [`registry: ${registry.address} in the lab, ${onHost(registry.host)}`] : []),
    ...(status.notices ?? []),
  ].join('\n');
}

function onHost(host: NonNullable<LabStatus['registry']>['host']): string {
  if (host === null) return 'not open on this host (bootyard registry expose)';
  return host.reason === null
    ? `${host.address} on this host`
    : `${host.address} on this host is closed: ${host.reason}`;
}
