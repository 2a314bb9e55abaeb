import { basename } from 'node:path';
import * as vscode from 'vscode';
import { gitUrlProblem } from '../../backend/api/git-url.ts';

/** A git repository, or a folder of it, to build from. */
export interface Repository {
  readonly url: string;
  readonly subDir: string | undefined;
}

/** Asks for `<url>[#<branch, tag or commit>]`, with `last` to begin with, and for a folder in it. */
export async function askRepository(last: string): Promise<Repository> {
  const url = await ask({
    title: 'Build an image from a git repository',
    prompt: '<url>[#<branch, tag or commit>]',
    placeHolder: 'https://git.example.org/lab.git#main',
    value: last,
    validateInput: (text) => gitUrlProblem(text.trim()),
  });
  const subDir = await ask({
    title: `Folder of ${url} with the Dockerfile`,
    prompt: 'Relative to the repository; empty for its top',
    placeHolder: 'images/router',
    validateInput: (text) => subDirProblem(text.trim()),
  });
  return { url, subDir: subDir === '' ? undefined : subDir };
}

async function ask(options: vscode.InputBoxOptions): Promise<string> {
  const text = await vscode.window.showInputBox({ ...options, ignoreFocusOut: true });
  if (text === undefined) throw new vscode.CancellationError();
  return text.trim();
}

function subDirProblem(text: string): string | undefined {
  const leads = text.startsWith('/') || text.split('/').includes('..');
  return leads ? `The folder '${text}' is not within the repository.` : undefined;
}

/** What an image that is built of it may be called after. */
export function repositoryName({ url, subDir }: Repository): string {
  return basename(
    subDir ??
      url
        .replace(/#.*/, '')
        .replace(/\/+$/, '')
        .replace(/\.git$/, ''),
  );
}
