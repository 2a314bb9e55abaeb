import type { LabSettings } from '../state/lab-settings.ts';
import { parseExpose, settleExpose } from './expose.ts';
import type { ExposedPort, PortInfo } from './port-board.ts';

/** Of the lab's registry: its name in the lab, and its port there. */
export const REGISTRY = { name: 'registry.walt', port: 5000, place: 'registry.walt:5000' } as const;
const SETTING = 'registry.expose';

export interface RegistryPortParts {
  settings: LabSettings;
  /** what nodes expose */
  exposed: () => ExposedPort[];
  hostListeners: () => ReadonlySet<number>;
}

/** The port of the host that leads to the lab's registry; there is none unless the user asks for it. */
export class RegistryPort {
  readonly #parts: RegistryPortParts;

  constructor(parts: RegistryPortParts) {
    this.#parts = parts;
  }

  list(): ExposedPort[] {
    const pairs = parseExpose(this.#parts.settings.get(SETTING) ?? 'none');
    return pairs.map(({ nodePort, hostPort = 0 }) => ({ node: REGISTRY.name, nodePort, hostPort }));
  }

  /** Where it is on the host, and why it is not open (yet); null when nobody asked for it. `ports`: of the port board. */
  onHost(ports: readonly PortInfo[]): { address: string; reason: string | null } | null {
    const [wanted] = this.list();
    if (!wanted) return null;
    const isIt = (port: PortInfo): boolean =>
      port.permanent && port.node === wanted.node && port.hostPort === wanted.hostPort;
    return { address: `127.0.0.1:${wanted.hostPort}`, reason: ports.find(isIt)?.reason ?? null };
  }

  /** 0: the same one as before, or one that is free, from 5000 on; null: none. Throws for one that somebody has. */
  set(port: number | null): void {
    const [before] = this.list();
    if (port === null) return this.#parts.settings.set(SETTING, undefined);
    if (before && (port === 0 || port === before.hostPort)) return;
    const others = new Map(this.#parts.exposed().map(({ hostPort, node }) => [hostPort, node]));
    const asked = port === 0 ? String(REGISTRY.port) : `${REGISTRY.port}:${port}`;
    this.#parts.settings.set(SETTING, settleExpose(asked, { others, taken: this.#parts.hostListeners() }));
  }
}
