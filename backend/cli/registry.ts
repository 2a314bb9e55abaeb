import type { Command } from 'commander';
import { registries } from '../api/registry-list.ts';
import type { Session } from './session.ts';
import { formatTable } from './table.ts';

interface AddOptions {
  ca?: string;
  insecure?: boolean;
  force?: boolean;
}

/** The list is a file that each client reads, so these need no lab. */
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
}
