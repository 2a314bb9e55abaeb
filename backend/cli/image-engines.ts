import type { Command } from 'commander';
import type { EngineInfo } from '../api/engine.ts';
import { timeText } from '../api/image-listing.ts';
import type { Session } from './session.ts';
import { formatSize, formatTable, printable } from './table.ts';

/** A row of `image show --json`. */
type EngineEntry = Omit<EngineInfo['images'][number], 'names'> & {
  name: string;
  engine: string;
  inUse: boolean;
};

interface EnginesOptions {
  all?: boolean;
  json?: boolean;
}

export function addImageEngines(image: Command, session: Session): void {
  image
    .command('engines')
    .description('list Docker and Podman engines; their images that are made for nodes are in `image show`')
    .option('--all', 'with --json: all their images')
    .option('--json', 'print JSON')
    .action(({ all = false, json }: EnginesOptions) =>
      session.withLab(async (lab) => {
        const engines = await lab.call('engine.list', { all });
        if (json) return session.printJson(engines);
        if (engines.length === 0) {
          return session.print(
            'There is no Docker or Podman here: start one, or name its socket in DOCKER_HOST or CONTAINER_HOST.',
          );
        }
        const rows = engines.map(({ name, version, state, address, reason }) => [
          name,
          version ?? '-',
          state,
          printable(reason ?? address),
        ]);
        session.print(formatTable(['name', 'version', 'state', 'address'], rows));
      }),
    );
}

/** Rows for the table of images; the names are links that `node boot` and `image clone` take. */
export function engineRows(engines: EngineInfo[]): string[][] {
  return engines.flatMap(({ name: engine, images }) =>
    images.flatMap(({ names, labels, created, sizeBytes }) =>
      names.map((name) => [
        printable(`${engine}:${name}`),
        '-',
        timeText(created),
        formatSize(sizeBytes),
        '-',
        printable(labels['walt.node.models'] ?? '-'),
        '-',
      ]),
    ),
  );
}

/** The same for scripts: each with the name of its engine, which images of the store do not have. */
export function engineEntries(engines: EngineInfo[]): EngineEntry[] {
  return engines.flatMap(({ name: engine, images }) =>
    images.flatMap(({ names, ...image }) =>
      names.map((name) => ({ name: `${engine}:${name}`, engine, ...image, inUse: false })),
    ),
  );
}
