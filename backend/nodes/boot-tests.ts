import { BootyardError, messageOf } from '../errors.ts';
import type { NodeManager } from './manager.ts';
import type { NodeSettings } from './settings.ts';
import type { TemporaryNodes } from './temporary-node.ts';

export interface BootTestParts {
  nodes: Pick<NodeManager, 'cutOff'>;
  temporary: Pick<TemporaryNodes, 'begin'>;
  log: (line: string) => void;
}
interface Holder {
  onClose(listener: () => void): void;
}

const NODE_NAME = 'boot-test';

/** Nodes of boot tests. Whoever begins one holds it, and it goes with its holder. */
export class BootTests {
  readonly #parts: BootTestParts;
  /** the ends of cuts, by node */
  readonly #cuts = new Map<string, NodeJS.Timeout>();

  constructor(parts: BootTestParts) {
    this.#parts = parts;
  }

  /** The node's name. Throws as `TemporaryNodes.begin`. */
  async begin(
    wish: { image: string; model?: string; settings?: NodeSettings },
    holder: Holder,
    signal: AbortSignal,
  ): Promise<string> {
    const gone = new AbortController();
    holder.onClose(() => gone.abort());
    const node = await this.#parts.temporary.begin(
      { ...wish, name: NODE_NAME },
      AbortSignal.any([signal, gone.signal]),
    );
    holder.onClose(() => {
      this.#forget(node.name);
      void node.remove();
    });
    return node.name;
  }

  /** Answers when the cut has begun. Throws `node.unknown`, and `node.off` for a node that is not on. */
  async cutOff(node: string, seconds: number): Promise<void> {
    const { nodes, log } = this.#parts;
    if (!(await nodes.cutOff(node, true)))
      throw new BootyardError('node.off', `Node ${node} is not on.`, { node });
    this.#forget(node);
    const end = () => {
      this.#cuts.delete(node);
      nodes
        .cutOff(node, false)
        .catch((error: unknown) => log(`the cut of node ${node}: ${messageOf(error)}`));
    };
    this.#cuts.set(node, setTimeout(end, seconds * 1000));
  }

  #forget(node: string): void {
    clearTimeout(this.#cuts.get(node));
    this.#cuts.delete(node);
  }
}
