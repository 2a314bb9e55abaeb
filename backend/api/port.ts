import * as z from 'zod';
import { PortInfo } from '../nodes/port-board.ts';
import { method } from './method.ts';

export { PortInfo } from '../nodes/port-board.ts';

export const portMethods = {
  /** Ports of the host that lead to nodes: those of settings, and those that commands and editors have opened. */
  'port.list': method(z.object({}), z.array(PortInfo)),
  /** Says that the caller has opened a port (`openHostPort`), or why not. It is listed until the stream is closed. */
  'port.hold': method(PortInfo.omit({ state: true }), z.object({ stream: z.number() })),
  /** Says that the caller opens the ports of settings, until the stream is closed. Fails with `port.served`. */
  'port.serve': method(z.object({}), z.object({ stream: z.number() })),
};
