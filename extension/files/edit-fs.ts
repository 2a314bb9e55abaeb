import * as vscode from 'vscode';
import type { Params, Result } from '../../backend/api/contract.ts';
import type { LabConnection } from '../daemon/connection.ts';
import { withConsent } from '../ui/consent.ts';
import { ImageFileSystem } from './image-fs.ts';
import { EDIT_SCHEME, ownerOf } from './uris.ts';

type Edit = Params<'image.editFile'>['edit'];

/** Working copies of images: what is saved here is in the copy's image when the call is done. */
export class EditFileSystem extends ImageFileSystem implements vscode.FileSystemProvider {
  /** copies whose nodes may be rebooted at each save: who has agreed once is asked no more in this window */
  readonly #agreed = new Set<string>();

  constructor(connection: LabConnection) {
    super(connection, EDIT_SCHEME);
  }

  protected override gone(image: string): void {
    this.#agreed.delete(image);
  }

  async writeFile(
    uri: vscode.Uri,
    content: Uint8Array,
    { create, overwrite }: { create: boolean; overwrite: boolean },
  ): Promise<void> {
    const data = Buffer.from(content).toString('base64');
    await this.#edit(uri, { do: 'write', path: uri.path, data, create, overwrite });
  }

  async createDirectory(uri: vscode.Uri): Promise<void> {
    await this.#edit(uri, { do: 'makeFolder', path: uri.path });
  }

  async delete(uri: vscode.Uri, { recursive }: { recursive: boolean }): Promise<void> {
    await this.#edit(uri, { do: 'remove', path: uri.path, recursive });
  }

  async rename(from: vscode.Uri, to: vscode.Uri, { overwrite }: { overwrite: boolean }): Promise<void> {
    await this.#edit(to, { do: 'rename', from: from.path, path: to.path, overwrite }, from);
  }

  async copy(from: vscode.Uri, to: vscode.Uri, { overwrite }: { overwrite: boolean }): Promise<void> {
    await this.#edit(to, { do: 'copy', from: from.path, path: to.path, overwrite }, from);
  }

  async #edit(uri: vscode.Uri, edit: Edit, from?: vscode.Uri): Promise<void> {
    const image = ownerOf(uri);
    await this.guarded(uri, async () => {
      if (from && from.authority !== uri.authority)
        throw vscode.FileSystemError.Unavailable('Files of another image are copied, not moved.');
      const consent = {
        code: 'image.wouldReboot',
        question: `Save ${uri.path} in ${image}? Later saves in it will reboot without a question.`,
        agree: 'Save and Reboot',
      };
      const agreed = this.#agreed.has(image);
      await withConsent(consent, async (force): Promise<Result<'image.editFile'>> => {
        const edited = await this.call('image.editFile', { image, edit, force: force || agreed });
        if (force) this.#agreed.add(image);
        return edited;
      });
    });
    const changed = (what: vscode.Uri, type: vscode.FileChangeType) => ({ uri: what, type });
    const events = [
      changed(uri, edit.do === 'remove' ? vscode.FileChangeType.Deleted : vscode.FileChangeType.Changed),
    ];
    if (edit.do === 'rename' && from) events.push(changed(from, vscode.FileChangeType.Deleted));
    this.changed.fire(events);
  }
}

/** A provider that writes nothing: the editor never asks it to. */
export class ReadOnlyFileSystem extends ImageFileSystem implements vscode.FileSystemProvider {
  writeFile(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  createDirectory(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  delete(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
  rename(uri: vscode.Uri): never {
    throw vscode.FileSystemError.NoPermissions(uri);
  }
}
