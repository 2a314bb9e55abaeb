import { BootyardError } from '../errors.ts';
import { type Config, labelsOf } from './oci.ts';
import type { ImageRecord } from './records.ts';

/** As many as WalT allows; container engines take up to 127 of their own making. */
const MAX_LAYERS = 128;

/** Throws WalT's sentence for an image that takes no layer more. */
export function checkLayerCount({ name, layers }: ImageRecord): void {
  if (layers.length < MAX_LAYERS) return;
  throw new BootyardError(
    'image.tooManyLayers',
    `Cannot open image ${name} because it has already reached its max number of layers. (tip: bootyard image squash ${name})`,
    { image: name },
  );
}

/** With a step for each layer: others that are added must not be taken for the steps of those that nobody speaks of. */
export function fullHistory({ history, rootfs }: Config): Record<string, unknown>[] {
  const steps = history ?? [];
  const told = steps.filter((step) => step['empty_layer'] !== true).length;
  const untold = Math.max(0, rootfs.diff_ids.length - told);
  return [...steps, ...Array.from({ length: untold }, () => ({ created_by: '' }))];
}

/** A configuration with one layer more (64 hex digits of its digest). */
export function withLayer(config: Config, { digest }: { digest: string }, createdBy: string): Config {
  const created = new Date().toISOString();
  return {
    ...config,
    created,
    rootfs: { ...config.rootfs, diff_ids: [...config.rootfs.diff_ids, `sha256:${digest}`] },
    history: [...fullHistory(config), { created, created_by: createdBy }],
  };
}

/** A configuration without its last layer, and the step that made it. */
export function withoutTop(config: Config): Config {
  const history = fullHistory(config);
  const top = history.findLastIndex((step) => step['empty_layer'] !== true);
  return {
    ...config,
    history: history.filter((_, at) => at !== top),
    rootfs: { ...config.rootfs, diff_ids: config.rootfs.diff_ids.slice(0, -1) },
  };
}

/** A configuration with one layer in the place of all: the steps that made those are still told. */
export function withOneLayer(config: Config, { digest }: { digest: string }, createdBy: string): Config {
  const steps = (config.history ?? []).map((step) => ({ ...step, empty_layer: true }));
  const empty = { ...config, history: steps, rootfs: { ...config.rootfs, diff_ids: [] } };
  return withLayer(empty, { digest }, createdBy);
}

/** A configuration with other labels; undefined when it has these and none of those to be removed. */
export function withLabels(
  config: Config,
  added: Readonly<Record<string, string>>,
  removed: readonly string[],
  createdBy: string,
): Config | undefined {
  const known = labelsOf(config);
  const labels: Record<string, string> = { ...known, ...added };
  for (const key of removed) delete labels[key];
  const keys = new Set([...Object.keys(known), ...Object.keys(labels)]);
  if ([...keys].every((key) => known[key] === labels[key])) return undefined;
  const created = new Date().toISOString();
  return {
    ...config,
    created,
    config: { ...config.config, Labels: labels },
    history: [...fullHistory(config), { created, created_by: createdBy, empty_layer: true }],
  };
}
