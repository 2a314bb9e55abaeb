import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BootHttpServer } from '../../backend/protocols/http/server.ts';
import { run, folder, URL_BASE, big, SUBMODEL, serve, curl, digest } from '../support/boot-http.ts';

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
    expect(events.at(-1)).toMatchObject({
      phase: 'end',
      cause: 'the file could not be read to its end: it ends at byte 1310720',
    });
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
      'The HTTP server cannot use TCP port 80 of 127.0.0.1: another program has it',
    );
  });
});
