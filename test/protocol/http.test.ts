import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { EventBody } from '../../backend/events/bus.ts';
import { bufferSource, type FileSource } from '../../backend/protocols/file-source.ts';
import type { BootHttpServerParts } from '../../backend/protocols/http/parts.ts';
import { BootHttpServer } from '../../backend/protocols/http/server.ts';
import { until } from '../support/lab.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'bootyard-http-'));
const cleanup: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of cleanup.splice(0).reverse()) await end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const URL_BASE = 'http://127.0.0.1';
const MIB = 1024 * 1024;
const big = randomBytes(20 * MIB + 3);
const SUBMODEL = '/QEMU/Standard PC (i440FX + PIIX, 1996)/boot-params.ipxe';
const broken: FileSource = {
  size: 2 * MIB,
  read: (target, position) => (position > MIB ? 0 : target.fill(1).length),
};
/** Larger than any socket buffer, without any memory. */
const endless: FileSource = { size: 2 ** 40, read: (target) => target.fill(7).length };

const files = new Map<string, FileSource>([
  ['/start.ipxe', bufferSource(Buffer.from('#!ipxe\n'))],
  ['/big', bufferSource(big)],
  ['/empty', bufferSource(Buffer.alloc(0))],
  ['/broken', broken],
  ['/endless', endless],
  [SUBMODEL, bufferSource(Buffer.from('params\n'))],
]);

interface Served {
  server: BootHttpServer;
  events: EventBody[];
  /** resolves with the next event of this phase */
  next: (phase: string) => Promise<EventBody>;
  asked: string[];
}
async function serve(parts: Partial<BootHttpServerParts> = {}): Promise<Served> {
  const events: EventBody[] = [];
  const waiting: { phase: string; resolve: (event: EventBody) => void }[] = [];
  const asked: string[] = [];
  const server = new BootHttpServer({
    address: '127.0.0.1',
    resolve: (client, path, query) => {
      asked.push(`${client} ${path} ${query.toString()}`);
      return files.get(path) ?? { missing: `image tiny has no /boot/pc-x86-64${path}` };
    },
    publish: (event) => {
      events.push(event);
      const at = waiting.findIndex(({ phase }) => 'phase' in event && event.phase === phase);
      if (at >= 0) waiting.splice(at, 1)[0]?.resolve(event);
    },
    ...parts,
  });
  await server.start();
  cleanup.push(() => server.close());
  const next = (phase: string): Promise<EventBody> =>
    new Promise((resolve) => waiting.push({ phase, resolve }));
  return { server, events, next, asked };
}

async function curl(
  ...args: string[]
): Promise<{ status: number; headers: Map<string, string>; body: Buffer }> {
  const head = join(folder, 'head');
  const { stdout } = await run('curl', ['-s', '--max-time', '30', '-D', head, ...args], {
    encoding: 'buffer',
    maxBuffer: 64 * MIB,
  });
  const lines = readFileSync(head, 'latin1').trim().split('\r\n');
  const headers = new Map(lines.slice(1).map((line) => line.toLowerCase().split(': ') as [string, string]));
  return { status: Number(lines[0]?.split(' ')[1]), headers, body: stdout };
}
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function open(address = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port: 80, host: '127.0.0.1', localAddress: address });
  socket.on('error', () => {});
  cleanup.push(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}
/** All that comes until the server closes. */
async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('latin1');
}

function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

describe('curl', () => {
  it('gets files of all sizes', async () => {
    const { events, asked } = await serve();
    const small = await curl(`${URL_BASE}/boot/start.ipxe?node_ip=192.168.152.9`);
    expect(small).toMatchObject({ status: 200, body: Buffer.from('#!ipxe\n') });
    expect(small.headers.get('content-length')).toBe('7');
    expect(small.headers.get('accept-ranges')).toBe('bytes');
    expect(asked).toEqual(['127.0.0.1 /start.ipxe node_ip=192.168.152.9']);
    expect((await curl(`${URL_BASE}/boot/empty`)).body.length).toBe(0);
    expect(digest((await curl(`${URL_BASE}/boot/big`)).body)).toBe(digest(big));
    expect(events.slice(-2)).toMatchObject([
      {
        kind: 'http',
        client: '127.0.0.1',
        path: '/boot/big',
        phase: 'start',
        bytes: big.length,
        status: 200,
      },
      { kind: 'http', client: '127.0.0.1', path: '/boot/big', phase: 'end', bytes: big.length, status: 200 },
    ]);
  });

  it('gets parts and resumes', async () => {
    await serve();
    const part = await curl('-r', '1000000-2999999', `${URL_BASE}/boot/big`);
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 1000000-2999999/${big.length}`);
    expect(digest(part.body)).toBe(digest(big.subarray(1_000_000, 3_000_000)));
    expect((await curl('-r', '-5', `${URL_BASE}/boot/big`)).body).toEqual(big.subarray(-5));
    const outside = await curl('-r', `${big.length}-`, `${URL_BASE}/boot/big`);
    expect(outside).toMatchObject({ status: 416 });
    expect(outside.headers.get('content-range')).toBe(`bytes */${big.length}`);
    expect(await curl('-r', '0-1,4-5', `${URL_BASE}/boot/start.ipxe`)).toMatchObject({ status: 200 });
    const file = join(folder, 'resumed');
    writeFileSync(file, big.subarray(0, 7_000_001));
    await run('curl', ['-s', '-C', '-', '-o', file, `${URL_BASE}/boot/big`]);
    expect(digest(readFileSync(file))).toBe(digest(big));
  });

  it('asks with HEAD, over one connection', async () => {
    await serve();
    const head = await curl('-I', `${URL_BASE}/boot/big`);
    expect(head.headers.get('content-length')).toBe(String(big.length));
    const urls = ['big', 'start.ipxe', 'nothing', 'empty', 'big'].flatMap((name) => [
      '-o',
      '/dev/null',
      `${URL_BASE}/boot/${name}`,
    ]);
    const { stdout } = await run('curl', [
      '-s',
      '-w',
      '%{http_code} %{num_connects} %{size_download}\n',
      ...urls,
    ]);
    const size = big.length;
    expect(stdout.trim().split('\n').slice(0, 5)).toEqual([
      `200 1 ${size}`,
      '200 0 7',
      expect.stringMatching(/^404 0 /),
      '200 0 0',
      `200 0 ${size}`,
    ]);
    const ten = await curl('--http1.0', `${URL_BASE}/boot/start.ipxe`);
    expect(ten.body.toString()).toBe('#!ipxe\n');
  });

  it('finds names with spaces, parentheses and commas, encoded or not', async () => {
    await serve();
    const encoded = encodeURIComponent(SUBMODEL)
      .replaceAll('%2F', '/')
      .replaceAll('(', '%28')
      .replaceAll(')', '%29');
    for (const path of [encoded, SUBMODEL.replaceAll(' ', '%20')]) {
      expect((await curl(`${URL_BASE}/boot${path}`)).body.toString()).toBe('params\n');
    }
  });

  it('cannot get anything else, and is told why in a sentence', async () => {
    const { events, asked } = await serve();
    const missing = await curl(`${URL_BASE}/boot/none`);
    expect(missing.status).toBe(404);
    expect(missing.body.toString()).toBe('/boot/none: image tiny has no /boot/pc-x86-64/none.\n');
    expect(events).toMatchObject([
      {
        kind: 'http',
        phase: 'refused',
        path: '/boot/none',
        status: 404,
        cause: 'image tiny has no /boot/pc-x86-64/none',
      },
    ]);
    asked.splice(0);
    for (const [path, status] of [
      ['/etc/passwd', 404],
      ['/boot/../etc/passwd', 404],
      ['/boot/%2e%2e/etc/passwd', 404],
      ['/boot/%2e%2e%2fetc/passwd', 404],
      ['/boot/a%00b', 400],
      ['/boot/%ff', 400],
      [`/boot/${'a'.repeat(5000)}`, 414],
      [`/boot/${'a'.repeat(20_000)}`, 431],
    ] as const) {
      const refused = await curl('--path-as-is', `${URL_BASE}${path}`);
      expect([path.slice(0, 40), refused.status]).toEqual([path.slice(0, 40), status]);
      expect(refused.body.toString()).toMatch(/^[^\n]+\.\n$/);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const refused = await curl('-X', method, '-d', 'x', `${URL_BASE}/boot/start.ipxe`);
      expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'get, head']);
    }
    expect(asked).toEqual([]);
  });
});

describe('failures', () => {
  it('a file that is shorter than it said breaks the connection', async () => {
    const { events } = await serve();
    await expect(curl(`${URL_BASE}/boot/broken`)).rejects.toMatchObject({ code: 18 });
    expect(events.at(-1)).toMatchObject({ phase: 'end', cause: 'the file could not be read to its end' });
  });
  it('a resolver that throws is an answer of 500', async () => {
    await serve({ resolve: () => Promise.reject(new Error('the disk is on fire')) });
    const answer = await curl(`${URL_BASE}/boot/x`);
    expect([answer.status, answer.body.toString()]).toEqual([500, '/boot/x: the disk is on fire.\n']);
  });
  it('a port that is taken is said', async () => {
    await serve();
    const second = new BootHttpServer({ address: '127.0.0.1', resolve: () => undefined, publish: () => {} });
    await expect(second.start()).rejects.toThrow(
      'HTTP cannot listen on 127.0.0.1 port 80: another program has it',
    );
  });
});

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
    expect(events.at(-1)).toMatchObject({ phase: 'end', cause: 'the file could not be read to its end' });
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
    expect(await ended).toMatchObject({ path: '/boot/endless', cause: 'the client closed the connection' });
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
