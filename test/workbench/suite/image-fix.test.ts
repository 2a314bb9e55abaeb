import * as assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, suiteSetup, suiteTeardown, test } from 'mocha';
import * as vscode from 'vscode';
import { bootyard, when } from './support.ts';

const NAME = 'to-mend';
const RULE = 'identity.machine-id';
const uri = vscode.Uri.from({ scheme: 'bootyard-lint', path: `/${NAME}` });

function finding(): vscode.Diagnostic | undefined {
  return vscode.languages.getDiagnostics(uri).find(({ code }) => code === RULE);
}

suite('quick fixes that repair an image', () => {
  suiteSetup(async () => {
    const { connection } = await bootyard();
    const folder = mkdtempSync(join(tmpdir(), 'root-'));
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/machine-id'), '0123456789abcdef0123456789abcdef\n');
    await connection.call('image.import', { path: folder, name: NAME });
    rmSync(folder, { recursive: true });
    await when('the image', [connection.model.onChanged], () => connection.model.image(NAME));
  });
  suiteTeardown(async () => {
    const { connection } = await bootyard();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await connection.call('image.remove', { images: [NAME] });
    await when('removal', [connection.model.onChanged], () => !connection.model.image(NAME));
  });

  test('the finding among the problems offers the repair, and goes with it', async () => {
    const { connection } = await bootyard();
    await vscode.commands.executeCommand('bootyard.image.lint', NAME);
    const { range } = await when('the problem', [vscode.languages.onDidChangeDiagnostics], finding);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
    const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      'vscode.executeCodeActionProvider',
      uri,
      range,
    );
    const repair = actions.find(({ title }) => title === `Repair in the image ${NAME} (${RULE})`);
    assert.ok(repair?.command, actions.map(({ title }) => title).join());
    const others = vscode.languages.getDiagnostics(uri).length - 1;
    assert.ok(others > 0, 'the image has other faults');
    await vscode.commands.executeCommand(repair.command.command, ...(repair.command.arguments ?? []));
    await when('its end', [vscode.languages.onDidChangeDiagnostics], () => !finding());
    assert.equal(vscode.languages.getDiagnostics(uri).length, others);
    assert.equal(connection.model.image(NAME)?.layers, 2);
    const { size } = await connection.call('image.readFile', { image: NAME, path: '/etc/machine-id' });
    assert.equal(size, 0);
  });
});
