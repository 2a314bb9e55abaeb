import { createServer } from 'node:http';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { DockerRegistry, skopeo } from '../support/registry.ts';
import { authOf, RegistryLab } from '../support/registry-lab.ts';
import { RegistryProxy } from '../support/registry-proxy.ts';

let registry: DockerRegistry;
let lab: RegistryLab;
beforeAll(async () => {
  registry = await DockerRegistry.start();
});
afterAll(() => registry.stop());
beforeEach(async () => {
  lab = await RegistryLab.start();
});
afterEach(() => lab.end());

interface Found {
  link: string;
}
const linksOf = (json: string): string[] => (JSON.parse(json) as Found[]).map(({ link }) => link);

test('the whole catalogue of a registry is searched, page by page', async () => {
  await lab.image('box');
  await lab.image('future', 1000, { 'walt.node.models': 'pc-x86-64', 'walt.server.minversion': '99' });
  await lab.image('no-walt', 1000, {});
  lab.add(registry.host);
  await lab.run('image', 'publish', 'box', '--as', 'me/box');
  await lab.run('image', 'publish', 'box', '--as', 'me/box:v2');
  await lab.run('image', 'publish', 'future', '--as', 'other/future');
  await lab.run('image', 'publish', 'no-walt', '--as', 'me/no-walt');
  const source = `docker://${registry.host}/me/box`;
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  for (let at = 0; at < 7; at++) skopeo('copy', ...plain, source, `docker://${registry.host}/many/n${at}`);
  skopeo('copy', ...plain, source, `docker://${registry.host}/top`);

  // Pages of two, whatever the client asks for.
  const proxy = new RegistryProxy(registry.port, (path) => path.replace('n=100', 'n=2'));
  await proxy.start();
  lab.add(proxy.host);
  lab.add('127.0.0.1:1', { label: 'gone' });
  lab.add('127.0.0.1:1', { label: 'hub', searchUrl: 'http://127.0.0.1:1' });

  const all = await lab.cli.run(['image', 'search', '--json']);
  const many = Array.from({ length: 7 }, (_, at) => `own:many/n${at}`);
  expect(linksOf(all.stdout)).toEqual([...many, 'own:me/box', 'own:me/box:v2', 'own:other/future']);
  expect(all.code).toBe(0);
  expect(all.stderr).toMatch(/WARNING: The registry 'gone' cannot be reached at 127\.0\.0\.1:1/);
  expect(all.stderr).toMatch(/WARNING: The registry 'hub' cannot be reached/);
  expect(proxy.requests.filter(({ path }) => path.startsWith('/v2/_catalog')).length).toBeGreaterThan(4);

  const table = (await lab.run('image', 'search', 'OTHER')).split('\n');
  expect(table[0]).toMatch(/^User +Image name +Location +Compatibility +Clonable link$/);
  expect(table[2]).toMatch(/^other +future +own +\[Need server upgrade, version>=99] +own:other\/future$/);
  expect(await lab.run('image', 'search', 'nothing-like-it')).toBe(
    'Sorry, no image could match your request.\n',
  );

  proxy.tamper = ({ path, response }) => {
    if (!path.startsWith('/v2/_catalog')) return false;
    response.writeHead(200, { link: '</v2/_catalog?n=100>; rel="next"' });
    response.end('{"repositories":["me/box"]}');
    return true;
  };
  expect(linksOf(await lab.run('image', 'search', '--json'))).toEqual(['own:me/box', 'own:me/box:v2']);
  await proxy.stop();
});

test('an address with a path is a part of a registry', async () => {
  await lab.image('box');
  lab.add(`${registry.host}/group/project`);
  await lab.run('image', 'publish', 'box', '--as', 'me/deep');
  expect(
    skopeo('list-tags', '--tls-verify=false', `docker://${registry.host}/group/project/me/deep`),
  ).toContain('latest');
  lab.add('127.0.0.1:1', { label: 'hub', searchUrl: 'http://127.0.0.1:1' });
  expect(linksOf(await lab.run('image', 'search', '--json'))).toEqual(['own:me/deep']);
  await lab.run('image', 'clone', 'own:me/deep');
  expect(lab.store.get('deep')).toBeDefined();
});

test("images on Docker Hub are found by their users' metadata", async () => {
  const asked: string[] = [];
  // Stands for hub.docker.com, of which only the search is asked; the images are in a real registry.
  const search = createServer(({ url = '' }, response) => {
    asked.push(url);
    const isFirst = url.includes('page=1&');
    const results = isFirst ? ['js/walt_metadata', 'x/walt_metadata2'] : ['nobody/walt_metadata'];
    response.end(
      JSON.stringify({ results: results.map((name) => ({ repo_name: name })), next: isFirst ? 'x' : null }),
    );
  });
  search.listen(5010, '127.0.0.1');
  await once(search, 'listening');
  lab.add(registry.host, { label: 'hub', searchUrl: 'http://127.0.0.1:5010' });
  lab.dockerConfig({ auths: { [registry.host]: authOf('js:any') } });
  await lab.image('box');
  await lab.image('tool');
  expect(await lab.run('image', 'publish', 'box', '--registry', 'hub')).toContain(
    'Clonable link: hub:js/box\n',
  );
  await lab.run('image', 'publish', 'tool', '--registry', 'hub', '--as', 'js/tool:v1');
  expect(linksOf(await lab.run('image', 'search', '--json'))).toEqual(['hub:js/box', 'hub:js/tool:v1']);
  expect(asked).toHaveLength(2);
  const config = skopeo(
    'inspect',
    '--config',
    '--tls-verify=false',
    `docker://${registry.host}/js/walt_metadata`,
  );
  const {
    config: { Labels: labels },
  } = JSON.parse(config) as { config: { Labels: { metadata: string } } };
  expect(JSON.parse(Buffer.from(labels.metadata, 'base64').toString())).toMatchObject({
    'walt.user.images': { 'js/box:latest': { labels: { 'walt.node.models': 'pc-x86-64' } } },
  });
  search.closeAllConnections();
  search.close();
});

test('registries are added, listed and removed', async () => {
  expect(await lab.run('registry', 'list')).toMatch(
    /^label +url .*\n-+.*\nhub +https:\/\/registry-1\.docker\.io/,
  );
  await lab.run('registry', 'add', 'lab', 'registry.example.org/group/');
  expect(JSON.parse(await lab.run('registry', 'list', '--json'))).toContainEqual({
    label: 'lab',
    url: 'https://registry.example.org/group',
  });
  expect(await lab.fails('registry', 'add', 'lab', 'https://x')).toMatch(/There is a registry 'lab' already/);
  expect(await lab.fails('registry', 'add', 'walt', 'https://x')).toMatch(/cannot be the label/);
  expect(await lab.fails('registry', 'add', 'a', 'http://example.org')).toMatch(/without encryption/);
  expect(await lab.fails('registry', 'add', 'a', 'https://me:secret@example.org')).toMatch(
    /holds no password/,
  );
  expect(await lab.fails('registry', 'add', 'a', 'ftp://example.org')).toMatch(/no address of a registry/);
  expect(await lab.fails('registry', 'add', 'a', 'https://x', '--ca', '/nowhere')).toMatch(
    /no file '\/nowhere'/,
  );
  expect(await lab.fails('registry', 'remove', 'hub')).toMatch(/always there/);
  expect(await lab.cli.complete('registry', 'remove', '')).toEqual(['hub', 'lab']);
  expect(await lab.cli.complete('image', 'clone', 'l')).toEqual(['lab:']);
  expect(await lab.cli.complete('image', 'publish', 'x', '--registry', 'l')).toEqual(['lab']);
  await lab.run('registry', 'remove', 'lab');
  expect(await lab.fails('registry', 'remove', 'lab')).toMatch(/There is no registry 'lab'/);
  await lab.image('box');
  expect(await lab.fails('image', 'publish', 'box')).toMatch(/Name the registry with --registry: hub\./);
});
