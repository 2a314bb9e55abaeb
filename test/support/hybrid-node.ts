import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestLab } from './lab.ts';

/** Where a node in hybrid boot sees the partition that it uses. */
export const PARTITION = '/run/walt/rootfs/mnt/hm_part';

export async function waitFor(lab: TestLab, node: string): Promise<void> {
  await lab.bootyard('node', 'wait', '--timeout', '200', node);
}

/** Runs commands of debugfs on the first partition of a node's first disk, which no machine uses; what they print. */
export function debugfs(lab: TestLab, mac: string, ...commands: string[]): string {
  const disk = join(lab.paths.nodes, mac.replaceAll(':', '-'), 'disks/disk_0.dd');
  const input = commands.map((command) => `${command}\n`).join('');
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  return execFileSync('debugfs', ['-w', '-f', '-', `${disk}?offset=1048576`], {
    ...{ input, env },
    stdio: 'pipe',
    encoding: 'utf8',
  });
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
