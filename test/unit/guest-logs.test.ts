import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestRoot, StubServer } from './guest-fixture.ts';

let server: StubServer;
let root: GuestRoot;
beforeAll(async () => {
  server = await StubServer.listen();
  root = new GuestRoot({ walt_server_logs_port: String(server.port) });
});
afterAll(() => {
  server.close();
  root.remove();
});

/** What one run of a log tool sent to the server, and how it ended. */
async function sent(
  command: string,
  input?: string,
): Promise<{ lines: string[]; out: string; err: string; code: unknown }> {
  const run = root.run(command, input);
  const peer = await server.connection();
  const lines = await peer.all();
  peer.socket.end();
  return { lines, ...(await run.done) };
}

describe('log tools of a node', () => {
  it('walt-log-echo sends its words as one line', async () => {
    const { lines, code } = await sent('walt-log-echo builds "two  words" -n more');
    expect(lines).toEqual([
      'REQ_NEW_INCOMING_LOGS',
      'builds',
      'NO_TIMESTAMPS',
      'two  words -n more',
      'CLOSE',
    ]);
    expect(code).toBe(0);
  });

  it('walt-log-cat sends lines as they are, and a last one without a newline', async () => {
    const { lines, out } = await sent('walt-log-cat s', ' a\\n %s \nbytes \xe9\n\nlast');
    expect(lines.slice(3)).toEqual([' a\\n %s ', 'bytes \xc3\xa9', '', 'last', 'CLOSE']);
    expect(out).toBe('');
  });

  it('walt-log-tee passes its input on', async () => {
    const { lines, out } = await sent('walt-log-tee s', 'one\ntwo\n');
    expect(lines.slice(3)).toEqual(['one', 'two', 'CLOSE']);
    expect(out).toBe('one\ntwo\n');
  });

  it('--ts-local puts the time of the node before each line', async () => {
    const { lines } = await sent('walt-log-cat --ts-local s', 'one\ntwo\n');
    expect(lines[2]).toBe('TIMESTAMPS_INSIDE');
    const times = lines.slice(3, 5).map((line) => Number(line.split(' ')[0]));
    for (const time of times) expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(60);
    expect(lines[3]).toMatch(/^\d+\.\d\d one$/);
  });

  it.each(['--ts-provided', '--timestamp', '--ts'])(
    '%s leaves the times that are in the lines',
    async (option) => {
      const { lines } = await sent(`walt-log-cat ${option} s`, '1700000000.5 text\n');
      expect(lines.slice(2, 4)).toEqual(['TIMESTAMPS_INSIDE', '1700000000.5 text']);
    },
  );

  it.each(['echo', 'cat', 'tee'])('walt-%s still works and says that it is deprecated', async (tool) => {
    const { lines, err } = await sent(`walt-${tool} s word`, tool === 'echo' ? undefined : 'word\n');
    expect(lines[3]).toBe('word');
    expect(err).toContain(`WARNING: walt-${tool} is deprecated`);
  });

  it('walt-log-tee goes on without a server', async () => {
    const alone = new GuestRoot();
    const { out } = await alone.run('walt-log-tee s', 'one\ntwo\n').done;
    alone.remove();
    expect(out).toBe('one\ntwo\n');
  });

  it('walt-log-monitor runs a command whose output is logged, with its exit code', async () => {
    const run = root.run('walt-log-monitor sh -c "cat; echo two >&2; exit 3"', 'one\n');
    const said: string[][] = [];
    for (let connection = 0; connection < 3; connection++) {
      const peer = await server.connection();
      said.push(await peer.all());
      peer.socket.end();
    }
    expect(said.map(([, stream, , ...lines]) => [stream?.replace(/\d+/, 'N'), ...lines])).toEqual([
      ['sh.N.monitor', 'START', 'CLOSE'],
      ['sh.N.monitor', 'one', 'two', 'CLOSE'],
      ['sh.N.monitor', 'END', 'CLOSE'],
    ]);
    expect(await run.done).toMatchObject({ out: 'one\ntwo\n', code: 3 });
    expect((await root.run('walt-log-monitor not-there').done).err).toBe(
      'Either not-there cannot be found in PATH or its execution is not allowed.\n',
    );
  });

  it('walt-log-monitor runs it in a terminal of its own where the image has `script`', async () => {
    const own = new GuestRoot({ walt_server_logs_port: String(server.port) });
    own.add('/usr/bin/script');
    const terminals = `mkdir /dev/pts; mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
      ln -s pts/ptmx /dev/ptmx; ln -s pts /dev/tty`;
    const program = `[ -t 1 ] && [ -t 2 ] && echo "a  terminal: $2"; cat; echo; printf "no end" >&2; exit 3`;
    own.write('/program', `set -- it "$1"\n${program}\n`);
    const run = own.run(
      `${terminals}; walt-log-monitor sh /program "it's
two"`,
      'typed\n',
    );
    const said: string[][] = [];
    for (let connection = 0; connection < 3; connection++) {
      const peer = await server.connection();
      said.push(await peer.all());
      peer.socket.end();
    }
    const printed = ["a  terminal: it's", 'two', 'typed', '', 'no end'];
    expect(said.map(([, stream, , ...lines]) => [stream?.replace(/\d+/, 'N'), ...lines])).toEqual([
      ['sh.N.monitor', 'START', 'CLOSE'],
      ['sh.N.monitor', ...printed, 'CLOSE'],
      ['sh.N.monitor', 'END', 'CLOSE'],
    ]);
    expect(await run.done).toMatchObject({ out: printed.join('\r\n'), code: 3 });
    own.remove();
  });

  it('says how it is used when the stream is missing', async () => {
    const { err, code } = await root.run('walt-log-tee').done;
    expect(err).toContain('Usage: walt-log-tee');
    expect(code).toBe(2);
  });
});

describe('the fifo of programs that log', () => {
  /** Runs the daemon, and beside it what writes to its fifo. */
  function logging(program: string): ReturnType<GuestRoot['run']> {
    const wait = 'until [ -p /var/lib/walt/logs.fifo ]; do sleep 0.05; done';
    return root.run(`sh /bin/_walt_internal_/walt-logs-daemon & ${wait}; ${program}; wait`);
  }
  const fifo = '/var/lib/walt/logs.fifo';

  it('LOG and TSLOG are lines of their streams, each stream on one connection', async () => {
    const run = logging(`
      printf 'LOG app  one *\\\\n two\\nnonsense\\nLOG\\nLOG app\\nTSLOG 1700000000.5 other text\\n' >${fifo}
      echo 'LOG app three' >${fifo}`);
    const peers = [await server.connection(), await server.connection()];
    const lines = await Promise.all(
      peers.map(async (peer) => {
        const head = [await peer.line(), await peer.line(), await peer.line()];
        return head[1] === 'app'
          ? [...head, await peer.line(), await peer.line()]
          : [...head, await peer.line()];
      }),
    );
    run.stop();
    const [app, other] = lines.toSorted(([, a = ''], [, b = '']) => a.localeCompare(b));
    expect(app?.slice(0, 3)).toEqual(['REQ_NEW_INCOMING_LOGS', 'app', 'TIMESTAMPS_INSIDE']);
    expect(app?.slice(3).map((line) => line?.replace(/^\S+ /, ''))).toEqual([' one *\\n two', 'three']);
    expect(Math.abs(Number(app?.[3]?.split(' ')[0]) - Date.now() / 1000)).toBeLessThan(60);
    expect(other?.slice(1)).toEqual(['other', 'TIMESTAMPS_INSIDE', '1700000000.5 text']);
    for (const peer of peers) peer.socket.destroy();
  });

  it('a stream of any name has its lines, and one whose server went away is connected again', async () => {
    const run = logging(`
      echo 'LOG ../../etc/x odd' >${fifo}
      while sleep 0.1; do echo 'LOG app tick' >${fifo}; done`);
    const odd = await server.connection();
    expect((await odd.all()).slice(1, 4)).toEqual([
      '../../etc/x',
      'TIMESTAMPS_INSIDE',
      expect.stringMatching(/ odd$/),
    ]);
    odd.socket.destroy();
    for (let connection = 0; connection < 2; connection++) {
      const peer = await server.connection();
      for (let line = 0; line < 4; line++) await peer.line();
      peer.socket.destroy();
    }
    run.stop();
  });

  it('an image that brings its own daemon keeps it', async () => {
    const own = new GuestRoot();
    own.write('/usr/bin/walt-logs-daemon', '', 0o755);
    const { code } = await own.run('sh /bin/_walt_internal_/walt-logs-daemon; [ ! -e /var/lib/walt ]').done;
    own.remove();
    expect(code).toBe(0);
  });
});
