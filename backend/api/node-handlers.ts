import type { BootHistory } from '../nodes/boot-history.ts';
import type { ConsolePage } from '../nodes/console-page.ts';
import type { NodeInfo } from '../nodes/info.ts';
import type { Cable } from '../nodes/networks/topology.ts';
import { settingInfos, settingProblems } from '../nodes/setting-info.ts';
import type { bootMethods } from './boots.ts';
import type { CaptureCalls, CaptureHandlers } from './capture-handlers.ts';
import type { contactMethods } from './contact.ts';
import type { ByteStream, CallContext, CheckedParams, Result } from './contract.ts';
import type { ReadHandlers } from './read-handlers.ts';
import type { saveMethods } from './save.ts';
import type { ServedHandlers } from './server-connection.ts';

/** Of a call that takes long. */
export type WorkContext = Pick<CallContext, 'signal' | 'progress'>;

export interface SnapshotCalls {
  list(node: string): Result<'node.snapshotList'>;
  save(node: string, name: string | undefined, context: WorkContext): Promise<Result<'node.snapshotSave'>>;
  restore(
    node: string,
    name: string | undefined,
    force: boolean,
    context: WorkContext,
  ): Promise<Result<'node.snapshotRestore'>>;
  remove(node: string, name: string): Promise<void>;
  create(name: string, from: string, context: WorkContext): Promise<NodeInfo>;
}

/** What the API asks of the nodes layer. Sets are in WalT's syntax; every error is a sentence for users. */
export interface NodeActions {
  list(set?: string[]): NodeInfo[];
  create(params: CheckedParams<'node.create'>): Promise<NodeInfo>;
  boot(set: string[], image?: string): Promise<NodeInfo[]>;
  setImage(set: string[], image: string): NodeInfo[];
  reboot(set: string[], hard: boolean): Promise<NodeInfo[]>;
  stop(set: string[]): Promise<NodeInfo[]>;
  wait(set: string[], timeoutSeconds: number | undefined, signal: AbortSignal): Promise<NodeInfo[]>;
  config(
    set: string[],
    settings: Record<string, string>,
    force: boolean,
  ): Result<'node.config'> | Promise<Result<'node.config'>>;
  cables(node: string): Cable[];
  diskList(node: string): Promise<Result<'node.disks'>>;
  imageCopies(node: string): Promise<Omit<Result<'node.imageCopies'>[number], 'image'>[]>;
  removeDisk(node: string, disk: string, force: boolean): Promise<Result<'node.removeDisk'>['outcome']>;
  snapshots: SnapshotCalls;
  rename(node: string, name: string): NodeInfo | Promise<NodeInfo>;
  losses(set: string[]): Promise<string[]>;
  remove(set: string[], force: boolean): Promise<void>;
  boots: Pick<BootHistory, 'ofNode' | 'timeline' | 'explain' | 'ofImage' | 'record'>;
  console(node: string, history: number, stream: ByteStream): void | Promise<void>;
  readConsole(node: string, cursor: string | undefined, maxBytes: number): ConsolePage;
  captures: CaptureCalls;
  consoleText(node: string, wanted: CheckedParams<'node.consoleText'>, stream: ByteStream): void;
  replay(node: string, range: string, speed: number, stream: ByteStream): void;
}

/** Signs of life of nodes. */
export interface ContactActions {
  ping(node: string, stream: ByteStream): void;
  blink(node: string, seconds: number, signal: AbortSignal): Promise<void>;
}

/** What calls about nodes need. */
interface NodeParts {
  nodes: NodeActions;
  contact: ContactActions;
  /** to name the copies on a node's disks */
  images: {
    list(): readonly { id: string; name: string }[] | Promise<readonly { id: string; name: string }[]>;
  };
  shellCommand: (params: CheckedParams<'node.shellCommand'>) => Promise<string[]> | string[];
}
type NodeHandlers = Pick<ServedHandlers, Extract<keyof ServedHandlers, `node.${string}`>>;

export function nodeHandlers(
  parts: NodeParts,
): Omit<
  NodeHandlers,
  keyof typeof saveMethods | keyof typeof bootMethods | keyof ReadHandlers | keyof CaptureHandlers
> {
  const { nodes, images, shellCommand } = parts;
  return {
    ...contactHandlers(parts),
    'node.list': (params) => nodes.list(params.nodes),
    'node.create': (params) => nodes.create(params),
    'node.boot': (params) => nodes.boot(params.nodes, params.image),
    'node.setImage': (params) => nodes.setImage(params.nodes, params.image),
    'node.reboot': (params) => nodes.reboot(params.nodes, params.hard),
    'node.stop': (params) => nodes.stop(params.nodes),
    'node.wait': (params, { signal }) => nodes.wait(params.nodes, params.timeoutSeconds, signal),
    'node.config': (params) => nodes.config(params.nodes, params.settings, params.force),
    'node.settings': () => settingInfos(),
    'node.checkSettings': (params) => ({ problems: settingProblems(params.settings) }),
    'node.disks': (params) => nodes.diskList(params.node),
    'node.imageCopies': async (params) => {
      const names = new Map((await images.list()).map(({ id, name }) => [id, name]));
      const copies = await nodes.imageCopies(params.node);
      return copies.map((copy) => ({ ...copy, image: names.get(copy.id) ?? null }));
    },
    'node.removeDisk': async (params) => ({
      outcome: await nodes.removeDisk(params.node, params.disk, params.force),
    }),
    'node.snapshotList': ({ node }) => nodes.snapshots.list(node),
    'node.snapshotSave': ({ node, name }, context) => nodes.snapshots.save(node, name, context),
    'node.snapshotRestore': ({ node, name, force }, context) =>
      nodes.snapshots.restore(node, name, force, context),
    'node.snapshotRemove': async ({ node, name }) => {
      await nodes.snapshots.remove(node, name);
      return {};
    },
    'node.createFrom': ({ name, from }, context) => nodes.snapshots.create(name, from, context),
    'node.rename': (params) => nodes.rename(params.node, params.name),
    'node.losses': (params) => nodes.losses(params.nodes),
    'node.remove': async (params) => {
      await nodes.remove(params.nodes, params.force);
      return {};
    },
    'node.shellCommand': async (params) => ({ argv: await shellCommand(params) }),
    'node.console': async ({ node, history, historyBytes }, context) => {
      const stream = context.openStream();
      await nodes.console(node, history ? historyBytes : 0, stream);
      return { stream: stream.id };
    },
    'node.readConsole': ({ node, cursor, maxBytes }) => {
      const { bytes, ...page } = nodes.readConsole(node, cursor, maxBytes);
      return { ...page, data: Buffer.from(bytes).toString('base64') };
    },
    'node.consoleText': (params, context) => {
      const stream = context.openStream();
      nodes.consoleText(params.node, params, stream);
      return { stream: stream.id };
    },
    'node.replay': ({ node, range, speed }, context) => {
      const stream = context.openStream();
      nodes.replay(node, range, speed, stream);
      return { stream: stream.id };
    },
  };
}

export type BootHandlers = Pick<ServedHandlers, keyof typeof bootMethods>;

export function bootHandlers({ nodes: { boots } }: Pick<NodeParts, 'nodes'>): BootHandlers {
  return {
    'node.boots': ({ node }) => boots.ofNode(node),
    'node.timeline': ({ node, boot }) => boots.timeline(node, boot),
    'node.explain': ({ node, boot }) => boots.explain(node, boot),
    'image.boots': ({ image }) => boots.ofImage(image),
  };
}

type ContactHandlers = Pick<ServedHandlers, keyof typeof contactMethods>;

function contactHandlers({ contact }: Pick<NodeParts, 'contact'>): ContactHandlers {
  return {
    'node.ping': ({ node }, context) => {
      const stream = context.openStream();
      contact.ping(node, stream);
      return { stream: stream.id };
    },
    'node.blink': async ({ node, seconds }, { signal }) => {
      await contact.blink(node, seconds, signal);
      return {};
    },
  };
}
