import { connect } from 'node:net';
import { systemCode } from '../errors.ts';
import { tryTool } from '../lab/tool.ts';
import { askNode } from './node-service.ts';
import { sshArgv } from './ssh.ts';

/** Somebody listens on port 22; nobody does; nothing at all comes back; our key is refused. */
export type SshState = 'open' | 'closed' | 'silent' | 'refused';

/** What is asked of nodes that run; `keys`: the folder of the lab's. */
export function nodeAgent(keys: string) {
  return {
    reboot: (ip: string) => askNode(ip, 'REBOOT'),
    ssh: (ip: string, withKey: boolean) =>
      sshState(ip, withKey ? { argv: sshArgv({ ip, keys, command: 'exit', tty: false }) } : {}),
  };
}

const CONNECT_MS = 2_000;
const LOGIN_MS = 15_000;

/** Asks the ssh server of a node; `argv` is a login that only ends, when the key is to be tried, too. Never rejects. */
export async function sshState(
  ip: string,
  { argv, port = 22 }: { argv?: readonly string[]; port?: number } = {},
): Promise<SshState> {
  const state = await listens(ip, port);
  if (state !== 'open' || argv === undefined) return state;
  const { stderr } = await tryTool(argv, { timeoutMs: LOGIN_MS });
  return stderr.includes('Permission denied') ? 'refused' : 'open';
}

function listens(host: string, port: number): Promise<SshState> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (state: SshState): void => {
      socket.destroy();
      resolve(state);
    };
    socket.setTimeout(CONNECT_MS, () => end('silent'));
    socket.once('connect', () => end('open'));
    // No answer to ARP is EHOSTUNREACH.
    socket.on('error', (error) => end(systemCode(error) === 'ECONNREFUSED' ? 'closed' : 'silent'));
  });
}
