// The composition root: makes every part, hands each what it needs, and starts them. No rule of the product lives here.
import { join } from 'node:path';
import { ForwardServer } from './agent/forward-server.ts';
import { askNode } from './agent/node-service.ts';
import { RpcServer } from './agent/rpc-server.ts';
import { registryCertificate } from './agent/certificate.ts';
import { nodeAgent } from './agent/node-agent.ts';
import { labKeys, sshArgv } from './agent/ssh.ts';
import { StreamServer } from './agent/stream-server.ts';
import { makeHandlers, imageInfos, type HandlerParts } from './api/handlers.ts';
import { ImageCopier } from './api/image-copy.ts';
import type { LabStatus } from './api/lab.ts';
import { ownVersion } from './api/runtime.ts';
import { ApiServer } from './api/server.ts';
import { Accelerator } from './boot/accelerator.ts';
import { BootReads } from './boot/boot-reads.ts';
import { BootFiles } from './boot/boot-files.ts';
import { NodeDhcpPolicy } from './boot/dhcp-policy.ts';
import { ImageLinter } from './boot/lint/linter.ts';
import { LintQueue } from './boot/lint/lint-queue.ts';
import { HybridService } from './boot/hybrid/service.ts';
import { BootPlanner } from './boot/plan.ts';
import { RootExports } from './boot/root-exports.ts';
import { ServedNodes } from './boot/served-nodes.ts';
import { canSwap } from './boot/swap.ts';
import { DYNAMIC_RANGE, UnservedClients } from './boot/unserved-clients.ts';
import { messageOf } from './errors.ts';
import { EventBus } from './events/bus.ts';
import { ImageFiles } from './images/files/image-files.ts';
import { EngineBoard } from './images/engine/board.ts';
import { StoreRegistry } from './images/lab-registry/store-registry.ts';
import { ImageStore } from './images/store.ts';
import { probeFiles } from './lab/acceleration.ts';
import { daemonLog } from './lab/daemon-log.ts';
import { ringHost } from './lab/doorbell.ts';
import { hostListeners } from './lab/host-listeners.ts';
import { ownHostPid } from './lab/host-process.ts';
import { enterArgv } from './lab/launch.ts';
import { Nat } from './lab/nat.ts';
import { parseNetworkList } from './lab/nat-filter.ts';
import { LabNetwork, NETWORK } from './lab/network.ts';
import { answerRouterSolicitations } from './lab/router.ts';
import { SwapProcess } from './lab/swap-process.ts';
import { LogSystem, ownLogs } from './logs/system.ts';
import { NodeContact } from './nodes/contact.ts';
import { NodeDebug } from './nodes/debug/node-debug.ts';
import { BootTests } from './nodes/boot-tests.ts';
import { ImageWork } from './nodes/image-work.ts';
import { UPLINK } from './lab/uplink.ts';
import { NodeManager } from './nodes/manager.ts';
import { ServiceTimes } from './nodes/service-times.ts';
import { PortBoard } from './nodes/port-board.ts';
import { REGISTRY, RegistryPort } from './nodes/registry-port.ts';
import { ramBytes } from './nodes/settings.ts';
import { PersistShares } from './persist/shares.ts';
import { shareUsage } from './persist/usage.ts';
import { DhcpServer } from './protocols/dhcp/server.ts';
import { DnsServer } from './protocols/dns/server.ts';
import { BootHttpServer } from './protocols/http/server.ts';
import { NetconsoleServer } from './protocols/netconsole/server.ts';
import { NfsServer } from './protocols/nfs/server.ts';
import { NtpServer } from './protocols/ntp/server.ts';
import { RegistryServer } from './protocols/registry/server.ts';
import { TftpServer } from './protocols/tftp/server.ts';
import { openDatabase } from './state/database.ts';
import { LabSettings } from './state/lab-settings.ts';
import { ReadRecords } from './state/read-records.ts';
import { SnapshotRecords } from './state/snapshot-records.ts';
import { LeaseRows } from './state/lease-table.ts';
import { ensurePaths, labPaths } from './state/paths.ts';

const paths = labPaths();
const startedAt = new Date().toISOString();
const version = ownVersion();

const bus = new EventBus();
const { log, nodeLog } = ownLogs(bus, daemonLog(paths.daemonLog));

/** Servers that hold connections of nodes; a node that is off must not keep any. */
type NodeServer = { dropClient(address: string): void };

async function main(): Promise<void> {
  ensurePaths(paths);
  const database = openDatabase(paths.database);
  const logs = new LogSystem({ database, file: paths.database, bus, nodes: () => nodes, log });
  const snapshots = new SnapshotRecords(database);
  const images = new ImageStore(paths.images, { isNeeded: (id) => snapshots.usesImage(id) });
  const nat = new Nat({ run: paths.run, asked: askedNetworks(), log });
  const network = new LabNetwork(log, nat);
  // Nothing of before is wired to a network that is new: nobody holds its addresses any more.
  if (await network.setup()) new LeaseRows(database).clear();
  await answerRouterSolicitations({ run: paths.run, log });
  const keys = await labKeys(paths.keys);
  const tls = registryCertificate(paths.keys, [REGISTRY.name, NETWORK.address, 'localhost', '127.0.0.1']);

  const persist = new PersistShares({
    log,
    // What it was asked will never be answered; clients ask the next daemon.
    onLost: (error) => {
      log(`the thread of /persist has ended: ${messageOf(error)}`);
      process.exit(1);
    },
  });
  const accelerator = new Accelerator({ images, ...probeFiles(paths) });
  const swap = new SwapProcess({
    address: NETWORK.address,
    run: paths.run,
    folder: paths.data,
    publish: bus.publish,
    log,
  });
  const served = new ServedNodes((plans) => {
    const boots = plans.map(({ node, id }) => [node.ip, id] as const);
    swap.serve(Object.fromEntries(boots), plans.some(canSwap));
  });
  const nodeServers: NodeServer[] = [];
  const linter = new ImageLinter({ images, ramBytes: ramBytes(), log });
  const reads = new BootReads({
    records: new ReadRecords(database),
    served,
    tree: (imageId) => images.tree(imageId),
    image: (name) => planner.image(name),
  });
  const planner: BootPlanner = new BootPlanner({
    images,
    linter,
    served,
    reads,
    lab: {
      serverAddress: NETWORK.address,
      serverMac: NETWORK.mac,
      authorizedKey: keys.authorized,
      hostKey: keys.hostKey,
      hostKeyPublic: keys.hostKeyPublic,
      dropbearKey: keys.dropbearKey,
      registryCertificate: tls.cert,
      registryPlace: REGISTRY.place,
    },
    dropClient: (address) => {
      for (const server of nodeServers) server.dropClient(address);
      const node = nodes.byAddress(address);
      if (!node) return;
      policy.powerOff(node.mac);
      void persist.rest(persistFolder(node.mac)).catch((error: unknown) => log(messageOf(error)));
    },
    log,
  });
  const nodes: NodeManager = new NodeManager({
    database,
    bus,
    network,
    planner,
    agent: nodeAgent(paths.keys),
    paths,
    acceleration: (model) => accelerator.of(model),
    hostListeners,
    persistUsage: (mac) => shareUsage(persistFolder(mac)),
    log: nodeLog,
    onChange: (node) => {
      api.publishChange({ type: 'node', node });
      changed();
    },
    onRemoved: (mac, name) => {
      api.publishChange({ type: 'nodeRemoved', mac, name });
      changed();
    },
    onStage: (stage) => api.publishChange({ type: 'stage', ...stage }),
  });
  bus.setResolver((subject) => {
    const node = subject.node ? nodes.byMac(subject.node) : nodes.byAddress(subject.client ?? '');
    return node ? { node: node.mac, client: node.ip } : subject;
  });

  const routerFor = (ip: string) => (network.mayLeave(ip) ? NETWORK.address : undefined);
  const policy = new NodeDhcpPolicy(nodes, NETWORK.address, routerFor);
  const { publish } = bus;
  const address = NETWORK.address;
  const files = new BootFiles(served, (client) => {
    const node = nodes.byAddress(client);
    if (node) policy.undionlyFetched(node.mac);
  });
  const dhcp = new DhcpServer({
    address,
    subnetMask: '255.255.255.0',
    range: DYNAMIC_RANGE,
    policy,
    publish,
    store: new LeaseRows(database),
  });
  const unserved = new UnservedClients(bus, changed);
  const tftp = new TftpServer({
    address,
    publish,
    resolve: (client, path) => {
      const found = files.find(client, path);
      return 'missing' in found ? { refused: 'missing', cause: found.missing } : found;
    },
  });
  const http = new BootHttpServer({
    address,
    publish,
    resolve: (client, path) => files.find(client, path),
  });
  const persistFolder = (mac: string): string => join(paths.nodes, mac.replaceAll(':', '-'), 'persist');
  const nfs = new NfsServer({
    address,
    publish,
    exports: new RootExports(served, {
      share: ({ mac }) => persist.share(persistFolder(mac)),
      isAllowed: ({ mac }) => nodes.mountsPersist(mac),
    }),
  });
  const dns = new DnsServer({
    address,
    addressOf: (name) => (name === 'registry' ? address : nodes.byName(name)?.ip),
    nameOf: (ip) => nodes.byAddress(ip)?.name,
    forward: { upstream: UPLINK.resolver, mayAsk: (client) => network.mayLeave(client) },
    log,
  });
  const ntp = new NtpServer({ address });
  const netconsole = new NetconsoleServer({ address, publish });
  const hybrid = new HybridService({
    served,
    images,
    publish,
    log,
    copiesReported: (client, copies) =>
      void nodes
        .copiesReported(client, copies)
        .catch((error: unknown) => log(`image copies of ${client}: ${messageOf(error)}`)),
  });
  const streams = new StreamServer({
    address,
    publish,
    log,
    requests: hybrid.requests(),
    nodeConfig: (client) => nodes.bootConfig(client),
  });
  const rpc = new RpcServer({ address, publish, log });
  const forwards = new ForwardServer({
    socketPath: paths.portsSocket,
    addressOf: (node) => (node === REGISTRY.name ? address : nodes.reachableAddress(node)),
    log,
  });
  const registryPort = new RegistryPort({
    settings: new LabSettings(database),
    exposed: () => nodes.exposedPorts(),
    hostListeners,
  });
  const ports = new PortBoard({
    exposed: () => [...nodes.exposedPorts(), ...registryPort.list()],
    ring: () => ringHost(paths),
    onChange: (all) => api.publishChange({ type: 'ports', ports: all }),
  });
  const argv = (ip: string, command: string) => sshArgv({ ip, keys: paths.keys, command, tty: false });
  const imageWork = new ImageWork({ images, nodes, booted: (mac) => served.byMac(mac), argv, log });
  const { operations, saver, temporary } = imageWork;
  const hasSystemd = (mac: string): boolean =>
    (served.byMac(mac)?.tree.lookupPath('/lib/systemd/systemd') ?? 0) !== 0;
  const services = new ServiceTimes({ bus, hasSystemd, argv, log: nodeLog });
  const registryFolder = join(paths.images, 'bootyard/registry');
  const storeRegistry = new StoreRegistry({
    images,
    folder: registryFolder,
    replace: (name, models, work) =>
      operations.replace(name, 'push', models, work).finally(() => parts.imagesChanged()),
    log,
  });
  const registry = new RegistryServer({
    address,
    port: REGISTRY.port,
    content: storeRegistry,
    uploads: join(registryFolder, 'uploads'),
    // Connections of the host come from the daemon itself; a node must not change what other nodes boot.
    mayPush: (client) => client === address,
    tls,
    log,
  });
  const servers = [dhcp, tftp, http, nfs, dns, ntp, netconsole, streams, rpc, forwards, registry];
  nodeServers.push(http, nfs, dns, netconsole, streams, rpc, forwards, registry, tftp);

  function status(): LabStatus {
    const all = nodes.list();
    return {
      state: 'running',
      daemon: { pid: ownHostPid(), version, rssBytes: process.memoryUsage.rss(), startedAt },
      acceleration: accelerator.known?.accel ?? 'unknown',
      accelerationReason: accelerator.known?.reason ?? 'it is found out when the first node boots',
      network: { name: NETWORK.name, address },
      nodes: { booted: all.filter((node) => node.state === 'booted').length, total: all.length },
      registry: { address: REGISTRY.place, host: registryPort.onHost(ports.list()) },
      ...(unserved.notice !== undefined && { notices: [unserved.notice] }),
    };
  }
  const lintQueue = new LintQueue({
    linter,
    images: () => images.list(),
    isIdle: () => nodes.list().every(({ state }) => state !== 'booting'),
    changed,
    log,
  });
  let publishing: NodeJS.Timeout | undefined;
  /** Image rows and the lab's line depend on nodes. A burst of changes is told once: there may be many images. */
  function changed(): void {
    ports.changed();
    lintQueue.wake();
    publishing ??= setTimeout(publishImages, 20);
  }
  function publishImages(): void {
    publishing = undefined;
    void imageInfos(parts)
      .then((all) => {
        api.publishChange({ type: 'images', images: all });
        api.publishChange({ type: 'lab', status: status() });
      })
      .catch((error: unknown) => log(`changes are not published: ${messageOf(error)}`));
  }

  const engines = new EngineBoard({
    env: process.env,
    onChange: () => api.publishChange({ type: 'engines', engines: engines.list() }),
    log,
  });
  const parts: HandlerParts = {
    nodes,
    images,
    engines,
    linter: {
      lint: (name, ram, control) =>
        linter.lint(planner.image(name), { ...control, ...(ram ? { ramBytes: ramBytes(ram) } : {}) }),
      known: (id) => linter.known(id),
    },
    operations,
    copier: new ImageCopier(images, operations),
    files: new ImageFiles(images),
    editor: imageWork.editor,
    fixer: imageWork.fixer,
    shells: imageWork.shells,
    bootTests: new BootTests({ nodes, temporary, log }),
    debug: new NodeDebug({ nodes, booted: (mac) => served.byMac(mac), folder: paths.nodes }),
    ports,
    saver,
    reads,
    logs,
    contact: new NodeContact({ addressOf: (node) => nodes.reachableAddress(node), ask: askNode }),
    shellCommand: ({ node, command, tty, share }) => {
      const { ip } = nodes.one(node);
      return enterArgv(paths, sshArgv({ ip, keys: paths.keys, command, tty, share }));
    },
    status,
    exposeRegistry: (port) => {
      registryPort.set(port);
      changed();
    },
    shutdown: () => nodes.shutdown(),
    imagesChanged: () => {
      storeRegistry.collect();
      changed();
    },
  };
  const api = new ApiServer({
    socketPath: paths.daemonSocket,
    handlers: makeHandlers(parts),
    snapshot: async () => ({ nodes: nodes.list(), images: await imageInfos(parts), lab: status() }),
    version,
    log,
  });

  // Nodes that run since before this daemon wait for their files: adopt them, then serve.
  await nodes.start();
  await temporary.start();
  swap.start();
  await images.collect();
  for (const server of servers) await server.start();
  await api.start();
  ports.start();
  engines.start();
  logs.retention.start();
  // On a new host this takes seconds; the first boot should not have to wait for it.
  void accelerator.get().then(changed, (error: unknown) => log(`acceleration: ${messageOf(error)}`));
  log(`daemon ${version} serves ${paths.data}`);

  const end = async (): Promise<void> => {
    ports.close();
    engines.close();
    lintQueue.close();
    saver.close();
    services.close();
    temporary.close();
    storeRegistry.close();
    reads.saveAll();
    await nodes.close();
    nat.close();
    await api.close();
    for (const server of servers) await server.close();
    swap.close();
    await persist.close();
    await logs.close();
    database.close();
    process.exit(0);
  };
  process.on('SIGTERM', () => void end());
}

/** Of the host, for nodes with netsetup=NAT. */
function askedNetworks(): string[] {
  const variable = 'BOOTYARD_NAT_ALLOW';
  return parseNetworkList(process.env[variable] ?? '', variable);
}

process.on('unhandledRejection', (error) =>
  log(`unhandled: ${error instanceof Error ? error.stack : String(error)}`),
);
process.on('uncaughtException', (error) => {
  log(`uncaught: ${error.stack}`);
  process.exit(1);
});
main().catch((error: unknown) => {
  log(`the daemon cannot start: ${messageOf(error)}`);
  process.exit(1);
});
