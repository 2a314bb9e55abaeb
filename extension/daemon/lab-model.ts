import type { Change } from '../../backend/api/change.ts';
import type { EngineInfo } from '../../backend/api/engine.ts';
import type { ImageInfo } from '../../backend/api/image.ts';
import type { LabStatus } from '../../backend/api/lab.ts';
import type { StateListener, StateSnapshot } from '../../backend/api/client.ts';
import type { NodeInfo } from '../../backend/api/node.ts';
import type { PortInfo } from '../../backend/api/port.ts';
import { Emitter } from './emitter.ts';

/** What a change touched, so that a view redraws that and no more. */
export type ModelChange =
  | { readonly type: 'node'; readonly node: NodeInfo }
  | { readonly type: 'nodeList' }
  | { readonly type: 'images' }
  | { readonly type: 'lab' };

export interface StageReport {
  readonly mac: string;
  readonly stage: string;
  readonly detail: string;
}

/** What the extension knows of the lab: filled by a snapshot, kept true by the daemon's changes. */
export class LabModel {
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #changed = new Emitter<ModelChange>();
  readonly #stages = new Emitter<StageReport>();
  readonly #ports = new Emitter<readonly PortInfo[]>();
  #images: readonly ImageInfo[] = [];
  #engines: readonly EngineInfo[] = [];
  #lab: LabStatus | undefined;

  readonly onChanged = this.#changed.event;
  readonly onStage = this.#stages.event;
  readonly onPorts = this.#ports.event;

  /** Nodes in the order of their names, `vnode2` before `vnode10`. */
  get nodes(): NodeInfo[] {
    return [...this.#nodes.values()].sort((a, b) => byName(a.name, b.name));
  }
  get images(): ImageInfo[] {
    return [...this.#images].sort((a, b) => byName(a.name, b.name));
  }
  /** Container engines of this user, with their images that are made for nodes. */
  get engines(): readonly EngineInfo[] {
    return this.#engines;
  }
  get lab(): LabStatus | undefined {
    return this.#lab;
  }
  node(mac: string): NodeInfo | undefined {
    return this.#nodes.get(mac);
  }
  nodeNamed(name: string): NodeInfo | undefined {
    return this.nodes.find((node) => node.name === name);
  }
  image(name: string): ImageInfo | undefined {
    return this.#images.find((image) => image.name === name);
  }

  #reset(snapshot: StateSnapshot): void {
    this.#nodes.clear();
    for (const node of snapshot.nodes) this.#nodes.set(node.mac, node);
    this.#images = snapshot.images;
    this.#lab = snapshot.lab;
    this.#fireAll();
  }

  /** The lab is stopped: nothing is there any more. */
  clear(): void {
    this.#nodes.clear();
    this.#images = [];
    this.#engines = [];
    this.#lab = undefined;
    this.#fireAll();
  }

  /** Takes what the daemon tells: the whole state first, then changes. */
  readonly apply: StateListener = (change: StateSnapshot | Change) => {
    switch (change.type) {
      case 'snapshot':
        this.#reset(change);
        return;
      case 'node': {
        const known = this.#nodes.get(change.node.mac);
        this.#nodes.set(change.node.mac, change.node);
        // Rows are ordered by name, so a new name moves a row.
        const listed = known?.name === change.node.name;
        this.#changed.fire(listed ? { type: 'node', node: change.node } : { type: 'nodeList' });
        return;
      }
      case 'nodeRemoved':
        if (this.#nodes.delete(change.mac)) this.#changed.fire({ type: 'nodeList' });
        return;
      case 'images':
        this.#images = change.images;
        this.#changed.fire({ type: 'images' });
        return;
      case 'lab':
        this.#lab = change.status;
        this.#changed.fire({ type: 'lab' });
        return;
      case 'stage':
        this.#stages.fire(change);
        return;
      case 'ports':
        this.#ports.fire(change.ports);
        return;
      case 'engines':
        this.setEngines(change.engines);
        return;
    }
  };

  /** A snapshot has none of them. */
  setEngines(engines: readonly EngineInfo[]): void {
    this.#engines = engines;
    this.#changed.fire({ type: 'images' });
  }

  #fireAll(): void {
    for (const type of ['nodeList', 'images', 'lab'] as const) this.#changed.fire({ type });
  }
}

const collator = new Intl.Collator('en', { numeric: true });
function byName(a: string, b: string): number {
  return collator.compare(a, b);
}
