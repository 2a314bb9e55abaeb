import type { Socket } from 'node:net';
import { portError } from '../bind.ts';
import type { Publish } from '../../events/bus.ts';
import { Activity } from './activity.ts';
import { BufferPool } from './buffer-pool.ts';
import { HandleResolver, type NfsExports } from './handle.ts';
import { Mount, MOUNT_PROGRAM, MOUNT_VERSION } from './mount.ts';
import { ACL_PROGRAM, ACL_VERSION, nfsAcl } from './nfs3-acl.ts';
import { NFS_PROGRAM, NFS_VERSION, nfs3 } from './nfs3.ts';
import { Portmap } from './portmap.ts';
import { RpcCall, type RpcProgram } from './rpc.ts';
import { TcpConnection } from './tcp-connection.ts';
import { TcpService } from './tcp-service.ts';
import { UdpClients } from './udp-clients.ts';
import { UDP_DATA, UdpService } from './udp-service.ts';

/** rtmax for TCP, bytes. */
const TCP_DATA = 1024 * 1024;

export interface NfsServerParts {
  /** IPv4 address to serve on */
  address: string;
  /** NFS and, unless `mountPort` says otherwise, MOUNT */
  nfsPort?: number;
  mountPort?: number;
  portmapPort?: number;
  exports: NfsExports;
  publish: Publish;
}

/**
 * Portmapper, MOUNT 3, NFS 3 and the ACLs beside it, read-only, over TCP and UDP. All state is in the file handles and in `exports`, so a
 * server that is started again goes on where the last one ended.
 */
export class NfsServer {
  readonly #parts: NfsServerParts;
  readonly #pool = new BufferPool();
  readonly #mount: Mount;
  readonly #udpClients: UdpClients;
  readonly #tcp: TcpService[] = [];
  readonly #udp: UdpService[] = [];
  /** of the TCP connections that are open */
  readonly #activities = new Set<Activity>();

  constructor(parts: NfsServerParts) {
    this.#parts = parts;
    this.#mount = new Mount(parts.exports, parts.publish);
    this.#udpClients = new UdpClients(
      (client) => new RpcCall(client, 'udp', new HandleResolver(client, parts.exports), UDP_DATA),
      parts.publish,
    );
  }

  /** @throws BootyardError `nfs.port` when one of the ports cannot be had; then none is held */
  async start(): Promise<void> {
    const { nfsPort = 2049, portmapPort = 111, mountPort = nfsPort } = this.#parts;
    const portmap = new Portmap(portmapPort, [
      { program: MOUNT_PROGRAM, version: MOUNT_VERSION, port: mountPort },
      { program: NFS_PROGRAM, version: NFS_VERSION, port: nfsPort },
      { program: ACL_PROGRAM, version: ACL_VERSION, port: nfsPort },
    ]);
    await this.#listen(portmapPort, [portmap]);
    await this.#listen(nfsPort, mountPort === nfsPort ? [nfs3, nfsAcl, this.#mount] : [nfs3, nfsAcl]);
    if (mountPort !== nfsPort) await this.#listen(mountPort, [this.#mount]);
  }

  /** Ends all connections. Clients with a hard mount wait for the next server. */
  async close(): Promise<void> {
    await Promise.all([...this.#tcp.splice(0), ...this.#udp.splice(0)].map((service) => service.close()));
    this.#udpClients.close();
  }

  /** A node is off: its connections are reset, its mounts forgotten. */
  dropClient(address: string): void {
    // Whoever drops a node wants its totals now, and not when the sockets have closed.
    for (const activity of this.#activities) if (activity.client === address) activity.end();
    for (const service of this.#tcp) service.dropClient(address);
    this.#udpClients.drop(address);
    this.#mount.dropClient(address);
  }

  async #listen(port: number, programs: readonly RpcProgram[]): Promise<void> {
    const { address } = this.#parts;
    const tcp = new TcpService(address, port, (socket, client) => this.#serve(socket, client, programs));
    const udp = new UdpService({
      address,
      port,
      programs,
      pool: this.#pool,
      callOf: (client) => this.#udpClients.callOf(client),
      onServed: (client) => this.#udpClients.noteServed(client),
    });
    this.#tcp.push(tcp);
    this.#udp.push(udp);
    try {
      await tcp.start();
      await udp.start();
    } catch (error) {
      await this.close();
      throw portError(error, { name: 'NFS', transport: 'TCP', address, port });
    }
  }

  #serve(socket: Socket, client: string, programs: readonly RpcProgram[]): void {
    const { exports, publish } = this.#parts;
    const call = new RpcCall(client, 'tcp', new HandleResolver(client, exports), TCP_DATA);
    const activity = new Activity(client, call, publish);
    this.#activities.add(activity);
    socket.on('close', () => this.#activities.delete(activity));
    new TcpConnection(socket, call, programs, this.#pool, activity);
  }
}
