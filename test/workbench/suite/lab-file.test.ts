import * as assert from 'node:assert/strict';
import { suite, test } from 'mocha';
import * as vscode from 'vscode';
import { bootyard, IMAGE, when } from './support.ts';

const GOOD = `images:
  ${IMAGE}: {default: true}
nodes:
  web:
    image: ${IMAGE}
    power: off
`;

/** Writes a file of the workspace and opens it. */
async function open(name: string, text: string): Promise<vscode.TextDocument> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  assert.ok(folder, 'a workspace');
  const uri = vscode.Uri.joinPath(folder, name);
  await vscode.workspace.fs.writeFile(uri, Buffer.from(text));
  return await vscode.workspace.openTextDocument(uri);
}
async function type(document: vscode.TextDocument, text: string): Promise<void> {
  const edit = new vscode.WorkspaceEdit();
  const end = document.lineAt(document.lineCount - 1).range.end;
  edit.replace(document.uri, new vscode.Range(new vscode.Position(0, 0), end), text);
  assert.ok(await vscode.workspace.applyEdit(edit));
}
/** `line:column sentence` of each problem, counted from 1, once there are so many. */
async function problems({ uri }: vscode.TextDocument, count: number): Promise<string[]> {
  const all = await when('problems', [vscode.languages.onDidChangeDiagnostics], () => {
    const found = vscode.languages.getDiagnostics(uri);
    return found.length === count && found;
  });
  return all.map(({ range: { start }, message }) => `${start.line + 1}:${start.character + 1} ${message}`);
}
/** Titles of the lenses, and their lines, counted from 1. */
async function lenses({ uri }: vscode.TextDocument): Promise<string[]> {
  const all = await vscode.commands.executeCommand<vscode.CodeLens[]>(
    'vscode.executeCodeLensProvider',
    uri,
    20,
  );
  return all.map(
    ({ range, command }) => `${range.start.line + 1} ${command?.title.replace(/\$\(.*?\) /, '')}`,
  );
}
async function completions({ uri }: vscode.TextDocument, line: number, column: number): Promise<string[]> {
  const list = await vscode.commands.executeCommand<vscode.CompletionList>(
    'vscode.executeCompletionItemProvider',
    uri,
    new vscode.Position(line - 1, column - 1),
  );
  return list.items.map(({ label }) => (typeof label === 'string' ? label : label.label));
}

suite('labs and boot tests as files', () => {
  test('what is wrong with a lab file stands among the problems, and goes when it is mended', async () => {
    const document = await open('bootyard.yaml', 'nodes:\n  web:\n    imag: box\n');
    assert.deepEqual(await problems(document, 1), ["3:5 A node has no 'imag': did you mean 'image'?"]);
    await type(document, GOOD);
    await problems(document, 0);
    assert.ok(await document.save());
  });

  test('the same for boot tests', async () => {
    const document = await open('x.boot.yaml', 'image: box\nexpect: {stage: login}\n');
    const [problem] = await problems(document, 1);
    assert.match(String(problem), /^2:17 expect\.stage: /);
  });

  test('names and values are proposed, and explained', async () => {
    const document = await open('y.boot.yaml', 'image: \nexpect: {stage: }\nsettings:\n  r\n');
    const has = async (line: number, column: number, ...names: string[]): Promise<void> => {
      const there = await completions(document, line, column);
      assert.deepEqual(
        names.filter((name) => !there.includes(name)),
        [],
        `at ${line}:${column}`,
      );
    };
    await has(1, 8, IMAGE);
    await has(2, 17, 'booted', 'dhcp');
    await has(4, 4, 'ram', 'cpu.cores');
    const [hover] = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      document.uri,
      new vscode.Position(1, 11),
    );
    const [said] = hover?.contents ?? [];
    assert.match(
      said instanceof vscode.MarkdownString ? said.value : String(said),
      /how far the boot must come/,
    );
  });

  test('Apply makes the lab what the file says, once; its nodes have lenses', async () => {
    const { connection } = await bootyard();
    const document = await open('bootyard.yaml', GOOD);
    assert.deepEqual(await lenses(document), ['1 Apply']);
    const apply = (): Thenable<unknown> =>
      vscode.commands.executeCommand('bootyard.lab.apply', document.uri, { force: true });
    assert.equal(await apply(), 1);
    const node = await when('the node', [connection.model.onChanged], () =>
      connection.model.nodeNamed('web'),
    );
    assert.deepEqual([node.state, node.image], ['off', IMAGE]);
    assert.equal(await apply(), 0);
    assert.deepEqual(await lenses(document), ['1 Apply', '4 Boot', '4 Console', '4 Timeline']);
    await vscode.commands.executeCommand('bootyard.node.remove', 'web', undefined, { force: true });
    await when('no node', [connection.model.onChanged], () => connection.model.nodes.length === 0);
    for (const name of ['bootyard.yaml', 'x.boot.yaml', 'y.boot.yaml'])
      await vscode.workspace.fs.delete(vscode.Uri.joinPath(document.uri, '..', name));
  });
});
