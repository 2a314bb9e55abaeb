import * as vscode from 'vscode';
import { FileElement } from './image-file-rows.ts';
import { ImageElement, type ImagesElement } from './images-tree.ts';

/** What a drag of images carries: a JSON list of their names. Under the tree's own type VS Code puts data of its own. */
export const IMAGES_MIME = 'application/vnd.bootyard.images+json';
/** Files of the editor's Explorer: their URIs, a line each (RFC 2483). */
export const URI_LIST_MIME = 'text/uri-list';
/** VS Code's own word for files that come from outside the editor. */
export const FILES_MIME = 'files';

/**
 * Images can be dragged onto nodes, and their files to where URIs are taken; files dropped on an image are copied into it,
 * and beside the images imported.
 */
export class ImageDrag implements vscode.TreeDragAndDropController<ImagesElement> {
  readonly dragMimeTypes = [IMAGES_MIME, URI_LIST_MIME];
  readonly dropMimeTypes = [URI_LIST_MIME, FILES_MIME];

  handleDrag(elements: readonly ImagesElement[], data: vscode.DataTransfer): void {
    const images = elements.filter((element) => element instanceof ImageElement);
    const names = images.map(({ name }) => name);
    if (names.length > 0) data.set(IMAGES_MIME, new vscode.DataTransferItem(JSON.stringify(names)));
    const uris = elements
      .filter((element) => element instanceof FileElement)
      .map(({ uri }) => uri.toString());
    if (uris.length > 0) data.set(URI_LIST_MIME, new vscode.DataTransferItem(uris.join('\r\n')));
  }

  async handleDrop(target: ImagesElement | undefined, data: vscode.DataTransfer): Promise<void> {
    const files = await droppedFiles(data);
    if (target instanceof ImageElement && files.length > 0) {
      await vscode.commands.executeCommand('bootyard.image.copyInto', target, undefined, { files });
      return;
    }
    for (const file of files) {
      await vscode.commands.executeCommand('bootyard.image.import', file);
    }
  }
}

/** Each dropped file once: a drag may carry it both as a URI and as a file. */
export async function droppedFiles(data: vscode.DataTransfer): Promise<vscode.Uri[]> {
  const list = await data.get(URI_LIST_MIME)?.asString();
  const lines = list?.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#')) ?? [];
  const files = [...data].map(([, item]) => item.asFile()).filter((file) => file !== undefined);
  const uris = [
    ...lines.map((line) => vscode.Uri.parse(line)),
    // A file without a path is on the machine of the window, which another machine's lab cannot read.
    ...files.map(({ name, uri }) => uri ?? vscode.Uri.from({ scheme: 'outside', path: `/${name}` })),
  ];
  return [...new Map(uris.map((uri) => [uri.toString(), uri])).values()];
}
