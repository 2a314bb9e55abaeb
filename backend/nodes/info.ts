import * as z from 'zod';
import { NodeSettings } from './settings.ts';

export const NodeState = z.enum(['off', 'booting', 'booted', 'unreachable', 'failed']);
export type NodeState = z.infer<typeof NodeState>;

export const NodeInfo = z.object({
  name: z.string(),
  mac: z.string(),
  ip: z.string(),
  model: z.string(),
  image: z.string(),
  state: NodeState,
  /** why `failed`, `unreachable` or `off`, one sentence; null when there is nothing to say */
  reason: z.string().nullable(),
  /** while booting: the stage that goes on (firmware, dhcp, boot files, kernel, root, walt-init, init) */
  stage: z.string().nullable(),
  /** ISO time of the last power-on and of *booted* */
  bootStartedAt: z.string().nullable(),
  bootedAt: z.string().nullable(),
  /** all settings, defaults filled in */
  settings: NodeSettings,
  /** names of settings, and `image`, that the running machine does not have: it takes them over at its next boot */
  outdated: z.array(z.string()).optional(),
  /** a copy of another node in the making, which goes again if that comes to nothing */
  copying: z.boolean().optional(),
});
export type NodeInfo = z.infer<typeof NodeInfo>;
