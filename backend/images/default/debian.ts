import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { BootyardError, messageOf } from '../../errors.ts';
import { debianSources, downloadSettings, PrivateApt } from './apt.ts';
import {
  contentKey,
  imageLabels,
  installIpxeScripts,
  keepTar,
  normalizeModes,
  packRoot,
  recipeFolder,
  SOURCE_DATE_EPOCH,
} from './recipe.ts';
import type { BuildOptions, BuiltImage } from './recipe.ts';
import { run, type RunOptions } from './run.ts';

const MODEL = 'pc-x86-64';
const NAME = `${MODEL}-default`;
const PACKAGES = [
  'linux-image-cloud-amd64',
  'systemd',
  'systemd-sysv',
  'udev',
  'initramfs-tools',
  'lz4',
].concat(
  ['busybox-static', 'openssh-server', 'nfs-common', 'iproute2', 'iputils-ping', 'procps', 'kmod', 'less'],
  ['vim-tiny', 'ca-certificates', 'netbase', 'nbd-client'],
);
/** Grows when this file makes something else of the same inputs: tars of before are then not used again. */
const RECIPE = 'default 2';
/** Documentation and translations: a third of the files, none of them needed to boot. */
const EXCLUDED = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/info/*'].concat([
  '/usr/share/lintian/*',
]);

/**
 * Builds the default image: Debian 12 with systemd and sshd, its initrd made by initramfs-tools. Takes a minute or two,
 * as root or as a plain user with subordinate ids. The tar stays in `workFolder` and is used again as long as recipe
 * and package versions are the same.
 */
export async function buildDefault(options: BuildOptions): Promise<BuiltImage> {
  const programs: RunOptions = { signal: options.signal, log: options.log };
  const { name = NAME, files } = options.variant ?? {};
  const packages = [...PACKAGES, ...(options.variant?.packages ?? [])];
  mkdirSync(options.workFolder, { recursive: true });
  const scratch = mkdtempSync(join(options.workFolder, 'default-'));
  try {
    options.progress('Reading the package lists');
    const sources = await debianSources(programs);
    const apt = new PrivateApt(join(scratch, 'apt'), 'amd64', programs);
    await apt.update(sources);
    const folders = [recipeFolder('default'), recipeFolder('boot'), ...(files ? [files] : [])];
    const key = contentKey(folders, [RECIPE, ...EXCLUDED, ...(await apt.versions(packages))]);
    const fileName = name.replaceAll(/[/:]/g, '_');
    const tar = join(options.workFolder, `${fileName}-${key}.tar`);
    if (!existsSync(tar)) {
      await buildTar(scratch, { sources, packages, files }, options);
      keepTar(join(scratch, 'image.tar'), options.workFolder, fileName, tar);
    }
    return { name, tar, labels: imageLabels(name, MODEL) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface Ingredients {
  sources: readonly string[];
  packages: readonly string[];
  files: string | undefined;
}

/** Makes `image.tar` in `scratch`. */
async function buildTar(scratch: string, parts: Ingredients, options: BuildOptions): Promise<void> {
  const mode = buildMode();
  const recipe = join(scratch, 'recipe.tar');
  const files = join(scratch, 'recipe');
  cpSync(join(recipeFolder('default'), 'root'), files, { recursive: true });
  installIpxeScripts(files, MODEL);
  normalizeModes(
    files,
    ['hooks/zz-walt', 'scripts/init-bottom/walt-dev'].map((name) => `etc/initramfs-tools/${name}`),
  );
  const programs: RunOptions = { signal: options.signal, log: options.log };
  await packRoot(files, recipe, programs);
  const added = join(scratch, 'added.tar');
  if (parts.files) await packRoot(parts.files, added, programs);
  // Not below the work folder: the ids that a plain user's build runs under may not enter a home folder.
  const temporary = mkdtempSync(join(tmpdir(), 'bootyard-build-'));
  chmodSync(temporary, 0o755);
  const steps = new StepWatcher(options.progress);
  try {
    const hooks = imageHooks(recipe, parts.files ? added : undefined);
    const settings = await mmdebstrapSettings(mode, parts.packages, programs);
    const target = ['bookworm', join(scratch, 'image.tar'), ...parts.sources];
    const [program = '', ...words] = withOwnMounts(mode, ['mmdebstrap', ...settings, ...hooks, ...target]);
    await run(program, words, {
      signal: options.signal,
      log: (line) => {
        steps.watch(line);
        options.log(line);
      },
      env: { TMPDIR: temporary, SOURCE_DATE_EPOCH: String(SOURCE_DATE_EPOCH) },
    });
  } finally {
    await removeTemporary(temporary, mode, options);
  }
}

type Mode = 'root' | 'unshare';

/** Root builds directly; a plain user with subordinate ids builds in a user namespace. Throws a sentence otherwise. */
function buildMode(): Mode {
  const { uid, username } = userInfo();
  const isWholeMachine = /^\s*0\s+0\s+4294967295/.test(readFileSync('/proc/self/uid_map', 'latin1'));
  if (uid === 0 && isWholeMachine) return 'root';
  if (uid === 0) {
    throw new BootyardError(
      'build.namespace',
      'The default image cannot be built from inside a user namespace: run the build as a user of the host.',
    );
  }
  if (
    !readFileSync('/etc/subuid', 'latin1')
      .split('\n')
      .some((line) => line.startsWith(`${username}:`))
  ) {
    throw new BootyardError(
      'build.noSubuids',
      `User ${username} has no subordinate ids (/etc/subuid), which a build without root needs: run 'sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}', or build the tiny image.`,
      { user: username },
    );
  }
  return 'unshare';
}

/**
 * Root's mmdebstrap mounts /proc, /sys and more into the tree that it makes. In a mount namespace of its own these go with
 * it, however it ends; left in the host's, they would be met by whoever removes the folder. (`unshare` mode has its own.)
 */
export function withOwnMounts(mode: Mode, command: readonly string[]): string[] {
  return mode === 'root' ? ['unshare', '--mount', '--propagation', 'private', ...command] : [...command];
}

async function mmdebstrapSettings(
  mode: Mode,
  packages: readonly string[],
  programs: RunOptions,
): Promise<string[]> {
  const downloads = await downloadSettings(programs);
  return [
    `--mode=${mode}`,
    '--variant=minbase',
    '--architectures=amd64',
    '--format=tar',
    `--include=${packages.join(',')}`,
    ...EXCLUDED.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...downloads.map((setting) => `--aptopt=${setting}`),
  ];
}

/** The recipe's files are there before the packages that read them. Special hooks read files as the calling user. */
function imageHooks(recipe: string, added: string | undefined): string[] {
  const customize = join(recipeFolder('default'), 'customize.sh');
  return [
    `--essential-hook=tar-in ${quoted(recipe)} /`,
    ...(added ? [`--customize-hook=tar-in ${quoted(added)} /`] : []),
    `--customize-hook=upload ${quoted(customize)} /customize.sh`,
    '--customize-hook=chroot "$1" sh /customize.sh && rm "$1/customize.sh"',
  ];
}

/** mmdebstrap hands hooks to a shell. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** What a killed build left behind may belong to subordinate ids: then it is removed under them. */
async function removeTemporary(folder: string, mode: Mode, options: BuildOptions): Promise<void> {
  const left = readdirSync(folder);
  if (left.length > 0 && mode === 'unshare') {
    const fresh: RunOptions = { signal: new AbortController().signal, log: options.log };
    const args = [
      '--user',
      '--map-root-user',
      '--map-auto',
      'rm',
      '-rf',
      ...left.map((name) => join(folder, name)),
    ];
    await run('unshare', args, fresh).catch((error: unknown) => options.log(messageOf(error)));
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Turns what mmdebstrap says into short steps. */
class StepWatcher {
  readonly #progress: (step: string) => void;
  #last = '';

  constructor(progress: (step: string) => void) {
    this.#progress = progress;
  }

  watch(line: string): void {
    const steps: [RegExp, string][] = [
      [/downloading packages with apt/, 'Downloading packages'],
      [/extracting archives/, 'Unpacking the essential packages'],
      [/installing essential packages/, 'Installing the essential packages'],
      [/installing remaining packages/, 'Installing systemd, sshd, the kernel and tools'],
      [/update-initramfs: Generating/, 'Making the initrd'],
      [/running --customize-hook/, 'Adapting the system to netboot'],
      [/creating tarball/, 'Packing the root file system'],
    ];
    const step = steps.find(([pattern]) => pattern.test(line))?.[1];
    if (!step || step === this.#last) return;
    this.#last = step;
    this.#progress(step);
  }
}
