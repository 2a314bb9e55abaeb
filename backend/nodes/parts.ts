import type { SshState } from '../agent/node-agent.ts';
import type { FirmwareKind, NodeFirmware } from '../boot/firmware.ts';
import type { Finding } from '../boot/lint/finding.ts';
import type { PlannedNode } from '../boot/plan.ts';
import type { EventBus } from '../events/bus.ts';
import type { BootRecords } from '../state/boot-records.ts';
import type { Database } from '../state/database.ts';
import type { SnapshotRecords } from '../state/snapshot-records.ts';
import type { Paths } from '../state/paths.ts';
import type { NodeInfo } from './info.ts';
import type { NodeRegistry } from './registry.ts';
import type { PersistUsage } from './removal.ts';

export type { PlannedNode } from '../boot/plan.ts';

export interface MadePlan {
  readonly id: string;
  readonly imageId: string;
  readonly warnings: readonly string[];
}
/** What nodes need of `boot/`. */
export interface Planner {
  plan(
    node: PlannedNode,
    folder: string,
    options?: { deviceTree?: Buffer | undefined; ramBytes?: number },
  ): Promise<MadePlan>;
  adopt(node: PlannedNode, folder: string): Promise<{ readonly id: string } | undefined>;
  /** What the check of its image finds; never fails. */
  findings(node: PlannedNode, ramBytes?: number): Promise<readonly Finding[]>;
  /** The node is off: its connections are dropped, or its next boot could not connect from the same port. */
  release(node: PlannedNode): void;
  /** Copies a boot's plan for `restore`, which makes a plan with the same file handles of it. */
  keep(folder: string, into: string): { image: string; imageId: string };
  restore(node: PlannedNode, folder: string, from: string): Promise<MadePlan>;
  /** Images that only a snapshot needed may go. */
  collect(): Promise<void>;
  /** What a node starts with; `folder` may take files of it. Throws when this host lacks the firmware. */
  firmware(kind: FirmwareKind, node: PlannedNode, folder: string): NodeFirmware;
  /** The model of a new node, from what its user asked for. Throws when this host cannot run such nodes. */
  chooseModel(model: string | undefined, image: string | undefined): string;
  checkImage(image: string, model: string): void;
  defaultImage(model: string): string;
  /** what an image of that name is now, if there is one */
  imageId(name: string): string | undefined;
}
export interface NodeNetwork {
  /** `isCut`: nothing passes until the next call without it. */
  addTap(name: string, owner?: { mac: string; ip: string; nat?: boolean }, isCut?: boolean): Promise<void>;
  joinNetwork(name: string, network: string): Promise<void>;
  removeTap(name: string): Promise<void>;
}
export interface NodeAgent {
  /** Resolves when the node has agreed to reboot; rejects with a sentence. */
  reboot(ip: string): Promise<void>;
  /** What the node's ssh server answers, with `withKey` also to the lab's key. Takes some seconds at most; never fails. */
  ssh(ip: string, withKey: boolean): Promise<SshState>;
}

export interface StageChange {
  mac: string;
  name: string;
  stage: string;
  detail: string;
  /** ms since power-on */
  atMs: number;
}

/** What the composition root hands to the nodes layer. */
export interface NodeParts {
  database: Database;
  bus: EventBus;
  network: NodeNetwork;
  planner: Planner;
  agent: NodeAgent;
  paths: Pick<Paths, 'nodes' | 'run'>;
  acceleration(model: string): Promise<{ accel: 'kvm' | 'tcg'; reason: string }>;
  /** TCP ports of the host that are in use */
  hostListeners(): ReadonlySet<number>;
  /** what the node keeps in its /persist */
  persistUsage: PersistUsage;
  log(line: string): void;
  onChange(node: NodeInfo): void;
  onRemoved(mac: string, name: string): void;
  onStage(change: StageChange): void;
}

/** The same, with what the manager adds for its supervisors. */
export interface SupervisorParts extends NodeParts {
  registry: NodeRegistry;
  boots: BootRecords;
  snapshots: SnapshotRecords;
}

/** Times of the supervision, ms. */
export const TIMES = {
  /** between the end of the agent's connection and `unreachable`; the server itself notices a silent node after 25 s */
  unreachable: 25_000,
  /** the same for nodes that a new daemon has adopted: they must find its server first */
  adopted: 45_000,
  /** between a failed boot and the next try: long enough to be seen */
  retry: 5_000,
  /** how long a node that agreed to reboot may take to do so */
  softReboot: 60_000,
  /** for the rest of a panic's text, if its last line does not come */
  panic: 2_000,
} as const;
/** A guest that reboots this often in a row without getting booted has failed. */
export const MAX_SELF_REBOOTS = 3;
