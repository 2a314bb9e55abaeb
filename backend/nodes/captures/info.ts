import * as z from 'zod';

/** What was captured of one network card of a node in one boot. */
export const CaptureInfo = z.object({
  network: z.string(),
  /** ISO time; a boot's first packet comes after it when the capture was asked for before that boot */
  startedAt: z.string(),
  /** number of the boot that it is of, or null when that is not on record any more */
  boot: z.number().nullable(),
  /** `full`: it has reached its limit, and later packets are missing */
  state: z.enum(['going on', 'ended', 'full']),
  bytes: z.number(),
  maxBytes: z.number(),
  /** packets that the kernel could not keep for it; known when it has ended */
  lost: z.number(),
});
export type CaptureInfo = z.infer<typeof CaptureInfo>;

/** Protocols that a trace shows one of. */
export const TRACES = ['dhcp', 'tftp', 'http', 'nfs'] as const;
export type Trace = (typeof TRACES)[number];

export const DEFAULT_CAPTURE_BYTES = 100_000_000;
export const LEAST_CAPTURE_BYTES = 100_000;
export const MOST_CAPTURE_BYTES = 100_000_000_000;
