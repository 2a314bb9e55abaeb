import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { outdatedSentence } from '../api/clone-rules.ts';
import { buildDefaultImages, type BuildDefaultOptions, DEFAULT_IMAGES } from '../api/default-images.ts';
import type { Params } from '../api/contract.ts';
import { addImageBootVerb } from './boots.ts';
import { addImageBuild } from './image-build.ts';
import { addImageFix } from './image-fix.ts';
import { addImageLint } from './image-lint.ts';
import { imageDetails } from '../api/image-listing.ts';
import { addImageEngines, engineEntries, engineRows } from './image-engines.ts';
import { imageTable } from './image-listing.ts';
import { addImageOperations } from './image-operations.ts';
import { addImageRegistryCommands } from './image-registry.ts';
import { addImageShell } from './image-shell.ts';
import { addImageUsageVerb } from './reads.ts';
import type { LabSession, Session } from './session.ts';
import { collect, nameValuePairs, UsageError } from './usage.ts';

interface ShowOptions {
  json?: boolean;
  namesOnly?: boolean;
  all?: boolean;
}

export function addImageCommands(program: Command, session: Session): void {
  const image = program.command('image').description('operating systems that nodes boot');
  image
    .command('import')
    .description('import a root file system tar, an OCI or Docker archive, an OCI layout or a folder')
    .argument('<path>')
    .argument('<name>')
    .option('--label <k=v>', 'add a label, such as walt.node.models=pc-x86-64 (may be given again)', collect)
    .option(
      '--force',
      'replace an image of this name; nodes that run on it get the new one when they boot again',
    )
    .action(async (path: string, name: string, options: { label?: string[]; force?: boolean }) => {
      const sentence = 'Please provide labels as `<label name>=<label value>`.';
      const labels = nameValuePairs(options.label ?? [], sentence);
      const request = { path: resolve(path), name, labels, force: options.force ?? false };
      await session.withLab((lab) => importImage(lab, request));
    });
  image
    .command('show')
    .description('list images; own: bytes that no other image has')
    .argument('[image...]')
    .option(
      '--all',
      'show all there is to know, images without a name that nodes or snapshots still need, and all of engines',
    )
    .option('--json', 'print JSON')
    .option('--names-only', 'print only the names of the images of the store')
    .action((names: string[], options: ShowOptions) => session.withLab((lab) => show(lab, names, options)));
  addImageEngines(image, session);
  addImageLint(image, session);
  addImageFix(image, session);
  addImageBootVerb(image, session);
  addImageUsageVerb(image, session);
  image
    .command('remove')
    .description('remove images that no node uses')
    .argument('<image...>')
    .action(async (images: string[]) => {
      await session.withLab((lab) => lab.call('image.remove', { images }));
    });
  addImageOperations(image, session);
  addImageShell(image, session);
  image
    .command('build-default')
    .description('build the default images from Debian packages; those that are there stay')
    .argument('[name...]', `of ${DEFAULT_IMAGES.join(', ')}; without one, those of pc-x86-64`)
    .option('--as <image>', 'build the Debian image under another name, with more in it')
    .option('--packages <names>', 'with --as: Debian packages to add, such as docker.io,iptables')
    .option('--files <folder>', 'with --as: files to put on top of the root file system, owned by root')
    .option('--force', 'build again what is there')
    .action((names: string[], options: BuildOptions) => {
      const request = buildRequest(names, options);
      return session.withLab((lab) => buildDefault(lab, request));
    });
  addImageBuild(image, session);
  addImageRegistryCommands(image, session);
}

interface BuildOptions {
  as?: string;
  packages?: string;
  files?: string;
  force?: boolean;
}

/** Throws `UsageError` with a sentence when the options do not go together. */
function buildRequest(names: string[], options: BuildOptions): BuildDefaultOptions {
  const force = options.force ?? false;
  const { as: name, files } = options;
  if (name === undefined) {
    if (options.packages !== undefined || files !== undefined) {
      throw new UsageError('--packages and --files make another image: name it with --as.');
    }
    return names.length > 0 ? { names, force } : { force };
  }
  if (names.length > 0) throw new UsageError('--as names the one image to build: leave the other names out.');
  const packages = options.packages?.split(',') ?? [];
  const wrong = packages.find((word) => !/^[a-z0-9][a-z0-9+.-]*$/.test(word));
  if (wrong !== undefined) throw new UsageError(`'${wrong}' is no name of a Debian package.`);
  if (files === undefined) return { variant: { name, packages }, force };
  const folder = resolve(files);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`--files takes a folder, and ${files} is none.`);
  }
  return { variant: { name, packages, files: folder }, force };
}

async function importImage(lab: LabSession, request: Params<'image.import'>): Promise<void> {
  const image = await lab.call('image.import', request);
  for (const warning of image.warnings) lab.session.say(`WARNING: ${warning}`);
  lab.session.print(`New image ${image.name} saved.`);
  const outdated = outdatedSentence(image.name, image.outdated);
  if (outdated !== undefined) lab.session.print(outdated);
}

async function show(lab: LabSession, names: string[], options: ShowOptions): Promise<void> {
  const images = await lab.call('image.list', names.length > 0 ? { images: names } : { all: options.all });
  if (options.namesOnly && !options.json)
    return images.forEach((image) => lab.session.print(image.name || '<none>'));
  const engines = names.length > 0 ? [] : await lab.call('engine.list', { all: options.all });
  if (options.json) return lab.session.printJson([...images, ...engineEntries(engines)]);
  const rows = engineRows(engines);
  if (images.length === 0 && rows.length === 0) {
    return lab.session.print(
      'There is no image yet.\nBuild the default ones with `bootyard image build-default`.',
    );
  }
  if (!options.all) return lab.session.print(imageTable(images, rows));
  if (images.length > 0) lab.session.print(imageDetails(images));
  if (rows.length > 0) lab.session.print(`${images.length > 0 ? '\n' : ''}${imageTable([], rows)}`);
}

async function buildDefault(lab: LabSession, request: BuildDefaultOptions): Promise<void> {
  const { session } = lab;
  let last = '';
  const images = await buildDefaultImages(lab.client, {
    ...request,
    signal: lab.signal,
    onProgress: (progress) => {
      // Minutes of work: without a terminal each step is a line.
      if (!process.stderr.isTTY && progress.fraction === undefined && progress.message !== last)
        session.say(progress.message);
      last = progress.message;
      session.progress.show(progress);
    },
  });
  session.print(imageTable(images));
}
