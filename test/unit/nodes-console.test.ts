import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConsoleLog } from '../../backend/nodes/console-log.ts';
import { ConsoleScanner, guestEnd, isPanicEnd, panicText } from '../../backend/nodes/console-scanner.ts';
import { NodeConsole } from '../../backend/nodes/console.ts';
import { PanicWatch } from '../../backend/nodes/panic-watch.ts';
import { Viewer } from '../support/viewer.ts';

function scan(pieces: (string | Uint8Array)[], all: string[] = []): string[] {
  const lines: string[] = [];
  const scanner = new ConsoleScanner((line) => lines.push(line), {
    now: () => 0,
    onText: (line) => all.push(line),
  });
  for (const piece of pieces) scanner.feed(typeof piece === 'string' ? Buffer.from(piece) : piece);
  return lines;
}

const BOOT =
  '\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1.16.2-debian-1.16.2-1)\r\nBooting from ROM..\r\n' +
  '\x1b[0;1miPXE 1.0.0+git-20190125\x1b[0m -- Open Source -- \x1b[0;36mhttp\x1b[0m://ipxe.org\r\n' +
  '[    0.000000] Linux version 6.1.0-x (gcc)\r\n*** Initializing...                    ***\r\n' +
  '[    1.2] Kernel panic - not syncing: VFS: no root\r\n>>> Issue detected!               <<<\r\n' +
  '\x1b[32mvnode1\x1b[0m login: ';
const FOUND = [
  'SeaBIOS (version 1.16.2-debian-1.16.2-1)',
  'iPXE 1.0.0+git-20190125 -- Open Source -- http://ipxe.org',
  '[    0.000000] Linux version 6.1.0-x (gcc)',
  '*** Initializing...                    ***',
  '[    1.2] Kernel panic - not syncing: VFS: no root',
  '>>> Issue detected!               <<<',
  'vnode1 login:',
];

describe('lines that mean something', () => {
  test('in one piece and byte by byte', () => {
    expect(scan([BOOT])).toEqual(FOUND);
    expect(scan([...Buffer.from(BOOT)].map((byte) => Uint8Array.of(byte)))).toEqual(FOUND);
  });

  test('all lines are there as text, until they are too many', () => {
    const all: string[] = [];
    scan([BOOT, 'root\r\n', 'any\twords \x1b[1mhere\x1b[0m\n\n', 'x'.repeat(3000), '\n'], all);
    expect(all.slice(1, 3)).toEqual(['Booting from ROM..', FOUND[1]]);
    expect(all.slice(-3)).toEqual(['vnode1 login: root', 'any words here', 'x'.repeat(1024)]);
    const flood: string[] = [];
    scan(['x\n'.repeat(30_000)], flood);
    expect(flood).toHaveLength(10_000);
  });

  test('all bytes are there, whatever they are and in whatever pieces they come', () => {
    const sent = Buffer.concat([
      Buffer.from(BOOT),
      Buffer.from('\r\n\r\n\0\xff\xc3(\b\x1b]0;title\n10%\r20%\r\n\n', 'latin1'),
      Buffer.from('x'.repeat(150_000)),
      Buffer.from(`${'y\n'.repeat(50_000)}no end`),
    ]);
    const told = (pieces: Uint8Array[]): { raw: Uint8Array[]; text: string[] } => {
      const [raw, text]: [Uint8Array[], string[]] = [[], []];
      const scanner = new ConsoleScanner(() => undefined, {
        now: () => 0,
        keepsRaw: true,
        onText: (line, bytes) => void (text.push(line), raw.push(bytes)),
      });
      for (const piece of pieces) scanner.feed(piece);
      scanner.end();
      return { raw, text };
    };
    const split = Array.from({ length: sent.length / 7 + 1 }, (_, at) => sent.subarray(at * 7, at * 7 + 7));
    for (const pieces of [[sent], split]) {
      const { raw, text } = told(pieces);
      expect(Buffer.concat(raw).equals(sent)).toBe(true);
      expect(text).toContain('[    0.000000] Linux version 6.1.0-x (gcc)');
      // Lines that are too many are not text, but bytes.
      expect(text.filter((line) => line === 'y').length).toBeLessThan(10_000);
      expect(text.at(-1)).toMatch(/^\[\d+ lines were left out\]$/);
    }
    expect(Math.max(...told(split).raw.map(({ length }) => length))).toBeLessThan(64 * 1024 + 8);
  });

  test('a prompt counts once, and only where a line ends with it', () => {
    expect(scan(['n1 login: ', 'root', '\r\n', 'Last login: never\r\n', 'n1 login: '])).toEqual([
      'n1 login:',
      'n1 login:',
    ]);
  });

  test('binary rubbish, endless lines and unfinished escape sequences hide nothing that follows', () => {
    const rubbish = new Uint8Array(100_000).map((_, index) => (index * 7919) % 256);
    const wild = [rubbish, '\x1b]0;never ending title\n', '\x1b[99999999', '\r\n', 'x'.repeat(200_000), '\n'];
    expect(scan([...wild, '>>> here\n']).at(-1)).toBe('>>> here');
    expect(scan([Uint8Array.of(0xff, 0xfe, 0x0a), '>>> \xe9\n'])).toEqual(['>>> é']);
    expect(scan([`>>> ${'y'.repeat(5000)}\n`])[0]).toHaveLength(1024);
  });

  test('what a copy on a disk cannot have is told', () => {
    const notes = [
      'Note: the extended attribute user.x of y could not be set: the file system has no room for it',
      'Note: extended attributes of files are not copied: this processor has no program for it.',
    ];
    expect(scan(notes.map((note) => `${note}\n`))).toEqual(notes);
  });

  test('backspaces take back what was typed', () => {
    expect(scan(['>>> 10%\b\b\b20%\n'])).toEqual(['>>> 20%']);
  });

  test('a flood of such lines is cut off', () => {
    expect(scan(Array.from({ length: 5000 }, () => '>>> a\n')).length).toBe(400);
  });
});

describe('panics and ends', () => {
  test('only a line of the kernel is one', () => {
    expect(panicText('[    1.2] Kernel panic - not syncing: no init')).toBe(
      'Kernel panic - not syncing: no init',
    );
    expect(panicText('[    1.2][    T1] Kernel panic - not syncing: a')).toBe(
      'Kernel panic - not syncing: a',
    );
    expect(panicText('Kernel panic - not syncing: b')).toBe('Kernel panic - not syncing: b');
    expect(panicText('grep Kernel panic - not syncing: c')).toBeUndefined();
    expect(isPanicEnd('[ 2.0] ---[ end Kernel panic - not syncing: no init ]---')).toBe(true);
  });

  test('the first line is enough before booted, after a moment; later the end must be seen', () => {
    vi.useFakeTimers();
    try {
      const seen: string[] = [];
      const watch = new PanicWatch((text) => seen.push(text));
      watch.take('Kernel panic - not syncing: typed by a user', true);
      vi.runAllTimers();
      expect(seen).toEqual([]);
      watch.reset();
      watch.take('Kernel panic - not syncing: early', false);
      expect(seen).toEqual([]);
      vi.runAllTimers();
      expect(seen).toEqual(['Kernel panic - not syncing: early']);
      watch.reset();
      watch.take('Kernel panic - not syncing: late', true);
      watch.take('---[ end Kernel panic - not syncing: late ]---', true);
      expect(seen.at(-1)).toBe('Kernel panic - not syncing: late');
    } finally {
      vi.useRealTimers();
    }
  });

  test('the guest’s last words', () => {
    expect(guestEnd('x\n[ 9.1] reboot: Restarting system\r\n')).toBe('reboot');
    expect(guestEnd('reboot: Restarting system\nLinux\n[ 9.1] reboot: Power down\r\n')).toBe('poweroff');
    expect(guestEnd('login:')).toBeUndefined();
  });
});

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'console-'));
  file = join(folder, 'console.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the log', () => {
  test('is cut in place when it grows too long; positions go on', () => {
    const log = new ConsoleLog(file, { limit: 1000, keep: 100 });
    appendFileSync(file, 'a'.repeat(950));
    log.look();
    expect([log.start, log.end]).toEqual([0, 950]);
    appendFileSync(file, `${'b'.repeat(50)}${'c'.repeat(100)}`);
    log.look();
    expect([log.start, log.end]).toEqual([1000, 1100]);
    expect(statSync(file).size).toBe(100);
    appendFileSync(file, 'd');
    log.look();
    expect(Buffer.from(log.read(0, 500).bytes).toString()).toBe(`${'c'.repeat(100)}d`);
    expect(log.read(0, 10).position).toBe(1000);
    expect(log.tail(2)).toBe('cd');
    log.clear();
    expect([log.start, log.end]).toEqual([1101, 1101]);
    expect(log.read(0, 10).bytes).toHaveLength(0);
    log.close();
  });
});

describe('the console', () => {
  const lines: string[] = [];
  function open(socket = join(folder, 'tty')) {
    lines.length = 0;
    return new NodeConsole({
      logFile: file,
      socket,
      onLine: (line) => lines.push(line),
      onText: () => undefined,
      onOutput: () => undefined,
    });
  }

  test('history, then live; a slow viewer holds nobody up and loses nothing', async () => {
    writeFileSync(file, 'old\n');
    const console_ = open();
    const [all, fresh, slow] = [new Viewer(), new Viewer(), new Viewer(1)];
    console_.attach(all, Infinity);
    console_.attach(fresh, 0);
    console_.attach(slow, Infinity);
    appendFileSync(file, `${'x'.repeat(100_000)}\n>>> end\n`);
    await vi.waitFor(() => expect(fresh.text).toContain('>>> end'));
    expect(fresh.text.startsWith('xxx')).toBe(true);
    expect(all.text).toBe(readFileSync(file, 'utf8'));
    expect(slow.text).toBe('old\n');
    expect(lines).toEqual(['>>> end']);
    slow.drain(1);
    expect(slow.writes).toBe(2);
    slow.drain(Infinity);
    expect(slow.text).toBe(all.text);
    all.leave();
    appendFileSync(file, 'more');
    await vi.waitFor(() => expect(fresh.text).toContain('more'));
    expect(all.text).not.toContain('more');
    console_.close('gone');
    expect([fresh.ended, slow.ended, all.ended]).toEqual(['gone', 'gone', undefined]);
  });

  test('lines come with the bytes that they are made of, without the dividers between power-ons', async () => {
    // A former daemon has seen the first line.
    writeFileSync(file, 'before\n');
    open().close();
    appendFileSync(file, 'missed\n');
    const told: [string, string][] = [];
    const onText = (line: string, raw: Uint8Array): void =>
      void told.push([line, Buffer.from(raw).toString('latin1')]);
    const nothing = (): void => undefined;
    const console_ = new NodeConsole({
      ...{ logFile: file, socket: join(folder, 'tty'), onLine: nothing, onText, onOutput: nothing },
    });
    console_.connect();
    expect(told.splice(0)).toEqual([['missed', 'missed\n']]);
    const sent = '\x1b[1mbold\x1b[0m \xe9\0\r\nno end';
    appendFileSync(file, Buffer.from(sent, 'latin1'));
    await vi.waitFor(() => expect(told).toHaveLength(1));
    await vi.waitFor(() => expect(told).toHaveLength(2), 10_000);
    appendFileSync(file, ' yet');
    console_.begin('n1 boots again', false);
    appendFileSync(file, 'next\r\n');
    await vi.waitFor(() => expect(told).toHaveLength(5));
    console_.close();
    expect(told).toEqual([
      ['bold \ufffd', '\x1b[1mbold\x1b[0m \xe9\0\r\n'],
      // A line that waits is told, and told again when it goes on.
      ['no end', 'no end'],
      ['no end yet', ' yet'],
      ['--- n1 boots again ---', ''],
      ['next', 'next\r\n'],
    ]);
  });

  test('the last of the history begins with a line, or where there is none in it', () => {
    writeFileSync(file, 'first\nsecond\nthe third line');
    const console_ = open();
    const seen = (history: number): string => {
      const viewer = new Viewer();
      console_.attach(viewer, history);
      return viewer.text;
    };
    expect([1000, 28, 27, 21, 20, 4, 0].map(seen)).toEqual([
      'first\nsecond\nthe third line',
      'first\nsecond\nthe third line',
      'first\nsecond\nthe third line',
      'second\nthe third line',
      'the third line',
      'line',
      '',
    ]);
    console_.close();
  });

  test('a power-on begins the history anew, a reboot goes on below a divider', async () => {
    writeFileSync(file, 'first\n');
    const console_ = open();
    const viewer = new Viewer();
    console_.attach(viewer, Infinity);
    console_.begin('n1 boots again', false);
    expect(viewer.text).toBe('first\n\r\n--- n1 boots again ---\r\n');
    console_.begin('n1 is on', true);
    expect(readFileSync(file, 'utf8')).toBe('\r\n--- n1 is on ---\r\n');
    appendFileSync(file, 'second');
    await vi.waitFor(() => expect(viewer.text.endsWith('second')).toBe(true));
    const late = new Viewer();
    console_.attach(late, Infinity);
    expect(late.text).toBe('\r\n--- n1 is on ---\r\nsecond');
    console_.close();
  });

  test('input goes to the machine’s socket, again after it was made anew', async () => {
    const socket = join(folder, 'tty');
    const got: string[] = [];
    const listen = () =>
      createServer((peer) => {
        peer.on('data', (data) => got.push(String(data)));
        peer.on('error', () => undefined);
        peer.write('y'.repeat(500_000));
      }).listen(socket);
    const console_ = open(socket);
    const viewer = new Viewer();
    console_.attach(viewer, Infinity);
    viewer.type('dropped');
    console_.connect();
    const server = listen();
    await vi.waitFor(() => {
      viewer.type('a');
      expect(got.join('')).toContain('a');
    });
    console_.disconnect();
    console_.disconnect();
    viewer.type('dropped');
    console_.connect();
    await vi.waitFor(() => {
      viewer.type('b');
      expect(got.join('')).toContain('b');
    });
    expect(got.join('')).not.toContain('dropped');
    expect(viewer.text).toBe('');
    console_.close();
    server.close();
  });
});
