import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { decodeRecord } from '../../backend/protocols/netconsole/packets.ts';
import { PATIENCE_MS, Sender } from '../../backend/protocols/netconsole/sender.ts';
import { randomNumbers } from '../fixtures/dhcp/random.ts';

let lines: string[];
let sender: Sender;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  lines = [];
  sender = new Sender((line) => void lines.push(line.toString('latin1')));
});
afterEach(() => {
  vi.useRealTimers();
});

function send(...packets: string[]): void {
  for (const packet of packets) sender.take(Buffer.from(packet, 'latin1'));
}
const record = (sequence: number, text: string, time = 1_000_000 + sequence): string =>
  `6,${sequence},${time},-;${text}\n`;

describe('the basic format', () => {
  test('is text: lines end where the kernel ends them, not where a datagram does', () => {
    send('[    1.000000] one\n', 'two\nthr', 'ee\n', '\n');
    expect(lines).toEqual(['[    1.000000] one', 'two', 'three', '']);
  });

  test('a line without an end is handed over after a while, and one that never ends in pieces', () => {
    send('half');
    vi.advanceTimersByTime(PATIENCE_MS);
    expect(lines).toEqual(['half']);
    for (let i = 0; i < 100; i++) send('x'.repeat(1000));
    vi.advanceTimersByTime(PATIENCE_MS);
    expect(lines.slice(1).join('')).toBe('x'.repeat(100_000));
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(18_000);
  });

  test('any bytes stay as they are', () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    send(`${all}\n`);
    expect(lines.join('\n')).toBe(all);
  });
});

describe('the extended format', () => {
  test('lines have the time of the kernel; escapes are undone, the dictionary is left out', () => {
    send(
      '6,416,1758426,-;netpoll: netconsole: local port 1234\n',
      '6.4.0,6,417,501151268,-;café \\x1b[0m \\x5cx a\\x0ab\n SUBSYSTEM=net\n DEVICE=+net:eth0\n'.replace(
        'é',
        '\\xc3\\xa9',
      ),
      '4,418,9,c,caller=T1;continued\n',
    );
    expect(lines).toEqual([
      '[    1.758426] netpoll: netconsole: local port 1234',
      '[  501.151268] caf\u00c3\u00a9 \u001b[0m \\x a',
      '[  501.151268] b',
      '[    0.000009] continued',
    ]);
  });

  test('records come in the order of their numbers, each once', () => {
    send(record(5, 'five'), record(7, 'seven'), record(8, 'eight'));
    expect(lines).toHaveLength(1);
    send(record(6, 'six'), record(6, 'six'), record(5, 'five'));
    expect(lines.map((line) => line.slice(15))).toEqual(['five', 'six', 'seven', 'eight']);
  });

  test('what is lost is marked, and shown when it comes after all', () => {
    send(record(5, 'five'), record(9, 'nine'));
    vi.advanceTimersByTime(PATIENCE_MS);
    send(record(7, 'seven'), record(10, 'ten'));
    const said = ['five', 'netconsole: 3 message(s) lost on the way', 'nine', 'seven', 'ten'];
    expect(lines.map((line) => line.replace(/^\[.*?\] /, ''))).toEqual(said);
  });

  test('a kernel that starts again begins anew', () => {
    send(record(900, 'old'), record(901, 'old'));
    send(record(0, 'new', 0), record(1, 'new', 0), record(2, 'new', 10));
    expect(lines).toHaveLength(5);
    expect(lines[2]).toBe('[    0.000000] new');
  });

  const fragments = ['6,42,1000,-,ncfrag=0/31;the first chunk,', '6,42,1000,-,ncfrag=16/31; the 2nd chunk.'];
  test.each([
    ['in order', fragments],
    ['out of order', fragments.toReversed()],
    ['twice', [...fragments.slice(0, 1), ...fragments]],
  ])('fragments are put together: %s', (_, packets) => {
    send(...packets);
    expect(lines).toEqual(['[    0.001000] the first chunk, the 2nd chunk.']);
  });

  test('a fragment that is lost leaves a mark', () => {
    send(record(1, 'one'), '6,2,1000,-,ncfrag=16/40; the 2nd chunk.', record(3, 'three'));
    expect(lines).toHaveLength(1);
    vi.advanceTimersByTime(PATIENCE_MS);
    expect(lines.slice(1)).toEqual([
      '[    0.001000] [... 16 bytes lost ...] the 2nd chunk.[... 9 bytes lost ...]',
      '[    1.000003] three',
    ]);
  });

  test.each(['ncfrag=0/9999999', 'ncfrag=0/20000', 'ncfrag=5/6', 'ncfrag=x/y', 'ncfrag=1'])(
    'a fragment that lies (%s) is shown as it came',
    (lie) => {
      expect(decodeRecord(Buffer.from(`6,1,1,-,${lie};text`))).toEqual({
        sequence: 1,
        time: 1,
        body: Buffer.from('text'),
      });
    },
  );
});

test('a node that sends too much loses what is too much, and that is said', () => {
  let now = 0;
  const flooded = new Sender(
    (line) => void lines.push(line.toString()),
    () => now,
  );
  for (let i = 0; i < 20_005; i++) flooded.take(Buffer.from('x\n'));
  expect(lines).toHaveLength(20_000);
  now += 1000;
  flooded.take(Buffer.from('y\n'));
  expect(lines.slice(-2)).toEqual(['netconsole: 5 message(s) dropped: there were too many at once', 'y']);
});

test('50,000 mutated datagrams: no exception, and no more lines than a few for each', () => {
  const random = randomNumbers(12);
  const templates = [
    '6,42,1000,-,ncfrag=0/31;the first chunk,',
    '6,42,1000,-,ncfrag=16/31; the 2nd chunk.',
    '6.4.0,6,417,501151268,-;netconsole\\x0a\n A=B\n',
    'plain text\n',
  ];
  let bytes = 0;
  for (let round = 0; round < 50_000; round++) {
    const packet = Buffer.from(templates[random(templates.length)] ?? '');
    for (let count = random(6); count > 0; count--) packet[random(packet.length)] = random(256);
    const cut = random(8) === 0 ? packet.subarray(0, random(packet.length)) : packet;
    sender.take(cut);
    bytes += cut.length;
    if (random(1000) === 0) sender.flush();
  }
  sender.flush();
  expect(lines.length).toBeGreaterThan(5000);
  expect(lines.length).toBeLessThan(150_000);
  // Marks aside, nothing is made up.
  expect(lines.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(bytes * 4);
});
