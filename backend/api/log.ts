import * as z from 'zod';
import { method } from './method.ts';

/** Names of nodes, `my-nodes`, `all-nodes`, `server`, in comma lists. */
const Issuers = z.array(z.string()).min(1).default(['my-nodes']);
/** `none`, `full` or `[start]:[end]`: checkpoints or times before now, such as -5m; or times in ms since the epoch */
const History = z
  .union([z.string(), z.object({ from: z.number().optional(), to: z.number().optional() })])
  .default('none');
/** A line's place in the order of time; us since the epoch */
const Place = z.object({ time: z.number(), id: z.number() });

/** A point in time with a name; ms since the epoch. */
export const Checkpoint = z.object({ name: z.string(), time: z.number() });
export type Checkpoint = z.infer<typeof Checkpoint>;

export const Retention = z.object({
  /** what lines may take of the disk, and how old they may be */
  size: z.string(),
  age: z.string(),
  /** what is there; bytes: roughly */
  lines: z.number(),
  bytes: z.number(),
});
export type Retention = z.infer<typeof Retention>;

export const logMethods = {
  /**
   * Opens a byte stream of lines (`log-lines.ts`): history by time, then with `realtime` what comes, until it is closed.
   * Regular expressions are POSIX extended ones. Fails with `log.regexp`, `range`, `node.unknown`.
   */
  'log.read': method(
    z.object({
      issuers: Issuers,
      streams: z.string().optional(),
      regexp: z.string().optional(),
      history: History,
      /** so many lines of history at most, after one in the order of reading; backward: the latest first */
      page: z
        .object({
          isBackward: z.boolean(),
          after: Place.optional(),
          limit: z.number().int().min(1).max(10_000),
        })
        .optional(),
      realtime: z.boolean().default(false),
      /** also the bytes that lines of serial lines were made of */
      raw: z.boolean().default(false),
    }),
    z.object({ stream: z.number() }),
  ),
  /** How many lines of history there are, whatever they say. */
  'log.count': method(
    z.object({ issuers: Issuers, streams: z.string().optional(), history: History }),
    z.object({ lines: z.number() }),
  ),
  /** Names of streams that have lines, once each. */
  'log.streams': method(z.object({}), z.array(z.string())),
  /** By time. */
  'log.checkpoints': method(z.object({}), z.array(Checkpoint)),
  /** `date`: a time before now, such as -5m, or ms since the epoch; absent: now. */
  'log.addCheckpoint': method(
    z.object({ name: z.string(), date: z.union([z.string(), z.number()]).optional() }),
    Checkpoint,
  ),
  'log.removeCheckpoint': method(z.object({ name: z.string() }), z.object({})),
  /** Sets limits, if given any, and removes the lines that are beyond them. */
  'log.retention': method(z.object({ size: z.string().optional(), age: z.string().optional() }), Retention),
};
