import { BootyardError } from '../errors.ts';

/** A node as far as its removal is concerned. */
export interface Removable {
  readonly record: { readonly name: string; readonly mac: string };
  readonly isRunning: boolean;
  readonly snapshots: { list(): { name: string }[] };
  readonly disks: { list(): Promise<{ name: string; holdsData: boolean }[]> };
}
export type PersistUsage = (mac: string) => Promise<{ objects: number; bytes: number }>;

/** Throws `node.running` or `node.loses` when nodes run, or have data that would go with them. */
export async function checkRemoval(nodes: readonly Removable[], persist: PersistUsage): Promise<void> {
  const losses = await removalLosses(nodes, persist);
  const running = nodes.filter(({ isRunning }) => isRunning).map(({ record }) => record.name);
  if (running.length > 0) throw stillRunning(running, losses);
  if (losses.length > 0) throw new BootyardError('node.loses', losses.join('\n'));
}

export function stillRunning(names: string[], losses: readonly string[] = []): BootyardError {
  const one = names.length === 1;
  const sentence = `${names.join(', ')} ${one ? 'is' : 'are'} running: stop ${one ? 'it' : 'them'} first, or remove with --force.`;
  return new BootyardError('node.running', [sentence, ...losses].join('\n'), { nodes: names });
}

/** What is deleted when nodes are removed, a sentence for each node that has anything. */
export async function removalLosses(nodes: readonly Removable[], persist: PersistUsage): Promise<string[]> {
  const sentences = await Promise.all(nodes.map((node) => removalLoss(node, persist)));
  return sentences.filter((sentence) => sentence !== undefined);
}

async function removalLoss(
  { record: { name, mac }, snapshots, disks }: Removable,
  persist: PersistUsage,
): Promise<string | undefined> {
  const { objects, bytes } = await persist(mac);
  const kept = snapshots.list().map((snapshot) => snapshot.name);
  const full = (await disks.list()).filter(({ holdsData }) => holdsData).map((disk) => disk.name);
  const what = objects === 1 ? 'file or folder' : 'files and folders';
  const lost = [
    ...(objects > 0 ? [`${objects} ${what} in its /persist (${size(bytes)})`] : []),
    ...(kept.length > 0 ? [`its snapshot${kept.length === 1 ? '' : 's'} ${listed(kept)}`] : []),
    ...(full.length > 0 ? [`the data on ${listed(full)}`] : []),
  ];
  return lost.length > 0 ? `Removing ${name} deletes ${listed(lost)}.` : undefined;
}

function listed(parts: readonly string[]): string {
  return [parts.slice(0, -1).join(', '), parts.at(-1)].filter(Boolean).join(' and ');
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
