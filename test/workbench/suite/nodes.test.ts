import * as assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import type { NodeInfo } from '../../../backend/api/node.ts';
import { bootyard, IMAGE, nodeIn, openShell, openTerminal, textShown, when } from './support.ts';

async function rowOf(name: string): Promise<vscode.TreeItem> {
  const { connection, nodes } = await bootyard();
  const mac = connection.model.nodeNamed(name)?.mac;
  const element = nodes.tree.getChildren().find((candidate) => candidate.mac === mac);
  assert.ok(element, `a row for ${name}`);
  return nodes.tree.resolveTreeItem(nodes.tree.getTreeItem(element), element);
}

function runOnVnode1(command: string): Thenable<unknown> {
  return vscode.commands.executeCommand('bootyard.node.run', ['vnode1'], undefined, command);
}

suite('nodes', () => {
  test('a node is created from an image and boots, stage by stage', async () => {
    const { connection } = await bootyard();
    const stages: string[] = [];
    const subscription = connection.model.onStage(({ stage }) => stages.push(stage));
    const created = vscode.commands.executeCommand<NodeInfo>('bootyard.node.create', {
      name: 'vnode1',
      image: IMAGE,
    });
    const booting = await nodeIn('vnode1', 'booting');
    assert.match(booting.ip, /^192\.168\.152\.\d+$/);
    assert.match(String((await rowOf('vnode1')).contextValue), /^node\+(booting|booted)\+on$/);
    await created;
    subscription.dispose();
    const booted = await nodeIn('vnode1', 'booted');
    assert.ok(stages.length >= 3, `stages: ${stages.join(', ')}`);
    const row = await rowOf('vnode1');
    assert.equal(row.label, 'vnode1');
    assert.equal(row.id, booted.mac);
    assert.equal(row.description, `${IMAGE} · ${booted.ip}`);
    assert.equal(row.contextValue, 'node+booted+on');
    assert.match(String(row.accessibilityInformation?.label), /^vnode1, booted, image/);
  });

  test('the tooltip has the facts and links, and can run no other command', async () => {
    const { tooltip } = await rowOf('vnode1');
    assert.ok(tooltip instanceof vscode.MarkdownString);
    assert.match(tooltip.value, /MAC/);
    assert.match(tooltip.value, /command:bootyard\.node\.shell/);
    assert.ok(typeof tooltip.isTrusted === 'object');
    assert.ok(tooltip.isTrusted.enabledCommands.every((id) => id.startsWith('bootyard.node.')));
  });

  test('the Images view tells who uses the image', async () => {
    const { connection, images } = await bootyard();
    const image = await when('use', [connection.model.onChanged], () => {
      const found = connection.model.image(IMAGE);
      return found?.nodes.includes('vnode1') && found;
    });
    const row = () => images.tree.getTreeItem(images.tree.elementOf(IMAGE));
    await when('the row', [images.tree.onDidChangeTreeData], () =>
      String(row().description).includes('used by 1 node'),
    );
    assert.equal(image.inUse, true);
  });

  test('a shell is in the node, has a terminal of its size and follows it', async () => {
    const shell = await openShell('vnode1');
    shell.type('echo "kernel:$(uname -r)" root:$((40+2))');
    await shell.shows(/kernel:\d+\.\d+.*root:42/);
    shell.resize(101, 37);
    shell.type('stty size');
    await shell.shows(/37 101\r?$/m);
    shell.type('cat /proc/cmdline');
    await shell.shows(/nfsroot=/);
    assert.equal(shell.terminal.name, 'vnode1');
    shell.type('exit 7');
    await shell.shows(/exit code 7/);
    shell.terminal.dispose();
  });

  test('the console tells what the machine has said since power-on, and takes input', async () => {
    const console = await openTerminal('bootyard.node.console', 'vnode1');
    await console.shows(/Linux version|iPXE/);
    console.type('');
    await console.shows(/\S/);
    assert.equal(vscode.window.terminals.filter(({ name }) => name === 'vnode1 console').length, 1);
    await vscode.commands.executeCommand('bootyard.node.console', 'vnode1');
    assert.equal(vscode.window.terminals.filter(({ name }) => name === 'vnode1 console').length, 1);
    console.terminal.dispose();
  });

  test('a command runs on nodes and answers its exit code', async () => {
    assert.deepEqual(await runOnVnode1('true'), { vnode1: 0 });
    assert.deepEqual(await runOnVnode1('exit 3'), { vnode1: 3 });
  });

  test('the boot timeline is shown as text', async () => {
    await vscode.commands.executeCommand('bootyard.node.timelineText', 'vnode1');
    assert.match(await textShown('vnode1 boot timeline'), /^Boot of vnode1, .*[^]*stage[^]*kernel/);
  });

  test('the files that it has read are shown, and what boots read of the image', async () => {
    await vscode.commands.executeCommand('bootyard.node.reads', 'vnode1');
    assert.match(
      await textShown('vnode1 files read'),
      /^vnode1, boot 1: \d+ files of .* read.*[^]*\/bin\/busybox/,
    );
    await vscode.commands.executeCommand('bootyard.image.usage', IMAGE);
    assert.match(
      await textShown(`${IMAGE} usage`),
      /Needed by each boot until it was booted[^]*never touched/,
    );
  });

  test('after a reboot the shell comes back in the same terminal', async () => {
    const { connection } = await bootyard();
    const shell = await openShell('vnode1');
    shell.type('echo before:$((1+1))');
    await shell.shows(/before:2/);
    const first = connection.model.nodeNamed('vnode1')?.bootedAt;
    await vscode.commands.executeCommand('bootyard.node.reboot', 'vnode1');
    await shell.shows(/is booted again/);
    assert.notEqual((await nodeIn('vnode1', 'booted')).bootedAt, first);
    shell.type('echo after:$((2+2))');
    await shell.shows(/after:4/);
    shell.terminal.dispose();
  });

  test('a renamed node keeps its row, and its terminals get the new name', async () => {
    const { connection } = await bootyard();
    const before = (await rowOf('vnode1')).id;
    const shell = await openShell('vnode1');
    await vscode.commands.executeCommand('bootyard.node.rename', 'vnode1', undefined, 'walnut');
    await when('the new name', [connection.model.onChanged], () => connection.model.nodeNamed('walnut'));
    assert.equal((await rowOf('walnut')).id, before);
    await when('the tab', [vscode.window.tabGroups.onDidChangeTabs], () =>
      vscode.window.tabGroups.all.flatMap((group) => group.tabs).some((tab) => tab.label === 'walnut'),
    );
    shell.terminal.dispose();
  });

  test('wrong names and unknown images are refused with one sentence', async () => {
    const { connection } = await bootyard();
    for (const params of [
      { name: '9', image: IMAGE },
      { name: 'walnut', image: IMAGE },
      { name: 'vnode2', image: 'no-such-image' },
    ]) {
      await assert.rejects(connection.call('node.create', params), (error: Error) => {
        assert.equal(error.name, 'BootyardError');
        assert.doesNotMatch(error.message, /\n|at .*:\d+:\d+/);
        return true;
      });
    }
  });
});
