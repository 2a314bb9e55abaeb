import { expect, test } from 'vitest';
import { file, link } from '../images/support.ts';
import { bytes, expectCase, type LintCase, lintChanged } from './support.ts';

const KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n';
const whiteout = (path: string) => file(path.replace(/([^/]+)$/, '.wh.$1'));
const held = (path: string, content: string, part: string): LintCase => [
  path,
  { put: [file(path, content)] },
  [['secrets.in-image', `/${path}`, part]],
];

const cases: LintCase[] = [
  held('root/.ssh/id_ed25519', KEY, 'a private key'),
  held('etc/ssl/private/server.key', '-----BEGIN RSA PRIVATE KEY-----\n', 'a private key'),
  held('home/me/key.ppk', 'PuTTY-User-Key-File-3: ssh-ed25519\n', 'a private key'),
  held('root/.netrc', 'machine example.org login me password secret\n', 'passwords for servers'),
  held('root/.docker/config.json', '{"auths": {"x": {"auth": "bWU6c2VjcmV0"}}}', 'container registries'),
  held('root/.config/containers/auth.json', '{"auths":{"x":{"auth":"bWU6"}}}', 'container registries'),
  held('root/.aws/credentials', '[default]\naws_secret_access_key = abc\n', 'AWS'),
  held('opt/service-account.json', '{"type": "service_account", "private_key": "-----BEGIN"}', 'Google'),
  held('root/.azure/msal_token_cache.json', '{"accessToken": "x"}', 'Azure'),
  held('root/.kube/config', 'users:\n- name: x\n  user:\n    client-key-data: LS0t\n', 'Kubernetes'),
  held('root/.git-credentials', 'https://me:secret@example.org\n', 'git'),
  held('root/.npmrc', '//registry.npmjs.org/:_authToken=npm_x\n', 'npm'),
  held('root/.pypirc', '[pypi]\nusername = me\npassword = secret\n', 'PyPI'),
  held('root/.pgpass', 'localhost:5432:db:me:secret\n', 'PostgreSQL'),
  held('srv/app/.env', 'DEBUG=1\nexport API_KEY="abcdefgh"\n', 'secrets of a program'),
  [
    'names alone are no secrets',
    {
      put: [
        file('root/.ssh/id_rsa.pub', 'ssh-rsa AAAA'),
        file('etc/ssl/certs/ca.pem', '-----BEGIN CERTIFICATE-----\n'),
        file('root/.docker/config.json', '{"credsStore": "pass"}'),
        file('root/.npmrc', '//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n'),
        file('srv/.env', 'TOKEN=${TOKEN}\n'),
        file('usr/share/doc/x/server.key', KEY),
        file('usr/lib/python3/test/keycert.pem', KEY),
        link('root/.netrc', '/gone'),
        bytes('etc/empty.key', Buffer.alloc(0)),
      ],
    },
    [],
  ],
  [
    'a key that a later layer removes',
    { put: [file('root/.ssh/id_rsa', KEY)], layers: [[whiteout('root/.ssh/id_rsa')]] },
    [['secrets.in-layer', '/root/.ssh/id_rsa', 'Layer 1 of the image still holds']],
  ],
  [
    'a key that a later layer replaces, in the second of three',
    { layers: [[file('root/.ssh/id_rsa', KEY)], [file('root/.ssh/id_rsa', 'nothing')]] },
    [['secrets.in-layer', '/root/.ssh/id_rsa', 'Layer 2 of the image']],
  ],
  [
    'a key whose folder a later layer removes',
    { put: [file('root/build/a.pem', KEY)], layers: [[whiteout('root/build')]] },
    [['secrets.in-layer', '/root/build/a.pem', 'Layer 1']],
  ],
  [
    'a key that a later layer only touches',
    { put: [file('root/a.pem', KEY)], layers: [[file('root/a.pem', KEY, { mtime: 5 })]] },
    [['secrets.in-image', '/root/a.pem', 'a private key']],
  ],
  [
    'a host key that a later layer removes',
    { put: [file('etc/ssh/ssh_host_rsa_key', KEY)], layers: [[whiteout('etc/ssh/ssh_host_rsa_key')]] },
    [],
  ],
];

test.each(cases)('secrets: %s', async (...row) => expectCase(row));

test('paths are told in UTF-8', async () => {
  const [found] = await lintChanged({ put: [file('root/clé.pem', KEY)] });
  expect(found?.path).toBe('/root/clé.pem');
  expect(found?.message).toContain("'/root/clé.pem'");
});

test('many are counted, not listed', async () => {
  const put = Array.from({ length: 45 }, (_, at) => file(`root/k/${at}.pem`, KEY));
  const found = await lintChanged({ put });
  expect(found.length).toBe(21);
  expect(found.at(-1)).toMatchObject({ rule: 'secrets.in-image', message: 'There are 25 more of these.' });
});

test('an image with very many candidates is not looked into to the end, and that is said', async () => {
  const put = Array.from({ length: 20_001 }, (_, at) => file(`srv/${at}.pem`, 'x'));
  const found = await lintChanged({ put });
  expect(found.map(({ rule }) => rule)).toEqual(['secrets.unchecked']);
});
