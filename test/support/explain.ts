import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { ExplainedBoot } from '../../backend/api/boots.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { Explanation } from '../../backend/events/explanation.ts';
import { defaultImageTar, type DefaultImage } from './default-image.ts';
import { TestLab, until } from './lab.ts';
import { importVariant, type Change } from './variant.ts';

export const BOOT = 'boot/pc-x86-64';
/** A way to break a boot, the cause that is to be found, and words of the sentence. */
export interface Broken {
  cause: string;
  change?: Change;
  /** made when the test begins, as it needs files of the image */
  make?: (files: ImageFiles) => Promise<Change> | Change;
  settings?: string[];
  /** what is broken of the lab before the node is made, and what mends it for the next */
  before?: () => Promise<unknown>;
  after?: () => Promise<unknown>;
  /** what goes wrong while it boots, or after that */
  meanwhile?: (node: string) => Promise<unknown>;
  /** the boot that is explained: 1 when not given */
  boot?: number;
  words: string[];
}

/** Files of the tiny image, changed. */
export class ImageFiles {
  readonly folder = mkdtempSync(join(tmpdir(), 'by-explain-'));

  async read(name: string, image: DefaultImage = 'pc-x86-64-tiny'): Promise<Buffer> {
    const { tar } = await defaultImageTar(image);
    return execFileSync('tar', ['--wildcards', '-xOf', tar, `./${name}`], { maxBuffer: 128 << 20 });
  }
  /** A change that puts these bytes at that name. */
  put(name: string, bytes: Uint8Array): Change {
    const file = join(this.folder, name.replaceAll('/', '_'));
    writeFileSync(file, bytes);
    return { copy: { [name]: file } };
  }
  /** One with a text in the place of another, in a script of the image. */
  async edited(name: string, from: string, to: string): Promise<Change> {
    const text = (await this.read(name)).toString('latin1');
    if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
    return { add: { [name]: text.replaceAll(from, to) } };
  }
  /** One with other names of the same length in a file, which is not compressed. */
  async renamed(name: string, ...names: [from: string, to: string][]): Promise<Change> {
    let text = (await this.read(name)).toString('latin1');
    for (const [from, to] of names) {
      if (!text.includes(from) || to.length !== from.length) throw new Error(`${name}: ${from} to ${to}`);
      text = text.replaceAll(from, to);
    }
    return this.put(name, Buffer.from(text, 'latin1'));
  }
  /** One in which the image's init runs these commands first. */
  atInit(...commands: string[]): Promise<Change> {
    const first = 'mkdir -p /dev/pts';
    return this.edited('etc/init.d/rcS', first, [...commands, first].join('\n'));
  }
  /** Names of the files that match: one at least. */
  async names(pattern: RegExp): Promise<string[]> {
    const { tar } = await defaultImageTar('pc-x86-64-tiny');
    const names = execFileSync('tar', ['-tf', tar], { encoding: 'utf8', maxBuffer: 64 << 20 }).split('\n');
    const found = names.filter((name) => pattern.test(name));
    if (found.length === 0) throw new Error(`nothing in the image is like ${String(pattern)}`);
    return found.map((name) => name.replace(/^\.\//, ''));
  }
  /** One without the files that match. */
  async without(pattern: RegExp): Promise<Change> {
    return { remove: await this.names(pattern) };
  }
  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** A lab in which boots are broken, one way after the other. */
export function brokenLab(lab = new TestLab()) {
  const files = new ImageFiles();
  let count = 0;
  let isCut = false;
  beforeAll(() => lab.importDefault('pc-x86-64-tiny'));
  afterAll(async () => {
    await lab.remove();
    files.close();
  });

  /** What `node explain` says of a boot that has ended, or of one whose node is booted. */
  async function explained(node: string, boot = 1): Promise<ExplainedBoot> {
    const words = ['node', 'explain', node, String(boot), '--json'];
    return JSON.parse(await lab.bootyard(...words)) as ExplainedBoot;
  }
  /** What goes wrong after a boot is explained some time after its end. */
  async function over(node: string, { boot, meanwhile }: Broken): Promise<ExplainedBoot> {
    const isOver = ({ outcome, explanation }: ExplainedBoot) =>
      explanation !== null || (outcome !== 'going on' && !meanwhile);
    return until(`${node}: the end of its boot`, () => explained(node, boot), isOver, 240_000);
  }
  /** The node as soon as it is like that. */
  function awaited(node: string, isRight: (node: NodeInfo) => boolean): Promise<NodeInfo> {
    return until(node, () => lab.node(node), isRight, 240_000);
  }
  const booted = (node: string): Promise<NodeInfo> => awaited(node, ({ state }) => state === 'booted');

  /** Nothing of the node reaches that TCP port of the lab any more; `how`: without a word, if not told otherwise. */
  async function cut(node: string, port: number, how = 'drop'): Promise<void> {
    const { ip } = await lab.node(node);
    const rule = `ip saddr ${ip} tcp dport ${port} ${how}`;
    await lab.inside('nft', `table ip cut { chain in { type filter hook input priority 0; ${rule}; }; }`);
    isCut = true;
  }

  /** As `explanationOf`; what comes of an overloaded host alone is tried again. */
  async function steady(broken: Broken): Promise<Explanation> {
    for (let tries = 1; ; tries++) {
      const explanation = await explanationOf(broken);
      if (explanation.cause !== 'panic.timer' || tries === 3) return explanation;
    }
  }

  /** Boots it, and gives the explanation. */
  async function explanationOf(broken: Broken): Promise<Explanation> {
    const { cause, change, make, settings = [], before, meanwhile, after } = broken;
    const name = `${cause.replaceAll('.', '-')}-${++count}`;
    const made = change ?? (make && (await make(files)));
    if (made) await importVariant(lab, name, made);
    const flags = ['boot.retries=0', 'boot.timeout=40', ...settings].flatMap((text) => ['--set', text]);
    try {
      await before?.();
      await lab.run('node', 'create', name, '--image', made ? name : 'pc-x86-64-tiny', ...flags);
      await meanwhile?.(name);
      return await told(name, broken);
    } finally {
      await after?.();
    }
  }

  /** The explanation of a boot that has come about, which its reason says as well, or the node's; the node goes. */
  async function told(name: string, broken: Broken): Promise<Explanation> {
    const { explanation, outcome, reason: ownReason } = await over(name, broken);
    if (!explanation) throw new Error(`${name}: no explanation; ${JSON.stringify(await lab.node(name))}`);
    // A node that reboots by itself may be told of its next boot by now.
    if (outcome !== 'booted' && !ownReason?.includes(explanation.why)) {
      const saysWhy = ({ reason }: { reason: string | null }) => reason?.includes(explanation.why) ?? false;
      await until('the reason', () => lab.node(name), saysWhy, 20_000);
    }
    await lab.bootyard('node', 'remove', '--force', name);
    // The next node may get the same address.
    if (isCut) await lab.inside('nft', 'delete', 'table', 'ip', 'cut');
    isCut = false;
    return explanation;
  }

  /** The sentence alone says where, why and what to do, and there is something that it rests on. */
  async function expectCause(broken: Broken): Promise<void> {
    expectTold(await steady(broken), broken);
  }
  function expectTold({ cause, sentence, fix, evidence }: Explanation, broken: Broken): void {
    expect([cause, sentence]).toEqual([broken.cause, expect.stringMatching(/^[^\n]+\.$/)]);
    for (const word of broken.words) expect(sentence).toContain(word);
    expect(sentence).toContain(fix);
    expect([fix, evidence]).not.toEqual(['', []]);
  }
  return { lab, files, expectCause, expectTold, explanationOf, explained, told, awaited, booted, cut };
}
