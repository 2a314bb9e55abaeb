import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endShaper, shaperEnd, startShaper } from '../../lab/shaper/shaper.ts';
import { NodeCaptures, type NodeCapturesParts } from '../captures/node-captures.ts';
import type { SupervisorParts } from '../parts.ts';
import type { FullSettings } from '../settings.ts';
import type { NetworkCard } from './arguments.ts';
import { MAIN_NETWORK, parseNetworks, type NetworkSpec, type Restrictions } from './setting.ts';
import type { Cable } from './topology.ts';

const END_MS = 3_000;

export interface NodeNetworksParts extends Omit<NodeCapturesParts, 'networks' | 'log'> {
  parts: Pick<SupervisorParts, 'network' | 'paths' | 'log'>;
}

/**
 * The network cards of a node: their taps, their hardware addresses, and the process that shapes their links if one has
 * restrictions. Addresses of further cards are made up once for each network, and kept in the node's folder.
 */
export class NodeNetworks {
  readonly captures: NodeCaptures;
  readonly #parts: NodeNetworksParts;

  constructor(parts: NodeNetworksParts) {
    this.#parts = parts;
    this.captures = new NodeCaptures({ ...parts, networks: this, log: (line) => parts.parts.log(line) });
  }

  /**
   * Makes all that the settings ask for, and removes the rest; gives the cards in the guest's order. `isCut`: the card of
   * the lab's network is off until `connect`.
   */
  async attach(settings: FullSettings, isCut = false): Promise<NetworkCard[]> {
    const { network } = this.#parts.parts;
    const { folder } = this.#parts;
    const { networks } = settings;
    const specs = parseNetworks(networks);
    await this.#removeTaps(specs.map(({ name }) => name));
    const cards = this.cards(settings);
    for (const { tap, network: name } of cards) {
      if (name === MAIN_NETWORK) await this.#joinLab(tap, settings, isCut);
      else await network.joinNetwork(tap, name);
    }
    const shaped = cards.flatMap(({ shaper }, index) =>
      shaper === undefined ? [] : [{ path: shaper, limits: limitsOf(specs[index]?.restrictions ?? {}) }],
    );
    if (shaped.length > 0) await startShaper(shaped, folder);
    return cards;
  }

  /** What `attach` makes for these settings. */
  cards({ networks }: FullSettings): NetworkCard[] {
    return parseNetworks(networks).map((spec, index) => this.#card(spec, index));
  }

  /** Its cables in the order of its cards, whether its machine runs or not. */
  cables(settings: FullSettings): Cable[] {
    return parseNetworks(settings.networks).map((spec, index) => {
      const { network, tap } = this.#card(spec, index);
      return { network, tap, restrictions: spec.restrictions };
    });
  }

  /** Ends that the node is cut off from the lab, or begins it: no frame passes, and its card keeps its carrier. */
  connect(settings: FullSettings, isCut = false): Promise<void> {
    return this.#joinLab(tapOf(this.#parts.record.mac), settings, isCut);
  }

  /** Removes all taps; the machine must have ended, and its shaper with it. */
  async detach(): Promise<void> {
    const { folder, record, parts } = this.#parts;
    await this.captures.end();
    await this.#removeTaps([]);
    await parts.network.removeTap(tapOf(record.mac));
    await endShaper(folder);
  }

  /** Resolves when the machine has ended, or with a sentence for the user when its links ended before it. */
  async watch(machineEnd: Promise<unknown>, signal: AbortSignal): Promise<string | undefined> {
    const exit = await shaperEnd(this.#parts.folder, signal);
    if (exit === undefined) return undefined;
    // The shaper ends with its machine, whose end takes a moment to be seen.
    const isOver = await Promise.race([machineEnd.then(() => true), delay(END_MS, false, { ref: false })]);
    if (isOver || signal.aborted) return undefined;
    const how = exit.signal ?? `exit code ${exit.code ?? 'unknown'}`;
    return `The process that shapes its links has ended (${how}), and its networks with it: boot it again.`;
  }

  #joinLab(tap: string, { netsetup }: FullSettings, isCut: boolean): Promise<void> {
    const { mac, ip } = this.#parts.record;
    return this.#parts.parts.network.addTap(tap, { mac, ip, nat: netsetup === 'NAT' }, isCut);
  }

  #card({ name, restrictions }: NetworkSpec, index: number): NetworkCard {
    const { record, parts } = this.#parts;
    const isMain = name === MAIN_NETWORK;
    const mac = isMain ? record.mac : this.#macOf(name);
    const isShaped = Object.keys(restrictions).length > 0;
    return {
      network: name,
      mac,
      tap: isMain ? tapOf(mac) : extraTapOf(mac),
      shaper: isShaped ? join(parts.paths.run, `${record.mac.replaceAll(':', '')}.${index}`) : undefined,
    };
  }

  /** Removes the taps of networks that the node was in at an earlier boot. */
  async #removeTaps(except: readonly string[]): Promise<void> {
    const { folder } = this.#parts;
    if (!existsSync(join(folder, 'networks'))) return;
    for (const file of readdirSync(join(folder, 'networks'))) {
      const name = file.replace(/\.mac$/, '');
      if (!except.includes(name)) await this.#parts.parts.network.removeTap(extraTapOf(this.#macOf(name)));
    }
  }

  #macOf(name: string): string {
    const folder = join(this.#parts.folder, 'networks');
    const file = join(folder, `${name}.mac`);
    const kept = existsSync(file) ? readFileSync(file, 'latin1').trim() : '';
    if (/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(kept)) return kept;
    const mac = newMac();
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `${mac}\n`);
    return mac;
  }
}

/** Locally administered, as those of nodes, which begin with 52:54:00; the third byte is never 0 here. */
function newMac(): string {
  const [first = 0, ...rest] = randomBytes(4);
  const bytes = [0x52, 0x54, 1 + (first % 255), ...rest];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function tapOf(mac: string): string {
  return `vn${mac.replaceAll(':', '')}`;
}
/** The lab's filter knows networks of nodes alone by these letters. */
function extraTapOf(mac: string): string {
  return `xn${mac.replaceAll(':', '')}`;
}

/** WalT's `lat` is what a round trip takes longer: each direction takes its half. */
function limitsOf({ latencyUs, bandwidth, loss }: Restrictions) {
  return { delayMs: latencyUs === undefined ? undefined : latencyUs / 2000, bandwidth, loss };
}
