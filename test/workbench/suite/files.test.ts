import * as assert from 'node:assert/strict';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import { bootyard, IMAGE, nodeIn, when } from './support.ts';

const { fs } = vscode.workspace;
const NAME = 'edited';
const COPY = 'edited:edit';
const uri = (scheme: string, owner: string, path: string): vscode.Uri =>
  vscode.Uri.from({ scheme: `bootyard-${scheme}`, authority: owner, path });
const image = (path: string, name = IMAGE): vscode.Uri => uri('image', name, path);
const edit = (path: string): vscode.Uri => uri('edit', COPY, path);
const inNode = (path: string): vscode.Uri => uri('node', 'vfiles', path);
const text = async (file: vscode.Uri): Promise<string> => Buffer.from(await fs.readFile(file)).toString();
const write = (file: vscode.Uri, words: string): Thenable<void> => fs.writeFile(file, Buffer.from(words));
const entries = async (folder: vscode.Uri) => new Map(await fs.readDirectory(folder));
const refused = (code: string) => (error: unknown) =>
  error instanceof vscode.FileSystemError && error.code === code;

suite('images and nodes as file systems', () => {
  suiteSetup(async () => {
    const { connection } = await bootyard();
    await connection.call('image.duplicate', { image: IMAGE, name: NAME });
  });
  suiteTeardown(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    const { connection } = await bootyard();
    await connection.call('node.remove', { nodes: ['vfiles'], force: true });
    const images = [NAME, COPY].filter((name) => connection.model.image(name));
    await connection.call('image.remove', { images });
  });

  test('an image is read in place: folders, files, links, devices', async () => {
    const root = await entries(image('/'));
    assert.equal(root.get('etc'), vscode.FileType.Directory);
    assert.match(await text(image('/etc/passwd')), /^root:/);
    assert.equal((await entries(image('/bin'))).get('busybox'), vscode.FileType.File);
    const { size, type } = await fs.stat(image('/bin/busybox'));
    assert.equal(type, vscode.FileType.File);
    assert.equal((await fs.readFile(image('/bin/busybox'))).length, size);
    await assert.rejects(Promise.resolve(fs.stat(image('/no'))), refused('FileNotFound'));
    await assert.rejects(Promise.resolve(fs.readFile(image('/etc'))));
    assert.equal(fs.isWritableFileSystem('bootyard-image'), false);
  });

  test('what is saved in a working copy is in its image, and not in the one that it is of', async () => {
    const { connection } = await bootyard();
    await connection.call('image.edit', { image: NAME });
    await write(edit('/etc/motd'), 'edited here\n');
    await fs.createDirectory(edit('/opt/files'));
    await write(edit('/opt/files/one'), '1');
    await fs.rename(edit('/opt/files/one'), edit('/opt/files/two'));
    await fs.copy(edit('/opt/files/two'), edit('/opt/files/three'));
    await fs.delete(edit('/opt/files/two'));
    assert.deepEqual([...(await entries(edit('/opt/files'))).keys()], ['three']);
    assert.equal(await text(edit('/etc/motd')), 'edited here\n');
    await assert.rejects(Promise.resolve(fs.stat(image('/opt/files', NAME))), refused('FileNotFound'));
  });

  test('an editor on a working copy saves, and one on the image sees what is saved in it', async () => {
    const document = await vscode.workspace.openTextDocument(edit('/etc/motd'));
    const shown = await vscode.workspace.openTextDocument(image('/etc/profile', NAME));
    const editor = await vscode.window.showTextDocument(document);
    await editor.edit((change) => change.insert(new vscode.Position(0, 0), 'really '));
    assert.ok(await document.save());
    await write(edit('/etc/profile'), '# changed\n');
    const saved = await vscode.commands.executeCommand<{ name: string }>('bootyard.image.saveEdits', COPY);
    assert.equal(saved.name, NAME);
    assert.equal(await text(image('/etc/motd', NAME)), 'really edited here\n');
    const changed = (): boolean => shown.getText() === '# changed\n';
    await when('the new text', [vscode.workspace.onDidChangeTextDocument], changed);
  });

  test('a node that boots the image has what was edited; its files are read and written', async () => {
    await vscode.commands.executeCommand('bootyard.node.create', { name: 'vfiles', image: NAME });
    await nodeIn('vfiles', 'booted');
    assert.equal(await text(inNode('/etc/motd')), 'really edited here\n');
    assert.equal((await entries(inNode('/'))).get('etc'), vscode.FileType.Directory);
    assert.equal((await entries(inNode('/dev'))).get('null'), vscode.FileType.Unknown);
    assert.match(await text(inNode('/proc/uptime')), /^\d/);
    await write(inNode('/root/new file'), 'x'.repeat(300_000));
    await fs.rename(inNode('/root/new file'), inNode('/root/other'));
    assert.equal((await fs.stat(inNode('/root/other'))).size, 300_000);
    await fs.delete(inNode('/root/other'));
    await write(inNode('/etc/motd'), 'changed in the node\n');
    await assert.rejects(Promise.resolve(fs.stat(inNode('/root/other'))), refused('FileNotFound'));
    await assert.rejects(Promise.resolve(fs.readFile(inNode('/dev/null'))), refused('NoPermissions'));
  });

  test('a file of a node stands beside that of its image', async () => {
    const given = { with: NAME };
    await vscode.commands.executeCommand('bootyard.image.compareFile', inNode('/etc/motd'), undefined, given);
    const { tabGroups } = vscode.window;
    const diff = (): vscode.TabInputTextDiff | undefined => {
      const input = tabGroups.activeTabGroup.activeTab?.input;
      return input instanceof vscode.TabInputTextDiff ? input : undefined;
    };
    const { original, modified } = await when('a diff', [tabGroups.onDidChangeTabs], diff);
    assert.deepEqual(
      [original.toString(), modified.toString()],
      [image('/etc/motd', NAME).toString(), inNode('/etc/motd').toString()],
    );
  });

  test('the files that two images differ by are one editor', async () => {
    await vscode.commands.executeCommand('bootyard.image.compare', IMAGE, undefined, { with: NAME });
    const { tabGroups } = vscode.window;
    const label = `${IMAGE} ↔ ${NAME}`;
    await when('the tab', [tabGroups.onDidChangeTabs], () =>
      tabGroups.all.some(({ tabs }) => tabs.some((tab) => tab.label.startsWith(label))),
    );
  });

  test('the files of a node that is off are not there for the moment', async () => {
    const { connection } = await bootyard();
    await connection.call('node.stop', { nodes: ['vfiles'] });
    await nodeIn('vfiles', 'off');
    const begin = Date.now();
    await assert.rejects(Promise.resolve(fs.readDirectory(inNode('/'))), refused('Unavailable'));
    assert.ok(Date.now() - begin < 5000, 'nothing is tried');
  });
});
