import { servedCommands } from '../boot/ipxe-commands.ts';
import type { Finding, Hit } from '../boot/lint/finding.ts';
import { LintImage, type LintSource } from '../boot/lint/image.ts';
import { rules as allRules } from '../boot/lint/linter.ts';
import { hitsOf } from '../boot/lint/repairs.ts';
import { BootyardError } from '../errors.ts';
import { checkLayerCount, withLabels, withLayer } from '../images/derived.ts';
import { type FileRepair, type Repair, repairText } from '../images/files/repair.ts';
import { repairLayer } from '../images/files/repair-layer.ts';
import { stackedTree, treeLayer } from '../images/files/tree-layer.ts';
import type { ImportControl, StagedLayer, Staging } from '../images/staging.ts';
import type { Derived, ImageStore, OpenImage } from '../images/store.ts';
import type { Changed, ImageOperations } from './image-operations.ts';
import { ramBytes } from './settings.ts';

export interface FixRequest {
  image: string;
  /** ids of rules; none: all */
  rules: readonly string[];
  /** values for labels of which findings say that they are missing or wrong */
  labels: Readonly<Record<string, string>>;
  /** reboots the nodes that run on the image */
  force: boolean;
}
type Found = Hit & { rule: string };
export interface Fixed extends Changed {
  /** `done`: what was done, in a sentence */
  repaired: { rule: string; path: string; done: string }[];
  /** what the rules still find, the first of it */
  left: Omit<Finding, 'severity'>[];
}
type Outcome = Pick<Fixed, 'repaired' | 'left'> & { derived: Derived | undefined };

/** What is repaired may let rules see more. */
const MAX_ROUNDS = 5;
const MAX_LEFT = 1000;

/** Repairs what the linter finds in images, where only one change can be meant, with one layer more. */
export class ImageFixer {
  readonly #images: ImageStore;
  readonly #operations: ImageOperations;

  constructor(images: ImageStore, operations: ImageOperations) {
    this.#images = images;
    this.#operations = operations;
  }

  /** Throws `image.noRule`, `image.fix` for labels that are in order, and as `ImageOperations.change`. */
  async fix(request: FixRequest, control: Required<ImportControl>): Promise<Fixed> {
    const rules = chosenRules(request.rules);
    let outcome: Omit<Outcome, 'derived'> = { repaired: [], left: [] };
    const task = { task: 'repair', force: request.force };
    const changed = await this.#operations.change(request.image, task, control, async (image, staging) => {
      control.progress({ message: `Repairing ${image.record.name}` });
      const { derived, ...rest } = await this.#repair(image, staging, rules, request);
      outcome = rest;
      return derived;
    });
    return { ...changed, ...outcome };
  }

  /** The rules look, what they find is changed, and they look again. */
  async #repair(image: OpenImage, staging: Staging, rules: Rules, request: FixRequest): Promise<Outcome> {
    const indexes = await this.#images.layerIndexes(image.record);
    const added: StagedLayer[] = [];
    const labels: Record<string, string> = {};
    const repaired: Fixed['repaired'] = [];
    const tried = new Set<string>();
    const isNew = (key: string): boolean => !tried.has(key) && Boolean(tried.add(key));
    for (let round = 0; ; round++) {
      const tree = added.length === 0 ? image.tree : await stackedTree(image, indexes, indexes.length, added);
      try {
        const layers = [...indexes, ...added.map(({ index }) => index)];
        const all = { ...image.record.labels, ...labels };
        const seen = lintImageOf({ ...image.record, labels: all, tree, layers }, staging.control.signal);
        const hits = await hitsOf(seen, rules);
        const due = round < MAX_ROUNDS ? dueRepairs(hits, request.labels, isNew) : [];
        if (due.length === 0) {
          checkGiven(request.labels, labels);
          const layer = added.length > 1 ? await treeLayer(image.tree, tree, staging) : added[0];
          const left = hits.slice(0, MAX_LEFT);
          return { derived: this.#derived(image, { layer, labels }, request), repaired, left };
        }
        const files: FileRepair[] = [];
        for (const { rule, path, repair } of due) {
          if (repair.do === 'label') labels[repair.name] = request.labels[repair.name] ?? '';
          else files.push(repair);
          const done = repair.do === 'label' ? labelText(repair.name, labels) : repairText(repair);
          repaired.push({ rule, path, done });
        }
        if (files.length > 0) added.push(await repairLayer(tree, files, staging));
      } finally {
        if (tree !== image.tree) tree.close();
      }
    }
  }

  #derived(
    { record, config }: OpenImage,
    { layer, labels }: { layer: StagedLayer | undefined; labels: Record<string, string> },
    { rules }: FixRequest,
  ): Derived | undefined {
    const createdBy = ['bootyard image fix', record.name, ...(rules.length === 0 ? ['--all'] : rules)].join(
      ' ',
    );
    const labelled = withLabels(config, labels, [], createdBy);
    if (!layer) return labelled && { config: labelled };
    checkLayerCount(record);
    // One step of the history tells of both.
    const base = labelled ? { ...config, config: labelled.config } : config;
    return { config: withLayer(base, layer, createdBy), added: [layer] };
  }
}

type Rules = typeof allRules;

/** For a node that nothing is set for. */
function lintImageOf(source: LintSource, signal: AbortSignal | undefined): LintImage {
  const settings = { ipxeCommands: servedCommands(), ramBytes: ramBytes() };
  return new LintImage(source, { ...settings, ...(signal ? { signal } : {}) });
}

function chosenRules(ids: readonly string[]): Rules {
  const unknown = ids.find((id) => !allRules.some((rule) => rule.id === id));
  if (unknown !== undefined) {
    const sentence = `There is no rule '${unknown}': \`bootyard image lint IMAGE\` names those that find something.`;
    throw new BootyardError('image.noRule', sentence, { rule: unknown });
  }
  return ids.length === 0 ? allRules : allRules.filter(({ id }) => ids.includes(id));
}

/** Those that can be done and were not yet; several rules may ask for the same. */
function dueRepairs(
  hits: readonly Found[],
  labels: FixRequest['labels'],
  isNew: (key: string) => boolean,
): (Found & { repair: Repair })[] {
  const due: (Found & { repair: Repair })[] = [];
  for (const hit of hits) {
    const { repair } = hit;
    if (!repair || (repair.do === 'label' && labels[repair.name] === undefined)) continue;
    if (isNew(JSON.stringify(repair))) due.push({ ...hit, repair });
  }
  return due;
}

function labelText(name: string, labels: Record<string, string>): string {
  return `The label ${name} is '${labels[name]}' now.`;
}

function checkGiven(given: FixRequest['labels'], used: Readonly<Record<string, string>>): void {
  const unused = Object.keys(given).find((name) => used[name] === undefined);
  if (unused === undefined) return;
  throw new BootyardError(
    'image.fix',
    `Nothing is wrong with the label ${unused}, so nothing was repaired: \`bootyard image label\` sets labels.`,
    { label: unused },
  );
}
