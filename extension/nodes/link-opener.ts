import * as vscode from 'vscode';
import type { LabModel } from '../daemon/lab-model.ts';
import { fileUri, IMAGE_SCHEME } from '../files/uris.ts';
import { type ConsoleLink, consoleLinks, type LinkTarget } from './console-links.ts';

/** Paths that were looked for; a node prints the same ones again and again. */
const MOST_KNOWN = 500;

/** Finds what leads somewhere in the lines of consoles, and goes there. */
export class LinkOpener {
  readonly #model: LabModel;
  readonly #known = new Map<string, boolean>();

  constructor(model: LabModel) {
    this.#model = model;
  }

  /** Links of a line that a node printed; paths only if its image has such a file. */
  async find(line: string, mac: string): Promise<ConsoleLink[]> {
    const node = this.#model.node(mac);
    if (!node) return [];
    const links = consoleLinks(line, node, this.#model.nodes);
    const isThere = await Promise.all(links.map(({ target }) => this.#leads(target)));
    return links.filter((_, index) => isThere[index]);
  }

  async follow(target: LinkTarget): Promise<void> {
    switch (target.kind) {
      case 'node': {
        const isBooted = this.#model.nodeNamed(target.node)?.state === 'booted';
        const command = isBooted ? 'bootyard.node.shell' : 'bootyard.node.console';
        await vscode.commands.executeCommand(command, target.node);
        return;
      }
      case 'port':
        await vscode.commands.executeCommand(
          'bootyard.node.expose',
          target.node,
          undefined,
          String(target.port),
        );
        return;
      case 'file':
        await vscode.commands.executeCommand('vscode.open', fileUri(IMAGE_SCHEME, target.image, target.path));
    }
  }

  async #leads(target: LinkTarget): Promise<boolean> {
    if (target.kind !== 'file') return true;
    // An image of the same name may be another one by now.
    const id = this.#model.image(target.image)?.id ?? '';
    const key = `${id} ${target.path}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const isFile = await vscode.workspace.fs.stat(fileUri(IMAGE_SCHEME, target.image, target.path)).then(
      ({ type }) => (type & vscode.FileType.File) !== 0,
      () => false,
    );
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(key, isFile);
    return isFile;
  }
}
