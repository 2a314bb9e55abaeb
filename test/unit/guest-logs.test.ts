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

  it('says how it is used when the stream is missing', async () => {
    const { err, code } = await root.run('walt-log-tee').done;
    expect(err).toContain('Usage: walt-log-tee');
    expect(code).toBe(2);
  });
});
