import * as assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import { bootyard, IMAGE, nodeIn, when } from './support.ts';

suite('the end of things', () => {
  test('a node is powered off', async () => {
    await vscode.commands.executeCommand('bootyard.node.stop', 'walnut');
    await nodeIn('walnut', 'off');
  });

  test('an image in use is not removed', async () => {
    const { connection } = await bootyard();
    await assert.rejects(connection.call('image.remove', { images: [IMAGE] }), /in use/);
    await vscode.commands.executeCommand('bootyard.image.remove', IMAGE, undefined, { force: true });
    assert.ok(connection.model.image(IMAGE));
  });

  test('a node is removed and its row goes', async () => {
    const { connection, nodes } = await bootyard();
    await vscode.commands.executeCommand('bootyard.node.remove', 'walnut', undefined, { force: true });
    await when('removal', [connection.model.onChanged], () => connection.model.nodes.length === 0);
    assert.deepEqual(nodes.tree.getChildren(), []);
  });

  test('the lab stops, and the views know', async () => {
    const { connection, images } = await bootyard();
    await vscode.commands.executeCommand('bootyard.lab.stop', { force: true });
    assert.equal(connection.state, 'stopped');
    await when('no rows', [images.tree.onDidChangeTreeData], () => images.tree.getChildren().length === 0);
  });
});
