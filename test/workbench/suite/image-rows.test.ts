import * as assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { ImagesElement } from '../../../extension/images/images-tree.ts';
import { bootyard, IMAGE, when } from './support.ts';

const COUNT = 500;
const names = Array.from({ length: COUNT }, (_, at) => `many-${at}`);

/** What the Images view is told to draw again while something is done, until that is seen. */
async function redrawn(act: () => Promise<unknown>, isSeen: () => boolean): Promise<string[]> {
  const { images } = await bootyard();
  const drawn: string[] = [];
  const nameOf = (element: ImagesElement): string =>
    'source' in element ? `group ${element.source.id}` : element.name;
  const watch = images.tree.onDidChangeTreeData((elements) => {
    drawn.push(...(elements?.map(nameOf) ?? ['all']));
    // VS Code asks again for what it is told of.
    for (const element of elements ?? []) images.tree.getTreeItem(element);
  });
  await act();
  await when('the change', [images.tree.onDidChangeTreeData], isSeen);
  await new Promise((resolve) => setTimeout(resolve, 500));
  watch.dispose();
  return drawn;
}

suite('many images', () => {
  const folder = mkdtempSync(join(tmpdir(), 'root-'));
  suiteSetup(async () => {
    const { connection, images } = await bootyard();
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/hostname'), 'small\n');
    const [first = '', ...others] = names;
    const labels = { 'walt.node.models': 'pc-x86-64', number: '0' };
    await connection.call('image.import', { path: folder, name: first, labels });
    await Promise.all(others.map((name) => connection.call('image.duplicate', { image: first, name })));
    // Images of their own content beside those that are names of one.
    await Promise.all(
      names
        .slice(0, 50)
        .map((image, at) => connection.call('image.label', { image, labels: { number: String(at + 1) } })),
    );
    await when('the images and their checks', [connection.model.onChanged], () =>
      names.every((name) => connection.model.image(name)?.lint !== undefined),
    );
    // The view follows a moment later.
    const rowOf = (name: string) => images.tree.getTreeItem(images.tree.elementOf(name));
    await when('their rows', [images.tree.onDidChangeTreeData], () =>
      names.every((name) => String(rowOf(name).description).includes('errors')),
    );
  });
  suiteTeardown(async () => {
    const { connection } = await bootyard();
    await connection.call('image.remove', { images: names });
    await when('removal', [connection.model.onChanged], () => connection.model.images.length === 1);
    rmSync(folder, { recursive: true });
  });

  test('each has a row, drawn with what its check has found', async () => {
    const { images } = await bootyard();
    const [, own] = images.tree.getChildren();
    assert.ok(own);
    const rows = images.tree.getChildren(own);
    assert.equal(rows.length, COUNT);
    const items = rows.map((row) => images.tree.getTreeItem(row));
    assert.equal(new Set(items.map(({ id }) => id)).size, COUNT);
    assert.match(String(items[0]?.description), /^\d+ kB · \d+ errors/);
  });

  test('a change of one image draws one row again', async () => {
    const { connection, images } = await bootyard();
    const image = 'many-77';
    const change = { image, labels: { 'walt.node.models': 'pc-x86-64,qemu-arm-64' } };
    const before = connection.model.image(image)?.lint?.errors ?? 0;
    const drawn = await redrawn(
      () => connection.call('image.label', change),
      () => (connection.model.image(image)?.lint?.errors ?? 0) > before,
    );
    assert.deepEqual(new Set(drawn), new Set([image]));
    assert.ok(drawn.length <= 2, `${drawn.length} times`);
    assert.ok(images.tree.elementOf(image) === images.tree.elementOf(image));
  });

  test('a new image draws its group again, one that looks the same draws nothing', async () => {
    const { connection } = await bootyard();
    const { model } = connection;
    const drawn = await redrawn(
      () => connection.call('image.rename', { image: 'many-9', name: 'other' }),
      () => model.image('other') !== undefined,
    );
    assert.deepEqual(drawn, ['group own']);
    await redrawn(
      () => connection.call('image.rename', { image: 'other', name: 'many-9' }),
      () => model.image('many-9') !== undefined,
    );
    const nothing = await redrawn(
      () => connection.call('image.lint', { image: 'many-3', ram: '1G' }),
      () => true,
    );
    assert.deepEqual(nothing, []);
  });

  test('the filter and the order are those of the view, and its tooltip tells findings', async () => {
    const { images } = await bootyard();
    const shown = (): string[] =>
      images.tree
        .getChildren()
        .flatMap((group) => images.tree.getChildren(group))
        .map(({ name }) => name);
    await vscode.commands.executeCommand('bootyard.image.filter', 'many-4 @problems');
    assert.equal(shown().length, 111);
    assert.equal(images.view.description, `111 of ${COUNT + 1}`);
    await vscode.commands.executeCommand('bootyard.image.filter', '@used');
    assert.deepEqual(shown(), []);
    assert.match(images.view.message ?? '', /No image has "@used"/);
    await vscode.commands.executeCommand('bootyard.image.clearFilter');
    await vscode.commands.executeCommand('bootyard.image.sort', 'size');
    assert.equal(shown().length, COUNT + 1);
    await vscode.commands.executeCommand('bootyard.image.sort', 'name');
    assert.deepEqual(shown().slice(0, 4), [IMAGE, 'many-0', 'many-1', 'many-2']);
    const element = images.tree.elementOf('many-5');
    const token = new vscode.CancellationTokenSource().token;
    const { tooltip } = await images.tree.resolveTreeItem(images.tree.getTreeItem(element), element, token);
    assert.ok(tooltip instanceof vscode.MarkdownString);
    assert.match(tooltip.value, /\$\(error\) The image is labelled for pc/);
  });
});
