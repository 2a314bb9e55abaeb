import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineKind } from '../../backend/images/engine/connect.ts';

/**
 * A container engine that really runs, for root: dockerd, or `podman system service` of a plain user. It lives in PID and
 * mount namespaces of its own, so that no process and no mount of it is left when it ends, and in the network namespace of
 * the test. Throws with its last words when it cannot run on this machine: such a test fails, and is not left out.
 */
export class TestEngine {
  readonly kind: EngineKind;
  readonly folder: string;
  readonly socket: string;
  /** what leads its own programs, and Bootyard, to it and to no other engine */
  readonly env: Record<string, string>;
  readonly #start: () => ChildProcess;
  readonly #remove: () => boolean;
  #child: ChildProcess | undefined;

  private constructor(made: Made, start: (log: number) => ChildProcess) {
    this.kind = made.kind;
    this.folder = made.folder;
    this.socket = made.socket;
    const address = `unix://${made.socket}`;
    const nowhere = `unix://${join(made.folder, 'nowhere')}`;
    const [docker, podman] = made.kind === 'docker' ? [address, nowhere] : [nowhere, address];
    this.env = { DOCKER_HOST: docker, CONTAINER_HOST: podman };
    this.#remove = made.remove;
    this.#start = () => {
      const log = openSync(join(this.folder, 'log'), 'a');
      const child = start(log);
      closeSync(log);
      return child;
    };
  }

  /** `more`: flags beside its usual ones */
  static async docker(...more: string[]): Promise<TestEngine> {
    const folder = mkdtempSync('/tmp/by-d-');
    const socket = join(folder, 'd.sock');
    const engine = new TestEngine({ kind: 'docker', folder, socket, remove: () => true }, (log) =>
      spawnAlone(['/usr/sbin/dockerd', ...dockerFlags(folder, socket), ...more], log),
    );
    await engine.start();
    return engine;
  }

  /** Rootless: of a user made for it. */
  static async podman(): Promise<TestEngine> {
    const folder = mkdtempSync('/tmp/by-p-');
    chmodSync(folder, 0o755);
    const user = makeUser(folder);
    const socket = join(user.home, 'p.sock');
    const remove = (): boolean => spawnSync('userdel', [user.name]).status === 0;
    const engine = new TestEngine({ kind: 'podman', folder, socket, remove }, (log) =>
      spawnAlone([...user.prefix, 'podman', 'system', 'service', '--time=0', `unix://${socket}`], log),
    );
    await engine.start();
    return engine;
  }

  /** Again after `kill`; what it holds is still there. */
  async start(): Promise<void> {
    // Numbers of processes of its former namespace would be taken for those of others.
    for (const stale of [this.socket, 'pid', 'exec/containerd/containerd.pid']) {
      rmSync(resolve(this.folder, stale), { force: true });
    }
    this.#child = this.#start();
    for (let tries = 0; tries < 600 && this.#child.exitCode === null; tries++) {
      if (await answers(this.socket)) return;
      await delay(50);
    }
    const words = readFileSync(join(this.folder, 'log'), 'utf8').slice(-2000);
    await this.stop();
    throw new Error(`${this.kind} cannot run on this machine, so what needs it is not tested:\n${words}`);
  }

  /** It dies, and all its containers with it. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    // What lived in its PID namespace ends a moment after unshare.
    for (let tries = 0; !this.#remove() && tries < 100; tries++) await delay(50);
    for (let tries = 0; tries < 100 && existsSync(this.folder); tries++) {
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
      await delay(50);
    }
  }
}

interface Made {
  kind: EngineKind;
  folder: string;
  socket: string;
  /** false when it is in use still */
  remove: () => boolean;
}

/** In namespaces that end with the child. A shell is their first process: a change of user loses the signal of a parent's death. */
function spawnAlone(command: string[], log: number): ChildProcess {
  const shell = ['sh', '-c', '"$@" & wait "$!"', 'sh', ...command];
  const unshare = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child', '--', ...shell];
  return spawn('unshare', unshare, { stdio: ['ignore', log, log], cwd: '/' });
}

function dockerFlags(folder: string, socket: string): string[] {
  return [
    ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
    ...['--pidfile', join(folder, 'pid'), '-H', `unix://${socket}`, '--storage-driver', 'overlay2'],
    // Nothing of the host's network is touched.
    ...['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
  ];
}

/** A user with sub-uids of its own, and a configuration in which containers run on machines with few rights. */
function makeUser(folder: string): { name: string; home: string; prefix: string[] } {
  const name = `byeng${process.pid}`;
  const home = join(folder, 'h');
  execFileSync('useradd', ['--create-home', '--home-dir', home, '--shell', '/bin/sh', name]);
  const { uid, gid } = statSync(home);
  const own = (path: string, mode: number): string => {
    mkdirSync(path, { recursive: true });
    chownSync(path, uid, gid);
    chmodSync(path, mode);
    return path;
  };
  own(home, 0o755);
  own(join(home, '.config'), 0o755);
  const configuration = own(join(home, '.config/containers'), 0o755);
  writeFileSync(join(configuration, 'containers.conf'), CONTAINERS_CONF);
  const env = [
    `HOME=${home}`,
    `XDG_RUNTIME_DIR=${own(join(home, 'run'), 0o700)}`,
    // Each import by the API leaves its whole spool here.
    `TMPDIR=${own(join(home, 'tmp'), 0o700)}`,
    'PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin',
  ];
  const prefix = [`setpriv`, `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', 'env', '-i', ...env];
  return { name, home, prefix };
}

/** crun refuses cgroups in hybrid mode, and the network needs /dev/net/tun. */
const CONTAINERS_CONF = `
[containers]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "cni"
`;

/** The first answer of Podman takes seconds: it makes its store. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ socketPath, path: '/version', timeout: 20_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
