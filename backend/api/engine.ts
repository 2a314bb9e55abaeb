import * as z from 'zod';
import { method } from './method.ts';

/** An image of a container engine; links to it are `<engine>:<name>`. */
export const EngineImage = z.object({
  id: z.string(),
  names: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  /** ISO time */
  created: z.string(),
  sizeBytes: z.number(),
});
export const EngineInfo = z.object({
  /** `docker`, `podman`; a second one of its kind is `docker-2` */
  name: z.string(),
  kind: z.enum(['docker', 'podman']).nullable(),
  version: z.string().nullable(),
  address: z.string(),
  state: z.enum(['connected', 'absent', 'refused', 'tooOld', 'silent', 'unsupported']),
  /** a sentence, while it is not connected */
  reason: z.string().nullable(),
  images: z.array(EngineImage),
});
export type EngineInfo = z.infer<typeof EngineInfo>;

export const engineMethods = {
  /** The container engines of this user, with their images that are made for nodes; with `all`, all that have a name. */
  'engine.list': method(z.object({ all: z.boolean().optional() }), z.array(EngineInfo)),
};
