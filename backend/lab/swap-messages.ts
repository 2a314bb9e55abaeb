import * as z from 'zod';

// What the daemon and the swap server (backend/swap-server.ts) say to each other over a Unix socket: one JSON text a line.

/** Daemon to server: every node that runs. Swap space of all others, and of their earlier boots, is thrown away. */
export const SwapClients = z.object({
  /** the boot (BootPlan.id) by the node's IPv4 address */
  clients: z.record(z.string(), z.string()),
});
export type SwapClients = z.infer<typeof SwapClients>;

/** Server to daemon: an event for the bus (events/bus.ts: NbdEvent). */
export const SwapEvent = z.object({
  kind: z.literal('nbd'),
  client: z.string(),
  phase: z.enum(['start', 'end', 'refused']),
  path: z.string(),
  bytes: z.number(),
  bytesWritten: z.number(),
  storedBytes: z.number(),
  durationMs: z.number().optional(),
  cause: z.string().optional(),
});
export type SwapEvent = z.infer<typeof SwapEvent>;
