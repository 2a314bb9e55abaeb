import type { Command } from 'commander';
import { registries } from '../api/registry-list.ts';
import { setTimeout as delay } from 'node:timers/promises';
import type { LabSession, Session } from './session.ts';
import { formatTable } from './table.ts';
import { UsageError } from './usage.ts';

interface AddOptions {
  ca?: string;
  insecure?: boolean;
  force?: boolean;
}

/** The list is a file that each client reads, so most of these need no lab. */
export function addRegistryCommands(program: Command, session: Session): void {
  const registry = program
    .command('registry')
    .description('where images are cloned from and published to; logins are those of `docker login`');
  registry
    .command('add')
    .description('give a registry a label for clonable links')
    .argument(
      '<label>',
      'lowercase letters, digits and dashes; `hub` puts a mirror in the place of Docker Hub',
    )
    .argument('<url>', 'https://<host>[:<port>][/<path>]')
    .option('--ca <file>', 'trust the certificates of this file (PEM) too')
    .option('--insecure', 'accept plain HTTP, or a certificate that nobody vouches for')
    .option('--force', 'replace a registry of this label')
    .action((label: string, url: string, { force, ...options }: AddOptions) => {
      const added = registries().add({ label, url, ...options }, force);
      session.print(`Registry ${added.label} added: ${added.url}`);
    });
  registry
    .command('list')
    .description('list registries')
    .option('--json', 'print JSON')
    .action(({ json }: { json?: boolean }) => {
      const all = registries().list();
      if (json) return session.printJson(all);
      const rows = all.map(({ label, url, ca, insecure }) => [
        label,
        url,
        ca ?? '',
        insecure ? 'True' : 'False',
      ]);
      session.print(formatTable(['label', 'url', 'ca', 'insecure'], rows));
    });
  registry
    .command('remove')
    .description('forget a registry; images that came from it stay')
    .argument('<label>')
    .action((label: string) => {
      registries().remove(label);
      session.print(`Registry ${label} removed.`);
    });
  registry
    .command('expose')
    .description("let a port of this host (127.0.0.1) lead to the lab's own registry, for good")
    .argument('[port]', 'of this host; by default 5000, or one that is free; `none`: no port any more')
    .addHelpText(
      'after',
      "\nThe lab's own registry is registry.walt:5000 for nodes. Its images are those of `bootyard image show`: what is pushed is" +
        '\nan image, which nodes boot at their next boot. Nodes may only pull.',
    )
    .action((port: string | undefined) => session.withLab((lab) => expose(lab, hostPort(port))));
}

function hostPort(text: string | undefined): number | null {
  if (text === undefined) return 0;
  if (text === 'none') return null;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port > 0 && port < 65_536) return port;
  throw new UsageError(`'${text}' is no TCP port: expected is a number from 1 to 65535, or none.`);
}

/** How long the process that opens the port may take. ms */
const OPEN_MS = 10_000;
const ASK_MS = 100;

async function expose(lab: LabSession, port: number | null): Promise<void> {
  const { session, signal } = lab;
  let { registry } = await lab.call('lab.exposeRegistry', { port });
  if (port === null) return session.print('No port of this host leads to the registry of the lab.');
  const deadline = Date.now() + OPEN_MS;
  while (registry?.host?.reason != null && Date.now() < deadline) {
    await delay(ASK_MS, undefined, { signal });
    ({ registry } = await lab.call('lab.status', {}));
  }
  const host = registry?.host;
  if (!host) return session.print('No port of this host leads to the registry of the lab.');
  session.print(
    `The registry of the lab is at ${host.address}. Push with: docker push ${host.address}/<name>[:<tag>]`,
  );
  if (host.reason === null) return;
  session.say(`It is not open: ${host.reason}`);
  session.exitCode = 1;
}
