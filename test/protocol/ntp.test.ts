import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, expect, test } from 'vitest';
import { NtpServer } from '../../backend/protocols/ntp/server.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';
import { Capture } from '../support/capture.ts';

const run = promisify(execFile);
const host = '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'by-ntp-'));
let server: NtpServer | undefined;

async function serve(clock?: () => number): Promise<void> {
  server = new NtpServer({ address: host, clock });
  await server.start();
}
afterEach(async () => server?.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function ntpdig(): Promise<Record<string, unknown>> {
  const { stdout } = await run('ntpdig', ['-j', host]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Seconds that the server's clock is before ours, as ntpdig measures them; a busy machine makes it less exact. */
const offset = async (): Promise<number> => Number((await ntpdig()).offset);

test('ntpdig takes the time from it: the same clock', async () => {
  await serve();
  expect(Math.abs(await offset())).toBeLessThan(0.2);
});

test('ntpdig takes the time from it: a clock that is an hour and a half second before', async () => {
  await serve(() => Date.now() + 3_600_500);
  expect(Math.abs((await offset()) - 3600.5)).toBeLessThan(0.2);
});

test("ntpdig, and Wireshark's reading of it", async () => {
  await serve(() => Date.now() - 7_200_000);
  const capture = await Capture.start({ file: join(folder, 'ntp.pcap'), interface: 'lo', marker: host });
  const said = await ntpdig();
  await capture.stop();
  expect(said).toMatchObject({ ip: host, stratum: 10, leap: 'no-leap' });
  expect(Number(said.offset)).toBeCloseTo(-7200, 0);
  expect(
    await capture.count('ntp.flags.mode == 4 && ntp.refid == "LOCL" && ip.src == 127.0.0.1'),
  ).toBeGreaterThan(0);
  expect(await capture.count('_ws.malformed')).toBe(0);
});

test('a port that is taken is told in a sentence', async () => {
  await serve();
  await expect(new NtpServer({ address: host }).start()).rejects.toThrow(
    'The NTP server cannot use UDP port 123 of 127.0.0.1: another program has it; stop that program first.',
  );
});

test('100,000 mutated packets do no harm', async () => {
  await serve();
  const random = randomNumbers(7);
  const socket = createSocket('udp4');
  socket.on('message', () => {});
  for (let sent = 0; sent < 100_000; sent++) {
    const packet = Buffer.alloc(random(3) === 0 ? random(100) : 48, 0x23);
    for (let count = random(5); count > 0 && packet.length > 0; count--)
      packet[random(packet.length)] = random(256);
    if (sent % 50 !== 0) socket.send(packet, 123, host);
    else await new Promise((resolve) => socket.send(packet, 123, host, resolve));
  }
  socket.close();
  await once(socket, 'close');
  expect(await ntpdig()).toMatchObject({ stratum: 10 });
});
