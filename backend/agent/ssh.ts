import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dropbearKey } from './dropbear-key.ts';

const run = promisify(execFile);

/** The lab's keys: one pair that opens every node, and one host key that every node shows. */
export interface LabKeys {
  /** file of the private key */
  identity: string;
  /** line for authorized_keys */
  authorized: string;
  /** ecdsa host key of all nodes, OpenSSH format, and its public line */
  hostKey: Buffer;
  hostKeyPublic: string;
  /** the same host key in the format of dropbear */
  dropbearKey: Buffer;
}

/** Makes the lab's keys once; they stay as long as the lab's data. */
export async function labKeys(folder: string): Promise<LabKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const identity = join(folder, 'id_ed25519');
  const host = join(folder, 'node_host_ecdsa');
  await makeKey(identity, 'ed25519', 'bootyard');
  await makeKey(host, 'ecdsa', 'walt.node');
  const hostKeyPublic = (await readFile(`${host}.pub`, 'utf8')).trim();
  const [type, key] = hostKeyPublic.split(' ');
  await writeFile(join(folder, 'known_hosts'), `walt.node ${type} ${key}\n`);
  const hostKey = await readFile(host);
  return {
    identity,
    authorized: (await readFile(`${identity}.pub`, 'utf8')).trim(),
    hostKey,
    hostKeyPublic,
    dropbearKey: dropbearKey(hostKey),
  };
}

async function makeKey(file: string, type: string, comment: string): Promise<void> {
  if (existsSync(file)) return;
  // PEM: what dropbear's converters and old sshd read as well.
  const format = type === 'ecdsa' ? ['-m', 'PEM'] : [];
  await run('ssh-keygen', ['-q', '-t', type, ...format, '-N', '', '-C', comment, '-f', file]);
}

/** ssh as root to a node, inside the lab's network: fixed host key, no user configuration, no agent. */
export function sshArgv(to: {
  ip: string;
  keys: string;
  command?: string;
  tty: boolean;
  /** one connection for several: ssh_config(5), ControlMaster */
  share?: { socket: string; master: boolean };
}): string[] {
  const options = [
    'PreferredAuthentications=publickey',
    `UserKnownHostsFile=${join(to.keys, 'known_hosts')}`,
    'GlobalKnownHostsFile=/dev/null',
    'HostKeyAlias=walt.node',
    'StrictHostKeyChecking=yes',
    `IdentityFile=${join(to.keys, 'id_ed25519')}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'ConnectTimeout=10',
    'ServerAliveInterval=5',
    'LogLevel=ERROR',
    ...(to.share
      ? [`ControlPath=${to.share.socket}`, `ControlMaster=${to.share.master ? 'yes' : 'no'}`]
      : []),
  ];
  return [
    'ssh',
    '-F',
    'none',
    ...options.flatMap((option) => ['-o', option]),
    to.tty ? '-t' : '-T',
    ...(to.share?.master ? ['-N'] : []),
    `root@${to.ip}`,
    ...(to.command === undefined ? [] : ['--', to.command]),
  ];
}
