import type { Command } from 'commander';
import type { FoundImage } from '../api/registries.ts';
import type { LabSession, Session } from './session.ts';
import { formatTable } from './table.ts';

interface CloneOptions {
  force?: boolean;
  model?: string;
  json?: boolean;
}
interface PublishOptions {
  registry: string;
  as?: string;
  json?: boolean;
}

/** Verbs of `image` that talk to registries. The HTTP client is loaded when one of them runs. */
export function addImageRegistryCommands(image: Command, session: Session): void {
  image
    .command('clone')
    .description(
      'fetch an image from a registry (an interrupted clone goes on where it was), Docker or Podman',
    )
    .argument('<link>', '[hub|<label>]:<user>/<name>[:<tag>], or docker:<name>[:<tag>] of an engine')
    .argument('[name]', 'of the image here; that of the link by default')
    .option('--force', 'replace an image of this name and reboot the nodes that use it')
    .option('--model <model>', 'node model that the image is for, when there are several of that name')
    .option('--json', 'print JSON')
    .action((link: string, name: string | undefined, options: CloneOptions) =>
      session.withLab((lab) => clone(lab, link, name, options)),
    );
  image
    .command('publish')
    .description('send an image to a registry; layers that are there are not sent')
    .argument('<image>')
    .option('--registry <label>', 'a label of `bootyard registry list`', 'auto')
    .option(
      '--as <name>',
      '<user>/<name>[:<tag>] there; by default the user that logs in and the name of the image',
    )
    .option('--json', 'print JSON')
    .action((name: string, options: PublishOptions) => session.withLab((lab) => publish(lab, name, options)));
  image
    .command('search')
    .description('find images that can be cloned')
    .argument('[keyword]', 'part of <user>/<name>:<tag>', '')
    .option('--json', 'print JSON')
    .action((keyword: string, { json }: { json?: boolean }) => search(session, keyword, json ?? false));
}

async function clone(
  lab: LabSession,
  link: string,
  name: string | undefined,
  { force = false, model, json }: CloneOptions,
): Promise<void> {
  const { session, signal } = lab;
  const { cloneImage } = await import('../api/registries.ts');
  const request = {
    link,
    force,
    ...(name === undefined ? {} : { name }),
    ...(model === undefined ? {} : { model }),
  };
  const cloned = await cloneImage(lab.client, request, { signal, onProgress: session.progress.show });
  for (const warning of cloned.warnings) session.say(warning);
  if (json) return session.printJson(cloned);
  session.print(`Image ${cloned.image.name} cloned from ${link}.`);
  for (const node of cloned.rebooted) session.print(`Node ${node}: rebooted ok.`);
}

async function publish(
  lab: LabSession,
  image: string,
  { registry, as, json }: PublishOptions,
): Promise<void> {
  const { session, signal } = lab;
  const { publishImage } = await import('../api/registries.ts');
  const request = { image, registry, ...(as === undefined ? {} : { as }) };
  const published = await publishImage(lab.client, request, { signal, onProgress: session.progress.show });
  if (json) return session.printJson(published);
  session.print(`Image ${image} published. Clonable link: ${published.link}\nDigest: ${published.digest}`);
}

async function search(session: Session, keyword: string, json: boolean): Promise<void> {
  const { searchImages, SERVER_VERSION } = await import('../api/registries.ts');
  const found = await session.interruptible((signal) => {
    session.progress.show({ message: 'Searching' });
    return searchImages(keyword, { signal, warn: (sentence) => session.say(`WARNING: ${sentence}`) });
  });
  if (json) return session.printJson(found);
  if (found.length === 0) return session.print('Sorry, no image could match your request.');
  const compatibility = ({ models, minVersion }: FoundImage): string =>
    minVersion > SERVER_VERSION ? `[Need server upgrade, version>=${minVersion}]` : models.join(',');
  const rows = found.map((image) => [
    image.user,
    image.name,
    image.location,
    compatibility(image),
    image.link,
  ]);
  session.print(formatTable(['User', 'Image name', 'Location', 'Compatibility', 'Clonable link'], rows));
}
