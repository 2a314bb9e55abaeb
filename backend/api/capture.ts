import * as z from 'zod';
import {
  CaptureInfo,
  DEFAULT_CAPTURE_BYTES,
  LEAST_CAPTURE_BYTES,
  MOST_CAPTURE_BYTES,
  TRACES,
} from '../nodes/captures/info.ts';
import { method } from './method.ts';

export {
  CaptureInfo,
  DEFAULT_CAPTURE_BYTES,
  LEAST_CAPTURE_BYTES,
  MOST_CAPTURE_BYTES,
  TRACES,
  type Trace,
} from '../nodes/captures/info.ts';

/** By default the last boot's, and of several networks the node's first. */
const Which = z.object({ node: z.string(), network: z.string().optional(), boot: z.number().optional() });

export const captureMethods = {
  /**
   * Captures the packets of a node's networks, or of one, from now on and in each boot to come from its power-on, until it is
   * stopped. Answers what is captured now: nothing while the node is off.
   */
  'node.captureStart': method(
    z.object({
      node: z.string(),
      network: z.string().optional(),
      /** of each network and boot */
      maxBytes: z
        .number()
        .int()
        .min(LEAST_CAPTURE_BYTES)
        .max(MOST_CAPTURE_BYTES)
        .default(DEFAULT_CAPTURE_BYTES),
    }),
    z.array(CaptureInfo),
  ),
  /** Answers what it has ended. */
  'node.captureStop': method(
    z.object({ node: z.string(), network: z.string().optional() }),
    z.array(CaptureInfo),
  ),
  /** The newest first; those of the last 5 boots are kept of each network. */
  'node.captures': method(z.object({ node: z.string() }), z.array(CaptureInfo)),
  /** Writes a capture, or what it has so far, as pcapng with the stages of its boot as comments. */
  'node.captureFile': method(Which, z.object({ path: z.string(), packets: z.number() })),
  /** Opens a byte stream of text, a line for each packet, or for those of one protocol; `follow`: until the capture ends. */
  'node.packets': method(
    Which.extend({ trace: z.enum(TRACES).optional(), follow: z.boolean().default(false) }),
    z.object({ stream: z.number() }),
  ),
};
