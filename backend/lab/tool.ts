import { spawn } from 'node:child_process';
import { BootyardError, messageOf } from '../errors.ts';
import { toolPath } from './program.ts';

const OUTPUT_LIMIT = 4 * 1024 * 1024;

/** How a program ended. `status` is null when a signal ended it, or when it is not there (`error` says so). */
export interface ToolResult {
  status: number | null;
  stdout: string;
  stderr: string;
  error?: Error;
  timedOut: boolean;
}
export interface ToolOptions {
  input?: string;
  timeoutMs?: number;
  cwd?: string;
  /** kills the program */
  signal?: AbortSignal;
}

/** Runs a program to its end; never rejects. After `timeoutMs` (10 s by default) it is killed. */
export async function tryTool(argv: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  return await new Promise((resolve) => {
    const [program = '', ...rest] = argv;
    const child = spawn(program, rest, {
      env: toolEnvironment(),
      stdio: 'pipe',
      cwd: options.cwd,
      signal: options.signal,
      killSignal: 'SIGKILL',
    });
    const result: ToolResult = { status: null, stdout: '', stderr: '', timedOut: false };
    const timer = setTimeout(() => {
      result.timedOut = true;
      child.kill('SIGKILL');
    }, options.timeoutMs ?? 10_000);
    const settle = () => {
      clearTimeout(timer);
      resolve(result);
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (result.stdout.length < OUTPUT_LIMIT) result.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (result.stderr.length < OUTPUT_LIMIT) result.stderr += text;
    });
    child.on('error', (error) => {
      result.error = error;
      if (child.pid === undefined) settle();
    });
    child.on('close', (status) => {
      result.status = status;
      settle();
    });
    // A program that does not read its input ends by its own account.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a program that must succeed and returns its standard output. Throws `lab.tool` with its last line otherwise. */
export async function runTool(argv: readonly string[], options: ToolOptions = {}): Promise<string> {
  const result = await tryTool(argv, options);
  if (result.status === 0) return result.stdout;
  throw new BootyardError('lab.tool', `"${argv.join(' ')}" failed: ${failureOf(result)}.`, { argv });
}

/** Why a program failed, one clause. */
export function failureOf(result: ToolResult): string {
  if (result.error) return messageOf(result.error);
  if (result.timedOut) return 'it did not end in time';
  const line = (result.stderr || result.stdout).trim().split('\n').at(-1)?.trim().replace(/\.$/, '');
  return line || `it ended with status ${result.status}`;
}

/** Messages in English, which some checks read. */
function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', PATH: toolPath() };
}
