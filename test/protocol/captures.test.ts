import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CaptureFiles, type CaptureRecord } from '../../backend/nodes/captures/capture-files.ts';
import {
  captureEnd,
  endCapture,
  isCapturing,
  lostPackets,
  startCapture,
} from '../../backend/nodes/captures/capture-process.ts';
import { readPackets } from '../../backend/nodes/captures/pcap.ts';

const run = promisify(execFile);
const never = new AbortController().signal;
const PORT = 9999;
let folder: string;
let files: CaptureFiles;
let capture: CaptureRecord;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'capture-process-'));
  files = new CaptureFiles(folder);
  capture = files.add('walt-net', 10_000_000);
  await ip('link add cap0 type bridge');
  await ip('address add 10.9.8.1/24 dev cap0');
  await ip('link set cap0 up');
  // A neighbour that nobody asks for: what is sent to it leaves at once.
  await ip('neigh replace 10.9.8.2 lladdr 02:00:00:00:00:02 dev cap0');
});
afterEach(async () => {
  await endCapture(capture.place);
  await ip('link delete cap0').catch(() => undefined);
  rmSync(folder, { recursive: true });
});

const ip = (words: string) => run('ip', words.split(' '));

/** Sends datagrams that begin with their number. */
async function send(count: number, size = 1000): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind();
  await once(socket, 'listening');
  for (let number = 0; number < count; number++) {
    const bytes = Buffer.alloc(size);
    bytes.writeUInt32BE(number);
    await new Promise((resolve) => socket.send(bytes, PORT, '10.9.8.2', resolve));
  }
  socket.close();
}
/** The numbers of those datagrams that a capture has. */
async function captured(record = capture): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { bytes } of readPackets(record.place.pcap)) {
    if (bytes.length > 46 && bytes.readUInt16BE(12) === 0x0800 && bytes.readUInt16BE(36) === PORT)
      numbers.push(bytes.readUInt32BE(42));
  }
  return numbers;
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test('every packet from the start to the end is there, in order, with its time', async () => {
  const before = Date.now();
  await startCapture('cap0', 10_000_000, capture.place);
  await send(5000);
  await endCapture(capture.place);
  expect(await captured()).toEqual(upTo(5000));
  expect(lostPackets(capture.place)).toBe(0);
  const times: number[] = [];
  for await (const { at } of readPackets(capture.place.pcap)) times.push(at / 1000);
  expect(times.toSorted((one, other) => one - other)).toEqual(times);
  expect((times[0] ?? 0) >= before - 1 && (times.at(-1) ?? 0) <= Date.now() + 1).toBe(true);
});

test('one that has reached its limit ends, and has as many bytes', async () => {
  await startCapture('cap0', 100_000, capture.place);
  await send(200);
  expect(await captureEnd(capture.place, never)).toBeUndefined();
  const numbers = await captured();
  expect(numbers).toEqual(upTo(numbers.length));
  expect(numbers.length).toBeGreaterThan(80);
});

test('a cable that is pulled and put in again does not end it; an interface that goes does', async () => {
  await startCapture('cap0', 10_000_000, capture.place);
  await send(3);
  await ip('link set cap0 down');
  await ip('link set cap0 up');
  await ip('neigh replace 10.9.8.2 lladdr 02:00:00:00:00:02 dev cap0');
  await send(2);
  await vi.waitFor(async () => expect(await captured()).toEqual([0, 1, 2, 0, 1]), { timeout: 20_000 });
  expect(isCapturing(capture.place)).toBe(true);
  await ip('link delete cap0');
  expect(await captureEnd(capture.place, never)).toBeUndefined();
});

test('an interface that is not there is one sentence', async () => {
  const sentence = 'No packets can be captured: there is no interface cap9: No such device.';
  await expect(startCapture('cap9', 1_000_000, capture.place)).rejects.toThrow(sentence);
  expect(isCapturing(capture.place)).toBe(false);
});
