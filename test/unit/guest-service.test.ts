import { connect, type Socket } from 'node:net';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuestRoot, StubPeer, StubServer } from './guest-fixture.ts';

let root: GuestRoot;
const undo: (() => void)[] = [];
beforeEach(() => {
  root = new GuestRoot();
  undo.push(() => root.remove());
});
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

/** One conversation with the handler, as netcat gives it: standard input and output. */
async function ask(text: string): Promise<string> {
  return (await root.run('/bin/_walt_internal_/walt-net-service-handler', text).done).out;
}

describe('walt-net-service', () => {
  it('answers PING', async () => {
    expect(await ask('MODE single\nPING\n')).toBe('OK\n');
  });

  it('refuses what it does not know, and what does not follow the protocol', async () => {
    expect(await ask('MODE single\nSING\n')).toBe('KO unknown request\n');
    expect(await ask('GET / HTTP/1.0\n')).toMatch(/^KO /);
    expect(await ask('MODE single\nBLINK 7\n')).toBe('KO BLINK needs 0 or 1\n');
  });

  it('serves several requests in multi mode, one in single mode', async () => {
    expect(await ask('MODE multi\nPING\nPING\nCLOSE\nPING\n')).toBe('OK\nOK\n');
    expect(await ask('MODE single\nPING\nPING\n')).toBe('OK\n');
  });

  it('blinks with the image’s /bin/blink', async () => {
    expect(await ask('MODE single\nBLINK 1\n')).toBe(
      'KO /bin/blink unavailable or not executable on image\n',
    );
    root.write('/bin/blink', '#!/bin/busybox sh\necho "$1" >/tmp/blinked\n', 0o755);
    expect(await ask('MODE single\nBLINK 1\n')).toBe('OK\n');
    expect((await root.run('cat /tmp/blinked').done).out).toBe('1\n');
  });

  it('says OK before it reboots', async () => {
    // reboot(2) in a process namespace ends that namespace.
    const result = await root.run(
      '/bin/_walt_internal_/walt-net-service-handler; echo survived',
      'MODE single\nREBOOT\n',
    ).done;
    expect(result.out).toBe('OK\n');
  });

  it('runs the image’s own reboot script on a real machine, not on a virtual one', async () => {
    root.write('/bin/walt-network-reboot', '#!/bin/busybox sh\necho ran >/tmp/ran\nexit 1\n', 0o755);
    root.write('/sys/class/dmi/id/sys_vendor', 'QEMU\n');
    await ask('MODE single\nREBOOT\n');
    expect((await root.run('cat /tmp/ran').done).out).toBe('');
    root.write('/sys/class/dmi/id/sys_vendor', 'Acme\n');
    await ask('MODE single\nREBOOT\n');
    expect((await root.run('cat /tmp/ran').done).out).toBe('ran\n');
  });

  it('listens for one connection after the other', async () => {
    const spare = await StubServer.listen();
    const port = spare.port;
    spare.close();
    await once(spare.server, 'close');
    const run = root.run(`/bin/_walt_internal_/walt-net-service ${port}`);
    undo.push(run.stop);
    for (let round = 0; round < 3; round++) {
      const peer = new StubPeer(await reach(port));
      peer.socket.write('MODE single\nPING\n');
      expect(await peer.line()).toBe('OK');
      peer.socket.destroy();
    }
  });
});

/** Connects as soon as someone listens. */
async function reach(port: number): Promise<Socket> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket;
  }
}

describe('walt-rpc and walt-clock-sync', () => {
  it('prints the result of a call', async () => {
    const server = await StubServer.listen();
    undo.push(() => server.close());
    root.remove();
    root = new GuestRoot({ walt_server_rpc_port: String(server.port) });
    const run = root.run('/bin/walt-report-lldp-neighbor 52:54:00:00:00:01 "port 1"');
    const peer = await server.connection();
    expect([await peer.line(), await peer.line()]).toEqual(['REQ_API_SESSION', 'NSAPI']);
    expect(await peer.line()).toBe(
      "('API_CALL', 'report_lldp_neighbor', ('52:54:00:00:00:01', 'port 1', ), {})",
    );
    peer.socket.write("10\n('RESULT', 1700000000)\n");
    expect(await peer.line()).toBe("('CLOSE',)");
    peer.socket.end();
    expect(await run.done).toMatchObject({ out: '1700000000\n', code: 0 });
  });

  it('says so when the server does not answer or refuses', async () => {
    const silent = await root.run('/bin/_walt_internal_/walt-rpc sync_clock').done;
    expect(silent.err).toContain('no answer from 127.0.0.1');
    expect(silent.code).toBe(1);
    const quoted = await root.run(`/bin/_walt_internal_/walt-rpc f "it's"`).done;
    expect(quoted.code).toBe(2);
  });
});

describe('walt-notify-bootup', () => {
  const listening = '  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 0:0\n';

  it('waits for port 22, then tells the server, and tells it again after it went away', async () => {
    let server = await StubServer.listen();
    const port = server.port;
    undo.push(() => server.close());
    root.remove();
    root = new GuestRoot({ walt_server_notify_bootup_port: String(port) });
    // A pipe for the kernel's table: a write ends when the script has read it, so each of its looks is seen.
    const table = join(root.folder, 'proc/net/tcp');
    execFileSync('mkfifo', [table]);
    const closed = listening.replace(':0016', ':0050');
    root.write('/bin/on-bootup', '#!/bin/busybox sh\necho yes >/tmp/on-bootup\n', 0o755);
    root.write('/run/nologin', 'booting');
    const run = root.run('/bin/_walt_internal_/walt-notify-bootup');
    undo.push(run.stop);
    let isTold = false;
    const first = server.connection();
    void first.then(() => (isTold = true));
    for (let look = 0; look < 3; look++) await writeFile(table, closed);
    expect(isTold).toBe(false);

    await writeFile(table, listening);
    const peer = await first;
    expect(await peer.line()).toBe('REQ_NOTIFY_BOOTUP_STATUS');
    peer.socket.write('OK\n');
    expect(await peer.line()).toBe('');
    const state = await root.run('cat /tmp/on-bootup /run/uptime-ready; ls /run').done;
    expect(state.out).toContain('yes\n12.34\n');
    expect(state.out).not.toContain('nologin');

    peer.socket.resetAndDestroy();
    server.close();
    await once(server.server, 'close');
    server = await StubServer.listen(port);
    const again = await server.connection();
    expect(await again.line()).toBe('REQ_NOTIFY_BOOTUP_STATUS');
    again.socket.write('OK\n');
    expect(await again.line()).toBe('');
  });

  it('gives up a connection on which no OK comes, and makes a new one', async () => {
    const server = await StubServer.listen();
    undo.push(() => server.close());
    root.remove();
    root = new GuestRoot({ walt_server_notify_bootup_port: String(server.port) });
    root.write('/proc/net/tcp6', listening);
    undo.push(root.run('/bin/_walt_internal_/walt-notify-bootup').stop);
    const peer = await server.connection();
    expect(await peer.all()).toEqual(['REQ_NOTIFY_BOOTUP_STATUS']);
    peer.socket.end();
    expect(await (await server.connection()).line()).toBe('REQ_NOTIFY_BOOTUP_STATUS');
  });
});

describe('a boot that fails', () => {
  it('names the step, offers a shell and reboots', async () => {
    root.write(
      '/bin/stage',
      '#!/bin/busybox sh\n. /bin/_walt_internal_/walt-script-common\nstage_begins stage\nstep "Mounting the moon..."\nfalse\necho went on\n',
      0o755,
    );
    const { out } = await root.run('/bin/stage; echo survived').done;
    expect(out).toContain(`*** ${'Mounting the moon...'.padEnd(60)} ***\n`);
    expect(out).toContain('>>> Issue detected!               <<<\n');
    expect(out).toContain('"Mounting the moon..." of stage failed (exit code 1)');
    expect(out).not.toContain('went on');
    expect(out).not.toContain('survived');
  });
});

describe('walt-timeout and walt-tar-send', () => {
  it('ends a command at its limit, and passes its result before', async () => {
    expect((await root.run('/bin/_walt_internal_/walt-timeout 1 sleep 30; exit $?').done).code).not.toBe(0);
    expect((await root.run('/bin/_walt_internal_/walt-timeout 30 sh -c "exit 7"; exit $?').done).code).toBe(
      7,
    );
  });

  it('sends a file or folder under another name, and leaves nothing behind', async () => {
    root.write('/etc/folder/a', 'content');
    const list = (args: string): Promise<string> =>
      root
        .run(`/bin/_walt_internal_/walt-tar-send ${args} | tar tf - && ls -A /tmp`)
        .done.then(({ out }) => out);
    expect(await list('/etc/folder')).toBe('folder/\nfolder/a\n');
    expect(await list('/etc/folder new')).toBe('new/\nnew/a\n');
    expect(await list('/etc/folder/a b')).toBe('b\n');
    const missing = await root.run('/bin/_walt_internal_/walt-tar-send /nowhere').done;
    expect(missing).toMatchObject({ code: 1, err: 'No such file or directory: /nowhere\n' });
  });
});
