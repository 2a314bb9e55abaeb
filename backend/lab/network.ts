import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, writeFileSync } from 'node:fs';
import * as z from 'zod';
import { BootyardError, messageOf, systemCode } from '../errors.ts';
import { checkTapOwner, renderSourceFilter, type TapOwner } from './source-filter.ts';
import { failureOf, runTool, tryTool } from './tool.ts';

export type { TapOwner } from './source-filter.ts';

export const NETWORK = {
  name: 'walt-net',
  address: '192.168.152.1',
  prefix: 24,
  /** fixed, or it would follow the taps that come and go, and guests would lose their ARP entry of the server */
  mac: '02:00:c0:a8:98:01',
} as const;

export interface Tap {
  name: string;
  /** whose packets it may carry, when it was told */
  owner: TapOwner | undefined;
}

/** Lets the nodes with these addresses out of the lab, and no others. */
export interface WayOut {
  allow(addresses: readonly string[]): Promise<void>;
}

/** What `ip -j link show` says of one interface, as far as it matters here. */
const Links = z.array(
  z.object({ ifname: z.string().optional(), master: z.string().optional(), ifalias: z.string().optional() }),
);
type Link = z.infer<typeof Links>[number];

/**
 * The lab's network: bridge `walt-net` with the server's address, and one persistent tap per node. Runs in the lab's
 * network namespace. The kernel holds all of its state, so a new daemon goes on where the old one was.
 * Changes are made one after the other. Methods throw `lab.network` or `lab.tool` with one sentence.
 */
export class LabNetwork {
  readonly #log: (line: string) => void;
  readonly #wayOut: WayOut | undefined;
  #guests: readonly string[] = [];
  #filter: { active: boolean; reason: string } = { active: false, reason: 'the network is not set up' };
  #last: Promise<unknown> = Promise.resolve();

  /** `wayOut`: for owners of taps with `nat`, which cannot be had without */
  constructor(log: (line: string) => void = () => undefined, wayOut?: WayOut) {
    this.#log = log;
    this.#wayOut = wayOut;
  }

  /** Whether nodes are held to their own addresses, and if not, why. */
  get sourceFilter(): { active: boolean; reason: string } {
    return this.#filter;
  }

  /** Whether the node with this address may leave the lab at the moment. */
  mayLeave(address: string): boolean {
    return this.#guests.includes(address);
  }

  /** Makes what is missing of the network; safe to call again, also while nodes run. True when all of it was missing. */
  async setup(): Promise<boolean> {
    return this.#inTurn(async () => {
      const there = (await links()).some((link) => link.ifname === NETWORK.name);
      disableIpv6();
      limitSendBuffers();
      await batch([
        'link set lo up',
        ...(there ? [] : [`link add ${NETWORK.name} address ${NETWORK.mac} type bridge`]),
        // Without delay a port forwards at once. Snooping off: nobody sends the queries that it would learn from.
        `link set ${NETWORK.name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
        `link set ${NETWORK.name} up`,
        `address replace ${NETWORK.address}/${NETWORK.prefix} broadcast + dev ${NETWORK.name}`,
        // A lab has no default route, and DHCP answers to clients without an address go to 255.255.255.255.
        `route replace 255.255.255.255/32 dev ${NETWORK.name}`,
      ]);
      await this.#setupFilter();
      // Nodes go on without it, and their user can be told only once the daemon is there.
      await this.#openWayOut().catch((error: unknown) => this.#log(messageOf(error)));
      return !there;
    });
  }

  /**
   * Makes the tap if it is not there, and joins it to the bridge. With `owner` the tap carries that node's packets only
   * (where the kernel can filter on bridges, see `sourceFilter`). `name` is an interface name: up to 15 characters.
   * `isCut`: nothing passes through it until it is added again without that.
   */
  async addTap(name: string, owner?: TapOwner, isCut = false): Promise<void> {
    checkTapName(name);
    if (owner !== undefined) checkTapOwner(owner);
    await this.#inTurn(async () => {
      const link = (await links()).find((link) => link.ifname === name);
      if (link === undefined) checkTunDevice(name);
      const alias = owner === undefined ? [] : [`link set ${name} alias ${aliasOf(owner)}`];
      await batch([
        ...(link === undefined ? [`tuntap add dev ${name} mode tap`] : []),
        ...alias,
        `link set ${name} master ${NETWORK.name}`,
      ]);
      // The filter comes before the first packet.
      if (owner !== undefined) await this.#renewFilter();
      await this.#openWayOut();
      await batch([`link set ${name} ${isCut ? 'down' : 'up'}`]);
    });
  }

  /**
   * Makes the tap if it is not there, and joins it to the network of nodes alone with this name, which is made with its
   * first tap and goes with its last. The name of such a tap begins with `xn`, by which the filter knows it.
   */
  async joinNetwork(name: string, network: string): Promise<void> {
    checkTapName(name);
    if (!name.startsWith('xn') || !/^[a-z][a-z-]{0,31}$/.test(network))
      throw new BootyardError('lab.network', `The tap ${name} cannot join a network named "${network}".`);
    await this.#inTurn(async () => {
      const all = await links();
      const bridge = bridgeOf(network);
      const isThere = (wanted: string): boolean => all.some((link) => link.ifname === wanted);
      if (!isThere(name)) checkTunDevice(name);
      await batch([
        ...(isThere(bridge) ? [] : [`link add ${bridge} type bridge`]),
        `link set ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
        `link set ${bridge} alias ${network}`,
        `link set ${bridge} up`,
        ...(isThere(name) ? [] : [`tuntap add dev ${name} mode tap`]),
        `link set ${name} master ${bridge}`,
        `link set ${name} up`,
      ]);
    });
  }

  /** Removes the tap; nothing happens when it is not there. */
  async removeTap(name: string): Promise<void> {
    checkTapName(name);
    await this.#inTurn(async () => {
      const all = await links();
      const link = all.find((link) => link.ifname === name);
      if (link === undefined) return;
      const { master = '' } = link;
      const isLast = master.startsWith('xn') && all.filter((other) => other.master === master).length === 1;
      await batch([`link delete dev ${name}`, ...(isLast ? [`link delete dev ${master}`] : [])]);
      if (ownerOf(link) === undefined) return;
      await this.#renewFilter();
      await this.#openWayOut();
    });
  }

  async listTaps(): Promise<Tap[]> {
    return tapsAmong(await links());
  }

  async #setupFilter(): Promise<void> {
    const result = await tryTool(['nft', '-f', '-'], { input: renderSourceFilter(tapsAmong(await links())) });
    const active = result.status === 0;
    const reason = active ? 'the kernel filters on the bridge' : failureOf(result);
    if (!active) this.#log(`Nodes are not held to their own addresses: nft cannot filter here (${reason}).`);
    this.#filter = { active, reason };
  }

  async #renewFilter(): Promise<void> {
    if (!this.#filter.active) return;
    await runTool(['nft', '-f', '-'], { input: renderSourceFilter(tapsAmong(await links())) });
  }

  /** The way out is for those whose taps say so. */
  async #openWayOut(): Promise<void> {
    const guests = tapsAmong(await links()).flatMap(({ owner }) => (owner?.nat === true ? [owner.ip] : []));
    if (guests.join() === this.#guests.join()) return;
    if (guests.length > 0 && !this.#filter.active) {
      throw new BootyardError(
        'lab.network',
        `A node cannot have netsetup=NAT here, for nodes could use the addresses of others: ${this.#filter.reason}.`,
      );
    }
    // Also when it fails: the tap of a node that cannot start goes, and then the rest is tried again.
    this.#guests = guests;
    await this.#wayOut?.allow(guests);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

async function links(): Promise<Link[]> {
  const text = await runTool(['ip', '-j', 'link', 'show']);
  const parsed = Links.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new BootyardError(
    'lab.network',
    `"ip -j link show" answers in a form not known: ${parsed.error.message}.`,
  );
}

function tapsAmong(all: Link[]): Tap[] {
  return all.flatMap((link) =>
    link.ifname !== undefined && link.master === NETWORK.name
      ? [{ name: link.ifname, owner: ownerOf(link) }]
      : [],
  );
}

/** The owner stands in the interface's alias, where it lives as long as the tap. */
function ownerOf(link: Link): TapOwner | undefined {
  const [mac, ip, nat] = link.ifalias?.split('_') ?? [];
  return mac !== undefined && ip !== undefined ? { mac, ip, ...(nat === 'nat' && { nat: true }) } : undefined;
}
function aliasOf({ mac, ip, nat }: TapOwner): string {
  return `${mac}_${ip}${nat === true ? '_nat' : ''}`;
}

/** Interface names are short, so that of a network's bridge is a part of its name's hash. */
export function bridgeOf(network: string): string {
  return `xn${createHash('sha256').update(network).digest('hex').slice(0, 12)}`;
}

async function batch(lines: string[]): Promise<void> {
  await runTool(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/**
 * The lab speaks IPv4: no router solicitations and no link-local addresses on interfaces made from now on. router.ts gives
 * the bridge such an address, which stays when a new daemon comes here.
 */
function disableIpv6(): void {
  const file = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
  if (existsSync(file)) writeFileSync(file, '1');
}

/**
 * At most 512 KiB of a connection wait in this network namespace's kernel for a node to take them (least, first and most, as
 * in tcp(7)). That is plenty on one host, stays in the processor's cache, and is all that a node that stops reading holds.
 */
export function limitSendBuffers(): void {
  writeFileSync('/proc/sys/net/ipv4/tcp_wmem', '4096 65536 524288');
}

function checkTapName(name: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name)) return;
  throw new BootyardError(
    'lab.network',
    `"${name}" cannot name a tap: take 1 to 15 of the characters A-Z a-z 0-9 _ . - without a leading dot or dash.`,
  );
}

function checkTunDevice(name: string): void {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'there is no /dev/net/tun' : messageOf(error);
    throw new BootyardError(
      'lab.network',
      `The tap ${name} cannot be made: ${why}; "bootyard doctor" says what to do.`,
    );
  }
}
