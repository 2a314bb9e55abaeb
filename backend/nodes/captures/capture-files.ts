import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { CapturePlace } from './capture-process.ts';

/** What a user wants captured, from one boot to the next. */
const Wanted = z.object({
  /** null: all networks of the node */
  networks: z.array(z.string()).nullable(),
  maxBytes: z.number(),
});
export type Wanted = z.infer<typeof Wanted>;

const Kept = z.object({ network: z.string(), startedAt: z.number(), maxBytes: z.number() });

/** One capture on disk. */
export interface CaptureRecord extends z.infer<typeof Kept> {
  place: CapturePlace;
  /** what it is turned into for others to read */
  pcapng: string;
}

/** Captures of this many boots are kept of each network. */
const KEPT_BOOTS = 5;

/** A node's captures in its folder: each is a few files with one name, `<time>.<network>`. */
export class CaptureFiles {
  readonly #folder: string;

  constructor(nodeFolder: string) {
    this.#folder = join(nodeFolder, 'captures');
  }

  get wanted(): Wanted | undefined {
    return read(join(this.#folder, 'wanted'), Wanted);
  }

  want(wanted: Wanted | undefined): void {
    const file = join(this.#folder, 'wanted');
    if (wanted === undefined) return rmSync(file, { force: true });
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeFileSync(file, JSON.stringify(wanted));
  }

  /** The newest first. */
  list(): CaptureRecord[] {
    if (!existsSync(this.#folder)) return [];
    const names = readdirSync(this.#folder).filter((name) => name.endsWith('.json'));
    const records = names.flatMap((name) => {
      const kept = read(join(this.#folder, name), Kept);
      return kept ? [this.#record(name.replace(/\.json$/, ''), kept)] : [];
    });
    return records.toSorted((one, other) => other.startedAt - one.startedAt);
  }

  /** A place for a new capture; the oldest ones of its network go. */
  add(network: string, maxBytes: number): CaptureRecord {
    const old = this.list().filter((record) => record.network === network);
    // It is in the name, which no other may have.
    const startedAt = Math.max(Date.now(), (old[0]?.startedAt ?? 0) + 1);
    for (const record of old.slice(KEPT_BOOTS - 1)) this.remove(record);
    const name = `${new Date(startedAt).toISOString().replaceAll(':', '-')}.${network}`;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const kept = { network, startedAt, maxBytes };
    writeFileSync(join(this.#folder, `${name}.json`), JSON.stringify(kept));
    return this.#record(name, kept);
  }

  remove({ place, pcapng }: CaptureRecord): void {
    const { pcap, pidFile, exitFile, logFile } = place;
    for (const file of [pcap, pidFile, exitFile, logFile, pcapng, pcapng.replace(/\.pcapng$/, '.json')]) {
      rmSync(file, { force: true });
    }
  }

  #record(name: string, kept: z.infer<typeof Kept>): CaptureRecord {
    const file = (type: string): string => join(this.#folder, `${name}.${type}`);
    const place = { pcap: file('pcap'), pidFile: file('pid'), exitFile: file('exit'), logFile: file('log') };
    return { ...kept, place, pcapng: file('pcapng') };
  }
}

export function captureBytes({ place }: CaptureRecord): number {
  return statSync(place.pcap, { throwIfNoEntry: false })?.size ?? 0;
}

/** Undefined for a file that is not there, or that a daemon did not write to its end. */
function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return schema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
}
