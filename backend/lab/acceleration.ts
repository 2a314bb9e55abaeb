import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { systemCode } from '../errors.ts';
import type { Paths } from '../state/paths.ts';
import { bootOnce } from './probe-boot.ts';
import { failureOf, tryTool } from './tool.ts';

export interface Acceleration {
  accel: 'kvm' | 'tcg';
  /** why, one clause that starts in lower case */
  reason: string;
}
/** Files of a lab's probe: a kernel taken from one of its images, and the answer. */
export function probeFiles(paths: Paths): { kernel: string; cacheFile: string } {
  return { kernel: join(paths.data, 'probe/kernel'), cacheFile: join(paths.data, 'probe/acceleration.json') };
}

export interface ProbeOptions {
  /** a distribution's kernel: what guests of nodes run too */
  kernel: string;
  initrd?: string;
  /** where the answer is kept, per kernel of the host and version of QEMU */
  cacheFile: string;
  /** QEMU's program; qemu-system-x86_64 by default */
  qemu?: string;
  timeoutMs?: number;
  signal?: AbortSignal;
  /** /dev/kvm, unless a test has another one */
  device?: string;
}

const Cached = z.object({
  host: z.string(),
  qemu: z.string(),
  accel: z.enum(['kvm', 'tcg']),
  reason: z.string(),
  /** ms since the epoch */
  probed: z.number(),
});
/** A refusal may have come from a passing load; it is not believed for ever. */
const REFUSAL_MS = 24 * 3600 * 1000;

/**
 * Decides how nodes run. KVM only after a kernel has booted with it: there are hosts whose /dev/kvm opens and whose
 * guests then hang (DESIGN.md §8). Takes up to `timeoutMs` (10 s) when nothing is cached. Rejects only with the reason of
 * `signal`.
 */
export async function probeAcceleration(options: ProbeOptions): Promise<Acceleration> {
  const device = options.device ?? '/dev/kvm';
  const obstacle = deviceObstacle(device);
  if (obstacle !== undefined) return { accel: 'tcg', reason: obstacle };
  const qemu = options.qemu ?? 'qemu-system-x86_64';
  const version = await tryTool([qemu, '--version']);
  if (version.status !== 0) return { accel: 'tcg', reason: `QEMU does not run: ${failureOf(version)}` };
  const key = { host: release(), qemu: version.stdout.split('\n')[0] ?? '' };
  const known = await readCache(options.cacheFile);
  if (known !== undefined && known.host === key.host && known.qemu === key.qemu && isFresh(known)) {
    return { accel: known.accel, reason: known.reason };
  }
  if (!existsSync(options.kernel)) {
    return { accel: 'tcg', reason: `KVM is not tried: there is no kernel ${options.kernel} to boot` };
  }
  const result = await probe(qemu, options);
  await writeCache(options.cacheFile, { ...key, ...result, probed: Date.now() });
  return result;
}

async function probe(qemu: string, options: ProbeOptions): Promise<Acceleration> {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const boot = await bootOnce({
    qemu,
    accelerator: ['-accel', 'kvm', '-cpu', 'host'],
    kernel: options.kernel,
    initrd: options.initrd,
    timeoutMs,
    signal: options.signal,
  });
  if (boot.outcome === 'booted') return { accel: 'kvm', reason: 'a kernel was seen to boot with KVM' };
  if (boot.outcome === 'ended') return { accel: 'tcg', reason: `QEMU ends when it uses KVM: ${boot.detail}` };
  const seconds = Math.round(timeoutMs / 1000);
  return { accel: 'tcg', reason: `a kernel does not boot with KVM within ${seconds} s: ${boot.detail}` };
}

/** Why the device cannot be used at all, or undefined. */
export function deviceObstacle(device = '/dev/kvm'): string | undefined {
  try {
    closeSync(openSync(device, constants.O_RDWR));
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return `this host has no ${device}`;
    if (code === 'EACCES' || code === 'EPERM') return `you may not open ${device}`;
    return `${device} cannot be opened (${code ?? String(error)})`;
  }
}

function isFresh(record: z.infer<typeof Cached>): boolean {
  return record.accel === 'kvm' || Date.now() - record.probed < REFUSAL_MS;
}

/** A cache that cannot be read is no cache: the probe is made again. */
async function readCache(file: string): Promise<z.infer<typeof Cached> | undefined> {
  try {
    const parsed = Cached.safeParse(JSON.parse(await readFile(file, 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

async function writeCache(file: string, record: z.infer<typeof Cached>): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const next = `${file}.${process.pid}.new`;
  await writeFile(next, `${JSON.stringify(record)}\n`);
  await rename(next, file);
}
