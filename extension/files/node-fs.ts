import { posix } from 'node:path';
import * as vscode from 'vscode';
import type { LabConnection } from '../daemon/connection.ts';
import { fileText } from './file-text.ts';
import { fileSystemError } from './fs-errors.ts';
import { statOf, typeOf } from './image-fs.ts';
import * as scripts from './node-scripts.ts';
import { NodeShells } from './node-shell.ts';
import { fileUri, NODE_SCHEME, ownerOf } from './uris.ts';

const MAX_FILE = 64 << 20;
/** of a listing, or of a `stat` */
const MAX_LISTING = 32 << 20;
const MAX_TEXTS = 20_000;

/**
 * The root file systems of booted nodes, over ssh. What programs in a node change is seen when the Explorer is refreshed; a
 * node that boots again is read again.
 */
export class NodeFileSystem implements vscode.FileSystemProvider, vscode.FileDecorationProvider {
  readonly #connection: LabConnection;
  readonly #shells: NodeShells;
  readonly #changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly #texts = new Map<string, string>();
  /** the boots of nodes whose files were asked for */
  readonly #boots = new Map<string, string | null>();
  readonly #subscription;

  readonly onDidChangeFile = this.#changed.event;

  constructor(connection: LabConnection) {
    this.#connection = connection;
    this.#shells = new NodeShells(connection);
    this.#subscription = connection.model.onChanged(() => this.#follow());
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#shells.dispose();
    this.#changed.dispose();
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const file = scripts.parseStat(
      await this.#run(uri, scripts.statScript(uri.path)),
      posix.basename(uri.path),
    );
    if (!file) throw vscode.FileSystemError.FileNotFound(uri);
    this.#remember(uri, fileText(file));
    return statOf(file);
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    const files = scripts.parseList(await this.#run(uri, scripts.listScript(uri.path)));
    return files.map((file) => {
      this.#remember(vscode.Uri.joinPath(uri, file.name), fileText(file));
      return [file.name, typeOf(file)];
    });
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return await this.#run(uri, scripts.readScript(uri.path), MAX_FILE);
  }

  async writeFile(
    uri: vscode.Uri,
    content: Uint8Array,
    options: { create: boolean; overwrite: boolean },
  ): Promise<void> {
    await this.#run(uri, scripts.writeScript(uri.path, content.length, options), MAX_LISTING, content);
    this.#tell(uri, vscode.FileChangeType.Changed);
  }

  async createDirectory(uri: vscode.Uri): Promise<void> {
    await this.#run(uri, scripts.makeFolderScript(uri.path));
    this.#tell(uri, vscode.FileChangeType.Created);
  }

  async delete(uri: vscode.Uri, { recursive }: { recursive: boolean }): Promise<void> {
    await this.#run(uri, scripts.removeScript(uri.path, recursive));
    this.#tell(uri, vscode.FileChangeType.Deleted);
  }

  async rename(from: vscode.Uri, to: vscode.Uri, { overwrite }: { overwrite: boolean }): Promise<void> {
    await this.#move('mv', from, to, overwrite);
    this.#tell(from, vscode.FileChangeType.Deleted);
  }

  async copy(from: vscode.Uri, to: vscode.Uri, { overwrite }: { overwrite: boolean }): Promise<void> {
    await this.#move('cp -a', from, to, overwrite);
  }

  async #move(verb: 'mv' | 'cp -a', from: vscode.Uri, to: vscode.Uri, overwrite: boolean): Promise<void> {
    if (from.authority !== to.authority)
      throw vscode.FileSystemError.Unavailable('Files of another node are copied with `bootyard node cp`.');
    await this.#run(to, scripts.moveScript(verb, from.path, to.path, overwrite));
    this.#tell(to, vscode.FileChangeType.Created);
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    if (uri.scheme !== NODE_SCHEME) return undefined;
    const tooltip = this.#texts.get(uri.toString());
    return tooltip === undefined ? undefined : { tooltip };
  }

  async #run(uri: vscode.Uri, script: string, limit = MAX_LISTING, input?: Uint8Array): Promise<Buffer> {
    const node = ownerOf(uri);
    try {
      this.#boots.set(node, this.#connection.model.nodeNamed(node)?.bootedAt ?? null);
      const { code, stdout, stderr } = await this.#shells.run(node, script, limit, input);
      if (code === 0) return stdout;
      throw scripts.scriptError(code, stderr, uri.path);
    } catch (error) {
      throw fileSystemError(error, uri);
    }
  }

  #remember(uri: vscode.Uri, text: string): void {
    const [oldest] = this.#texts.keys();
    if (this.#texts.size >= MAX_TEXTS && oldest !== undefined) this.#texts.delete(oldest);
    this.#texts.set(uri.toString(), text);
  }

  #tell(uri: vscode.Uri, type: vscode.FileChangeType): void {
    this.#changed.fire([{ uri, type }]);
  }

  #follow(): void {
    for (const [name, boot] of this.#boots) {
      const node = this.#connection.model.nodeNamed(name);
      if (node?.state !== 'booted' || node.bootedAt === boot) continue;
      this.#boots.set(name, node.bootedAt);
      const root = fileUri(NODE_SCHEME, name);
      const open = vscode.workspace.textDocuments
        .map(({ uri }) => uri)
        .filter(({ scheme, authority }) => scheme === NODE_SCHEME && authority === root.authority);
      this.#changed.fire([root, ...open].map((uri) => ({ uri, type: vscode.FileChangeType.Changed })));
    }
  }
}
