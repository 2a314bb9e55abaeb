import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bufferSource, type FileSource } from '../../backend/protocols/file-source.ts';
import { until } from '../support/lab.ts';
import {
  run,
  URL_BASE,
  MIB,
  big,
  files,
  serve,
  curl,
  digest,
  open,
  readAll,
  closing,
} from '../support/boot-http.ts';

describe('files that a disk may have to be waited for', () => {
  const never = (): number => {
    throw new Error('read at once');
  };
  /** Reads that end when the test says so. */
  function held(content: Buffer): { file: FileSource; targets: Uint8Array[]; letGo: () => void } {
    const targets: Uint8Array[] = [];
    const opened = Promise.withResolvers<void>();
    const readLater = async (target: Uint8Array, position: number): Promise<number> => {
      targets.push(target);
      await opened.promise;
      return bufferSource(content).read(target, position);
    };
    const file = { size: content.length, read: never, isWarm: () => false, readLater };
    return { file, targets, letGo: opened.resolve };
  }

  it('are read while others are served, whole and in parts', async () => {
    const { file, targets, letGo } = held(big);
    await serve({ resolve: (_client, path) => (path === '/cold' ? file : files.get(path)) });
    const whole = curl(`${URL_BASE}/boot/cold`);
    await until(
      'a read',
      () => targets.length,
      (count) => count === 1,
    );
    expect((await run('curl', ['-s', `${URL_BASE}/boot/start.ipxe`])).stdout).toBe('#!ipxe\n');
    letGo();
    expect(digest((await whole).body)).toBe(digest(big));
    const part = await curl('-r', '5-9', `${URL_BASE}/boot/cold`);
    expect(part.body).toEqual(big.subarray(5, 10));
  });

  it('are read at once where they are in memory', async () => {
    const warm: FileSource = {
      ...bufferSource(Buffer.from('warm')),
      isWarm: () => true,
      readLater: () => Promise.reject(new Error('read later')),
    };
    await serve({ resolve: () => warm });
    expect((await curl(`${URL_BASE}/boot/warm`)).body.toString()).toBe('warm');
  });

  it('break the connection when they cannot be read to their end', async () => {
    const failing: FileSource = {
      size: 2 * MIB,
      read: never,
      isWarm: () => false,
      readLater: async (target, position) => {
        if (position > MIB) throw new Error('input/output error');
        return target.fill(1).length;
      },
    };
    const { events } = await serve({ resolve: () => failing });
    await expect(curl(`${URL_BASE}/boot/failing`)).rejects.toMatchObject({ code: 18 });
    expect(events.at(-1)).toMatchObject({
      phase: 'end',
      cause: 'the file could not be read to its end: input/output error',
    });
  });

  it('keep the memory that they are read into, also when their client has gone', async () => {
    const { file, targets, letGo } = held(big);
    const { next } = await serve({ resolve: (_client, path) => (path === '/cold' ? file : files.get(path)) });
    const gone = await open();
    const [started, ended] = [next('start'), next('end')];
    gone.write('GET /boot/cold HTTP/1.1\r\n\r\n');
    await started;
    gone.destroy();
    expect(await ended).toMatchObject({ cause: 'the client closed the connection' });
    const [lent] = targets;
    lent?.fill(9);
    expect(digest((await curl(`${URL_BASE}/boot/big`)).body)).toBe(digest(big));
    expect(lent?.every((byte) => byte === 9)).toBe(true);
    letGo();
  });

  it('take little memory for clients that do not read, however many', async () => {
    const blocks = new Set<ArrayBufferLike>();
    const later: FileSource = {
      size: 2 ** 40,
      read: never,
      isWarm: () => false,
      readLater: async (target) => {
        blocks.add(target.buffer);
        return target.length;
      },
    };
    const { events } = await serve({ resolve: () => later });
    for (let client = 2; client < 12; client++) {
      for (let count = 0; count < 20; count++) {
        const lazy = await open(`127.0.0.${client}`);
        lazy.pause();
        lazy.write('GET /boot/later HTTP/1.1\r\n\r\n');
      }
    }
    await until(
      'all transfers have begun',
      () => events.filter((event) => 'phase' in event && event.phase === 'start').length,
      (count) => count === 200,
    );
    await until('no more is read', countOfBlocks(blocks), (isSteady) => isSteady);
    // One for each, and two more for the first of them.
    expect(blocks.size).toBeLessThan(280);
  });
});

/** True when no blocks were added since the last call. */
function countOfBlocks(blocks: Set<ArrayBufferLike>): () => boolean {
  let before = -1;
  return () => {
    const isSteady = blocks.size === before;
    before = blocks.size;
    return isSteady;
  };
}

describe('clients that misbehave', () => {
  it('pipelining is answered in order', async () => {
    await serve();
    const socket = await open();
    const names = ['start.ipxe', 'none', 'empty', 'big', 'start.ipxe'];
    const requests = names.map((name, at) => {
      const last = at === names.length - 1 ? 'Connection: close\r\n' : '';
      return `GET /boot/${name} HTTP/1.1\r\nHost: x\r\n${last}\r\n`;
    });
    socket.write(requests.join(''));
    const all = await readAll(socket);
    expect(all.match(/HTTP\/1\.1 \d+/g)).toEqual(
      ['200', '404', '200', '200', '200'].map((code) => `HTTP/1.1 ${code}`),
    );
    expect(all.endsWith('#!ipxe\n')).toBe(true);
    expect(all.includes(big.toString('latin1'))).toBe(true);
  });

  it('endless pipelining ends the connection', async () => {
    await serve({ resolve: () => new Promise(() => {}) });
    const socket = await open();
    socket.write('GET /boot/a HTTP/1.1\r\n\r\n'.repeat(100));
    expect(await readAll(socket)).toBe('');
  });

  it('a client that does not read holds up nobody and little memory', async () => {
    let sent = 0;
    const counted: FileSource = { size: 2 ** 40, read: (target) => ((sent += target.length), target.length) };
    const { next } = await serve({
      resolve: (_client, path) => (path === '/counted' ? counted : files.get(path)),
    });
    const lazy = await open();
    lazy.pause();
    const started = next('start');
    lazy.write('GET /boot/counted HTTP/1.1\r\n\r\n');
    await started;
    for (let turn = 0; turn < 5; turn++) {
      expect(digest((await curl(`${URL_BASE}/boot/big`)).body)).toBe(digest(big));
    }
    expect(sent).toBeLessThan(40 * MIB);
    const ended = next('end');
    lazy.destroy();
    expect(await ended).toMatchObject({ path: '/boot/counted', cause: 'the client closed the connection' });
  });

  it('slow heads are refused', async () => {
    await serve({ timeouts: { head: 200, request: 200 } });
    const slow = await open();
    slow.write('GET /boot/start.ipxe HTTP/1.1\r\nX-Slow: ');
    expect(await readAll(slow)).toContain('408 Request Timeout');
  });

  it('idle connections are closed', async () => {
    const { next } = await serve({ timeouts: { head: 200, request: 200, idle: 300 } });
    const idle = await open();
    expect(await readAll(idle)).toMatch(/^$|408/);
    const lazy = await open();
    lazy.pause();
    const ended = next('end');
    lazy.write('GET /boot/endless HTTP/1.1\r\n\r\n');
    expect(await ended).toMatchObject({ path: '/boot/endless', cause: 'the client took nothing for 0.3 s' });
  });

  it('a transfer that the server ends is not called the client’s doing', async () => {
    const { server, next } = await serve();
    const causeOf = async (end: () => unknown): Promise<unknown> => {
      const lazy = await open();
      lazy.pause();
      const [started, ended] = [next('start'), next('end')];
      lazy.write('GET /boot/endless HTTP/1.1\r\n\r\n');
      await started;
      await end();
      return ended;
    };
    expect(await causeOf(() => server.dropClient('127.0.0.1'))).toMatchObject({ cause: 'the node is off' });
    expect(await causeOf(() => server.close())).toMatchObject({ cause: 'the lab was stopped' });
  });

  it('junk is refused with a sentence, or not at all', async () => {
    await serve();
    for (const junk of [
      'nonsense\r\n\r\n',
      'GET /boot/a b HTTP/1.1\r\n\r\n',
      '\0\u0001\u0002\u0003',
      'GET\r\n\r\n',
    ]) {
      const socket = await open();
      socket.end(junk);
      expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 400 [^]*\.\n$/);
    }
    const random = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const socket = await open(`127.0.0.${2 + Math.floor(Math.random() * 50)}`);
        socket.end(randomBytes(500));
        return readAll(socket);
      }),
    );
    for (const answer of random) expect(answer).toMatch(/^$|^HTTP\/1\.1 400 /);
    expect((await curl(`${URL_BASE}/boot/start.ipxe`)).status).toBe(200);
  });

  it('one client has only so many connections, and none when it is off', async () => {
    const { server } = await serve();
    const sockets = await Promise.all(Array.from({ length: 40 }, () => open()));
    const other = await open('127.0.0.2');
    const request = 'GET /boot/start.ipxe HTTP/1.1\r\n\r\n';
    const answered = await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<boolean>((resolve) => {
            socket.once('data', () => resolve(true));
            socket.once('close', () => resolve(false));
            socket.write(request);
          }),
      ),
    );
    expect(answered.filter(Boolean).length).toBe(32);
    const closed = Promise.all(sockets.filter((socket) => !socket.destroyed).map(closing));
    server.dropClient('127.0.0.1');
    expect((await closed).length).toBe(32);
    other.write(request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    expect(await readAll(other)).toContain('#!ipxe');
  });
});
