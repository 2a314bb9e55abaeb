// The example of docs/examples/cluster, with an internet of the test's own that holds the registry. Minutes of emulated
// work: `npm run test:all` runs it.
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADDRESSES, TestInternet } from '../support/internet.ts';
import { repository, TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const NODES = ['c1', 'c2', 'c3'];
const REGISTRY = `${ADDRESSES.web}:5000`;
const MINUTES = 60_000;
const LIMIT = 30 * MINUTES;

describe.runIf(isLong)('a cluster of three hybrid nodes behind NAT', () => {
  const folder = mkdtempSync(join(tmpdir(), 'by-cluster-'));
  const internet = new TestInternet();
  const lab = new TestLab({ command: [...internet.prefix, join(repository, 'bin/bootyard')] });
  let registry: ChildProcess;

  beforeAll(async () => {
    await internet.start();
    registry = startRegistry(internet, folder);
    // The image is built where Debian's packages are; then the same lab starts on the test's host.
    const outside = new TestLab({ home: lab.home });
    Object.assign(outside.env, { XDG_CACHE_HOME: join(repository, '.cache') });
    const flags = [
      '--as',
      'cluster',
      '--packages',
      'docker.io,iptables,apparmor',
      '--files',
      exampleFiles(folder),
    ];
    await outside.bootyard('image', 'build-default', ...flags);
    await outside.bootyard('lab', 'stop');
  }, LIMIT);

  afterAll(async () => {
    await lab.remove();
    registry.kill();
    internet.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    'the nodes boot from copies on their disks',
    async () => {
      for (const node of NODES) {
        const settings = ['ram=1G', 'netsetup=NAT', 'disks=32G[template=hybrid-boot-v]'];
        await lab.bootyard('node', 'create', node, '--image', 'cluster', ...settings);
      }
      await lab.bootyard('node', 'wait', '--timeout', '1500', NODES.join(','));
      for (const node of NODES) {
        // Three systems that start their services at once let an ssh wait.
        const said = await until(
          'df',
          () => lab.inNode(node, 'df -h / /local').catch(() => ''),
          (text) => text !== '',
        );
        const [, root, local] = said.split('\n');
        expect(root).toMatch(/^union +(29|30|31)G .* \/$/);
        expect(local).toMatch(/^\/dev\/sda1 .* \/local$/);
      }
    },
    LIMIT,
  );

  test(
    'they form a cluster and run a service of three replicas, each with an image fetched from outside',
    async () => {
      await lab.inNode('c1', makeServiceImage());
      await lab.inNode('c1', 'docker swarm init --advertise-addr eth0');
      const token = (await lab.inNode('c1', 'docker swarm join-token --quiet worker')).trim();
      // A node that is slow says so after 20 s, and goes on joining.
      const join = `docker swarm join --token ${token} c1.walt:2377 || [ "$(docker info --format '{{.Swarm.LocalNodeState}}')" = pending ]`;
      for (const node of ['c2', 'c3']) await lab.inNode(node, join);
      await until(
        'three members',
        () => lab.inNode('c1', "docker node ls --format '{{.Hostname}} {{.Status}}' | sort"),
        (list) => list === NODES.map((node) => `${node} Ready\n`).join(''),
        5 * MINUTES,
      );

      const command = `docker service create --detach --name web --replicas 3 --publish mode=host,target=80,published=8080`;
      await lab.inNode('c1', `${command} ${REGISTRY}/web`);
      await until(
        'three replicas',
        () => lab.inNode('c1', "docker service ls --format '{{.Replicas}}'"),
        (replicas) => replicas.trim() === '3/3',
        10 * MINUTES,
      );
      for (const node of NODES) {
        const page = await lab.inNode(node, `busybox wget -q -O - http://${node}.walt:8080/`);
        expect(page).toBe('served from under /local\n');
        expect(await lab.inNode(node, 'docker info --format "{{.DockerRootDir}} {{.Driver}}"')).toBe(
          '/local/docker overlay2\n',
        );
      }
    },
    LIMIT,
  );
});

/** The example's files; the engine may also speak plain HTTP to the test's registry. */
function exampleFiles(folder: string): string {
  const files = join(folder, 'files');
  cpSync(join(repository, 'docs/examples/cluster/files'), files, { recursive: true });
  const config = join(files, 'etc/docker/daemon.json');
  const settings: object = JSON.parse(readFileSync(config, 'utf8'));
  writeFileSync(config, JSON.stringify({ ...settings, 'insecure-registries': [REGISTRY] }));
  return files;
}

function startRegistry(internet: TestInternet, folder: string): ChildProcess {
  const storage = join(folder, 'registry');
  mkdirSync(storage);
  const config = join(folder, 'registry.yml');
  const lines = ['version: 0.1', 'storage:', '  filesystem:', `    rootdirectory: ${storage}`, 'http:'];
  writeFileSync(config, [...lines, `  addr: ${REGISTRY}`, ''].join('\n'));
  return spawn('ip', ['netns', 'exec', internet.internet, 'docker-registry', 'serve', config], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
}

/** Makes an image of the node's own busybox and puts it in the registry. */
function makeServiceImage(): string {
  return [
    'set -e; cd $(mktemp -d); mkdir -p bin www; cp $(command -v busybox) bin/busybox',
    'echo "served from under /local" >www/index.html',
    `tar -c . | docker import --change 'CMD ["/bin/busybox","httpd","-f","-p","80","-h","/www"]' - ${REGISTRY}/web`,
    `docker push -q ${REGISTRY}/web`,
    `docker image rm ${REGISTRY}/web`,
  ].join('\n');
}
