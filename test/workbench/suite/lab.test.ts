import * as assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import { bootyard, IMAGE, textShown, when } from './support.ts';

suite('lab', () => {
  test('the doctor says what this machine has, without a lab', async () => {
    const answer = await vscode.commands.executeCommand('bootyard.lab.doctor');
    assert.equal(typeof answer, 'boolean');
    assert.match(await textShown('Bootyard doctor'), /qemu/i);
  });

  test('starts on demand', async () => {
    await vscode.commands.executeCommand('bootyard.lab.start');
    const { connection } = await bootyard();
    assert.equal(connection.state, 'running');
    const sentence = await vscode.commands.executeCommand('bootyard.lab.status');
    assert.match(
      String(sentence),
      /^The lab is running: 0 of 0 nodes booted, acceleration .*The daemon has pid \d+/,
    );
  });

  test('a second start uses the same daemon', async () => {
    const { connection } = await bootyard();
    const before = await connection.call('lab.status', {});
    await vscode.commands.executeCommand('bootyard.lab.start');
    const after = await connection.call('lab.status', {});
    assert.equal(after.daemon?.pid, before.daemon?.pid);
  });

  test('the Images view shows size, layers and labels', async () => {
    const { images } = await bootyard();
    await when('the image', [images.tree.onDidChangeTreeData], () => images.tree.getChildren()[0]);
    const [group, ...groups] = images.tree.getChildren();
    assert.ok(group);
    assert.deepEqual(groups, []);
    assert.equal(images.tree.getTreeItem(group).label, 'Default Images');
    const [element, ...others] = images.tree.getChildren(group);
    assert.ok(element);
    assert.deepEqual(others, []);
    assert.equal(images.tree.getParent(element), group);
    const item = images.tree.getTreeItem(element);
    assert.equal(item.label, IMAGE);
    assert.match(String(item.description), /^[\d.]+ MB/);
    const token = new vscode.CancellationTokenSource().token;
    const { tooltip } = await images.tree.resolveTreeItem(item, element, token);
    assert.ok(tooltip instanceof vscode.MarkdownString);
    assert.match(tooltip.value, /walt\\\.node\\\.models/);
  });

  test('the settings that name programs are not taken from a workspace', () => {
    for (const name of ['home', 'nodePath']) {
      const inspected = vscode.workspace.getConfiguration('bootyard').inspect(name);
      assert.equal(inspected?.defaultValue, '');
    }
  });
});
