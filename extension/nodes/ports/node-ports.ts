import * as vscode from 'vscode';
import type { ClientStream } from '../../../backend/api/client.ts';
import { labPaths } from '../../../backend/api/lab-control.ts';
import type { PortInfo } from '../../../backend/api/port.ts';
import { openHostPort, type HostPort } from '../../../backend/api/ports/host-port.ts';
import { messageOf } from '../../../backend/errors.ts';
import { labEnvironment } from '../../daemon/lab-access.ts';
import type { Parts } from '../../features.ts';
import { portAddress } from './port-text.ts';

interface Opened {
  readonly mac: string;
  readonly info: Omit<PortInfo, 'state'>;
  readonly port: HostPort;
  entry: ClientStream | undefined;
}

/**
 * Ports of this machine that lead to nodes: those that this window has opened, which end with it, and all that there are.
 * Each that is open is also made known to the editor, which shows it in its Ports view where it forwards ports.
 */
export class NodePorts implements vscode.Disposable {
  readonly #parts: Parts;
  readonly #opened = new Map<number, Opened>();
  readonly #announced = new Set<number>();
  readonly #subscriptions: vscode.Disposable;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { connection } = parts;
    this.#subscriptions = vscode.Disposable.from(
      connection.onState((state) => {
        if (state === 'running') void this.#tellAll();
        if (state === 'stopped') this.#closeAll(() => true);
      }),
      connection.model.onPorts((ports) => this.#announceAll(ports)),
      connection.model.onChanged(({ type }) => {
        // One that is named otherwise now cannot be reached by its old name, so its ports end too.
        if (type === 'nodeList' && connection.state === 'running')
          this.#closeAll(({ mac, info }) => connection.model.node(mac)?.name !== info.node);
      }),
    );
  }

  dispose(): void {
    this.#subscriptions.dispose();
    this.#closeAll(() => true);
  }

  /** Opens a port for as long as this window is there. `hostPort` 0: a free one. */
  async open(mac: string, node: string, nodePort: number, hostPort: number): Promise<PortInfo> {
    const port = await openHostPort({
      socketPath: labPaths(labEnvironment()).portsSocket,
      node,
      nodePort,
      hostPort,
      onProblem: (sentence) => this.#parts.log.warn(sentence),
    });
    const address = '127.0.0.1';
    const info = { node, nodePort, hostPort: port.port, address, permanent: false, reason: null };
    const opened: Opened = { mac, info, port, entry: undefined };
    this.#opened.set(port.port, opened);
    await this.#tell(opened);
    this.#announce(info);
    return { ...info, state: 'open' };
  }

  isOurs({ hostPort, permanent }: PortInfo): boolean {
    return !permanent && this.#opened.has(hostPort);
  }

  close(hostPort: number): void {
    this.#closeAll(({ info }) => info.hostPort === hostPort);
  }

  #closeAll(which: (opened: Opened) => boolean): void {
    for (const [hostPort, opened] of this.#opened) {
      if (!which(opened)) continue;
      this.#opened.delete(hostPort);
      opened.entry?.close();
      void opened.port.close();
    }
  }

  /** Another daemon than the one that was told. */
  async #tellAll(): Promise<void> {
    await Promise.all([...this.#opened.values()].map((opened) => this.#tell(opened)));
    try {
      this.#announceAll(await this.#parts.connection.call('port.list', {}));
    } catch (error) {
      this.#parts.log.debug(`ports: ${messageOf(error)}`);
    }
  }

  /** The port works without; then it is in no list. */
  async #tell(opened: Opened): Promise<void> {
    try {
      opened.entry = await this.#parts.connection.client?.holdPort(opened.info);
      if (this.#opened.get(opened.info.hostPort) !== opened) opened.entry?.close();
    } catch (error) {
      this.#parts.log.warn(`ports: ${messageOf(error)}`);
    }
  }

  #announceAll(ports: readonly PortInfo[]): void {
    for (const port of ports) if (port.state === 'open') this.#announce(port);
    const open = new Set(ports.map(({ hostPort }) => hostPort));
    for (const hostPort of this.#announced) if (!open.has(hostPort)) this.#announced.delete(hostPort);
  }

  /** Asking how the user's browser gets there makes a window on another machine forward the port. */
  #announce(port: Pick<PortInfo, 'address' | 'hostPort'>): void {
    if (vscode.env.remoteName === undefined || this.#announced.has(port.hostPort)) return;
    this.#announced.add(port.hostPort);
    vscode.env.asExternalUri(portUri(port)).then(undefined, (error: unknown) => {
      this.#parts.log.warn(`ports: ${messageOf(error)}`);
    });
  }
}

export function portUri(port: Pick<PortInfo, 'address' | 'hostPort'>): vscode.Uri {
  return vscode.Uri.parse(`http://${portAddress(port)}`);
}
