import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { BootyardError } from '../../errors.ts';
import type { ApiClient } from '../client.ts';
import { insideOf, refusal, targetOf, type Location, type PathType, type Target } from './paths.ts';
import * as scripts from './scripts.ts';
import { pipe, run, type Ended } from './stream.ts';
import { problemOf, UNREACHABLE, warningsOf } from './words.ts';

const PROGRESS_MS = 200;

export interface CopyControl {
  client: Pick<ApiClient, 'call'>;
  /** ends the copy; nothing of it is left then */
  signal: AbortSignal;
  /** now and then: bytes so far, and bytes a second */
  onBytes: (bytes: number, rate: number) => void;
  /** a sentence for each thing that was left out */
  warn: (sentence: string) => void;
}

/** Where scripts run: on this host or in the node. */
interface Side {
  isNode: boolean;
  argvOf(script: string): Promise<string[]>;
}
/** What a side has at a path. */
interface Look {
  hasGnuTar: boolean;
  types: PathType[];
}

/**
 * Copies a file or a folder from this host into a node or back, as cp(1) with modes, times and symbolic links. Everything
 * is received in a folder beside the destination first: what breaks off, or is refused, leaves nothing behind. One of
 * the two locations is in a node. Throws `node.unreachable`, and `node.cp` in WalT's sentences.
 */
export async function copyFiles(from: Location, to: Location, control: CopyControl): Promise<void> {
  const node = from.node ?? to.node ?? '';
  const inNode: Side = {
    isNode: true,
    argvOf: async (command) =>
      (await control.client.call('node.shellCommand', { node, command, tty: false }, control)).argv,
  };
  const [sender, receiver] = from.node === undefined ? [THIS_HOST, inNode] : [inNode, THIS_HOST];
  await new Copy(control, from, to, sender, receiver).run();
}

/**
 * The same to this host, of what is in a tar on it: `from`, which is of the given type, in the form of `scripts.send`.
 */
export async function copyFromTar(
  tar: string,
  type: PathType,
  from: Location,
  to: Location,
  control: Omit<CopyControl, 'client'>,
): Promise<void> {
  const reader: Side = { isNode: false, argvOf: async () => await Promise.resolve(['cat', tar]) };
  await new Copy(control, from, to, reader, THIS_HOST, { hasGnuTar: true, types: [type] }).run();
}

const THIS_HOST: Side = {
  isNode: false,
  argvOf: async (script) => await Promise.resolve(['sh', '-c', script]),
};

class Copy {
  readonly #control: Omit<CopyControl, 'client'>;
  readonly #from: Location;
  readonly #to: Location;
  readonly #sender: Side;
  readonly #receiver: Side;
  readonly #source: Look | undefined;

  /** `source`: what the sender would find at `from`, where that is known. */
  constructor(
    control: Omit<CopyControl, 'client'>,
    from: Location,
    to: Location,
    sender: Side,
    receiver: Side,
    source?: Look,
  ) {
    this.#source = source;
    this.#control = control;
    this.#from = from;
    this.#to = to;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  async run(): Promise<void> {
    const from = this.#from;
    const inside = insideOf(this.#to, from.name);
    const [source, destination] = await Promise.all([
      this.#source ?? this.#look(this.#sender, scripts.lookAtSource(from), 1),
      this.#look(this.#receiver, scripts.lookAtDestination(this.#to, inside), 3),
    ]);
    const [type = 'missing'] = source.types;
    const [itself = 'missing', parent = 'missing', within = 'missing'] = destination.types;
    const target = targetOf(from, type, this.#to, { itself, parent, inside: within });
    // Only GNU tar leaves holes and reads about them.
    const sparse = source.hasGnuTar && destination.hasGnuTar;
    await this.#prepared(target, async (work) => {
      const isFolder = type === 'folder';
      const send = (onlyFolders: boolean) => scripts.send(from, isFolder, { sparse, onlyFolders });
      await this.#transfer(send(false), work, { again: false });
      if (isFolder && !destination.hasGnuTar) await this.#transfer(send(true), work, { again: true });
      await this.#finish(work, target, isFolder);
    });
  }

  async #look(side: Side, script: string, count: number): Promise<Look> {
    const end = await run(await side.argvOf(script), this.#control.signal);
    this.#check(end, side, 'look at');
    const [tar, ...types] = end.stdout.trimEnd().split('\n');
    const known = z.array(z.enum(scripts.TYPES)).length(count).safeParse(types);
    if (!known.success) throw new BootyardError('node.cp', 'The node gave an answer that makes no sense.');
    if (!side.isNode && tar !== 'gnu') {
      throw new BootyardError('node.cp', 'Copying needs GNU tar on this host: install it as `tar`.');
    }
    return { hasGnuTar: tar === 'gnu', types: known.data };
  }

  /** Whatever happens to `use`, nothing of `work` is left at its end. */
  async #prepared(target: Target, use: (work: string) => Promise<void>): Promise<void> {
    const { workshop } = target;
    const unique = randomBytes(6).toString('hex');
    const work = `${workshop === '/' ? '' : workshop}/.bootyard-cp-${unique}`;
    // Asked for now: after ctrl-C the lab is not asked any more.
    const discard = await this.#receiver.argvOf(scripts.discard(work));
    try {
      await use(work);
    } catch (error) {
      // It may fail for the same reason, which is the one to tell.
      await run(discard).catch(() => {});
      throw error;
    }
  }

  async #transfer(script: string, work: string, { again }: { again: boolean }): Promise<void> {
    const { signal, warn } = this.#control;
    const trusted = this.#receiver.isNode;
    const sender = await this.#sender.argvOf(script);
    const receiver = await this.#receiver.argvOf(scripts.receive(work, { trusted, again }));
    const ends = await pipe(sender, receiver, { signal, onBytes: this.#showBytes() });
    const check = {
      sender: () => this.#check(ends.sender, this.#sender, 'read'),
      receiver: () => this.#check(ends.receiver, this.#receiver, 'write'),
    };
    check[ends.first ?? 'sender']();
    check.sender();
    check.receiver();
    for (const warning of warningsOf(ends.sender, ends.receiver)) warn(warning);
  }

  #showBytes(): (count: number) => void {
    const begin = Date.now();
    let bytes = 0;
    let shown = begin;
    return (count) => {
      bytes += count;
      const now = Date.now();
      if (now - shown < PROGRESS_MS) return;
      shown = now;
      this.#control.onBytes(bytes, (bytes * 1000) / (now - begin));
    };
  }

  async #finish(work: string, target: Target, isFolder: boolean): Promise<void> {
    const { signal, warn } = this.#control;
    const side = this.#receiver;
    if (!side.isNode) {
      const removed = await run(await side.argvOf(scripts.removeDevices(work)), signal);
      this.#check(removed, side, 'write');
      const count = removed.stdout.length;
      const whose = this.#source ? 'image' : 'node';
      if (count > 0) warn(`Device files of the ${whose} are not made on this host: ${count} left out.`);
    }
    const { name } = this.#from;
    const script = scripts.finish(work, target.path, { name: isFolder ? undefined : name });
    const finish = await side.argvOf(script);
    // Ctrl-C comes too late now: it would leave half of a merge.
    const end = await run(finish);
    if (end.code === scripts.UNEXPECTED) {
      throw new BootyardError('node.cp', `The node sent something else than ${this.#from.text}.`);
    }
    if (end.code === scripts.IN_THE_WAY) throw inTheWay(end, this.#from);
    this.#check(end, side, 'write');
  }

  #check(end: Ended, side: Side, doing: 'look at' | 'read' | 'write'): void {
    const problem = problemOf(end, side.isNode);
    if (problem === undefined) return;
    if (problem === UNREACHABLE) throw new BootyardError('node.unreachable', UNREACHABLE);
    const location = side === this.#sender ? this.#from : this.#to;
    throw new BootyardError('node.cp', `Could not ${doing} ${location.text}: ${problem}`);
  }
}

function inTheWay(end: Ended, from: Location): BootyardError {
  const [what, ...path] = end.stdout.split('\n');
  const why = what === 'file' || what === 'folder' ? what : 'special';
  return refusal(why, path.join('\n'), from.text);
}
