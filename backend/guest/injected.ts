import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootyardError } from '../errors.ts';

/** A file that a node finds in its root file system; owner and group are root. */
export interface InjectedFile {
  /** absolute */
  path: string;
  /** permission bits */
  mode: number;
  content: Buffer;
}

/** Files that are text to be read by a shell, not programs. */
const SOURCED = new Set([
  'walt-env',
  'walt-script-common',
  'walt-boot-modes',
  'walt-hybrid',
  'walt-hybrid-copy',
  'walt-network-persistent',
]);

/** The folder of the files that run inside nodes: this one, or `guest` beside the bundle. */
export function guestFolder(): string {
  const here = import.meta.dirname;
  return existsSync(join(here, 'stage1.ipxe')) ? here : join(here, 'guest');
}

/**
 * WalT's node scripts (`/bin/walt-*`, `/bin/_walt_internal_/*`) with each `%(name)s` filled in from `values`.
 * With them goes `walt-xattrs` for `architecture` (as OCI names it), where there is one; it is a program, not a script.
 * Throws when a placeholder has no value: a node with a hole in its `walt-env` would fail in a puzzling way.
 */
export function injectedFiles(
  values: Readonly<Record<string, string>>,
  architecture: string,
): InjectedFile[] {
  const scripts = [...filesOf('bin'), ...filesOf('bin/_walt_internal_')].map((relative) => {
    const text = readFileSync(join(guestFolder(), relative), 'latin1');
    const name = relative.slice(relative.lastIndexOf('/') + 1);
    return {
      path: `/${relative}`,
      mode: SOURCED.has(name) ? 0o644 : 0o755,
      content: Buffer.from(fill(text, values, relative), 'latin1'),
    };
  });
  const program = join(guestFolder(), 'xattrs', `walt-xattrs-${architecture}`);
  if (!existsSync(program)) return scripts;
  const path = '/bin/_walt_internal_/walt-xattrs';
  return [...scripts, { path, mode: 0o755, content: readFileSync(program) }];
}

function filesOf(folder: string): string[] {
  return readdirSync(join(guestFolder(), folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${folder}/${entry.name}`)
    .sort();
}

function fill(text: string, values: Readonly<Record<string, string>>, file: string): string {
  return text.replace(/%\((\w+)\)s/g, (_, name: string) => {
    const value = values[name];
    if (value !== undefined) return value;
    throw new BootyardError('guest.placeholder', `The node script ${file} needs a value for ${name}.`, {
      file,
      name,
    });
  });
}
