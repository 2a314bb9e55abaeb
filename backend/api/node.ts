import * as z from 'zod';
import { NodeInfo } from '../nodes/info.ts';
import { SnapshotInfo } from '../nodes/snapshots/info.ts';
import { ImageCopyInfo } from '../nodes/disks/image-copies.ts';
import { DiskInfo } from '../nodes/disks/node-disks.ts';
import { SettingInfo } from '../nodes/setting-info.ts';
import { NodeSettings } from '../nodes/settings.ts';
import { method } from './method.ts';

export { NodeInfo, NodeState } from '../nodes/info.ts';
export { SnapshotInfo } from '../nodes/snapshots/info.ts';
export { ImageCopyInfo } from '../nodes/disks/image-copies.ts';
export { DiskInfo } from '../nodes/disks/node-disks.ts';
export { SettingInfo, settingInfos } from '../nodes/setting-info.ts';
export { checkSettings, settingsHelp, NodeSettings, withDefaults } from '../nodes/settings.ts';
export { MODEL_NAMES } from '../boot/models.ts';
export { modelSettings } from '../nodes/machines/model-settings.ts';
export { parseRange } from '../logs/range.ts';

/** Node sets in WalT's syntax: names, comma lists, `all-nodes`, `my-nodes`. */
const NodeSet = z.array(z.string()).min(1);

export const nodeMethods = {
  'node.list': method(z.object({ nodes: NodeSet.optional() }), z.array(NodeInfo)),
  'node.create': method(
    /** `model`: absent, the one that the image serves, or pc-x86-64 */
    z.object({
      name: z.string(),
      model: z.string().optional(),
      image: z.string().optional(),
      settings: NodeSettings.optional(),
      powerOn: z.boolean().default(true),
    }),
    NodeInfo,
  ),
  /** Sets the image if one is given, then powers the nodes on (again). Answers when QEMU runs. */
  'node.boot': method(z.object({ nodes: NodeSet, image: z.string().optional() }), z.array(NodeInfo)),
  /** Gives the nodes an image without a boot: one that runs has it from its next. */
  'node.setImage': method(z.object({ nodes: NodeSet, image: z.string() }), z.array(NodeInfo)),
  'node.reboot': method(z.object({ nodes: NodeSet, hard: z.boolean().default(false) }), z.array(NodeInfo)),
  'node.stop': method(z.object({ nodes: NodeSet }), z.array(NodeInfo)),
  /** Waits for *booted*; fails with `node.failed` when one fails, `node.timeout` when time is up. Can be cancelled. */
  'node.wait': method(z.object({ nodes: NodeSet, timeoutSeconds: z.number().optional() }), z.array(NodeInfo)),
  /** Without `force`, settings that would set a disk with data aside are refused with `disk.loses`. */
  'node.config': method(
    z.object({
      nodes: NodeSet,
      settings: z.record(z.string(), z.string()),
      force: z.boolean().default(false),
    }),
    z.object({ nodes: z.array(NodeInfo), message: z.string() }),
  ),
  /** What settings there are, for forms. */
  'node.settings': method(z.object({}), z.array(SettingInfo)),
  /** A sentence for each setting that `node.config` would refuse, by its name; changes nothing. */
  'node.checkSettings': method(
    z.object({ settings: z.record(z.string(), z.string()) }),
    z.object({ problems: z.record(z.string(), z.string()) }),
  ),
  /** The files of a node's disks: those of its setting, and those that were left behind. */
  'node.disks': method(z.object({ node: z.string() }), z.array(DiskInfo)),
  /** Copies of images on the node's disks, as of its last hybrid boot. */
  'node.imageCopies': method(z.object({ node: z.string() }), z.array(ImageCopyInfo)),
  /** `disk`: a disk, or the begin of an image copy's id. Without `force` a disk that holds data is refused with `disk.holdsData`. */
  'node.removeDisk': method(
    z.object({ node: z.string(), disk: z.string(), force: z.boolean().default(false) }),
    /** nextBoot: an image copy, which the node itself removes when it boots next */
    z.object({ outcome: z.enum(['removed', 'nextBoot']) }),
  ),
  /** The oldest first. */
  'node.snapshotList': method(z.object({ node: z.string() }), z.array(SnapshotInfo)),
  /** Saves a booted node, which is paused meanwhile; without a name the time is one. Can be cancelled. */
  'node.snapshotSave': method(z.object({ node: z.string(), name: z.string().optional() }), SnapshotInfo),
  /**
   * The node goes on from a snapshot, the latest if none is named. Answers when its machine runs; it is *booted* a moment
   * later. Without `force` refused with `snapshot.loses` when disks that hold data go back to what they were. Can be
   * cancelled until the machine goes on, which leaves the node off.
   */
  'node.snapshotRestore': method(
    z.object({ node: z.string(), name: z.string().optional(), force: z.boolean().default(false) }),
    NodeInfo,
  ),
  'node.snapshotRemove': method(z.object({ node: z.string(), name: z.string() }), z.object({})),
  /** A new node that goes on from a snapshot (`<node>@<snapshot>`) of another one, as a copy with an identity of its own. Cancelled, there is none. */
  'node.createFrom': method(z.object({ name: z.string(), from: z.string() }), NodeInfo),
  'node.rename': method(z.object({ node: z.string(), name: z.string() }), NodeInfo),
  /** What is deleted when nodes are removed, a sentence for each that has files, snapshots or disks with data. */
  'node.losses': method(z.object({ nodes: NodeSet }), z.array(z.string())),
  /** Without `force` a node that runs is refused with `node.running`, and one that `node.losses` names with `node.loses`. */
  'node.remove': method(z.object({ nodes: NodeSet, force: z.boolean().default(false) }), z.object({})),
  /** What to start on the host to be in the node: enters the lab's namespaces and runs ssh there. */
  'node.shellCommand': method(
    z.object({
      node: z.string(),
      command: z.string().optional(),
      tty: z.boolean(),
      /** a socket by which several of these share one connection; the `master` makes it, and lasts until it is ended */
      share: z.object({ socket: z.string().startsWith('/'), master: z.boolean() }).optional(),
    }),
    z.object({ argv: z.array(z.string()).min(1) }),
  ),
  /** Opens a byte stream (`stream.ts`): the serial line, after its history since power-on if asked for, or the last of it. */
  'node.console': method(
    z.object({
      node: z.string(),
      history: z.boolean(),
      historyBytes: z.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
    }),
    z.object({ stream: z.number() }),
  ),
  /**
   * What the serial line printed since power-on, page by page: from the cursor of the page before, or from the oldest
   * that is kept. A page ends with a line when `more` is there, and never inside of a character.
   */
  'node.readConsole': method(
    z.object({
      node: z.string(),
      cursor: z.string().optional(),
      maxBytes: z.number().int().min(4_096).max(1_048_576).default(65_536),
    }),
    z.object({
      /** base64 */
      data: z.string(),
      cursor: z.string(),
      more: z.boolean(),
      /** what followed the cursor is gone (a power-on, a flood of output), or the daemon is another one */
      gap: z.boolean(),
    }),
  ),
  /**
   * Opens a byte stream: what the serial line has printed since power-on, `history`: with the power-ons before that are kept.
   * Bytes as they came; with `timestamps` or `search` (a POSIX extended regular expression) lines of text. `follow`: the
   * stream goes on.
   */
  'node.consoleText': method(
    z.object({
      node: z.string(),
      history: z.boolean().default(false),
      timestamps: z.boolean().default(false),
      search: z.string().optional(),
      follow: z.boolean().default(false),
    }),
    z.object({ stream: z.number() }),
  ),
  /**
   * Opens a byte stream: what the serial line printed in a range of time (`parseRange`; at most since power-on), with the
   * pauses of then divided by `speed`. The stream ends behind it.
   */
  'node.replay': method(
    z.object({
      node: z.string(),
      range: z.string().default('full'),
      speed: z.number().min(0.01).max(1_000_000).default(1),
    }),
    z.object({ stream: z.number() }),
  ),
};
