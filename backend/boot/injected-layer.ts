import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { injectedFiles } from '../guest/injected.ts';
import type { TarEntry } from '../images/tar/tar-writer.ts';
import type { ImageTree } from '../images/tree/tree.ts';
import { imageTemplates } from './image-spec.ts';
import { makeInitrd } from './initrd.ts';
import { nodeModel } from './models.ts';
import type { PlannedNode } from './plan.ts';

/** What the lab adds to every image; the same for all nodes. */
export interface LabIdentity {
  serverAddress: string;
  serverMac: string;
  /** line for root's authorized_keys */
  authorizedKey: string;
  hostKey: Buffer;
  hostKeyPublic: string;
  dropbearKey: Buffer;
  /** of the lab's registry (PEM), and the registry's name and port */
  registryCertificate: string;
  registryPlace: string;
}
/** Of an image: its id (64 hex digits) and the size of its files in KiB. */
export interface InjectedImage {
  id: string;
  sizeKib: number;
}

/**
 * The layer on top of an image that makes it a node's: node scripts, keys, names, fixed links, filled-in templates
 * (WalT: mount.py and setup.py). Only what differs from the image is in it; the image itself never changes.
 * `warn` gets a sentence for each part of the image that cannot be used as it wants.
 */
export function injectedLayer(
  tree: ImageTree,
  node: PlannedNode,
  image: InjectedImage,
  lab: LabIdentity,
  warn: (sentence: string) => void,
): TarEntry[] {
  const layer = new LayerBuilder(tree);
  const values = environment(node, image, lab);
  for (const { path, mode, content } of injectedFiles(values, nodeModel(node.model).architecture))
    layer.file(path, mode, content);
  addKeys(layer, tree, lab);
  addNames(layer, tree, node, lab);
  fixBootLinks(layer, tree);
  addTimezone(layer);
  // Each boot makes the fifo of logs in it: the folders above are then the lab's, and no change of the node's.
  layer.folder('/var/lib/walt');
  fillTemplates(layer, tree, values, warn);
  addInitrd(layer, tree, node.model);
  return layer.entries();
}

/** Values of WalT's `walt-env`, which are also those of `image.spec` templates. */
function environment(node: PlannedNode, image: InjectedImage, lab: LabIdentity): Record<string, string> {
  return {
    server_ip: lab.serverAddress,
    server_mac: lab.serverMac,
    walt_server_ip: lab.serverAddress,
    walt_server_rpc_port: '12345',
    walt_server_logs_port: '12347',
    walt_server_notify_bootup_port: '12347',
    walt_image_id: image.id,
    walt_image_size_kib: String(image.sizeKib),
    walt_node_name: node.name,
  };
}

function addKeys(layer: LayerBuilder, tree: ImageTree, lab: LabIdentity): void {
  const known = readText(tree, '/root/.ssh/authorized_keys');
  const keys = known === '' || known.endsWith('\n') ? known : `${known}\n`;
  layer.folder('/root/.ssh', 0o700);
  layer.file('/root/.ssh/authorized_keys', 0o600, Buffer.from(`${keys}${lab.authorizedKey}\n`));
  for (const folder of ['/etc/ssh', '/etc/dropbear']) layer.replaceLinkByFolder(folder);
  layer.file('/etc/ssh/ssh_host_ecdsa_key', 0o600, lab.hostKey);
  layer.file('/etc/ssh/ssh_host_ecdsa_key.pub', 0o644, Buffer.from(`${lab.hostKeyPublic}\n`));
  layer.file('/etc/dropbear/dropbear_ecdsa_host_key', 0o600, lab.dropbearKey);
  // Where Docker, containerd and all that uses containers/image (Podman, Skopeo, CRI-O) look for whom to trust.
  const trusted = `/etc/docker/certs.d/${lab.registryPlace}/ca.crt`;
  layer.file(trusted, 0o644, Buffer.from(lab.registryCertificate));
}

function addNames(layer: LayerBuilder, tree: ImageTree, node: PlannedNode, lab: LabIdentity): void {
  const hosts = `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n${lab.serverAddress} server.walt server\n${node.ip} ${node.name}.walt ${node.name}\n`;
  layer.file('/etc/hosts', 0o644, Buffer.from(hosts));
  const resolver = tree.lookupPath('/etc/resolv.conf', { follow: false });
  if (resolver && tree.stat(resolver).type === 'file') {
    layer.file('/etc/resolv.conf.saved', 0o644, tree.readFile(resolver));
  }
  const resolv = `domain walt\nsearch walt.\nnameserver ${lab.serverAddress}\n`;
  layer.file('/etc/resolv.conf', 0o644, Buffer.from(resolv));
  layer.remove('/etc/hostname');
  layer.remove('/usr/local/bin/walt-echo');
}

/** Absolute links below /boot would leave what the boot file servers see as their root; they are made relative. */
function fixBootLinks(layer: LayerBuilder, tree: ImageTree): void {
  const visit = (folder: string, inode: number): void => {
    for (const child of tree.children(inode)) {
      const path = posix.join(folder, child.name.toString('latin1'));
      const { type } = tree.stat(child.inode);
      if (type === 'directory') visit(path, child.inode);
      if (type !== 'symlink') continue;
      const target = Buffer.from(tree.linkTarget(child.inode)).toString('latin1');
      if (target.startsWith('/')) layer.link(path, posix.relative(folder, target));
    }
  };
  const boot = tree.lookupPath('/boot', { follow: false });
  if (boot && tree.stat(boot).type === 'directory') visit('/boot', boot);
}

/** Nodes keep the host's time zone, as WalT's keep the server's. */
function addTimezone(layer: LayerBuilder): void {
  if (existsSync('/etc/localtime')) layer.file('/etc/localtime', 0o644, readFileSync('/etc/localtime'));
}

/** In the files that `/etc/walt/image.spec` lists, `%(name)s` stands for a value of the environment. */
function fillTemplates(
  layer: LayerBuilder,
  tree: ImageTree,
  values: Record<string, string>,
  warn: (sentence: string) => void,
): void {
  const { paths, warning } = imageTemplates(tree);
  if (warning !== undefined) warn(warning);
  for (const path of paths) {
    const inode = tree.lookupPath(path);
    const text = tree.readFile(inode).toString('latin1');
    const filled = text.replace(/%\((\w+)\)s/g, (whole, name: string) => values[name] ?? whole);
    layer.file(path, tree.stat(inode).mode & 0o7777, Buffer.from(filled, 'latin1'));
  }
}

/** An image without an initrd gets one made from its own modules and busybox. */
function addInitrd(layer: LayerBuilder, tree: ImageTree, model: string): void {
  const path = `/boot/${model}/initrd`;
  const kernel = `/boot/${model}/kernel`;
  if (tree.lookupPath(path) !== 0 || tree.lookupPath(kernel) === 0) return;
  layer.file(path, 0o644, makeInitrd(tree, { kernel }));
}

function readText(tree: ImageTree, path: string): string {
  const inode = tree.lookupPath(path);
  return inode && tree.stat(inode).type === 'file' ? tree.readFile(inode).toString('latin1') : '';
}

/** Collects entries of one layer: later ones replace earlier ones; missing parent folders are made. */
class LayerBuilder {
  readonly #entries = new Map<string, TarEntry>();
  readonly #tree: ImageTree;

  constructor(tree: ImageTree) {
    this.#tree = tree;
  }

  file(path: string, mode: number, content: Uint8Array): void {
    this.#parents(path);
    this.#entries.set(path, { path, type: 'file', mode, content });
  }
  link(path: string, target: string): void {
    this.#entries.set(path, { path, type: 'symlink', mode: 0o777, target });
  }
  /** Makes a folder unless the image has it; the image's own keeps its owner and mode. */
  folder(path: string, mode = 0o755): void {
    if (this.#tree.lookupPath(path) !== 0 || this.#entries.has(path)) return;
    this.#parents(path);
    this.#entries.set(path, { path, type: 'directory', mode });
  }
  replaceLinkByFolder(path: string): void {
    const inode = this.#tree.lookupPath(path, { follow: false });
    if (inode !== 0 && this.#tree.stat(inode).type === 'directory') return;
    this.#entries.set(path, { path, type: 'directory', mode: 0o755 });
  }
  /** A whiteout where the image has something, nothing where it has not. */
  remove(path: string): void {
    if (this.#tree.lookupPath(path, { follow: false }) === 0) return;
    const whiteout = posix.join(posix.dirname(path), `.wh.${posix.basename(path)}`);
    this.#entries.set(whiteout, { path: whiteout, type: 'file', mode: 0o644, content: Buffer.alloc(0) });
  }
  entries(): TarEntry[] {
    return [...this.#entries.values()];
  }
  #parents(path: string): void {
    const parent = posix.dirname(path);
    if (parent !== '/') this.folder(parent);
  }
}
