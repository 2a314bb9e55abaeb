import * as assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import type { ImageInfo } from '../../../backend/api/image.ts';
import { bootyard, IMAGE, when } from './support.ts';

suite('images', () => {
  test('a default image is built whole, from packages or from a build of before', async () => {
    const { connection } = await bootyard();
    const built = await vscode.commands.executeCommand<ImageInfo[]>('bootyard.image.buildDefault', {
      names: [IMAGE],
      force: true,
    });
    assert.deepEqual(
      built.map(({ name }) => name),
      [IMAGE],
    );
    assert.equal(connection.model.image(IMAGE)?.id, built[0]?.id);
  });

  test('a default image that is there is not built again', async () => {
    const [before] = await vscode.commands.executeCommand<ImageInfo[]>('bootyard.image.buildDefault', {
      names: [IMAGE],
    });
    const { connection } = await bootyard();
    assert.equal(connection.model.image(IMAGE)?.created, before?.created);
  });

  test('a root folder becomes an image, and Remove Image removes it', async () => {
    const { connection, images } = await bootyard();
    const folder = mkdtempSync(join(tmpdir(), 'root-'));
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/hostname'), 'made-here\n');
    const made = await vscode.commands.executeCommand<ImageInfo>('bootyard.image.import', {
      path: folder,
      name: 'made:here',
    });
    rmSync(folder, { recursive: true });
    assert.equal(made.name, 'made:here');
    await when('the image', [connection.model.onChanged], () => connection.model.image('made:here'));
    const groups = (): unknown[] =>
      images.tree.getChildren().map((group) => images.tree.getTreeItem(group).label);
    await when('its group', [images.tree.onDidChangeTreeData], () => groups().length === 2);
    assert.deepEqual(groups(), ['Default Images', 'Own Images']);
    await vscode.commands.executeCommand('bootyard.image.remove', 'made:here', undefined, { force: true });
    await when('removal', [connection.model.onChanged], () => !connection.model.image('made:here'));
  });

  test('a dropped file that is on another machine is refused before anything is asked', async () => {
    const { connection, images } = await bootyard();
    const item = new vscode.DataTransferItem('');
    item.asFile = () => ({ name: 'far.tar', data: () => Promise.resolve(new Uint8Array()) });
    const transfer = new vscode.DataTransfer();
    transfer.set('application/x-tar', item);
    await images.drag.handleDrop(undefined, transfer);
    assert.deepEqual(
      connection.model.images.map(({ name }) => name),
      [IMAGE],
    );
  });
});
