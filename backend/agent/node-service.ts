import { connect } from 'node:net';
import { BootyardError, systemCode } from '../errors.ts';

const LIMIT_MS = 15_000;

/**
 * One request to a node's service (TCP 12346): `MODE single`, the request, one line of answer, `OK` or `KO <reason>`.
 * Rejects with WalT's sentences.
 */
export function askNode(
  ip: string,
  request: 'PING' | 'REBOOT' | `BLINK ${0 | 1}` | 'DMESG',
  options: { port?: number; limitMs?: number } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: ip, port: options.port ?? 12346 });
    const fail = (reason: string): void => {
      socket.destroy();
      reject(new BootyardError('agent.failed', reason, { ip, request }));
    };
    socket.setTimeout(options.limitMs ?? LIMIT_MS, () =>
      fail(socket.connecting ? 'Connection timed out' : 'Timed out waiting for reply'),
    );
    socket.on('error', (error) =>
      fail(systemCode(error) === 'ECONNREFUSED' ? 'Connection refused' : 'Connection timed out'),
    );
    socket.once('connect', () => socket.write(`MODE single\n${request}\n`));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      const end = answer.indexOf('\n');
      if (end < 0 && answer.length < 1024) return;
      const line = answer.slice(0, end).trim();
      if (line === 'OK') {
        socket.destroy();
        resolve();
      } else fail(line.startsWith('KO ') ? line.slice(3) : 'Node did not respond properly');
    });
    socket.once('end', () => fail('Node did not respond properly'));
  });
}
