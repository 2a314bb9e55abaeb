import { messageOf } from '../../errors.ts';
import type { ImageRecord, ImageStore } from '../../images/store.ts';
import { servedCommands } from '../ipxe-commands.ts';
import type { Finding, Rule } from './finding.ts';
import { LintImage, type LintSettings, type LintSource } from './image.ts';
import { escaped } from './repairs.ts';
import { KnownFindings, type LintCounts } from './known-findings.ts';
import { bootFolderRules } from './rules-boot-folder.ts';
import { busyboxRules } from './rules-busybox.ts';
import { fileRules } from './rules-files.ts';
import { ipxeRules } from './rules-ipxe.ts';
import { kernelRules } from './rules-kernel.ts';
import { labelRules } from './rules-labels.ts';
import { scriptFileRules } from './rules-script-files.ts';
import { secretRules } from './rules-secrets.ts';
import { sizeRules } from './rules-size.ts';
import { systemRules } from './rules-system.ts';

/** All rules, in the order in which a boot would meet what they look at. */
export const rules: readonly Rule[] = [labelRules, bootFolderRules, scriptFileRules, ipxeRules]
  .concat([kernelRules, busyboxRules, systemRules, fileRules, secretRules, sizeRules])
  .flat();

/** Findings of one rule that are listed; the others are counted. */
const LISTED = 20;
/** Of a rule; a hostile image gets no more of the time. */
const COUNTED = 1000;
const ORDER = ['error', 'warning', 'info'] as const;

/**
 * What the rules find in an image, errors first. Reads with bounds; other work gets its turns meanwhile. Throws the reason
 * of `settings.signal`.
 */
export async function lintImage(
  source: LintSource,
  settings: LintSettings,
  progress: (fraction: number) => void = () => undefined,
): Promise<Finding[]> {
  const image = new LintImage(source, settings);
  const findings: Finding[] = [];
  for (const [at, rule] of rules.entries()) {
    progress(at / rules.length);
    await image.turn();
    findings.push(...(await findingsOf(rule, image)));
  }
  return findings.sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

async function findingsOf({ id, severity, check }: Rule, image: LintImage): Promise<Finding[]> {
  const findings: Finding[] = [];
  let more = 0;
  for await (const hit of check(image)) {
    const path = Buffer.from(hit.path, 'latin1').toString('utf8');
    if (findings.length < LISTED) findings.push({ rule: id, severity, ...escaped(hit), path });
    else if (++more >= COUNTED) break;
  }
  const last = findings.at(-1);
  const count = more >= COUNTED ? `more than ${COUNTED}` : String(more);
  if (last && more > 0) {
    const { dockerfile: _, repair: __, ...kind } = last;
    findings.push({ ...kind, message: `There are ${count} more of these.`, path: '/' });
  }
  return findings;
}

export interface LinterParts {
  images: Pick<ImageStore, 'tree' | 'layerIndexes'>;
  /** memory of a node that nothing is set for */
  ramBytes: number;
  log: (line: string) => void;
}
interface Control {
  ramBytes?: number;
  /** only what concerns nodes of this model */
  model?: string;
  signal?: AbortSignal;
  progress?: (progress: { message: string; fraction: number }) => void;
}

/** A boot waits no longer for a first look at its image. */
const BEFORE_BOOT_MS = 3000;
/** An explanation waits longer than a boot does. */
const AFTER_BOOT_MS = 6000;
/** Sentences of a first boot; the others are for who asks. */
const SAID = 5;
/** Images whose first look is remembered. */
const REMEMBERED = 1000;

/** Checks images of the store, each once before it first boots. */
export class ImageLinter {
  readonly #parts: LinterParts;
  readonly #seen = new Set<string>();
  readonly #known = new KnownFindings();
  /** of boots: image, model and memory */
  readonly #ofBoots = new KnownFindings();

  constructor(parts: LinterParts) {
    this.#parts = parts;
  }

  /** What is known of an image without looking at it again. */
  known(id: string): LintCounts | undefined {
    return this.#known.counts(id);
  }

  /** For nodes with `ramBytes` of memory, or with what a node has that nothing is set for. */
  async lint(image: ImageRecord, { ramBytes, model, signal, progress }: Control = {}): Promise<Finding[]> {
    const { images } = this.#parts;
    const isUsual = !model && (ramBytes === undefined || ramBytes === this.#parts.ramBytes);
    const known = isUsual ? this.#known.findings(image.id) : undefined;
    if (known) return [...known];
    const tree = await images.tree(image.id);
    try {
      const layers = await images.layerIndexes(image);
      const { labels, architecture, sizeBytes } = image;
      const source = { labels, architecture, sizeBytes, tree, layers };
      const ipxeCommands = servedCommands();
      const settings = {
        ipxeCommands,
        ramBytes: ramBytes ?? this.#parts.ramBytes,
        ...(model ? { model } : {}),
        ...(signal ? { signal } : {}),
      };
      const findings = await lintImage(source, settings, (fraction) =>
        progress?.({ message: `Checking image ${image.name}`, fraction }),
      );
      // Without iPXE, which may be installed any time, not all was looked at.
      if (isUsual && ipxeCommands) this.#known.put(image.id, findings);
      return findings;
    } finally {
      tree.close();
    }
  }

  /**
   * What to say of an image when a node model boots it for the first time since the daemon started, or with other memory.
   * Never fails, nor lasts long.
   */
  async beforeBoot(image: ImageRecord, model: string, ramBytes = this.#parts.ramBytes): Promise<string[]> {
    const boot = `${image.id} ${model} ${ramBytes}`;
    if (this.#seen.has(boot)) return [];
    if (this.#seen.size >= REMEMBERED) this.#seen.clear();
    this.#seen.add(boot);
    const command = `run 'bootyard image lint ${image.name}'`;
    try {
      const all = await this.lint(image, { ramBytes, model, signal: AbortSignal.timeout(BEFORE_BOOT_MS) });
      this.#ofBoots.put(boot, all);
      const worth = all.filter(({ severity }) => severity !== 'info');
      const said = worth.slice(0, SAID).map(({ message, fix }) => `${message} ${fix}`);
      const more = worth.length - said.length;
      return more > 0 ? [...said, `There are ${more} more findings on the image: ${command}.`] : said;
    } catch (error) {
      this.#parts.log(`image ${image.name} was not checked before its first boot: ${messageOf(error)}`);
      return [`The image was not checked before its first boot: ${command}.`];
    }
  }

  /** What is found in an image of which a boot has failed; nothing when that takes too long. Never fails. */
  async afterBoot(
    image: ImageRecord,
    model: string,
    ramBytes = this.#parts.ramBytes,
  ): Promise<readonly Finding[]> {
    const boot = `${image.id} ${model} ${ramBytes}`;
    const known = this.#ofBoots.findings(boot);
    if (known) return known;
    try {
      const all = await this.lint(image, { ramBytes, model, signal: AbortSignal.timeout(AFTER_BOOT_MS) });
      this.#ofBoots.put(boot, all);
      return all;
    } catch (error) {
      this.#parts.log(`image ${image.name} was not checked after a failed boot: ${messageOf(error)}`);
      return [];
    }
  }
}
