import * as assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import * as z from 'zod';
import { bootyard, when } from './support.ts';

const Manifest = z.object({
  contributes: z.object({
    commands: z.array(z.object({ command: z.string() })),
    views: z.record(z.string(), z.array(z.object({ id: z.string() }))),
  }),
});

function manifest(): z.infer<typeof Manifest> {
  return Manifest.parse(vscode.extensions.getExtension('bootyard.bootyard')?.packageJSON);
}

function tabs(): vscode.Tab[] {
  return vscode.window.tabGroups.all.flatMap((group) => group.tabs);
}

suite('activation, with the lab stopped', () => {
  test('finds no lab and starts none', async () => {
    const { connection } = await bootyard();
    await when('state', [connection.onState], () => connection.state === 'stopped');
    assert.equal(connection.client, undefined);
  });

  test('every command of the manifest is registered, and every registered one is in the manifest', async () => {
    const contributed = manifest().contributes.commands.map(({ command }) => command);
    const all = await vscode.commands.getCommands(true);
    const registered = all.filter((id) => /^bootyard\.(node|image|lab)\./.test(id));
    assert.deepEqual(registered.sort(), contributed.sort());
  });

  test('every view of the manifest can be shown', async () => {
    const views = Object.values(manifest().contributes.views).flat();
    for (const { id } of views) await vscode.commands.executeCommand(`${id}.focus`);
    const { nodes } = await bootyard();
    assert.equal(nodes.view.visible, true);
  });

  test('the trees are empty, so the welcome views show', async () => {
    const { nodes, images } = await bootyard();
    assert.deepEqual(nodes.tree.getChildren(), []);
    assert.deepEqual(images.tree.getChildren(), []);
  });

  test('a call without a lab fails with one sentence', async () => {
    const { connection } = await bootyard();
    await assert.rejects(
      connection.call('node.list', {}),
      /^BootyardError: The lab is not running: start it/,
    );
  });

  test('the walkthrough opens', async () => {
    await vscode.commands.executeCommand('bootyard.lab.walkthrough');
    const opened = (): boolean => tabs().some((tab) => /Walkthrough|Welcome|first node/i.test(tab.label));
    await when('the walkthrough', [vscode.window.tabGroups.onDidChangeTabs], opened);
    await vscode.window.tabGroups.close(tabs());
  });
});
