import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootyardError } from '../../errors.ts';
import { hostArchitecture } from '../import-layout.ts';
import { run, type RunOptions } from './run.ts';

const RELEASE = 'bookworm';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const PUBLIC_SOURCES = [
  ['http://deb.debian.org/debian', RELEASE],
  ['http://deb.debian.org/debian', `${RELEASE}-updates`],
  ['http://deb.debian.org/debian-security', `${RELEASE}-security`],
] as const;

/**
 * Debian's package sources in one-line format: the host's own when it is configured for this release, so that whatever
 * mirror or proxy the machine uses is used here as well; otherwise Debian's public ones.
 */
export async function debianSources(options: RunOptions): Promise<string[]> {
  const quiet = { ...options, log: () => undefined };
  const format = '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)';
  const targets = await run(
    'apt-get',
    ['indextargets', '--format', format, 'Created-By: Packages'],
    quiet,
  ).catch((error: unknown) => {
    if (error instanceof BootyardError && error.code === 'build.missing') {
      throw new BootyardError(
        'build.noApt',
        'The default images are built from Debian packages, and apt-get is not on this machine: build them on a Debian or Ubuntu machine, or import an image.',
      );
    }
    throw error;
  });
  const lines = targets
    .split('\n')
    .map((line) => line.split('|'))
    .filter(([uri, release, component]) => isDebian(uri ?? '', release ?? '') && component === 'main')
    .map(([uri, release, component, key]) =>
      sourceLine(uri ?? '', release ?? '', component ?? '', key ?? ''),
    );
  if (lines.length > 0) return [...new Set(lines)];
  if (!existsSync(KEYRING)) {
    throw new BootyardError(
      'build.noKeyring',
      `Debian's archive keys are missing (${KEYRING}): install the package debian-archive-keyring.`,
    );
  }
  return PUBLIC_SOURCES.map(([uri, release]) => sourceLine(uri, release, 'main', KEYRING));
}

function isDebian(uri: string, release: string): boolean {
  return /^bookworm(-updates|-security)?$/.test(release) && /debian/i.test(uri);
}

function sourceLine(uri: string, release: string, component: string, key: string): string {
  const signedBy = key.startsWith('/') ? `[signed-by=${key}] ` : '';
  return `deb ${signedBy}${uri} ${release} ${component}`;
}

/** apt with lists, cache and state of its own: needs no root and changes nothing of the host. */
export class PrivateApt {
  readonly #folder: string;
  readonly #architectures: readonly string[];
  readonly #options: RunOptions;

  /** `architecture`: of the packages, as Debian names it; those of the host can be had too, as `<package>:<its name>` */
  constructor(folder: string, architecture: string, options: RunOptions) {
    this.#folder = folder;
    this.#architectures = [...new Set([architecture, hostArchitecture()])];
    this.#options = options;
  }

  /** Its packages' programs run on this machine. */
  get isForHost(): boolean {
    return this.#architectures.length === 1;
  }

  /** Fetches the package lists. */
  async update(sources: readonly string[]): Promise<void> {
    for (const name of ['lists/partial', 'cache/archives/partial', 'parts']) {
      mkdirSync(join(this.#folder, name), { recursive: true });
    }
    writeFileSync(join(this.#folder, 'sources.list'), `${sources.join('\n')}\n`);
    writeFileSync(join(this.#folder, 'status'), '');
    await run('apt-get', [...this.#settings(), '--error-on=any', 'update'], this.#options);
  }

  /** Downloads packages, without those that they depend on, into `folder`. */
  async download(packages: readonly string[], folder: string): Promise<void> {
    mkdirSync(folder, { recursive: true });
    await run('apt-get', [...this.#settings(), 'download', ...packages], { ...this.#options, cwd: folder });
  }

  /** `name=version` of each package as it would be downloaded. Throws `build.noPackage` for one that there is not. */
  async versions(packages: readonly string[]): Promise<string[]> {
    const quiet = { ...this.#options, log: () => undefined };
    const text = await run(
      'apt-cache',
      [...this.#settings(), 'show', '--no-all-versions', ...packages],
      quiet,
    );
    const stanzas = text.split(/\n\n+/).filter((stanza) => stanza.trim() !== '');
    const there = new Set(stanzas.map((stanza) => field(stanza, 'Package')));
    const missing = packages.find((name) => !there.has(name));
    if (missing !== undefined) {
      throw new BootyardError('build.noPackage', `Debian (${RELEASE}) has no package '${missing}'.`);
    }
    return stanzas.map((stanza) => `${field(stanza, 'Package')}=${field(stanza, 'Version')}`);
  }

  /** The package that a metapackage stands for: the first that it depends on. */
  async target(metapackage: string): Promise<string> {
    const quiet = { ...this.#options, log: () => undefined };
    const text = await run('apt-cache', [...this.#settings(), 'depends', '--important', metapackage], quiet);
    const name = /Depends: (\S+)/.exec(text)?.[1];
    if (name) return name;
    throw new BootyardError(
      'build.noPackage',
      `Debian's package lists do not say what ${metapackage} stands for.`,
    );
  }

  #settings(): string[] {
    const folder = this.#folder;
    const settings: Record<string, string> = {
      'Dir::Etc::sourcelist': join(folder, 'sources.list'),
      'Dir::Etc::sourceparts': join(folder, 'parts'),
      'Dir::State::lists': join(folder, 'lists'),
      'Dir::State::status': join(folder, 'status'),
      'Dir::Cache': join(folder, 'cache'),
      'APT::Architecture': this.#architectures[0] ?? '',
      'APT::Architectures': this.#architectures.join(','),
      'APT::Sandbox::User': 'root',
      'Acquire::Languages': 'none',
      'APT::Get::List-Cleanup': 'false',
    };
    return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  }
}

/** The host's settings for downloads, such as a proxy, as apt options. */
export async function downloadSettings(options: RunOptions): Promise<string[]> {
  const dump = await run('apt-config', ['dump', '--format', '%F %v%n', 'Acquire'], {
    ...options,
    log: () => undefined,
  });
  return dump
    .split('\n')
    .map((line) => /^(Acquire::(?:http|https|Retries|ForceIPv4)\S*) (.+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name, value]) => `${name} "${value}"`);
}

/** A field of a paragraph of package data (deb822); empty when it is not there. */
function field(stanza: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
}
