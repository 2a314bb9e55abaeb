import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { DockerRegistry, skopeo } from '../support/registry.ts';
import { authOf, RegistryLab } from '../support/registry-lab.ts';
import { TokenIssuer } from '../support/token-issuer.ts';

const LOGIN = 'js:a secret:with colons';
let files: string;
let certificates: Certificates;
let lab: RegistryLab;
beforeAll(() => {
  files = mkdtempSync('/tmp/bootyard-certificates-');
  certificates = makeCertificates(files);
});
afterAll(() => rmSync(files, { recursive: true }));
beforeEach(async () => {
  lab = await RegistryLab.start();
  await lab.image('box');
});
afterEach(() => lab.end());
const roundTrip = async (): Promise<void> => {
  await lab.run('image', 'publish', 'box', '--as', 'me/box');
  await lab.run('image', 'clone', 'own:me/box', 'copy');
  expect(lab.store.get('copy')?.id).toBe(lab.store.get('box')?.id);
};

describe('a registry that wants a login', () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = await DockerRegistry.start({ login: LOGIN });
  });
  afterAll(() => registry.stop());
  beforeEach(() => lab.add(registry.host));

  test('gets that of the Docker configuration, as skopeo sends it', async () => {
    lab.dockerConfig({ auths: { [registry.host]: authOf(LOGIN) } });
    await roundTrip();
    expect(await lab.run('image', 'search', 'box')).toContain('own:me/box');
    const digest = skopeo(
      'inspect',
      '--creds',
      LOGIN,
      '--tls-verify=false',
      '--format',
      '{{.Digest}}',
      `docker://${registry.host}/me/box`,
    );
    const printed = await lab.run('image', 'publish', 'box', '--as', 'me/box', '--json');
    expect(JSON.parse(printed)).toMatchObject({ digest: digest.trim() });
  });

  test('is told apart from one that refuses the login', async () => {
    expect(await lab.fails('image', 'publish', 'box')).toBe(
      `The registry 'own' wants a login: use \`docker login ${registry.host}\`, Bootyard reads Docker's configuration.`,
    );
    lab.dockerConfig({ auths: { [`http://${registry.host}/v2/`]: authOf('js:wrong') } });
    const refusal = await lab.fails('image', 'publish', 'box');
    expect(refusal).toMatch(/refuses the login of 'js' in your Docker configuration/);
    expect(refusal).not.toContain('wrong');
  });

  const helper = (script: string): void => {
    const folder = join(lab.cli.folder, 'bin');
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'docker-credential-test');
    writeFileSync(file, `#!/bin/sh\necho "$@" >>"$HOME/arguments"\n${script}\n`);
    chmodSync(file, 0o755);
    lab.cli.env.PATH = `${folder}:${process.env.PATH}`;
  };
  const [user, secret] = ['js', LOGIN.slice(3)];

  test.each(['credHelpers', 'credsStore'])('gets what a helper of %s knows', async (kind) => {
    lab.dockerConfig(
      kind === 'credsStore' ? { credsStore: 'test' } : { credHelpers: { [registry.host]: 'test' } },
    );
    helper(`read -r server; [ "$server" = ${registry.host} ] || exit 3
printf '{"ServerURL":"%s","Username":"${user}","Secret":"${secret}"}' "$server"`);
    await roundTrip();
    expect(readFileSync(join(lab.cli.folder, 'arguments'), 'utf8')).toMatch(/^(get\n)+$/);
  });

  test('says so when a helper fails, and never what it printed', async () => {
    lab.dockerConfig({ credsStore: 'test' });
    helper('echo top-secret; exit 1');
    const sentence = await lab.fails('image', 'publish', 'box');
    expect(sentence).toMatch(
      /helper 'docker-credential-test' of your Docker configuration failed \(exit code 1\)/,
    );
    expect(sentence).not.toContain('top-secret');
    helper('echo "credentials not found in native keychain"; exit 1');
    expect(await lab.fails('image', 'publish', 'box')).toMatch(/wants a login/);
    lab.dockerConfig({ credsStore: '../../bin/sh' });
    expect(await lab.fails('image', 'publish', 'box')).toMatch(/odd characters/);
    lab.dockerConfig({ credsStore: 'not-there' });
    expect(await lab.fails('image', 'publish', 'box')).toMatch(/there is no such program/);
  });

  test('a damaged configuration is named', async () => {
    lab.dockerConfig([] as object);
    expect(await lab.fails('image', 'publish', 'box')).toMatch(
      /\.docker\/config\.json is no configuration of Docker/,
    );
  });
});

describe('a registry with TLS', () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    registry = await DockerRegistry.start({
      tls: { certificate: certificates.certificate, key: certificates.key },
    });
  });
  afterAll(() => registry.stop());

  test('of a private authority is trusted when that is named', async () => {
    const url = `https://${registry.host}`;
    await lab.run('registry', 'add', 'own', url, '--ca', certificates.authority);
    await roundTrip();
  });
  test('is not trusted otherwise', async () => {
    await lab.run('registry', 'add', 'own', registry.host);
    expect(await lab.fails('image', 'publish', 'box')).toMatch(
      /^The certificate of 127\.0\.0\.1:5000 \(registry 'own'\) is not trusted .*registry add own https:\/\/127\.0\.0\.1:5000 --ca FILE --force`\.$/,
    );
    await lab.run('registry', 'add', 'own', registry.host, '--insecure', '--force');
    await roundTrip();
  });
  test('is trusted by NODE_EXTRA_CA_CERTS', async () => {
    lab.cli.env.NODE_EXTRA_CA_CERTS = certificates.authority;
    await lab.run('registry', 'add', 'own', registry.host);
    await roundTrip();
  });
  test('is reached through a proxy, unless NO_PROXY names it', async () => {
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', ({ url = '' }, socket: Socket) => {
      tunnels.push(url);
      const [host, port] = url.split(':');
      const onward = connect(Number(port), host);
      onward.on('connect', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      for (const end of [socket, onward]) end.on('error', () => (socket.destroy(), onward.destroy()));
    });
    proxy.listen(3128, '127.0.0.1');
    await once(proxy, 'listening');
    lab.cli.env.HTTPS_PROXY = '127.0.0.1:3128';
    await lab.run('registry', 'add', 'own', registry.host, '--ca', certificates.authority);
    await roundTrip();
    expect(new Set(tunnels)).toEqual(new Set([registry.host]));
    tunnels.length = 0;
    lab.cli.env.NO_PROXY = '127.0.0.1';
    await lab.run('image', 'clone', 'own:me/box', 'another');
    expect(tunnels).toEqual([]);
    proxy.closeAllConnections();
    proxy.close();
  });
});

test('a plain registry is reached through a proxy', async () => {
  const registry = await DockerRegistry.start();
  const asked: string[] = [];
  const proxy = createServer((from, to) => {
    asked.push(from.url ?? '');
    const onward = request(from.url ?? '', { method: from.method, headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(to);
    });
    from.pipe(onward);
  });
  proxy.listen(3128, '127.0.0.1');
  await once(proxy, 'listening');
  lab.cli.env.HTTP_PROXY = 'http://127.0.0.1:3128';
  lab.add(registry.host);
  await roundTrip();
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.every((url) => url.startsWith(`http://${registry.host}/v2/me/`))).toBe(true);
  proxy.closeAllConnections();
  proxy.close();
  await registry.stop();
});

describe('a registry with an issuer of tokens', () => {
  let registry: DockerRegistry;
  let issuer: TokenIssuer;
  beforeEach(async () => {
    issuer = new TokenIssuer(5001, certificates, LOGIN);
    const { service, issuer: name } = TokenIssuer;
    const token = { realm: issuer.realm, service, issuer: name, certificates: certificates.certificate };
    registry = await DockerRegistry.start({ token });
    lab.add(registry.host);
  });
  afterEach(async () => {
    await registry.stop();
    await issuer.stop();
  });

  test('gets one for each scope, once', async () => {
    lab.dockerConfig({ auths: { [registry.host]: authOf(LOGIN) } });
    await lab.run('image', 'publish', 'box', '--as', 'me/box');
    expect(issuer.asked).toEqual([{ method: 'GET', scope: 'repository:me/box:pull,push', user: 'js' }]);
    issuer.asked.length = 0;
    await lab.run('image', 'clone', 'own:me/box', 'copy');
    expect(issuer.asked).toEqual([{ method: 'GET', scope: 'repository:me/box:pull', user: 'js' }]);
    issuer.asked.length = 0;
    issuer.allowed = () => true;
    await lab.run('image', 'search', 'box');
    expect(issuer.asked[0]).toMatchObject({ scope: 'registry:catalog:*' });
  });
  test('a short-lived token is asked for again', async () => {
    lab.dockerConfig({ auths: { [registry.host]: authOf(LOGIN) } });
    issuer.lifeSeconds = 1;
    await roundTrip();
    expect(issuer.asked.length).toBeGreaterThan(4);
  });
  test('an identity token is refreshed', async () => {
    lab.dockerConfig({ auths: { [registry.host]: { auth: authOf('js:').auth, identitytoken: 'refresh' } } });
    await lab.run('image', 'publish', 'box', '--as', 'me/box');
    expect(issuer.asked).toEqual([{ method: 'POST', scope: 'repository:me/box:pull,push', user: 'js' }]);
  });
  test('without a login one may fetch, and not send', async () => {
    expect(await lab.fails('image', 'publish', 'box', '--as', 'me/box')).toMatch(/wants a login/);
    lab.dockerConfig({ auths: { [registry.host]: authOf(LOGIN) } });
    await lab.run('image', 'publish', 'box', '--as', 'me/box');
    lab.dockerConfig({});
    await lab.run('image', 'clone', 'own:me/box', 'copy');
    lab.dockerConfig({ auths: { [registry.host]: authOf('js:wrong') } });
    expect(await lab.fails('image', 'clone', 'own:me/box', 'other')).toMatch(/refuses the login of 'js'/);
  });
});

test('a login does not go where a registry redirects to', async () => {
  const heads: string[] = [];
  const thief = createTcpServer((socket) => {
    socket.once('data', (data) => {
      heads.push(data.toString());
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
  });
  thief.listen(5003, '127.0.0.1');
  const asked: (string | undefined)[] = [];
  const registry = createServer(({ headers, url }, response) => {
    asked.push(headers.authorization);
    if (!headers.authorization) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' });
    else response.writeHead(307, { location: `http://127.0.0.1:5003${url}` });
    response.end();
  });
  registry.listen(5002, '127.0.0.1');
  lab.add('127.0.0.1:5002');
  lab.dockerConfig({ auths: { '127.0.0.1:5002': authOf(LOGIN) } });
  expect(await lab.fails('image', 'clone', 'own:me/box', 'x')).toMatch(/No such remote image/);
  expect(asked).toEqual([undefined, `Basic ${authOf(LOGIN).auth}`]);
  expect(heads).toHaveLength(1);
  expect(heads[0]).not.toMatch(/authorization/i);
  registry.closeAllConnections();
  registry.close();
  thief.close();
});
