import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootyardError, messageOf, systemCode } from '../errors.ts';
import { findProgram } from './program.ts';

/** The lab's way out: a tap whose other end is slirp4netns, which speaks with the host's sockets (see door.sh). */
export const UPLINK = {
  name: 'uplink',
  network: '198.18.152.0/24',
  /** answers as the host's resolvers do */
  resolver: '198.18.152.3',
} as const;

const PROGRAM = 'slirp4netns';
const OPEN_MS = 20_000;
const POLL_MS = 50;

/** The files of the door, in the lab's run folder. */
export function doorFiles(run: string) {
  return { fifo: join(run, 'door'), pid: join(run, 'door.pid'), log: join(run, 'uplink.log') };
}

/** Whether the uplink is there and has its route; in the caller's network namespace. */
export function uplinkIsOpen(): boolean {
  return readFileSync('/proc/net/route', 'latin1').includes(`\n${UPLINK.name}\t00000000\t`);
}

/**
 * Has the door open the uplink, and resolves when it is there; does nothing when it is already. Throws `lab.uplink` with
 * what stands in the way.
 */
export async function openUplink(run: string): Promise<void> {
  if (uplinkIsOpen()) return;
  if (findProgram(PROGRAM) === undefined) {
    throw uplinkError(`${PROGRAM} is not installed; "bootyard doctor" names the package`);
  }
  askDoor(run, 'start');
  const deadline = Date.now() + OPEN_MS;
  while (!uplinkIsOpen()) {
    if (Date.now() > deadline) throw uplinkError(lastWords(run));
    await delay(POLL_MS);
  }
  setForwarding(true);
}

/** Nothing is forwarded any more; the uplink itself ends a moment later. */
export function closeUplink(run: string): void {
  setForwarding(false);
  if (uplinkIsOpen()) askDoor(run, 'stop');
}

/** The door never reads slowly, and one that is not there must not hold the caller. */
function askDoor(run: string, request: 'start' | 'stop'): void {
  try {
    const fifo = openSync(doorFiles(run).fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(fifo, `${request}\n`);
    closeSync(fifo);
  } catch (error) {
    const gone = ['ENOENT', 'ENXIO'].includes(systemCode(error) ?? '');
    throw uplinkError(gone ? 'the process that opens it is gone: stop and start the lab' : messageOf(error));
  }
}

function setForwarding(on: boolean): void {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', on ? '1' : '0');
}

function uplinkError(why: string): BootyardError {
  return new BootyardError('lab.uplink', `The lab has no uplink for netsetup=NAT: ${why}.`);
}

function lastWords(run: string): string {
  try {
    const line = readFileSync(doorFiles(run).log, 'utf8').trim().split('\n').at(-1);
    return `${PROGRAM} does not get ready (${line || 'it does not say why'})`;
  } catch {
    return `${PROGRAM} was not started`;
  }
}
