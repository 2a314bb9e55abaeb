import * as assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import { bootyard, nodeIn, openShell, openTerminal, when } from './support.ts';

suite('the daemon dies', () => {
  test('it shows and heals by itself; nodes, shells and consoles go on', async () => {
    const { connection } = await bootyard();
    const node = await nodeIn('walnut', 'booted');
    const shell = await openShell('walnut');
    const console = await openTerminal('bootyard.node.console', 'walnut');
    shell.type('echo before:$((1+1))');
    await shell.shows(/before:2/);
    const { daemon } = await connection.call('lab.status', {});
    assert.ok(daemon);
    const seen: string[] = [];
    const subscription = connection.onState((state) => seen.push(state));

    process.kill(daemon.pid, 'SIGKILL');
    await when('failing', [connection.onState], () => seen.includes('failing'));
    assert.equal(connection.model.nodes.length, 1, 'what was known stays on show');
    await when('running again', [connection.onState], () => connection.state === 'running');
    subscription.dispose();

    const after = await connection.call('lab.status', {});
    assert.notEqual(after.daemon?.pid, daemon.pid);
    const same = await nodeIn('walnut', 'booted');
    assert.equal(same.bootStartedAt, node.bootStartedAt, 'the node was not booted again');
    shell.type('echo after:$((2+2))');
    await shell.shows(/after:4/);
    await console.shows(/connection to the daemon ended[^]*(Linux version|iPXE)/);
    shell.terminal.dispose();
    console.terminal.dispose();
  });
});
