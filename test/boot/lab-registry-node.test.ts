import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { file, folder, tarOf } from '../unit/images/support.ts';
import { defaultImageTar } from '../support/default-image.ts';
import { TestLab } from '../support/lab.ts';
import { isLong } from '../support/long.ts';
import { importVariant, programOfHost } from '../support/variant.ts';

/** Debian's, of this host; the node has none of their configuration. */
const ENGINES = [
  'bin/podman',
  'bin/conmon',
  'bin/crun',
  'sbin/runc',
  'sbin/dockerd',
  'bin/docker',
  'bin/containerd',
];
const POLICY = '/etc/containers/policy.json';
const IMAGE = 'registry.walt:5000/me/box:v1';

describe.runIf(isLong)('an engine in a node', () => {
  const lab = new TestLab();
  beforeAll(async () => {
    const programs = Object.assign({}, ...ENGINES.map((path) => programOfHost(`/usr/${path}`))) as Record<
      string,
      string
    >;
    await importVariant(lab, 'engines', { copy: { ...programs, [POLICY.slice(1)]: POLICY } });
    const { tar } = await defaultImageTar('pc-x86-64-tiny');
    const busybox = execFileSync('tar', ['-xOf', tar, './bin/busybox'], { maxBuffer: 64 << 20 });
    const root = [folder('bin'), { ...file('bin/busybox', '', { mode: 0o755 }), content: busybox }];
    writeFileSync(join(lab.home, 'box.tar'), tarOf(root));
    const label = ['--label', 'walt.node.models=pc-x86-64'];
    await lab.bootyard('image', 'import', join(lab.home, 'box.tar'), 'me/box:v1', ...label);
    await lab.bootyard('node', 'create', 'vnode1', '--image', 'engines', '--set', 'ram=1G', '--wait');
    // As systemd does where there is one.
    await lab.inNode('vnode1', 'mount -t cgroup2 none /sys/fs/cgroup');
  }, 200_000);
  afterAll(() => lab.remove());

  test('Podman pulls an image of the store and runs it, with no configuration', async () => {
    const podman = 'podman --storage-driver vfs --cgroup-manager cgroupfs --events-backend none';
    const container = `run --rm --network none --cgroups disabled ${IMAGE}`;
    const script = `mkdir -p /var/tmp && ${podman} pull -q ${IMAGE} && ${podman} --runtime crun ${container}`;
    const said = await lab.inNode('vnode1', `${script} /bin/busybox echo from a container`);
    const [image] = (await lab.images()).filter(({ name }) => name === 'me/box:v1');
    expect(said).toBe(`${image?.id}\nfrom a container\n`);
  }, 200_000);

  test('Docker pulls it, too', async () => {
    const until = (ask: string): string =>
      `n=0; until ${ask} >/dev/null 2>&1 || [ $n = 90 ]; do n=$((n+1)); sleep 1; done`;
    const folders = '--data-root /run/d/data --exec-root /run/d/exec --pidfile /run/d/pid';
    const network = '--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false';
    // Containerd by itself: Docker gives one that it starts 15 s.
    const script = [
      'mkdir /run/d; exec 2>/run/d/log',
      'setsid containerd -a /run/d/c.sock --root /run/d/c --state /run/d/state >&2 </dev/null &',
      until('[ -S /run/d/c.sock ]'),
      `setsid dockerd --containerd /run/d/c.sock ${folders} ${network} --storage-driver vfs >&2 </dev/null &`,
      until('docker version'),
      `docker pull -q ${IMAGE} && docker image inspect --format '{{.Id}}' ${IMAGE} || tail -n 5 /run/d/log`,
    ];
    const [image] = (await lab.images()).filter(({ name }) => name === 'me/box:v1');
    expect(await lab.inNode('vnode1', script.join('\n'))).toBe(`${IMAGE}\nsha256:${image?.id}\n`);
  }, 300_000);
});
