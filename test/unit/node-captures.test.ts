import { execFile } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Timeline } from '../../backend/events/boots.ts';
import { CaptureFiles, type CaptureRecord } from '../../backend/nodes/captures/capture-files.ts';
import { PacketDecoder } from '../../backend/nodes/captures/decode/decoder.ts';
import { exportCapture } from '../../backend/nodes/captures/export.ts';
import { packetLines } from '../../backend/nodes/captures/packet-lines.ts';
import { readPackets } from '../../backend/nodes/captures/pcap.ts';
import { encode } from '../../backend/protocols/dhcp/codec.ts';
import { ipFrame, pcapFile, tcpFrame, udpFrame } from '../support/pcap-file.ts';

const run = promisify(execFile);
const POWER_ON = Date.parse('2026-01-02T03:04:05.000Z');
const at = (ms: number): number => (POWER_ON + ms) * 1000;
const NODE = '192.168.152.2';
const SERVER = '192.168.152.1';

function dhcp(type: number, op: 1 | 2): Buffer {
  return encode({
    ...{
      op,
      htype: 1,
      hops: 0,
      xid: 0x1234,
      secs: 0,
      flags: 0,
      ciaddr: 0,
      yiaddr: op === 2 ? 0xc0a89802 : 0,
    },
    ...{ siaddr: 0, giaddr: 0, chaddr: Buffer.from('525400010203', 'hex'), sname: '' },
    file: op === 2 ? 'start.ipxe' : '',
    options: new Map([[53, Uint8Array.of(type)]]),
  });
}

/** A call of RPC with an empty credential: program, version, procedure, arguments. */
function rpcCall(
  xid: number,
  [program, version, procedure]: number[],
  body: Buffer = Buffer.alloc(0),
): Buffer {
  const words = [xid, 0, 2, program ?? 0, version ?? 0, procedure ?? 0, 0, 0, 0, 0];
  const head = Buffer.alloc(40);
  for (const [index, word] of words.entries()) head.writeUInt32BE(word, index * 4);
  return Buffer.concat([head, body]);
}
function rpcReply(xid: number, status: number, more = 0): Buffer {
  const head = Buffer.alloc(28 + more);
  for (const [index, word] of [xid, 1, 0, 0, 0, 0, status].entries()) head.writeUInt32BE(word, index * 4);
  return head;
}
function record(message: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE((0x80000000 + message.length) >>> 0, 0);
  return Buffer.concat([head, message]);
}
function opaque(text: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length, 0);
  return Buffer.concat([head, Buffer.from(text.padEnd(Math.ceil(text.length / 4) * 4, '\0'))]);
}

const client: [string, number] = [NODE, 700];
const nfs: [string, number] = [SERVER, 2049];
const lookup = record(rpcCall(7, [100003, 3, 3], Buffer.concat([opaque('handle'), opaque('vmlinuz')])));
const FRAMES = [
  { at: at(900), bytes: udpFrame(['0.0.0.0', 68], ['255.255.255.255', 67], dhcp(1, 1)) },
  { at: at(910), bytes: udpFrame([SERVER, 67], [NODE, 68], dhcp(2, 2)) },
  {
    at: at(1500),
    bytes: udpFrame([NODE, 3000], [SERVER, 69], Buffer.from('\0\x01start.ipxe\0octet\0blksize\x001432\0')),
  },
  { at: at(1510), bytes: udpFrame([SERVER, 5555], [NODE, 3000], Buffer.from('\0\x03\0\x01hello')) },
  {
    at: at(2000),
    bytes: tcpFrame([NODE, 4000], [SERVER, 80], { data: Buffer.from('GET /boot/kernel HTTP/1.1\r\n\r\n') }),
  },
  {
    at: at(2010),
    bytes: tcpFrame([SERVER, 80], [NODE, 4000], { data: Buffer.from('HTTP/1.1 404 Not Found\r\n\r\n') }),
  },
  { at: at(3000), bytes: udpFrame(client, [SERVER, 20048], rpcCall(5, [100005, 3, 1], opaque('/root'))) },
  { at: at(3010), bytes: udpFrame([SERVER, 20048], client, rpcReply(5, 13)) },
  { at: at(3100), bytes: tcpFrame(client, nfs, { sequence: 1000, data: lookup }) },
];

let folder: string;
let capture: CaptureRecord;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'captures-'));
  capture = new CaptureFiles(folder).add('walt-net', 1e6);
  writeFileSync(capture.place.pcap, pcapFile(FRAMES));
});
afterEach(() => rmSync(folder, { recursive: true }));

const textOf = async (...frames: Buffer[]): Promise<string[]> => {
  writeFileSync(capture.place.pcap, pcapFile(frames.map((bytes) => ({ at: at(1000), bytes }))));
  return await lines();
};
async function lines(trace?: 'dhcp' | 'tftp' | 'http' | 'nfs'): Promise<string[]> {
  const found: string[] = [];
  const options = { trace, more: () => Promise.resolve(false), since: POWER_ON };
  for await (const line of packetLines(capture, options)) found.push(line.replace(/ +/g, ' ').trim());
  return found;
}

const stage = (name: string, startMs: number) => ({ name, startMs, durationMs: 10, detail: `of ${name}` });
const TIMELINE: Timeline = {
  ...{ node: 'n1', number: 3, image: 'tiny', startedAt: new Date(POWER_ON).toISOString(), outcome: 'booted' },
  ...{ reason: null, totalMs: 5000, steps: [] },
  stages: [
    stage('firmware', 0),
    stage('dhcp', 905),
    stage('boot files', 1512),
    stage('kernel', 2500),
    stage('root', 3015),
  ],
};

describe('a capture as pcapng', () => {
  test('is read by capinfos and tshark: all frames with their times, stages as comments on the first packet of each', async () => {
    expect(await exportCapture(capture, 'n1', TIMELINE)).toBe(FRAMES.length);
    const { stdout: about } = await run('capinfos', ['-M', capture.pcapng], {
      env: { ...process.env, LC_ALL: 'C' },
    });
    expect(about).toMatch(/File type:\s+pcapng/);
    expect(about).toMatch(new RegExp(`Number of packets:\\s+${FRAMES.length}\\n`));
    expect(about).toMatch(/Capture comment:\s+Bootyard node n1, boot 3 on image tiny, network walt-net/);
    const fields = ['frame.number', 'frame.time_epoch', 'frame.comment'].flatMap((field) => ['-e', field]);
    const { stdout } = await run('tshark', [
      '-r',
      capture.pcapng,
      '-T',
      'fields',
      '-E',
      'aggregator=;',
      ...fields,
    ]);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(rows.map(([, time]) => Math.round(Number(time) * 1e6))).toEqual(FRAMES.map((frame) => frame.at));
    const marked = rows.flatMap(([number, , comment = '']) =>
      [...comment.matchAll(/stage ([a-z ]+),/g)].map((match) => `${number} ${match[1]}`),
    );
    expect(marked).toEqual(['1 firmware', '1 dhcp', '3 boot files', '7 kernel', '7 root']);
    expect(rows[0]?.[2]).toContain('stage dhcp, 905 ms after power-on, 10 ms: of dhcp');
  });

  test('one that goes on ends with its last whole packet, and is read further when there is more', async () => {
    const whole = pcapFile(FRAMES);
    writeFileSync(capture.place.pcap, whole.subarray(0, whole.length - 10));
    expect(await exportCapture(capture, 'n1', undefined)).toBe(FRAMES.length - 1);
    let looks = 0;
    const more = (): Promise<boolean> => {
      if (looks++ === 0) appendFileSync(capture.place.pcap, whole.subarray(whole.length - 10));
      return Promise.resolve(looks < 3);
    };
    const seen = [];
    for await (const packet of readPackets(capture.place.pcap, more)) seen.push(packet);
    expect(seen).toHaveLength(FRAMES.length);
  });

  test('a file that is no capture is refused with a sentence', async () => {
    writeFileSync(capture.place.pcap, Buffer.alloc(100, 7));
    await expect(exportCapture(capture, 'n1', undefined)).rejects.toThrow(/is damaged/);
  });

  test('captures of five boots are kept of a network', () => {
    const files = new CaptureFiles(folder);
    for (let count = 0; count < 8; count++) files.add('home-net', 1e6);
    expect(files.list().filter(({ network }) => network === 'home-net')).toHaveLength(5);
    expect(files.list().filter(({ network }) => network === 'walt-net')).toHaveLength(1);
  });
});

describe('packets as text', () => {
  test('a line for each', async () => {
    const tell = `${NODE}:700 > ${SERVER}:20048`;
    expect(await lines()).toEqual([
      '1 0.900000 0.0.0.0:68 > 255.255.255.255:67 DHCP DISCOVER 52:54:00:01:02:03 xid 0x00001234',
      `2 0.910000 ${SERVER}:67 > ${NODE}:68 DHCP OFFER 52:54:00:01:02:03 xid 0x00001234, ${NODE}, boot file start.ipxe`,
      `3 1.500000 ${NODE}:3000 > ${SERVER}:69 TFTP read start.ipxe (octet) blksize=1432`,
      `4 1.510000 ${SERVER}:5555 > ${NODE}:3000 TFTP data 1, 5 bytes`,
      `5 2.000000 ${NODE}:4000 > ${SERVER}:80 HTTP GET /boot/kernel HTTP/1.1`,
      `6 2.010000 ${SERVER}:80 > ${NODE}:4000 HTTP HTTP/1.1 404 Not Found`,
      `7 3.000000 ${tell} MOUNT MNT call /root`,
      `8 3.010000 ${SERVER}:20048 > ${NODE}:700 MOUNT MNT reply: status 13`,
      `9 3.100000 ${NODE}:700 > ${SERVER}:2049 NFS LOOKUP call vmlinuz`,
    ]);
  });

  test('one protocol of them', async () => {
    const numbers = async (trace: 'dhcp' | 'tftp' | 'http' | 'nfs') =>
      (await lines(trace)).map((line) => line.split(' ')[0]).join();
    expect([
      await numbers('dhcp'),
      await numbers('tftp'),
      await numbers('http'),
      await numbers('nfs'),
    ]).toEqual(['1,2', '3,4', '5,6', '7,8,9']);
  });

  test('records of NFS are found where they begin, within segments and behind others', async () => {
    const read = record(
      rpcCall(
        8,
        [100003, 3, 6],
        Buffer.concat([opaque('h'), Buffer.from('00000000000010000000 2000'.replace(' ', ''), 'hex')]),
      ),
    );
    const reply = record(rpcReply(8, 0, 3000));
    const rest = reply.length - 1400;
    const next = record(rpcReply(7, 2));
    const told = await textOf(
      tcpFrame(client, nfs, { sequence: 1000, data: Buffer.concat([lookup, read]) }),
      tcpFrame(nfs, client, { sequence: 50, data: reply.subarray(0, 1400) }),
      tcpFrame(nfs, client, { sequence: 1450, data: Buffer.concat([reply.subarray(1400), next]) }),
      tcpFrame(nfs, client, { sequence: 1450 + rest + next.length }),
    );
    expect(told.map((line) => line.split(' ').slice(5).join(' '))).toEqual([
      'NFS LOOKUP call vmlinuz; READ call 8192 bytes at 4096',
      'NFS READ reply: ok',
      'NFS LOOKUP reply: status 2',
      `TCP ACK seq ${1450 + rest + next.length} ack 0 window 65535, 0 bytes`,
    ]);
  });

  test('text of nodes cannot steer a terminal', async () => {
    const [line] = await textOf(udpFrame([NODE, 1], [SERVER, 69], Buffer.from('\0\x01a\x1b[2Jb\0octet\0')));
    expect(line).toContain('read a.[2Jb (octet)');
  });

  test('nothing that a node sends makes it throw: cut anywhere, and with any byte changed', () => {
    const decoder = new PacketDecoder();
    const arp = Buffer.from(
      'ffffffffffff5254000102030806000108000604000152540001020301020304000000000000c0a89801',
      'hex',
    );
    const odd = [
      arp,
      ipFrame(1, NODE, SERVER, Buffer.from('0800000000010002', 'hex')),
      Buffer.alloc(60, 0x86),
    ];
    let told = 0;
    for (const bytes of [...FRAMES.map((frame) => frame.bytes), ...odd]) {
      for (let length = 0; length <= bytes.length; length++) {
        const summary = decoder.decode({ at: 0, size: bytes.length, bytes: bytes.subarray(0, length) });
        expect(summary.text.length).toBeLessThan(4000);
        told++;
      }
      for (let place = 0; place < bytes.length; place++) {
        for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
          const changed = Buffer.from(bytes);
          changed[place] = value;
          decoder.decode({ at: 0, size: bytes.length, bytes: changed });
          told++;
        }
      }
    }
    expect(told).toBeGreaterThan(5000);
    expect(decoder.decode({ at: 0, size: 60, bytes: Buffer.alloc(3) }).protocol).toBe('malformed');
  });
});
