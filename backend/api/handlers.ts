import { BootyardError } from '../errors.ts';
import type { BootReads } from '../boot/boot-reads.ts';
import type { EngineBoard } from '../images/engine/board.ts';
import { layerUsers, ownBytes } from '../images/history.ts';
import type { ImageEditor } from '../nodes/image-editor.ts';
import type { ImageFixer } from '../nodes/image-fixer.ts';
import { type ImageOperations, inUse } from '../nodes/image-operations.ts';
import type { ImageShells } from '../nodes/image-shells.ts';
import type { NodeInfo } from '../nodes/info.ts';
import { topologyOf } from '../nodes/networks/topology.ts';
import { bootTestHandlers, type BootTestActions } from './boot-test-handlers.ts';
import { captureHandlers } from './capture-handlers.ts';
import type { ByteStream, CheckedParams, Result } from './contract.ts';
import { debugHandlers, type DebugActions } from './debug-handlers.ts';
import type { Finding, ImageInfo, LintCounts } from './image.ts';
import type { ImageCopier } from './image-copy.ts';
import { imageFileHandlers, type FileHandlers } from './image-file-handlers.ts';
import type { ImageFiles } from '../images/files/image-files.ts';
import { imageOperationHandlers, type OperationHandlers } from './image-operation-handlers.ts';
import { imageShellHandlers, type ShellHandlers } from './image-shell-handlers.ts';
import type { LabStatus } from './lab.ts';
import { logHandlers, type LogActions } from './log-handlers.ts';
import {
  bootHandlers,
  nodeHandlers,
  type BootHandlers,
  type ContactActions,
  type NodeActions,
  type WorkContext,
} from './node-handlers.ts';
import type { PortInfo } from './port.ts';
import { readHandlers, type ReadHandlers } from './read-handlers.ts';
import type { saveMethods } from './save.ts';
import type { ServedHandlers } from './server-connection.ts';

/** An image as the store knows it, which does not know of nodes. */
export type StoredImage = Omit<ImageInfo, 'inUse' | 'nodes' | 'layers' | 'ownBytes' | 'lint'> & {
  layers: readonly { digest: string; size: number }[];
};
export interface ImageActions {
  list(): StoredImage[] | Promise<StoredImage[]>;
  unnamed(): StoredImage[];
  remove(name: string): Promise<void> | void;
  transfer(params: CheckedParams<'image.transfer'>): Result<'image.transfer'>;
}

/** Says why an image would not boot. Throws for a name that no image has. */
export interface LintActions {
  lint(image: string, ram: string | undefined, control: WorkContext): Promise<Finding[]>;
  /** what is known of an image by its id */
  known(id: string): LintCounts | undefined;
}

/** Which ports of the host lead to nodes. */
export interface PortActions {
  list(): PortInfo[];
  hold(port: CheckedParams<'port.hold'>, stream: ByteStream): void;
  serve(stream: ByteStream): void;
}

/** Images made of what nodes have changed. */
export interface SaveActions {
  checkName(image: string, force: boolean): void;
  diff(node: string, keep: boolean, control: WorkContext): Promise<Result<'node.diff'>>;
  save(id: string, image: string, force: boolean, control: WorkContext): Promise<StoredImage>;
  drop(id: string): void;
  push(node: string, path: string, force: boolean, control: WorkContext): Promise<Result<'node.pushToImage'>>;
}

export interface HandlerParts {
  nodes: NodeActions;
  images: ImageActions;
  engines: Pick<EngineBoard, 'list' | 'listAll'>;
  linter: LintActions;
  operations: Pick<ImageOperations, keyof ImageOperations>;
  copier: Pick<ImageCopier, 'copy'>;
  fixer: Pick<ImageFixer, 'fix'>;
  files: Pick<ImageFiles, keyof ImageFiles>;
  editor: Pick<ImageEditor, keyof ImageEditor>;
  shells: Pick<ImageShells, keyof ImageShells>;
  bootTests: BootTestActions;
  debug: DebugActions;
  ports: PortActions;
  saver: SaveActions;
  reads: Pick<BootReads, 'ofBoot' | 'usage'>;
  contact: ContactActions;
  logs: LogActions;
  shellCommand: (params: CheckedParams<'node.shellCommand'>) => Promise<string[]> | string[];
  status: () => Promise<LabStatus> | LabStatus;
  exposeRegistry: (port: number | null) => void;
  /** ends nodes and servers, and leaves the API up until the answer is sent */
  shutdown: () => Promise<void>;
  /** the images, or the nodes that use them, are not what they were */
  imagesChanged: () => void;
}

/** The daemon's answers to every call, put together from its parts. */
export function makeHandlers(parts: HandlerParts): ServedHandlers {
  return {
    ...labHandlers(parts),
    ...nodeHandlers(parts),
    ...imageHandlers(parts),
    ...imageOperationHandlers({ ...parts, info: (image) => infoOf(parts, image) }),
    ...imageFileHandlers({ ...parts, info: (image) => infoOf(parts, image) }),
    ...imageShellHandlers({ ...parts, info: (image) => infoOf(parts, image) }),
    'engine.list': ({ all }, { signal }) => (all ? parts.engines.listAll(signal) : parts.engines.list()),
    ...portHandlers(parts),
    ...saveHandlers(parts),
    ...bootHandlers(parts),
    ...readHandlers(parts),
    ...captureHandlers(parts.nodes.captures),
    ...bootTestHandlers(parts.bootTests),
    ...debugHandlers(parts.debug),
    ...logHandlers(parts.logs),
  };
}

type HandlersOf<Noun extends string> = Pick<
  ServedHandlers,
  Extract<keyof ServedHandlers, `${Noun}.${string}`>
>;

function labHandlers({ nodes, status, exposeRegistry, shutdown }: HandlerParts): HandlersOf<'lab'> {
  return {
    'lab.status': () => status(),
    'lab.exposeRegistry': ({ port }) => {
      exposeRegistry(port);
      return status();
    },
    'lab.topology': () => topologyOf({ nodes }),
    'lab.shutdown': async () => {
      await shutdown();
      return {};
    },
  };
}

type SaveHandlers = Pick<ServedHandlers, keyof typeof saveMethods>;

function saveHandlers(parts: HandlerParts): SaveHandlers {
  const { saver, imagesChanged } = parts;
  return {
    'node.diff': ({ node, saveAs }, context) => {
      if (saveAs) saver.checkName(saveAs.image, saveAs.force);
      return saver.diff(node, saveAs !== undefined, context);
    },
    'node.save': async ({ id, image, force }, context) => {
      const stored = await saver.save(id, image, force, context);
      imagesChanged();
      return await infoOf(parts, stored);
    },
    'node.dropDiff': ({ id }) => {
      saver.drop(id);
      return {};
    },
    'node.pushToImage': async ({ node, path, force }, context) => {
      const pushed = await saver.push(node, path, force, context);
      imagesChanged();
      return pushed;
    },
  };
}

function portHandlers({ ports }: HandlerParts): HandlersOf<'port'> {
  return {
    'port.list': () => ports.list(),
    'port.hold': (params, context) => {
      const stream = context.openStream();
      ports.hold(params, stream);
      return { stream: stream.id };
    },
    'port.serve': (_, context) => {
      const stream = context.openStream();
      ports.serve(stream);
      return { stream: stream.id };
    },
  };
}

function imageHandlers(
  parts: HandlerParts,
): Omit<
  HandlersOf<'image'>,
  keyof BootHandlers | keyof ReadHandlers | keyof FileHandlers | keyof OperationHandlers | keyof ShellHandlers
> {
  const { images, linter, operations, imagesChanged } = parts;
  return {
    'image.list': async (params) => {
      const all = await imageInfos(parts);
      if (params.images !== undefined) return params.images.map((name) => imageNamed(all, name));
      const named = await images.list();
      const unnamed = params.all ? images.unnamed() : [];
      return [...all, ...unnamed.map((image) => infoWith(parts, image, [], layerUsers([...named, image])))];
    },
    'image.import': async (params, context) => {
      const { signal, progress } = context;
      const warnings: string[] = [];
      const warn = (sentence: string): void => void warnings.push(sentence);
      const { image, outdated } = await operations.import({ ...params, signal, progress, warn });
      imagesChanged();
      return { ...(await infoOf(parts, image)), warnings, outdated };
    },
    'image.lint': async ({ image, ram }, context) => {
      const findings = await linter.lint(image, ram, context);
      imagesChanged();
      return findings;
    },
    'image.transfer': (params) => images.transfer(params),
    'image.remove': async (params) => {
      const all = await imageInfos(parts);
      const chosen = [...new Set(params.images)].map((name) => imageNamed(all, name));
      for (const image of chosen) {
        if (image.inUse) {
          throw inUse(
            image.name,
            image.nodes.map((name) => ({ name })),
          );
        }
        operations.checkIdle(image.name);
      }
      for (const image of chosen) await images.remove(image.name);
      imagesChanged();
      return {};
    },
  };
}

/** All images that have a name, each with the nodes that boot it. */
export async function imageInfos(
  parts: Pick<HandlerParts, 'images' | 'nodes' | 'linter'>,
): Promise<ImageInfo[]> {
  const nodes = parts.nodes.list();
  const all = await parts.images.list();
  const users = layerUsers(all);
  return all.map((image) => infoWith(parts, image, nodes, users));
}

async function infoOf(parts: HandlerParts, image: StoredImage): Promise<ImageInfo> {
  const others = (await parts.images.list()).filter(({ name }) => name !== image.name);
  return infoWith(parts, image, parts.nodes.list(), layerUsers([...others, image]));
}

/** One without a name is there because something needs it. */
function infoWith(
  { linter }: Pick<HandlerParts, 'linter'>,
  image: StoredImage,
  nodes: NodeInfo[],
  layerUsers: ReadonlyMap<string, number>,
): ImageInfo {
  const users = nodes.filter((node) => node.image === image.name).map((node) => node.name);
  const inUse = users.length > 0 || image.name === '';
  const lint = linter.known(image.id);
  return {
    ...image,
    layers: image.layers.length,
    ownBytes: ownBytes(image, layerUsers),
    inUse,
    nodes: users,
    ...(lint ? { lint } : {}),
  };
}

function imageNamed(images: ImageInfo[], name: string): ImageInfo {
  const found = images.find((image) => image.name === name);
  if (found !== undefined) return found;
  throw new BootyardError('image.unknown', `Error: No such image '${name}'. (tip: bootyard image show)`, {
    image: name,
  });
}
