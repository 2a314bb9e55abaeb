import * as z from 'zod';

/** A network card whose links are shaped. */
export const ShapedCard = z.object({
  /** what the names of its sockets begin with */
  path: z.string(),
  /** of each direction */
  limits: z.object({
    delayMs: z.number().optional(),
    bandwidth: z.number().optional(),
    loss: z.number().optional(),
  }),
});
export type ShapedCard = z.infer<typeof ShapedCard>;

/** One direction of a card: frames come out of QEMU at one socket, and go back into it at the other. */
export interface Direction {
  source: string;
  target: string;
}

/** Where the shaper listens for QEMU. Names are short, because a Unix socket's path is (unix(7)). */
export function shaperSockets(path: string): { fromGuest: Direction; toGuest: Direction } {
  return {
    fromGuest: { source: `${path}a`, target: `${path}b` },
    toGuest: { source: `${path}c`, target: `${path}d` },
  };
}
