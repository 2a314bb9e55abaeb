import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SnapshotInfo } from '../../backend/api/node.ts';
import { TestLab, until } from './lab.ts';

/** A lab whose nodes are saved, with what tests look at. */
export class SnapshotLab extends TestLab {
  async snapshots(node: string): Promise<SnapshotInfo[]> {
    return JSON.parse(await this.bootyard('node', 'snapshot', 'list', node, '--json')) as SnapshotInfo[];
  }

  /** Names of what lies in the node's folder of snapshots. */
  async snapshotFolders(node: string): Promise<string[]> {
    const { mac } = await this.node(node);
    const folder = join(this.paths.nodes, mac.replaceAll(':', '-'), 'snapshots');
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** The one sentence with which a command fails. */
  async refusal(...args: string[]): Promise<string> {
    const { status, stderr } = await this.run(...args);
    if (status === 1 && /^[^\n]+\n$/.test(stderr)) return stderr.trim();
    throw new Error(`${args.join(' ')} ended with ${status}, not with a sentence: ${stderr}`);
  }

  /** Begins to count in the node, ten times a second. */
  async startCounter(node: string): Promise<void> {
    const loop = 'i=0; while :; do i=$((i+1)); echo $i >/run/count; sleep 0.1; done';
    await this.inNode(node, `setsid sh -c '${loop}' </dev/null >/dev/null 2>&1 & sleep 1`);
  }
  async count(node: string): Promise<number> {
    return Number(await this.inNode(node, 'cat /run/count'));
  }
  async isCounting(node: string): Promise<void> {
    const before = await this.count(node);
    await until(
      'counting',
      () => this.count(node),
      (count) => count > before,
    );
  }
}

/** The first process of that kind, stopped (SIGSTOP) in its first moments. */
export async function stopProcess(isWanted: (pid: string) => boolean): Promise<number> {
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    const found = readdirSync('/proc').find((pid) => /^\d+$/.test(pid) && isWanted(pid));
    if (found !== undefined) {
      process.kill(Number(found), 'SIGSTOP');
      return Number(found);
    }
    await delay(5);
  }
  throw new Error('no such process has started');
}

/** Whether a process writes the memory of one of the lab's nodes into a file. */
export function savesMemory(lab: TestLab): (pid: string) => boolean {
  return (pid) => {
    try {
      const file = readlinkSync(`/proc/${pid}/fd/1`);
      return file.startsWith(`${lab.paths.nodes}/`) && file.endsWith('/state.part');
    } catch {
      return false;
    }
  };
}

/** Whether a process is a QEMU of the lab that takes memory from a file, and has not run until now. */
export function startsToRestore(lab: TestLab): (pid: string) => boolean {
  const isRestored = (pid: string) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const [program = ''] = words;
      const isOfLab = words.some((word) => word.includes(`${lab.home}/`));
      return program.includes('qemu-system-') && words.includes('-incoming') && isOfLab;
    } catch {
      return false;
    }
  };
  const before = new Set(readdirSync('/proc').filter(isRestored));
  return (pid) => !before.has(pid) && isRestored(pid);
}
