import { createSocket, type Socket } from 'node:dgram';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EventBody, LogEvent } from '../../backend/events/bus.ts';
import { NetconsoleServer } from '../../backend/protocols/netconsole/server.ts';

const PORT = 12342;
let events: EventBody[];
let server: NetconsoleServer;
let client: Socket;
beforeEach(async () => {
  events = [];
  server = new NetconsoleServer({ address: '127.0.0.1', publish: (event) => void events.push(event) });
  await server.start();
  client = createSocket('udp4');
});
afterEach(async () => {
  client.close();
  await server.close();
});

const send = (packet: string | Buffer): Promise<void> =>
  new Promise((resolve, reject) =>
    client.send(packet, PORT, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
  );
const logged = (): LogEvent[] => events.flatMap((event) => (event.kind === 'log' ? event : []));

test('datagrams of both formats are lines of the stream netconsole of their sender', async () => {
  await send('[    1.000000] basic caf\u00e9\n');
  await send('6,7,2000000,-,ncfrag=6/12;second');
  await send('6,7,2000000,-,ncfrag=0/12;first ');
  await expect
    .poll(() => logged().map(({ line }) => line))
    .toEqual(['[    1.000000] basic caf\u00e9', '[    2.000000] first second']);
  expect(logged()[0]).toMatchObject({ client: '127.0.0.1', stream: 'netconsole' });
  expect(Math.abs((logged()[0]?.timestamp ?? 0) - Date.now())).toBeLessThan(60_000);
});

test('bytes that are no text are kept; what waits is handed over when the node goes off', async () => {
  await send(Buffer.from([0xff, 0, 0x0a, 0x41]));
  await expect.poll(() => logged().length).toBeGreaterThan(0);
  expect(logged()[0]).toMatchObject({ line: '\u00ff\u0000', bytes: Buffer.from([0xff, 0]) });
  server.dropClient('127.0.0.1');
  expect(logged()[1]).toMatchObject({ line: 'A' });
  expect(logged()[1]).not.toHaveProperty('bytes');
});

test('junk of any size is taken without an answer', async () => {
  const answers: Buffer[] = [];
  client.on('message', (packet) => answers.push(packet));
  for (let size = 0; size < 60_000; size += 977) await send(Buffer.alloc(size, size % 256));
  // The socket's buffer may have been full.
  const isThere = async (): Promise<boolean> => {
    await send('still here\n');
    return logged().some(({ line }) => line.endsWith('still here'));
  };
  await expect.poll(isThere).toBe(true);
  expect(answers).toEqual([]);
});
