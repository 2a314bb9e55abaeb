import { describe, expect, test } from 'vitest';
import { injectedLayer } from '../../backend/boot/injected-layer.ts';
import { file, folder, link, treeOf } from './images/support.ts';

const node = {
  mac: '52:54:00:00:00:02',
  ip: '192.168.152.2',
  name: 'n1',
  model: 'pc-x86-64',
  image: 'tiny',
};
const lab = {
  serverAddress: '192.168.152.1',
  serverMac: '02:00:c0:a8:98:01',
  authorizedKey: 'ssh-rsa AAAA',
  hostKey: Buffer.from('key'),
  hostKeyPublic: 'ecdsa AAAA',
  dropbearKey: Buffer.from('key'),
  registryCertificate: 'PEM',
  registryPlace: 'registry.walt:5000',
};

/** What a node gets of an image whose image.spec is `spec`: the filled files and the warnings. */
function filled(spec: string | undefined): { files: Record<string, string>; warnings: string[] } {
  const tree = treeOf([
    [
      folder('etc'),
      ...(spec === undefined ? [] : [file('etc/walt/image.spec', spec)]),
      file('etc/a', '%(server_ip)s %(walt_node_name)s %(nothing)s', { mode: 0o755 }),
      file('etc/b', '%(server_mac)s'),
      link('etc/link', 'a'),
    ],
  ]);
  const warnings: string[] = [];
  const image = { id: 'ab'.repeat(32), sizeKib: 1 };
  const entries = injectedLayer(tree, node, image, lab, (sentence) => warnings.push(sentence));
  const files: Record<string, string> = {};
  for (const { path, content } of entries) {
    if (/^\/?etc\/(a|b|link)$/.test(path)) files[path] = Buffer.from(content ?? []).toString();
  }
  return { files, warnings };
}

describe('/etc/walt/image.spec', () => {
  test('lists templates, which are filled', () => {
    expect(filled('{"templates": ["/etc/a", "//etc/./b"], "features": {"nbfs2": "true"}}')).toEqual({
      files: { '/etc/a': '192.168.152.1 n1 %(nothing)s', '/etc/b': '02:00:c0:a8:98:01' },
      warnings: [],
    });
    for (const spec of [undefined, '{}', '{"features": {}}'])
      expect(filled(spec)).toEqual({ files: {}, warnings: [] });
  });

  test.each([
    ['', 'is ignored: it is not JSON.'],
    ['{"templates": [', 'is ignored: it is not JSON.'],
    ['["/etc/a"]', 'is ignored: it is not a JSON object.'],
    ['null', 'is ignored: it is not a JSON object.'],
    [
      '{"templates": "/etc/a"}',
      "is ignored: its 'templates' is not as expected (templates: a list of paths).",
    ],
    ['{"templates": ["/etc/a", 7]}', "its 'templates.1' is not as expected"],
  ])('that is broken is one warning: %s', (spec, warning) => {
    expect(filled(spec)).toEqual({ files: {}, warnings: [expect.stringContaining(warning)] });
  });

  test.each([
    ['/etc/nothing', 'which does not exist'],
    ['/etc', 'which is not a file'],
    ['../etc/a', 'which leads out of the image'],
    ['/../etc/a', 'which leads out of the image'],
    ['/etc/../../b', 'which leads out of the image'],
    ['/etc/a\\u0000', 'which does not exist'],
  ])('a path that is no file of the image costs that path: %s', (path, why) => {
    const { files, warnings } = filled(`{"templates": ["${path}", "/etc/b"]}`);
    expect(files).toEqual({ '/etc/b': '02:00:c0:a8:98:01' });
    expect(warnings).toEqual([`/etc/walt/image.spec lists the template "${path}", ${why}.`]);
  });

  test('with many bad paths is one warning that counts them', () => {
    expect(filled('{"templates": ["/x", "/y", "/etc/a", "/z"]}').warnings).toEqual([
      '/etc/walt/image.spec lists the template "/x", which does not exist (and 2 more that cannot be used).',
    ]);
  });
});
