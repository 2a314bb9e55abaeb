import type { Socket } from 'node:net';

/** bytes of a first line; more is no line of ours */
const MAX_LINE = 512;

/**
 * The first line of a connection without its newline; what follows stays to be read. Undefined when the connection ends
 * before, or when the line is too long. The socket is paused then.
 */
export async function firstLine(socket: Socket, limitMs: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    let seen = Buffer.alloc(0);
    const done = (line: string | undefined): void => {
      clearTimeout(timer);
      socket.off('data', take).off('end', none).off('close', none).pause();
      resolve(line);
    };
    const none = (): void => done(undefined);
    const take = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk]);
      const end = seen.indexOf(10);
      if (end < 0 && seen.length <= MAX_LINE) return;
      const line = end < 0 || end > MAX_LINE ? undefined : seen.toString('utf8', 0, end);
      const rest = seen.subarray(end + 1);
      done(line);
      if (line !== undefined && rest.length > 0) socket.unshift(rest);
    };
    const timer = setTimeout(none, limitMs);
    socket.on('data', take).once('end', none).once('close', none).resume();
  });
}

/**
 * Joins two connections, made with `allowHalfOpen`: what one sends, the other gets at the pace it takes it; an end in one
 * direction leaves the other one open; what breaks one resets the other.
 */
export function joinSockets(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    from.on('error', () => reset(to));
    from.once('close', () => {
      if (!from.readableEnded || from.errored) reset(to);
    });
  }
}

/** Over TCP the peer sees a reset, so that it does not take what it has for the whole. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
