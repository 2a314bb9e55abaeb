import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { LabRegistry } from '../support/lab-registry.ts';
import { RegistryLab } from '../support/registry-lab.ts';

const SIZE = 20_000_000;

/** A server before a registry, through which bodies flow; it may break them off. */
class Front {
  readonly #target: number;
  readonly #server: Server;
  /** method, range and bytes of each request with a body */
  readonly bodies: { method: string; range: string; bytes: number }[] = [];
  /** answers itself when it returns true */
  before: (asked: IncomingMessage, response: ServerResponse) => boolean = () => false;
  /** breaks the connection off after so many bytes of a body */
  cutAfter = Number.POSITIVE_INFINITY;
  headers: Record<string, string> = {};

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((asked, response) => this.#forward(asked, response));
  }
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #forward(asked: IncomingMessage, response: ServerResponse): void {
    if (this.before(asked, response)) return;
    const { method = '', url: path, headers } = asked;
    const onward = request({ host: '127.0.0.1', port: this.#target, method, path, headers });
    const body = { method, range: headers['content-range'] ?? '', bytes: 0 };
    if (Number(headers['content-length'] ?? 0) > 100_000) this.bodies.push(body);
    asked.on('error', () => {});
    onward.on('error', () => response.destroy());
    asked.on('data', (chunk: Buffer) => {
      body.bytes += chunk.length;
      onward.write(chunk);
      if (body.bytes < this.cutAfter) return;
      this.cutAfter = Number.POSITIVE_INFINITY;
      // What was sent arrives before the end of the connection.
      asked.pause();
      setTimeout(() => {
        onward.destroy();
        asked.destroy();
      }, 300);
    });
    asked.on('end', () => onward.end());
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, { ...answer.headers, ...this.headers });
      answer.pipe(response);
    });
  }
}

let registry: LabRegistry;
let front: Front;
let lab: RegistryLab;
beforeAll(async () => {
  lab = await RegistryLab.start();
  await lab.image('big', SIZE);
});
afterAll(() => lab.end());
beforeEach(async () => {
  registry = await LabRegistry.start();
  front = new Front(registry.port);
  lab.add(await front.start());
});
afterEach(async () => {
  await front.stop();
  await registry.end();
});

const publish = async (): Promise<void> => {
  await lab.run('image', 'publish', 'big', '--as', 'me/big');
  expect(registry.store.get('me/big')?.id).toBe(lab.store.get('big')?.id);
  expect(lab.downloads()).toEqual([]);
};
const sent = (): number => front.bodies.reduce((sum, { bytes }) => sum + bytes, 0);

test('a layer goes in one piece', async () => {
  await publish();
  expect(front.bodies.map(({ method }) => method)).toEqual(['PUT']);
});

test('an upload that breaks off goes on where the registry has it', async () => {
  front.cutAfter = 4_000_000;
  await publish();
  const [first, second, ...others] = front.bodies;
  expect([first?.method, second?.method, others]).toEqual(['PUT', 'PATCH', []]);
  const start = Number(second?.range.split('-')[0]);
  expect(start).toBeGreaterThan(1_000_000);
  expect(start).toBeLessThanOrEqual(first?.bytes ?? 0);
  expect(Number(second?.range.split('-')[1])).toBe(start + (second?.bytes ?? 0) - 1);
});

test('chunks are as long as the registry asks for', async () => {
  front.headers = { 'oci-chunk-min-length': '3000000' };
  front.cutAfter = 1_000_000;
  await publish();
  const whole = sent();
  expect(front.bodies.every(({ method }) => method === 'PATCH')).toBe(true);
  expect(front.bodies.map(({ range }) => range.split('-')[0]).slice(0, 1)).toEqual(['0']);
  expect(front.bodies.length).toBeGreaterThan(2);
  expect(whole).toBeGreaterThan(8_000_000);
});

test('where one piece is too large, chunks are sent', async () => {
  front.before = (asked, response) => {
    if (Number(asked.headers['content-length'] ?? 0) <= 9_000_000) return false;
    asked.resume();
    asked.on('end', () => response.writeHead(413).end());
    return true;
  };
  await publish();
  expect(front.bodies.map(({ method }) => method)).toEqual(['PATCH', 'PATCH']);
  front.before = (asked, response) => {
    if (Number(asked.headers['content-length'] ?? 0) <= 100_000) return false;
    asked.resume();
    asked.on('end', () => response.writeHead(413).end());
    return true;
  };
  await registry.store.remove('me/big');
  registry.content.collect();
  expect(await lab.fails('image', 'publish', 'big', '--as', 'me/again')).toMatch(/status 413/);
});
