import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';

export interface ProbeBoot {
  qemu: string;
  /** QEMU's arguments that choose the accelerator and the CPU */
  accelerator: readonly string[];
  kernel: string;
  initrd: string | undefined;
  timeoutMs: number;
  signal: AbortSignal | undefined;
}
export interface ProbeOutcome {
  /** booted: the kernel came as far as its first program; ended: QEMU ended before; silent: neither in time */
  outcome: 'booted' | 'ended' | 'silent';
  /** last words of kernel or QEMU, one clause */
  detail: string;
}

const OUTPUT_LIMIT = 256 * 1024;
const BANNER = /Linux version /;
// Either is proof that the kernel has set up memory, timers and processes: it has looked for its first program.
const END_OF_BOOT = /Run \/\S+ as init process|not syncing: VFS|not syncing: No working init/;

/**
 * Boots a kernel once, without disk or network, and watches its serial line. QEMU is killed as soon as the answer is
 * known, and has ended when this resolves. Rejects only with the reason of `signal`.
 */
export async function bootOnce(boot: ProbeBoot): Promise<ProbeOutcome> {
  boot.signal?.throwIfAborted();
  const child = spawn(boot.qemu, qemuArguments(boot), { stdio: ['ignore', 'pipe', 'pipe'] });
  let serial = '';
  let complaint = '';
  let outcome: ProbeOutcome['outcome'] = 'ended';
  const end = (verdict: ProbeOutcome['outcome']) => {
    outcome = verdict;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => end('silent'), boot.timeoutMs);
  const abort = () => child.kill('SIGKILL');
  boot.signal?.addEventListener('abort', abort, { once: true });
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    serial = (serial + text).slice(-OUTPUT_LIMIT);
    if (BANNER.test(serial) && END_OF_BOOT.test(serial)) end('booted');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-OUTPUT_LIMIT);
  });
  await new Promise<void>((resolve) => {
    child.on('error', (error) => {
      complaint = error.message;
      resolve();
    });
    child.on('close', () => resolve());
  });
  clearTimeout(timer);
  boot.signal?.removeEventListener('abort', abort);
  boot.signal?.throwIfAborted();
  // Why QEMU ended is on its standard error; how far a guest came is on its serial line.
  const texts = outcome === 'ended' ? [complaint, serial] : [serial, complaint];
  const detail = texts.map(lastWords).find((words) => words !== '') ?? 'not a word from it';
  return { outcome, detail };
}

function qemuArguments(boot: ProbeBoot): string[] {
  const initrd = boot.initrd === undefined ? [] : ['-initrd', boot.initrd];
  return [
    ...`-nodefaults -no-user-config -machine pc -m 512 -display none -serial stdio -no-reboot`.split(' '),
    ...boot.accelerator,
    '-kernel',
    boot.kernel,
    ...initrd,
    '-append',
    'console=ttyS0 earlyprintk=ttyS0 panic=-1',
  ];
}

function lastWords(text: string): string {
  const lines = text.split(/[\r\n]+/).map((line) => printable(line).trim());
  return (
    lines
      .filter((line) => line !== '')
      .at(-1)
      ?.slice(0, 200) ?? ''
  );
}

/** Firmware colours its text; a reason is plain. */
function printable(line: string): string {
  return stripVTControlCharacters(line).replace(/[^\x20-\x7e]/g, '');
}
