import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { BootyardError, messageOf } from '../errors.ts';

const run = promisify(execFile);
const MINIMUM = [22, 13] as const;

/** A Node program that can run the daemon, and what its environment needs for it. */
export interface NodeRuntime {
  node: string;
  env: NodeJS.ProcessEnv;
}

/**
 * The Node program for the daemon: `nodePath` if given, else the one that runs this process (an editor's Electron runs
 * as Node by ELECTRON_RUN_AS_NODE). Node 22.13 is the first that has `node:sqlite` without a flag.
 * Throws `lab.node` with what to do when it is too old.
 */
export async function nodeRuntime(
  nodePath: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<NodeRuntime> {
  const clean = daemonEnvironment(env);
  if (nodePath !== undefined && nodePath !== '') {
    const version = await versionOf(nodePath, clean);
    if (isTooOld(version)) throw tooOld(nodePath, version);
    return { node: nodePath, env: clean };
  }
  const { node: version, electron } = process.versions;
  if (isTooOld(version) || !isBuiltin('node:sqlite')) throw tooOld(process.execPath, version);
  return { node: process.execPath, env: electron ? { ...clean, ELECTRON_RUN_AS_NODE: '1' } : clean };
}

/** What an editor or a debugger puts there for its own child processes. */
const FOREIGN = /^(VSCODE_|ELECTRON_|NODE_OPTIONS$|NODE_CHANNEL_)/;

function daemonEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !FOREIGN.test(name)));
}

async function versionOf(node: string, env: NodeJS.ProcessEnv): Promise<string> {
  try {
    const { stdout } = await run(node, ['-p', 'process.versions.node'], { env, timeout: 10_000 });
    return stdout.trim();
  } catch (error) {
    const reason = messageOf(error).split('\n')[0] ?? '';
    throw new BootyardError(
      'lab.node',
      `${node} is not a Node program that runs (${reason}): set bootyard.nodePath or BOOTYARD_NODE to one.`,
      { node },
    );
  }
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return !(major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]));
}

function tooOld(node: string, version: string): BootyardError {
  const sentence = `The lab needs Node ${MINIMUM.join('.')} or later and ${node} is ${version || 'none'}: set bootyard.nodePath or BOOTYARD_NODE to a later one.`;
  return new BootyardError('lab.node', sentence, { node, version });
}

/** The daemon's program: beside the bundle that runs, or in the sources when these run. */
export function daemonProgram(): string {
  return ownProgram('daemon.cjs', '../daemon.ts');
}

/** The command line's program, likewise. */
export function commandProgram(): string {
  return ownProgram('cli.cjs', '../cli/main.ts');
}

/** The module of `bootyard mcp`, likewise: apart, for no other command reads the protocol's SDK. */
export function mcpServerModule(): string {
  return ownProgram('mcp-server.cjs', '../cli/mcp-server.ts');
}

function ownProgram(bundle: string, source: string): string {
  const candidates = [bundle, source].map((file) => join(import.meta.dirname, file));
  const found = candidates.find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new BootyardError('lab.install', `${candidates[0]} is missing: build or install Bootyard again.`);
}

let version: string | undefined;

/** Bootyard's version, from its package.json. */
export function ownVersion(): string {
  version ??= readVersion(import.meta.dirname);
  return version;
}

function readVersion(folder: string): string {
  const Package = z.object({ name: z.literal('bootyard'), version: z.string() });
  const file = join(folder, 'package.json');
  if (existsSync(file)) {
    const parsed = Package.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    if (parsed.success) return parsed.data.version;
  }
  const parent = dirname(folder);
  if (parent === folder)
    throw new BootyardError('lab.install', 'package.json of Bootyard is missing: install it again.');
  return readVersion(parent);
}
