import type { BootReads } from '../boot/boot-reads.ts';
import type { Result } from './contract.ts';
import type { readMethods } from './reads.ts';
import type { ServedHandlers } from './server-connection.ts';

export type ReadHandlers = Pick<ServedHandlers, keyof typeof readMethods>;

interface ReadParts {
  reads: Pick<BootReads, 'ofBoot' | 'usage'>;
  nodes: {
    boots: { record(node: string, boot: number | undefined): { id: string; number: number; image: string } };
  };
}

export function readHandlers({ reads, nodes }: ReadParts): ReadHandlers {
  return {
    'node.reads': ({ node, boot }): Result<'node.reads'> => {
      const { id, number, image } = nodes.boots.record(node, boot);
      const { bootedMs = null, isCopied = false, reads: files = [] } = reads.ofBoot(id) ?? {};
      return { node, number, image, bootedMs, isCopied, reads: files };
    },
    'image.usage': ({ image }) => reads.usage(image),
  };
}
