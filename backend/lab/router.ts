import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import { findKept, spawnKept, watchKept, type KeptExit } from './kept-process.ts';
import { NETWORK } from './network.ts';
import { findProgram } from './program.ts';

export interface RouterOptions {
  /** the lab's folder of sockets and process ids */
  run: string;
  log: (line: string) => void;
  /** the router advertisement daemon; Debian's `radvd` by default */
  program?: string;
}

/**
 * iPXE in a network card's ROM asks for IPv6 routers, and goes on with its boot when one has answered or after a quarter
 * of a minute. An answer without router lifetime, prefix and DHCPv6 flags (RFC 4861 §4.2) tells it that there is no IPv6:
 * nobody gets a route or an address from it. Only who asks hears it (UnicastOnly).
 */
const CONFIGURATION = `interface ${NETWORK.name} {
  AdvSendAdvert on;
  UnicastOnly on;
  AdvDefaultLifetime 0;
  AdvManagedFlag off;
  AdvOtherConfigFlag off;
};
`;
const LOSS = 'nodes with firmware=pxe start half a minute later';

/** The files of the kept process, in the lab's run folder. */
export function routerFiles(run: string) {
  return {
    pidFile: join(run, 'radvd.pid'),
    exitFile: join(run, 'radvd.exit'),
    logFile: join(run, 'radvd.log'),
    configuration: join(run, 'radvd.conf'),
    /** radvd's own, which it locks */
    lock: join(run, 'radvd.lock'),
  };
}

/**
 * Has router solicitations on the bridge answered, by a process that outlives the daemon: one that runs already is left
 * alone. Runs in the lab's network namespace, after `LabNetwork.setup`. Never rejects: what stands in the way is said in
 * one line of the log, and the lab works without, as `LOSS` says.
 */
export async function answerRouterSolicitations(options: RouterOptions): Promise<void> {
  const files = routerFiles(options.run);
  try {
    if (findKept(files) === undefined && !(await startRouter(options))) return;
    void watchKept(files).then((exit) => options.log(`radvd has ended (${cause(exit)}): ${LOSS}.`));
  } catch (error) {
    options.log(`radvd cannot be started (${messageOf(error)}): ${LOSS}.`);
  }
}

async function startRouter({ run, log, program = 'radvd' }: RouterOptions): Promise<boolean> {
  const missing = obstacle(program);
  if (missing !== undefined) {
    log(`Router solicitations are not answered, ${missing}: ${LOSS}.`);
    return false;
  }
  enableIpv6();
  const files = routerFiles(run);
  writeFileSync(files.configuration, CONFIGURATION, { mode: 0o600 });
  // Without a log: a node could fill it with false packets. What radvd would say of its configuration, tests would see.
  const argv = [
    '--nodaemon',
    '--logmethod',
    'none',
    '--config',
    files.configuration,
    '--pidfile',
    files.lock,
  ];
  await spawnKept([program, ...argv], files);
  return true;
}

function obstacle(program: string): string | undefined {
  if (findProgram(program) === undefined) {
    return `${program} is not installed ("bootyard doctor" names the package)`;
  }
  return existsSync(setting('disable_ipv6')) ? undefined : 'the host has no IPv6';
}

/** Gives the bridge, which has none otherwise, its link-local address: at once, for it is known to be nobody else's. */
function enableIpv6(): void {
  writeFileSync(setting('accept_ra'), '0');
  writeFileSync(setting('accept_dad'), '0');
  writeFileSync(setting('disable_ipv6'), '0');
}

function setting(name: string): string {
  return `/proc/sys/net/ipv6/conf/${NETWORK.name}/${name}`;
}

function cause({ code, signal }: KeptExit): string {
  if (signal !== null) return signal;
  return code === null ? 'no word of its end' : `status ${code}`;
}
