import { BootyardError, messageOf } from '../../errors.ts';
import type { Timeline } from '../../events/boots.ts';
import type { BootJournal } from '../boot-journal.ts';
import type { NetworkCard } from '../networks/arguments.ts';
import type { NodeNetworks } from '../networks/node-networks.ts';
import type { NodeRecord } from '../registry.ts';
import { withDefaults } from '../settings.ts';
import type { Turns } from '../turns.ts';
import { captureBytes, CaptureFiles, type CaptureRecord, type Wanted } from './capture-files.ts';
import {
  captureEnd,
  endCapture,
  isCapturing,
  lostPackets,
  requireProgram,
  startCapture,
} from './capture-process.ts';
import type { CaptureInfo } from './info.ts';

export interface NodeCapturesParts {
  record: NodeRecord;
  /** the node's */
  folder: string;
  networks: Pick<NodeNetworks, 'cards'>;
  /** one thing after the other happens to a node */
  turns: Turns;
  hasMachine: () => boolean;
  journal: () => Pick<BootJournal, 'boots' | 'timeline'>;
  log: (line: string) => void;
}

/**
 * The packets of a node's networks, each boot's in files of its own, for as long as a user wants that. They are captured at
 * the lab's end of the node's cables, before its machine starts.
 */
export class NodeCaptures {
  readonly #parts: NodeCapturesParts;
  readonly #files: CaptureFiles;

  constructor(parts: NodeCapturesParts) {
    this.#parts = parts;
    this.#files = new CaptureFiles(parts.folder);
    // An earlier daemon may have started some.
    for (const record of this.#running()) this.#follow(record);
  }

  /** Captures from now on, and each boot to come from its power-on, until `stop`. Throws a sentence. */
  start(network: string | undefined, maxBytes: number): Promise<CaptureInfo[]> {
    return this.#parts.turns.take(async () => {
      requireProgram();
      this.#checkNetwork(network);
      const before = this.#files.wanted;
      // Asked for by name, a network comes to those that are captured already.
      const others = before?.networks ?? [];
      const networks = network === undefined ? null : [...new Set([...others, network])];
      const wanted = { networks: before?.networks === null ? null : networks, maxBytes };
      if (this.#parts.hasMachine()) await this.#startAll(this.#cardsOfMachine(), wanted);
      this.#files.want(wanted);
      return this.list().filter(({ state }) => state === 'going on');
    });
  }

  /** Ends what `start` began; the files stay. Throws `capture.none` when nothing is captured. */
  stop(network: string | undefined): Promise<CaptureInfo[]> {
    return this.#parts.turns.take(async () => {
      const { wanted } = this.#files;
      const isMeant = (name: string): boolean => network === undefined || name === network;
      const running = this.#running().filter((record) => isMeant(record.network));
      if (!wanted && running.length === 0) throw this.#none('is not captured: there is nothing to stop');
      const left = (wanted?.networks ?? this.#networks).filter((name) => !isMeant(name));
      this.#files.want(wanted && left.length > 0 ? { ...wanted, networks: left } : undefined);
      await Promise.all(running.map((record) => endCapture(record.place)));
      return running.map((record) => this.#info(record));
    });
  }

  /** A machine is about to start with these cards. Answers what is not captured, a sentence each. */
  async begin(cards: readonly NetworkCard[]): Promise<string[]> {
    await this.end();
    const { wanted } = this.#files;
    if (!wanted) return [];
    try {
      await this.#startAll(cards, wanted);
      return [];
    } catch (error) {
      return [`Its packets are not captured: ${messageOf(error)}`];
    }
  }

  /** The machine is gone, or the node is removed. */
  async end(): Promise<void> {
    await Promise.all(this.#running().map((record) => endCapture(record.place)));
  }

  list(): CaptureInfo[] {
    return this.#files.list().map((record) => this.#info(record));
  }

  /** The capture of a network in a boot: by default the last one, of `walt-net` when there are several. Throws `capture.none`. */
  one(network: string | undefined, boot: number | undefined): CaptureRecord {
    const all = this.#files.list().map((record) => ({ record, info: this.#info(record) }));
    const fitting = all.filter(
      ({ info }) =>
        (network === undefined || info.network === network) && (boot === undefined || info.boot === boot),
    );
    const last = fitting[0]?.info.boot;
    const sameBoot = fitting.filter(({ info }) => info.boot === last);
    const found = sameBoot.find(({ info }) => info.network === this.#networks[0]) ?? sameBoot[0];
    if (found) return found.record;
    const asked = [network ?? '', boot === undefined ? '' : `of boot ${boot}`].filter(Boolean).join(' ');
    throw this.#none(asked === '' ? 'has no capture' : `has no capture ${asked}`);
  }

  isGoingOn(record: CaptureRecord): boolean {
    return isCapturing(record.place);
  }

  /** The boot that a capture is of. */
  timelineOf(record: CaptureRecord): Timeline | undefined {
    const boot = this.#bootOf(record);
    return boot === null ? undefined : this.#parts.journal().timeline(boot);
  }

  /** The networks of the node's setting. */
  get #networks(): string[] {
    const { networks, record } = this.#parts;
    return networks.cards(withDefaults(record.settings)).map(({ network }) => network);
  }

  /** Those of the machine that runs. */
  #cardsOfMachine(): NetworkCard[] {
    const { networks, record } = this.#parts;
    return networks.cards(withDefaults(record.running?.machine?.settings ?? record.settings));
  }

  #running(): CaptureRecord[] {
    return this.#files.list().filter(({ place }) => isCapturing(place));
  }

  async #startAll(cards: readonly NetworkCard[], { networks, maxBytes }: Wanted): Promise<void> {
    const captured = new Set(this.#running().map(({ network }) => network));
    const wanted = cards.filter(
      ({ network }) => !captured.has(network) && (networks === null || networks.includes(network)),
    );
    for (const { tap, network } of wanted) {
      const record = this.#files.add(network, maxBytes);
      try {
        await startCapture(tap, maxBytes, record.place);
      } catch (error) {
        this.#files.remove(record);
        throw error;
      }
      this.#follow(record);
    }
  }

  /** Tells when a capture has reached its limit or failed, which is when it ends before its machine does. */
  #follow(record: CaptureRecord): void {
    const { turns, log, record: node } = this.#parts;
    const what = `node ${node.name}: the capture of ${record.network}`;
    captureEnd(record.place, turns.closing).then(
      (failure) => {
        if (failure !== undefined) log(`${what} has failed: ${failure}`);
        else if (isFull(record))
          log(`${what} is full (${record.maxBytes} bytes): later packets are not in it`);
      },
      () => undefined,
    );
  }

  #info(record: CaptureRecord): CaptureInfo {
    const isGoingOn = isCapturing(record.place);
    const ended = isFull(record) ? 'full' : 'ended';
    return {
      network: record.network,
      startedAt: new Date(record.startedAt).toISOString(),
      boot: this.#bootOf(record),
      state: isGoingOn ? 'going on' : ended,
      bytes: captureBytes(record),
      maxBytes: record.maxBytes,
      lost: isGoingOn ? 0 : lostPackets(record.place),
    };
  }

  /** It begins after its boot, and before the next one. */
  #bootOf({ startedAt }: CaptureRecord): number | null {
    return (
      this.#parts
        .journal()
        .boots()
        .find((boot) => Date.parse(boot.startedAt) <= startedAt)?.number ?? null
    );
  }

  #checkNetwork(network: string | undefined): void {
    const known = this.#networks;
    if (network === undefined || known.includes(network)) return;
    const sentence = `Node ${this.#parts.record.name} has no network '${network}', but ${known.join(', ')} (setting networks).`;
    throw new BootyardError('capture.network', sentence);
  }

  #none(what: string): BootyardError {
    const { name } = this.#parts.record;
    return new BootyardError(
      'capture.none',
      `Node ${name} ${what}. 'bootyard node capture start ${name}' begins one.`,
    );
  }
}

function isFull(record: CaptureRecord): boolean {
  return captureBytes(record) >= record.maxBytes;
}
