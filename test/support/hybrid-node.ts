import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestLab } from './lab.ts';

/** Where a node in hybrid boot sees the partition that it uses. */
export const PARTITION = '/run/walt/rootfs/mnt/hm_part';

const quiet = {
  env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  stdio: 'pipe',
} as const;

export async function waitFor(lab: TestLab, node: string): Promise<void> {
  await lab.bootyard('node', 'wait', '--timeout', '280', node);
}

/** Runs commands of debugfs on the first partition of a node's first disk, which no machine uses; what they print. */
export function debugfs(lab: TestLab, mac: string, ...commands: string[]): string {
  return runDebugfs(`${diskOf(lab, mac)}?offset=1048576`, commands);
}

function diskOf(lab: TestLab, mac: string): string {
  return join(lab.paths.nodes, mac.replaceAll(':', '-'), 'disks/disk_0.dd');
}

function runDebugfs(device: string, commands: readonly string[]): string {
  const input = commands.map((command) => `${command}\n`).join('');
  return execFileSync('debugfs', ['-w', '-f', '-', device], { ...quiet, input, encoding: 'utf8' });
}

/** As `debugfs` on what the next mount will find: a copy whose journal has been replayed. */
export function debugfsAfterCut(lab: TestLab, mac: string, ...commands: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'by-cut-'));
  const partition = join(folder, 'partition');
  try {
    execFileSync(
      'dd',
      [`if=${diskOf(lab, mac)}`, `of=${partition}`, 'bs=1M', 'skip=1', 'conv=sparse'],
      quiet,
    );
    const { status } = spawnSync('e2fsck', ['-E', 'journal_only', '-p', partition], quiet);
    if (status !== 0 && status !== 1) throw new Error(`e2fsck ended with ${status}`);
    return runDebugfs(partition, commands);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Bytes of copies to its disk, as the timeline of a node's last boot has them. */
export async function copiedBytes(lab: TestLab, node: string): Promise<number> {
  const { stages } = await lab.timeline(node);
  const detail = stages.find(({ name }) => name === 'walt-init')?.detail ?? '';
  const factor: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6 };
  const sizes = [...detail.matchAll(/files, ([\d.]+) (B|kB|MB) sent to the disk/g)];
  return sizes.reduce((sum, [, number, unit = '']) => sum + Number(number) * (factor[unit] ?? 0), 0);
}

/** The boot mode that a node is in. */
export async function bootMode(lab: TestLab, node: string): Promise<string> {
  return (await lab.inNode(node, '. /bin/walt-env; echo $walt_boot_mode')).trim();
}
