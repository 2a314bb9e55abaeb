// Where code-server (VS Code's server and web workbench) lives, and how to start and stop it on loopback.
import { spawn, execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const root = join(import.meta.dirname, '..');

/** code-server 4.(100+n) ships VS Code 1.(100+n); this one asks for Node 24, which the project's packages bring. */
export const codeServerVersion = '4.139.1';
export const installFolder = join(root, '.cache', `code-server-${codeServerVersion}`);
export const installStamp = join(installFolder, '.complete');
export const entry = join(installFolder, 'node_modules/code-server/out/node/entry.js');
export const vscodeFolder = join(installFolder, 'node_modules/code-server/lib/vscode');
/** The Node package of this machine: a complete node with its headers. */
export const nodeFolder = join(root, 'node_modules', `node-linux-${process.arch}`);
export const nodeBinary = join(nodeFolder, 'bin/node');

/** The folders of one workbench; everything it writes stays in them. */
export interface WorkbenchFolders {
  readonly home: string;
  readonly userData: string;
  readonly extensions: string;
  readonly log: string;
  /** the words that run code-server, when another user is to: programs that this user can read, and who it is */
  readonly command?: readonly string[];
}

const foreign = /^(VSCODE_|npm_|ELECTRON_)/;
const unwanted = new Set(['PASSWORD', 'HASHED_PASSWORD', 'PORT', 'NODE_OPTIONS']);

/**
 * The environment of a code-server: nothing of a surrounding VS Code or npm. VS Code puts sockets in its TMPDIR, and a
 * socket's path holds 108 bytes, so that folder sits beside its data with a short name.
 */
export function serverEnvironment(
  folders: WorkbenchFolders,
  extra: NodeJS.ProcessEnv = {},
): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name) && !unwanted.has(name));
  const temporary = join(dirname(folders.userData), 't');
  mkdirSync(temporary, { recursive: true });
  return {
    ...Object.fromEntries(kept),
    HOME: folders.home,
    TMPDIR: temporary,
    SHELL: '/bin/bash',
    TERM: 'xterm-256color',
    CS_DISABLE_GETTING_STARTED_OVERRIDE: '1',
    EXTENSIONS_GALLERY: '{"serviceUrl":""}',
    ...extra,
  };
}

const common = ['--config', '/dev/null'];

/** A command line that runs code-server on these folders. */
function commandLine(folders: WorkbenchFolders, ...args: string[]): [program: string, args: string[]] {
  const [program = '', ...words] = folders.command ?? [nodeBinary, entry];
  const places = ['--user-data-dir', folders.userData, '--extensions-dir', folders.extensions];
  return [program, [...words, ...common, ...places, ...args]];
}

/** Installs a .vsix into the workbench of `folders`. */
export function installExtension(folders: WorkbenchFolders, vsix: string): void {
  execFileSync(...commandLine(folders, '--install-extension', vsix, '--force'), {
    env: serverEnvironment(folders),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

export interface CodeServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
  /** Resolves when the server ends by itself or by `stop`. */
  readonly ended: Promise<void>;
}

export interface StartOptions {
  /** 0 takes any free port */
  readonly port?: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Lets the page name an extension under development and a test suite, which a released VS Code refuses otherwise. */
  readonly testDriver?: boolean;
}

/** Starts code-server on 127.0.0.1 without a password; resolves when it listens. */
export async function startCodeServer(
  folders: WorkbenchFolders,
  options: StartOptions = {},
): Promise<CodeServer> {
  const before = logLength(folders.log);
  const log = openSync(folders.log, 'a');
  const flags = [
    '--disable-telemetry',
    '--disable-update-check',
    '--disable-workspace-trust',
    '--disable-proxy',
  ];
  const address = `127.0.0.1:${options.port ?? 0}`;
  const driver = options.testDriver ? ['--vscode-option', 'enable-smoke-test-driver'] : [];
  const child = spawn(
    ...commandLine(folders, '--bind-addr', address, '--auth', 'none', ...flags, ...driver),
    { env: serverEnvironment(folders, options.env), detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`code-server did not start: ${nodeBinary} cannot be run.`);
  const stop = async (): Promise<void> => {
    signalGroup(pid, 'SIGTERM');
    await Promise.race([ended, delay(3000)]);
    signalGroup(pid, 'SIGKILL');
    await ended;
  };
  for (;;) {
    const text = readFileSync(folders.log, 'utf8').slice(before);
    const url = /HTTP server listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1];
    if (url) return { url, pid, stop, ended };
    const gone = await Promise.race([ended.then(() => true), delay(100, false)]);
    if (gone) throw new Error(`code-server ended before it listened:\n${text.slice(-2000)}`);
  }
}

function logLength(file: string): number {
  try {
    return readFileSync(file, 'utf8').length;
  } catch {
    return 0; // the first start writes it
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group is gone already
  }
}
