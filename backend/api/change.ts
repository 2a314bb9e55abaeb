import * as z from 'zod';
import { EngineInfo } from './engine.ts';
import { ImageInfo } from './image.ts';
import { LabStatus } from './lab.ts';
import { method } from './method.ts';
import { NodeInfo } from '../nodes/info.ts';
import { PortInfo } from '../nodes/port-board.ts';

/**
 * What views follow. `change.subscribe` answers the whole state and the number of the last change; from then on each
 * change comes as a notification `change`, numbered without gaps, so a reader that sees a gap subscribes again.
 */
export const Change = z.discriminatedUnion('type', [
  z.object({ seq: z.number(), type: z.literal('node'), node: NodeInfo }),
  z.object({ seq: z.number(), type: z.literal('nodeRemoved'), mac: z.string(), name: z.string() }),
  z.object({ seq: z.number(), type: z.literal('images'), images: z.array(ImageInfo) }),
  z.object({ seq: z.number(), type: z.literal('lab'), status: LabStatus }),
  /** all of them (`port.list`) */
  z.object({ seq: z.number(), type: z.literal('ports'), ports: z.array(PortInfo) }),
  /** all of them (`engine.list`) */
  z.object({ seq: z.number(), type: z.literal('engines'), engines: z.array(EngineInfo) }),
  /** one boot stage of one node as it begins: a line for a terminal */
  z.object({
    seq: z.number(),
    type: z.literal('stage'),
    mac: z.string(),
    name: z.string(),
    stage: z.string(),
    detail: z.string(),
    /** ms since power-on */
    atMs: z.number(),
  }),
]);
export type Change = z.infer<typeof Change>;

export const changeMethods = {
  'change.subscribe': method(
    z.object({}),
    z.object({ seq: z.number(), nodes: z.array(NodeInfo), images: z.array(ImageInfo), lab: LabStatus }),
  ),
};
