import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const MAX_BYTES = 64 * 1024;
const ROUNDS = 5;
const ROUND_MS = 200;

/**
 * Ends the step of a build whose client has gone: Podman would let it run to its end. Its processes are those of this
 * machine whose /etc/hosts has the name `mark`, which nothing but that build was given.
 */
export async function endPodmanStep(mark: string): Promise<void> {
  // A container that has just started has no process yet.
  for (let round = 0; round < ROUNDS; round++) {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (isMarked(pid, mark)) end(Number(pid));
    }
    await delay(ROUND_MS);
  }
}

function isMarked(pid: string, mark: string): boolean {
  const hosts = `/proc/${pid}/root/etc/hosts`;
  try {
    const stat = lstatSync(hosts);
    return stat.isFile() && stat.size <= MAX_BYTES && readFileSync(hosts, 'utf8').includes(mark);
  } catch {
    // Somebody else's, or it has ended.
    return false;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
