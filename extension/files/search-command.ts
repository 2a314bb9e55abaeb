import * as vscode from 'vscode';
import type { ImageMatch } from '../../backend/api/image-files.ts';
import type { Parts } from '../features.ts';
import { targetImages } from '../images/image-targets.ts';
import { registerCommands } from '../ui/commands.ts';
import { withProgress } from '../ui/progress.ts';
import { fileUri, IMAGE_SCHEME, isOurs, NODE_SCHEME, ownerOf } from './uris.ts';

type Choice = vscode.QuickPickItem & { match?: ImageMatch };

/**
 * *Search in Image*: names and lines of text. VS Code's own search cannot look into virtual folders (text and file search
 * providers are proposed API), so the daemon searches, and what it finds is a list to choose from.
 */
export function registerSearchCommand({ connection, errors, requireLab }: Parts): vscode.Disposable {
  async function search(args: unknown[]): Promise<void> {
    await requireLab();
    const uri = args[0] instanceof vscode.Uri && isOurs(args[0]) ? args[0] : undefined;
    const first = uri && uri.scheme !== NODE_SCHEME ? ownerOf(uri) : args[0];
    const [image] = await targetImages(connection.model, [first], 'Search in which image?');
    if (!image) throw new vscode.CancellationError();
    const path = uri?.path ?? '/';
    const where = path === '/' ? image.name : `${image.name}:${path}`;
    const text = await vscode.window.showInputBox({
      title: `Search in ${where}`,
      prompt: 'Text in names of files, and in lines; capital letters make it case-sensitive',
    });
    if (!text) throw new vscode.CancellationError();
    const asked = { image: image.name, path, text, caseSensitive: /\p{Lu}/u.test(text) };
    const found = await withProgress(`Searching in ${where}`, async (task) => ({
      names: await connection.call('image.searchFiles', { ...asked, in: 'names' }, task),
      lines: await connection.call('image.searchFiles', { ...asked, in: 'contents' }, task),
    }));
    const { names, lines } = found;
    if (names.matches.length + lines.matches.length === 0) {
      const skipped = lines.skipped > 0 ? ` ${lines.skipped} binary or large files were left out.` : '';
      void vscode.window.showInformationMessage(`"${text}" is not in ${where}.${skipped}`);
      return;
    }
    const more = names.isCut || lines.isCut ? ', and more' : '';
    const title = `"${text}" in ${where}: ${names.matches.length} names, ${lines.matches.length} lines${more}`;
    const choices = [...group('names', names.matches), ...group('lines', lines.matches)];
    const chosen = await vscode.window.showQuickPick(choices, { title, matchOnDescription: true });
    if (!chosen?.match) throw new vscode.CancellationError();
    await show(uri?.scheme ?? IMAGE_SCHEME, image.name, chosen.match);
  }

  return registerCommands(errors, { 'bootyard.image.search': (...args) => search(args) });
}

function group(label: string, matches: readonly ImageMatch[]): Choice[] {
  const rows = matches.map((match) =>
    match.line === null
      ? { label: match.path, match }
      : { label: match.preview || ' ', description: `${match.path}:${match.line}`, match },
  );
  return rows.length > 0 ? [{ label, kind: vscode.QuickPickItemKind.Separator }, ...rows] : [];
}

async function show(scheme: string, image: string, { path, line, column }: ImageMatch): Promise<void> {
  const uri = fileUri(scheme, image, path);
  if (line === null) {
    await vscode.commands.executeCommand('vscode.open', uri);
    return;
  }
  const at = new vscode.Position(line - 1, column);
  await vscode.window.showTextDocument(uri, { selection: new vscode.Range(at, at) });
}
