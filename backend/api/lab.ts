import * as z from 'zod';
import { method } from './method.ts';

export const LabStatus = z.object({
  state: z.enum(['stopped', 'starting', 'running', 'stopping']),
  /** absent when stopped; `pid` as the host sees it */
  daemon: z
    .object({ pid: z.number(), version: z.string(), rssBytes: z.number(), startedAt: z.string() })
    .optional(),
  acceleration: z.enum(['kvm', 'tcg', 'unknown']),
  /** why that acceleration, one sentence */
  accelerationReason: z.string().optional(),
  network: z.object({ name: z.string(), address: z.string() }),
  nodes: z.object({ booted: z.number(), total: z.number() }),
  /** absent when stopped */
  registry: z
    .object({
      /** in the lab */
      address: z.string(),
      /** on this host, when the user has asked for it; `reason`: why it is not open (yet) */
      host: z.object({ address: z.string(), reason: z.string().nullable() }).nullable(),
    })
    .optional(),
  /** what its user should know, a sentence each; absent when there is nothing */
  notices: z.array(z.string()).optional(),
});
export type LabStatus = z.infer<typeof LabStatus>;

/** Both ends name the protocol they speak; the server refuses another `protocol` with one sentence. */
export const PROTOCOL = 1;
export const labMethods = {
  'lab.handshake': method(
    z.object({ protocol: z.number(), version: z.string() }),
    z.object({ protocol: z.number(), version: z.string() }),
  ),
  'lab.status': method(z.object({}), LabStatus),
  /**
   * Gives the lab's registry a port of the host (127.0.0.1): 0 for the one it had, or a free one; null for none. The
   * answer comes before it is open.
   */
  'lab.exposeRegistry': method(z.object({ port: z.number().int().min(0).max(65_535).nullable() }), LabStatus),
  /** Ends every node, closes the servers, then answers; the caller ends the keeper. */
  'lab.shutdown': method(z.object({}), z.object({})),
};
