import * as vscode from 'vscode';
import type { Parts } from '../features.ts';
import { EditFileSystem, ReadOnlyFileSystem } from './edit-fs.ts';
import { registerFileCommands } from './file-commands.ts';
import { OpenFolders } from './folders.ts';
import { NodeFileSystem } from './node-fs.ts';
import { registerSearchCommand } from './search-command.ts';
import { EDIT_SCHEME, IMAGE_SCHEME, NODE_SCHEME } from './uris.ts';

/** Images and nodes as file systems of the editor. */
export function registerFiles(parts: Parts): vscode.Disposable {
  const { connection, errors } = parts;
  const images = new ReadOnlyFileSystem(connection, IMAGE_SCHEME);
  const edits = new EditFileSystem(connection);
  const nodes = new NodeFileSystem(connection);
  const folders = new OpenFolders(connection, errors);
  const why = new vscode.MarkdownString('Images are read-only: run *Edit Image* to change one.');
  const options = { isCaseSensitive: true };
  const { registerFileSystemProvider } = vscode.workspace;
  return vscode.Disposable.from(
    registerFileSystemProvider(IMAGE_SCHEME, images, { ...options, isReadonly: why }),
    registerFileSystemProvider(EDIT_SCHEME, edits, options),
    registerFileSystemProvider(NODE_SCHEME, nodes, options),
    ...[images, edits, nodes].map((each) => vscode.window.registerFileDecorationProvider(each)),
    edits.onDidChangeFile(([first]) => first && folders.written(first.uri)),
    registerFileCommands(parts, folders),
    registerSearchCommand(parts),
    ...[images, edits, nodes, folders],
  );
}
