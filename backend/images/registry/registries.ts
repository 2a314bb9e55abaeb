import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { BootyardError, systemCode } from '../../errors.ts';

/** A registry that images are cloned from and published to, under a label that stands in clonable links. */
export const Registry = z.object({
  label: z.string(),
  /** `http://` or `https://`; a path is put before the names of repositories */
  url: z.string(),
  /** file with certificates (PEM) that are trusted beside the usual ones */
  ca: z.string().optional(),
  /** plain HTTP, or a certificate that nobody vouches for, is accepted */
  insecure: z.boolean().optional(),
  /** of Docker Hub: where to search for repositories; other registries list their own */
  searchUrl: z.string().optional(),
});
export type Registry = z.infer<typeof Registry>;

const HUB: Registry = {
  label: 'hub',
  url: 'https://registry-1.docker.io',
  searchUrl: 'https://hub.docker.com',
};
/** Links with these go elsewhere. */
const RESERVED = new Set(['walt', 'docker', 'podman']);

/** The registries file of a lab: Docker Hub is always there, and an entry with its label takes its place (a mirror). */
export class RegistryList {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  list(): Registry[] {
    const own = this.#read();
    const hub = own.find(({ label }) => label === HUB.label);
    return [{ ...HUB, ...hub }, ...own.filter((entry) => entry !== hub)];
  }

  /** Throws `registry.unknown` with the labels that there are. */
  get(label: string): Registry {
    const all = this.list();
    const found = all.find((registry) => registry.label === label);
    if (found) return found;
    throw unknown(label, all);
  }

  /** Throws for a label or address that cannot be one, a missing file, and a label that is taken unless `force`. */
  add(given: Registry, force = false): Registry {
    const registry = checked(given);
    const others = this.#read().filter(({ label }) => label !== registry.label);
    if (!force && others.length !== this.#read().length) {
      throw new BootyardError(
        'registry.exists',
        `There is a registry '${registry.label}' already: remove it first, or use --force to replace it.`,
      );
    }
    this.#write([...others, registry].toSorted((a, b) => (a.label < b.label ? -1 : 1)));
    return registry;
  }

  /** Images that came from it stay. */
  remove(label: string): void {
    const own = this.#read();
    const others = own.filter((registry) => registry.label !== label);
    if (others.length === own.length) {
      if (label !== HUB.label) throw unknown(label, own);
      throw new BootyardError('registry.hub', 'Docker Hub is always there; nothing replaces it.');
    }
    this.#write(others);
  }

  #read(): Registry[] {
    try {
      return z.array(Registry).parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      if (!(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error;
      throw new BootyardError(
        'registry.file',
        `${this.#file} is no list of registries: repair it, or remove it and add your registries again.`,
      );
    }
  }

  #write(registries: Registry[]): void {
    mkdirSync(dirname(this.#file), { recursive: true });
    const temporary = `${this.#file}.${process.pid}`;
    writeFileSync(temporary, `${JSON.stringify(registries, null, 2)}\n`);
    renameSync(temporary, this.#file);
  }
}

function checked({ label, url: text, ca, insecure = false, searchUrl }: Registry): Registry {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(label) || RESERVED.has(label)) {
    throw new BootyardError(
      'registry.label',
      `'${label}' cannot be the label of a registry: it has lowercase letters, digits and dashes, and is neither ${[...RESERVED].join(' nor ')}.`,
    );
  }
  const url = registryUrl(text, insecure);
  const file = ca === undefined ? undefined : resolve(ca);
  if (file !== undefined && !statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new BootyardError('registry.ca', `There is no file '${file}' with a certificate.`);
  }
  return {
    label,
    url: url.href.replace(/\/+$/, ''),
    ...(file === undefined ? {} : { ca: file }),
    ...(insecure ? { insecure } : {}),
    ...(searchUrl === undefined ? {} : { searchUrl }),
  };
}

function registryUrl(text: string, insecure: boolean): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`);
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.search || url.hash) {
    throw new BootyardError(
      'registry.url',
      `'${text}' is no address of a registry: expected is https://<host>[:<port>][/<path>].`,
    );
  }
  if (url.username || url.password) {
    throw new BootyardError(
      'registry.url',
      `An address holds no password: log in with \`docker login ${url.host}\`, Bootyard reads Docker's configuration.`,
    );
  }
  if (url.protocol === 'http:' && !insecure && !isLoopback(url.hostname)) {
    throw new BootyardError(
      'registry.plain',
      `${url.host} would get passwords and images without encryption: use https://, or --insecure if that is all right.`,
    );
  }
  return url;
}

/** As Docker has it, this host is trusted without encryption. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d+){3}$/.test(host);
}

function unknown(label: string, all: Registry[]): BootyardError {
  const labels = all.map((registry) => registry.label).join(', ') || 'none';
  return new BootyardError(
    'registry.unknown',
    `There is no registry '${label}'; there are: ${labels}. Add it with \`bootyard registry add ${label} <url>\`.`,
    { label },
  );
}
