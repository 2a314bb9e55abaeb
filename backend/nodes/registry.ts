import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { BootyardError } from '../errors.ts';
import type { PlannedNode } from '../boot/plan.ts';
import type { EventBody } from '../events/bus.ts';
import { type Database, ifRoom } from '../state/database.ts';
import { checkName } from './names.ts';
import { NodeSettings } from './settings.ts';

/** A machine's settings at its start, which may have changed since, and its acceleration. */
export const StartedMachine = z.object({ settings: NodeSettings, accel: z.enum(['kvm', 'tcg']) });
export type StartedMachine = z.infer<typeof StartedMachine>;

/** What lets a new daemon adopt a machine that runs. */
export const Running = z.object({
  /** id of the boot plan */
  boot: z.string(),
  /** ms since the epoch */
  startedAt: z.number(),
  bootedAt: z.number().nullable(),
  /** guest reboots in a row without reaching booted */
  selfReboots: z.number(),
  retriesLeft: z.number(),
  /** why the boot counts as failed while its machine still runs */
  failed: z.string().nullable(),
  /** what it was started with; absent when an earlier version of Bootyard started it */
  machine: StartedMachine.optional(),
  /** the image that it boots; absent as above */
  imageId: z.string().optional(),
  /** the snapshot that its memory is read from while that goes on */
  restoring: z.string().optional(),
  /** that makes a copy, of which nothing is to be left if it does not come to its end */
  copying: z.boolean().optional(),
});
export type Running = z.infer<typeof Running>;

/** What is known of a node whose machine does not run. */
const Ended = z.object({
  state: z.enum(['off', 'failed']),
  reason: z.string().nullable(),
  startedAt: z.number().nullable(),
  bootedAt: z.number().nullable(),
});
export type Ended = z.infer<typeof Ended>;

export interface NodeRecord {
  mac: string;
  ip: string;
  name: string;
  model: string;
  image: string;
  /** only what differs from the defaults */
  settings: NodeSettings;
  /** made for one job: no node of the user's */
  temporary: boolean;
  running: Running | undefined;
  ended: Ended | undefined;
}

/** What the boot of a node is planned by. */
export function plannedOf({ mac, ip, name, model, image }: NodeRecord): PlannedNode {
  return { mac, ip, name, model, image };
}

/** 192.168.152.2 up to what the dynamic range leaves; .1 is the server. */
export const NODE_ADDRESSES = { prefix: '192.168.152.', first: 2, last: 199 } as const;

/** The nodes, in the database and (the same) in memory: servers ask for each packet. */
export class NodeRegistry {
  readonly #database: Database;
  readonly #nodes = new Map<string, NodeRecord>();
  readonly #macOf = new Map<string, string>();
  readonly #taken: (address: string) => boolean;

  /** `taken`: addresses that something else in the lab holds, such as a DHCP lease. */
  constructor(database: Database, taken: (address: string) => boolean = () => false) {
    this.#database = database;
    this.#taken = taken;
    for (const row of database.sqlite.prepare('SELECT * FROM nodes').all()) this.#remember(toRecord(row));
  }

  all(): NodeRecord[] {
    return [...this.#nodes.values()].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }
  byMac(mac: string): NodeRecord | undefined {
    return this.#nodes.get(mac);
  }
  byAddress(ip: string): NodeRecord | undefined {
    const mac = this.#macOf.get(ip);
    return mac === undefined ? undefined : this.#nodes.get(mac);
  }

  /** Whatever the case of its letters. */
  byName(name: string): NodeRecord | undefined {
    const wanted = name.toLowerCase();
    return [...this.#nodes.values()].find((node) => node.name.toLowerCase() === wanted);
  }

  /** Makes a node with a new hardware address and the lowest free IP address. Settings must have been checked. */
  add(node: {
    name: string;
    model: string;
    image: string;
    settings: NodeSettings;
    temporary?: boolean;
  }): NodeRecord {
    this.#checkFree(node.name);
    const record: NodeRecord = {
      ...node,
      temporary: node.temporary ?? false,
      mac: this.#newMac(),
      ip: this.#lowestAddress(),
      running: undefined,
      ended: undefined,
    };
    this.#database.sqlite
      .prepare(
        'INSERT INTO nodes (mac, name, ip, model, image, settings, temporary) VALUES (?, ?, ?, ?, ?, ?, ?)',
      )
      .run(
        ...[record.mac, record.name, record.ip, record.model, record.image],
        ...[JSON.stringify(record.settings), Number(record.temporary)],
      );
    this.#remember(record);
    return record;
  }

  rename(mac: string, name: string): void {
    this.#checkFree(name, mac);
    this.#set(mac, 'name', name);
    this.#update(mac, { name });
  }
  setImage(mac: string, image: string): void {
    this.#set(mac, 'image', image);
    this.#update(mac, { image });
  }
  /** Merges settings into those of several nodes: all of them or none. */
  mergeSettings(macs: readonly string[], settings: NodeSettings): void {
    const merged = macs.map((mac) => ({
      mac,
      settings: { ...this.#nodes.get(mac)?.settings, ...settings },
    }));
    this.#database.transaction(() => {
      for (const change of merged) this.#set(change.mac, 'settings', JSON.stringify(change.settings));
    });
    for (const change of merged) this.#update(change.mac, { settings: change.settings });
  }
  setRunning(mac: string, running: Running): void {
    this.#database.sqlite
      .prepare('UPDATE nodes SET running = ?, ended = NULL WHERE mac = ?')
      .run(JSON.stringify(running), mac);
    this.#update(mac, { running, ended: undefined });
  }
  /** On a full disk it is kept in memory alone. */
  setEnded(mac: string, ended: Ended): void {
    const row = this.#database.sqlite.prepare('UPDATE nodes SET running = NULL, ended = ? WHERE mac = ?');
    ifRoom(() => row.run(JSON.stringify(ended), mac));
    this.#update(mac, { running: undefined, ended });
  }
  remove(mac: string): void {
    this.#database.sqlite.prepare('DELETE FROM nodes WHERE mac = ?').run(mac);
    const node = this.#nodes.get(mac);
    if (node) this.#macOf.delete(node.ip);
    this.#nodes.delete(mac);
  }

  #remember(record: NodeRecord): void {
    this.#nodes.set(record.mac, record);
    this.#macOf.set(record.ip, record.mac);
  }
  #update(mac: string, change: Partial<NodeRecord>): void {
    const node = this.#nodes.get(mac);
    if (node) Object.assign(node, change);
  }
  #set(mac: string, column: 'name' | 'image' | 'settings', value: string): void {
    this.#database.sqlite.prepare(`UPDATE nodes SET ${column} = ? WHERE mac = ?`).run(value, mac);
  }

  #checkFree(name: string, except?: string): void {
    checkName(name);
    const same = this.all().find((node) => node.name.toLowerCase() === name.toLowerCase());
    if (!same || same.mac === except) return;
    throw new BootyardError('node.exists', `Failed: a device with name '${same.name}' already exists.`, {
      name,
    });
  }
  #newMac(): string {
    for (;;) {
      const bytes = [0x52, 0x54, 0x00, ...randomBytes(3)];
      const mac = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
      if (!this.#nodes.has(mac)) return mac;
    }
  }
  #lowestAddress(): string {
    const { prefix, first, last } = NODE_ADDRESSES;
    for (let host = first; host <= last; host++) {
      const address = `${prefix}${host}`;
      if (!this.#macOf.has(address) && !this.#taken(address)) return address;
    }
    throw new BootyardError(
      'node.addresses',
      `Sorry, all addresses from ${prefix}${first} to ${prefix}${last} are taken: remove a node that is not needed ('bootyard node remove NODE').`,
    );
  }
}

/** WalT's line in the stream of devices. */
export function newDevice({ name, model, mac, ip }: NodeRecord): EventBody {
  const line = `new node name=${name} model=${model} mac=${mac} ip=${ip}`;
  return { kind: 'log', stream: 'platform.devices', line, timestamp: Date.now() };
}

function toRecord(row: Record<string, unknown>): NodeRecord {
  return {
    mac: String(row.mac),
    ip: String(row.ip),
    name: String(row.name),
    model: String(row.model),
    image: String(row.image),
    settings: NodeSettings.catch({}).parse(JSON.parse(String(row.settings))),
    temporary: row.temporary === 1,
    running: row.running === null ? undefined : Running.parse(JSON.parse(String(row.running))),
    ended: row.ended === null ? undefined : Ended.parse(JSON.parse(String(row.ended))),
  };
}
