import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BuildRequest, Built } from '../api/builds.ts';
import { BootyardError, messageOf } from '../errors.ts';
import { withConsent } from './consent.ts';
import type { LabSession, Session } from './session.ts';
import { formatSize } from './table.ts';
import { collect, nameValuePairs, UsageError } from './usage.ts';

interface BuildOptions {
  fromDir?: string;
  fromUrl?: string;
  subDir?: string;
  file?: string;
  buildArg?: string[];
  network?: string;
  withNode?: string;
  engine?: string;
  watch?: boolean;
  force?: boolean;
  json?: boolean;
}

/** `image build`: with Docker or Podman, which are loaded when it runs. */
export function addImageBuild(image: Command, session: Session): void {
  image
    .command('build')
    .description(
      'build an image from a Dockerfile with Docker or Podman; FROM may name an image of the store, which wins over one of that name elsewhere',
    )
    .argument('<name>', 'of the image that is made')
    .argument('[folder]', 'the same as --from-dir')
    .option('--from-dir <folder>', 'build from a folder')
    .option('--from-url <url>', 'build from a git repository, <url>[#<branch, tag or commit>]')
    .option('--sub-dir <path>', 'build in this folder of it')
    .option('-f, --file <path>', 'the Dockerfile, relative to the folder')
    .option('--build-arg <k=v>', 'value of an ARG of the Dockerfile (may be given again)', collect)
    .option('--network <mode>', 'network of RUN steps as the engine calls it, such as host or none')
    .option(
      '--with-node <node>',
      'the node on which steps RUN --on-node <command> run; a temporary one by default',
    )
    .option('--engine <name>', 'docker, podman or an address; the first that answers by default')
    .option('--watch', 'build again after each save, and reboot the nodes that use the image')
    .option('--force', 'replace an image of this name and reboot the nodes that use it, without asking')
    .option('--json', 'print JSON; what the builder prints goes to standard error')
    .action(async (name: string, folder: string | undefined, options: BuildOptions) => {
      const request = buildRequest(name, folder, options);
      await (options.watch ? watch(session, request, options) : build(session, request, options));
    });
}

/** Throws `UsageError` with a sentence when the options do not go together. */
function buildRequest(name: string, folder: string | undefined, options: BuildOptions): BuildRequest {
  const { fromDir, fromUrl, subDir, file, network, withNode: node } = options;
  const sources = [folder, fromDir, fromUrl].filter((source) => source !== undefined);
  if (sources.length !== 1) {
    throw new UsageError('Name one thing to build from: a folder (--from-dir) or a repository (--from-url).');
  }
  if (fromUrl !== undefined && options.watch) throw new UsageError('--watch works with a folder only.');
  if (options.watch && options.json) throw new UsageError('--watch and --json do not go together.');
  const from = fromUrl === undefined ? { folder: resolve(fromDir ?? folder ?? '') } : { url: fromUrl };
  const sentence = 'Please provide build arguments as `<name>=<value>`.';
  const buildArgs = nameValuePairs(options.buildArg ?? [], sentence);
  return { name, from, subDir, file, network, node, buildArgs, force: options.force ?? false };
}

async function run(lab: LabSession, request: BuildRequest, options: BuildOptions): Promise<Built> {
  const { buildImage } = await import('../api/builds.ts');
  const { session, signal } = lab;
  const out = options.json ? process.stderr : process.stdout;
  const onOutput = (text: string): void => {
    session.progress.clear();
    out.write(text);
  };
  const onProgress = session.progress.show;
  try {
    return await buildImage(lab.client, request, { signal, onOutput, onProgress, engine: options.engine });
  } finally {
    session.progress.clear();
  }
}

const REPLACE = {
  code: ['image.exists', 'image.wouldReboot'],
  question: 'Replace it?',
  unchanged: 'Nothing was built.',
};

async function build(session: Session, request: BuildRequest, options: BuildOptions): Promise<void> {
  await session.withLab((lab) =>
    withConsent(lab, request.force, REPLACE, async (force) => {
      const built = await run(lab, { ...request, force }, options);
      if (options.json) session.printJson(built);
      else tell(session, built);
    }),
  );
}

function tell(session: Session, { image, changed, rebooted, warnings, movedBytes }: Built): void {
  for (const warning of warnings) session.say(`WARNING: ${warning}`);
  session.print(
    changed
      ? `Image ${image.name} saved (${formatSize(movedBytes)} of new layers).`
      : `Image ${image.name} is what it was.`,
  );
  for (const node of rebooted) session.print(`Node ${node}: rebooted ok.`);
}

/** Asks once, at the start, for what every build may do. */
async function watch(session: Session, request: BuildRequest, options: BuildOptions): Promise<void> {
  const { checkReplaced } = await import('../api/builds.ts');
  const { watchBuilds } = await import('../api/build-watch.ts');
  let isAgreed = false;
  await session.withLab((lab) =>
    withConsent(
      lab,
      request.force,
      { ...REPLACE, question: 'Replace it after each build, and reboot the nodes that use it?' },
      async (force) => {
        await checkReplaced(lab.client, request.name, force);
        isAgreed = true;
      },
    ),
  );
  if (!isAgreed || !('folder' in request.from)) return;
  const { folder } = request.from;
  const { subDir, file } = request;
  session.say(
    `Watching ${folder}: each save builds ${request.name} again and reboots the nodes that use it. Ctrl-C ends it.`,
  );
  await session.interruptible((signal) =>
    watchBuilds(
      {
        folder,
        subDir,
        file,
        // Each time with a connection of its own: the daemon may have been another one meanwhile.
        build: () => session.withLab((lab) => run(lab, { ...request, force: true }, options)),
        onBuilt: (built) => tell(session, built),
        onFailed: (error) => session.say(failure(error)),
        onChange: (paths) => session.say(`Changed: ${shortList(paths)}`),
      },
      signal,
    ),
  );
}

function failure(error: unknown): string {
  const said = error instanceof BootyardError ? error.message : `Internal error: ${messageOf(error)}`;
  return `${said}\nThe image is what it was; the next save builds again.`;
}

function shortList(paths: readonly string[]): string {
  const [first = '', ...others] = paths;
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}
