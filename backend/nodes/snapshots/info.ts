import * as z from 'zod';
import type { SnapshotRecord } from '../../state/snapshot-records.ts';
import { StartedMachine } from '../registry.ts';

/** A name of a user's choice; `node create --from` splits at the @. */
export const SNAPSHOT_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export const SnapshotInfo = z.object({
  name: z.string(),
  /** ISO time */
  createdAt: z.string(),
  /** the image's name at that time */
  image: z.string(),
  /** what the snapshot takes of the host's disk */
  bytes: z.number(),
  ram: z.string(),
  disks: z.string(),
});
export type SnapshotInfo = z.infer<typeof SnapshotInfo>;

/** What a snapshot's files say of its machine; null when a later version of Bootyard wrote it. */
export function machineOf(snapshot: SnapshotRecord): StartedMachine | null {
  return StartedMachine.safeParse(JSON.parse(snapshot.machine)).data ?? null;
}

export function snapshotInfo(snapshot: SnapshotRecord): SnapshotInfo {
  const settings = machineOf(snapshot)?.settings;
  return {
    name: snapshot.name,
    createdAt: new Date(snapshot.createdAt).toISOString(),
    image: snapshot.image,
    bytes: snapshot.bytes,
    ram: settings?.ram ?? 'unknown',
    disks: settings?.disks ?? 'none',
  };
}
