import * as vscode from 'vscode';
import { cloneImage } from '../../backend/api/registries.ts';
import type { ImageInfo } from '../../backend/api/image.ts';
import { labEnvironment } from '../daemon/lab-access.ts';
import type { Parts } from '../features.ts';
import { registerCommands } from '../ui/commands.ts';
import { withConsent } from '../ui/consent.ts';
import { withProgress } from '../ui/progress.ts';
import { said } from '../ui/said.ts';
import { ImageElement } from './images-tree.ts';

/** Brings images of registries and of container engines into the store. */
export function registerImageClone(parts: Parts): vscode.Disposable {
  async function clone(item: unknown): Promise<ImageInfo> {
    const client = await parts.requireLab();
    const link = item instanceof ImageElement ? item.name : typeof item === 'string' ? item : await askLink();
    const consent = { code: 'image.exists', question: `Replace the image by ${link}?`, agree: 'Replace' };
    const { image, warnings } = await withConsent(consent, (force) =>
      withProgress(`Cloning ${link}`, (task) =>
        cloneImage(client, { link, force }, { ...task, env: labEnvironment() }),
      ),
    );
    for (const warning of warnings) void vscode.window.showWarningMessage(warning);
    said(`Image ${image.name} is cloned from ${link}.`);
    return image;
  }
  return registerCommands(parts.errors, { 'bootyard.image.clone': (item) => clone(item) });
}

async function askLink(): Promise<string> {
  const link = await vscode.window.showInputBox({
    title: 'Clone an image',
    prompt:
      'Link to an image: hub:<user>/<name>[:<tag>], <registry>:<user>/<name>, docker:<name>, podman:<name>',
    validateInput: (text) =>
      text.includes(':') ? undefined : 'Say where it is: hub:<user>/<name> or docker:<name>.',
  });
  if (link === undefined) throw new vscode.CancellationError();
  return link.trim();
}
