import * as assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { ImagesElement } from '../../../extension/images/images-tree.ts';
import { bootyard, when } from './support.ts';

const NAME = 'opened';
const COUNT = 1100;

/** What the Images view shows below a row, by name. */
async function below(row: ImagesElement): Promise<Map<string, ImagesElement>> {
  const { images } = await bootyard();
  const rows = await images.tree.getChildren(row);
  return new Map(rows.map((element) => ['source' in element ? '' : element.name, element]));
}

suite('files in the Images view', () => {
  suiteSetup(async () => {
    const { connection, images } = await bootyard();
    const folder = mkdtempSync(join(tmpdir(), 'root-'));
    for (const name of ['etc', 'big', 'big/zfolder']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'etc/100%41'), 'odd\n');
    writeFileSync(join(folder, 'afile'), '');
    for (let at = 0; at < COUNT; at++) writeFileSync(join(folder, `big/f${1000 + at}`), '');
    await connection.call('image.import', { path: folder, name: NAME });
    rmSync(folder, { recursive: true });
    const isShown = (): boolean => images.tree.getChildren().length === 2;
    await when('the image', [images.tree.onDidChangeTreeData], isShown);
  });
  suiteTeardown(async () => {
    const { connection } = await bootyard();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await connection.call('image.remove', { images: [NAME] });
    await when('removal', [connection.model.onChanged], () => !connection.model.image(NAME));
  });

  test('an image opens into folders, then files, which open in an editor and can be dragged', async () => {
    const { images } = await bootyard();
    const root = await below(images.tree.elementOf(NAME));
    assert.deepEqual([...root.keys()], ['big', 'etc', 'afile']);
    const etc = root.get('etc');
    assert.ok(etc);
    assert.equal(images.tree.getTreeItem(etc).collapsibleState, vscode.TreeItemCollapsibleState.Collapsed);
    const file = (await below(etc)).get('100%2541');
    assert.ok(file);
    assert.equal(images.tree.getParent(file), etc);
    assert.equal(images.tree.getParent(etc), images.tree.elementOf(NAME));
    const { command, tooltip } = images.tree.getTreeItem(file);
    assert.match(String(tooltip), /^-rw/);
    assert.ok(command);
    await vscode.commands.executeCommand(command.command, ...(command.arguments ?? []));
    const { window } = vscode;
    const shown = (): string | undefined => window.activeTextEditor?.document.getText();
    await when('the file', [window.onDidChangeActiveTextEditor], () => shown() === 'odd\n');
    const transfer = new vscode.DataTransfer();
    images.drag.handleDrag([etc, file], transfer);
    const uris = (await transfer.get('text/uri-list')?.asString())?.split('\r\n') ?? [];
    assert.equal(uris.length, 2);
    const text = await vscode.workspace.fs.readFile(vscode.Uri.parse(uris[1] ?? ''));
    assert.equal(Buffer.from(text).toString(), 'odd\n');
  });

  test('a folder of many files shows a page, and one more at each click', async () => {
    const { images } = await bootyard();
    const big = (await below(images.tree.elementOf(NAME))).get('big');
    assert.ok(big);
    const drawn: unknown[] = [];
    const watch = images.tree.onDidChangeTreeData((elements) => drawn.push(...(elements ?? ['all'])));
    for (const shown of [500, 1000]) {
      const rows: ImagesElement[] = [...(await below(big)).values()];
      assert.equal(rows.length, shown + 1);
      const { command, label } = images.tree.getTreeItem(rows.at(-1) ?? big);
      assert.equal(label, `${shown} files shown: show more`);
      await vscode.commands.executeCommand(command?.command ?? '', ...(command?.arguments ?? []));
    }
    watch.dispose();
    assert.deepEqual(drawn, [big, big]);
    assert.equal((await below(big)).size, COUNT + 1);
  });

  test('an image that becomes another one is read again; files are no images to commands', async () => {
    const { connection, images } = await bootyard();
    const element = images.tree.elementOf(NAME);
    const root = await below(element);
    images.tree.getTreeItem(element);
    const drawn: unknown[] = [];
    const watch = images.tree.onDidChangeTreeData((elements) => drawn.push(...(elements ?? ['all'])));
    await connection.call('image.label', { image: NAME, labels: { some: 'label' } });
    await when('the row', [images.tree.onDidChangeTreeData], () => drawn.includes(element));
    watch.dispose();
    await vscode.commands.executeCommand('bootyard.image.copyName', element, [element, root.get('etc')]);
    assert.equal(await vscode.env.clipboard.readText(), NAME);
  });
});
