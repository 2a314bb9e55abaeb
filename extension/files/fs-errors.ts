import * as vscode from 'vscode';
import { BootyardError, messageOf } from '../../backend/errors.ts';

/** What the editor understands of an error of the daemon, with its sentence. */
export function fileSystemError(error: unknown, uri: vscode.Uri): Error {
  if (error instanceof vscode.FileSystemError || error instanceof vscode.CancellationError) return error;
  const code = error instanceof BootyardError ? error.code : '';
  switch (code) {
    case 'file.missing':
    case 'file.badPath':
    case 'image.unknown':
    case 'node.unknown':
      return vscode.FileSystemError.FileNotFound(uri);
    case 'file.exists':
      return vscode.FileSystemError.FileExists(uri);
    case 'file.notFolder':
      return vscode.FileSystemError.FileNotADirectory(uri);
    case 'file.isFolder':
      return vscode.FileSystemError.FileIsADirectory(uri);
    case 'file.special':
    case 'file.denied':
      return vscode.FileSystemError.NoPermissions(messageOf(error));
    default:
      return vscode.FileSystemError.Unavailable(messageOf(error));
  }
}
