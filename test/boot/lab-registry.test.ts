import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestLab, until } from '../support/lab.ts';
import { skopeo } from '../support/registry.ts';

const lab = new TestLab();
beforeAll(async () => {
  await lab.importDefault('pc-x86-64-tiny');
});
afterAll(() => lab.remove());

const port = async (): Promise<number> => {
  const said = await lab.bootyard('registry', 'expose');
  expect(said).toMatch(/^The registry of the lab is at 127\.0\.0\.1:\d+\. Push with: docker push /);
  return Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
};

test('an image is pushed from the host, boots, and its node pulls from registry.walt', async () => {
  expect((await lab.status()).registry).toEqual({ address: 'registry.walt:5000', host: null });
  // Somebody else has the usual port, or had it before.
  const other = createServer()
    .listen(5000, '127.0.0.1')
    .on('error', () => {});
  await new Promise((resolve) => other.once('listening', resolve).once('error', resolve));
  const host = `127.0.0.1:${await port()}`;
  other.close();
  expect(host).not.toBe('127.0.0.1:5000');
  expect((await lab.status()).registry?.host).toEqual({ address: host, reason: null });
  expect(await lab.bootyard('lab', 'status')).toContain(
    `registry: registry.walt:5000 in the lab, ${host} on this host`,
  );

  const archive = join(lab.home, 'tiny.tar');
  await lab.bootyard('image', 'export', 'pc-x86-64-tiny', archive);
  const [tiny] = await lab.images();
  await lab.bootyard('image', 'remove', 'pc-x86-64-tiny');
  const sent = [
    '--format',
    'v2s2',
    '--dest-compress',
    `oci-archive:${archive}`,
    `docker://${host}/dev/pushed:v2`,
  ];
  skopeo('copy', '--dest-tls-verify=false', ...sent);
  const [pushed] = await lab.images();
  expect(pushed).toMatchObject({ name: 'dev/pushed:v2', id: tiny?.id });

  await lab.bootyard('node', 'create', 'vnode1', '--wait', '--image', 'dev/pushed:v2');
  expect(await lab.node('vnode1')).toMatchObject({ image: 'dev/pushed:v2', state: 'booted' });
  const base = 'http://registry.walt:5000/v2/';
  expect(await lab.inNode('vnode1', `wget -qO- ${base}`)).toContain('{}');
  expect(await lab.inNode('vnode1', `wget -qO- ${base}_catalog`)).toContain(
    '{"repositories":["dev/pushed"]}',
  );
  const raw = skopeo('inspect', '--raw', '--tls-verify=false', `docker://${host}/dev/pushed:v2`);
  const { layers } = JSON.parse(raw) as { layers: { mediaType: string; digest: string }[] };
  const [layer] = layers;
  expect(layer?.mediaType).toContain('gzip');
  const hex = layer?.digest.slice(7) ?? '';
  const sum = await lab.inNode('vnode1', `wget -qO- ${base}dev/pushed/blobs/sha256:${hex} | sha256sum`);
  expect(sum).toContain(hex);
  const refused = await lab.run(
    'node',
    'run',
    'vnode1',
    `wget -qO- --post-data= ${base}dev/x/blobs/uploads/`,
  );
  expect([refused.status, refused.stderr + refused.stdout]).toEqual([1, expect.stringContaining('403')]);
  expect(lab.daemonLog()).toContain('is refused: Nodes may only pull');
});

test('the port stays when the daemon dies, and goes when it is asked to', async () => {
  const before = await port();
  process.kill((await lab.status()).daemon?.pid ?? 0, 'SIGKILL');
  const answers = async (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${before}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until('the registry answers again', answers, (ok) => ok);
  expect(readFileSync(lab.paths.daemonLog, 'utf8')).not.toContain('unhandled');
  expect(await lab.bootyard('registry', 'expose', 'none')).toMatch(/^No port of this host/);
  await until('the port is closed', answers, (ok) => !ok);
});
