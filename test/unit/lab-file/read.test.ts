import { describe, expect, test } from 'vitest';
import { readLab } from '../../../backend/api/lab-file/read.ts';

/** `line:column sentence` of each problem. */
const problems = (...lines: string[]): string[] =>
  readLab(`${lines.join('\n')}\n`, '/w').problems.map(
    ({ message, from }) => `${from.line}:${from.column} ${message}`,
  );
const lab = (...lines: string[]) => {
  const read = readLab(`${lines.join('\n')}\n`, '/w');
  expect(read.problems).toEqual([]);
  if (!read.lab) throw new Error('no lab');
  return read.lab;
};

describe('what a file means', () => {
  test('nodes: scalars as their text, defaults filled in', () => {
    const { nodes } = lab(
      'nodes:',
      '  web:',
      '    image: box',
      '    settings: {ram: 1G, cpu.cores: 2, mount.persist: false, expose: 80, boot.delay: random}',
      '    snapshots: [fresh]',
      '  copy: {from: web@fresh, power: off}',
      '  plain:',
    );
    expect(nodes.get('web')).toEqual({
      image: 'box',
      power: 'on',
      snapshots: ['fresh'],
      settings: { ram: '1G', 'cpu.cores': 2, 'mount.persist': 'false', expose: '80', 'boot.delay': 'random' },
    });
    expect(nodes.get('copy')).toEqual({ from: 'web@fresh', power: 'off', settings: {}, snapshots: [] });
    expect(nodes.get('plain')).toEqual({ power: 'on', settings: {}, snapshots: [] });
  });

  test('images: paths are relative to the file, text stays text', () => {
    const { images } = lab(
      'images:',
      '  a: {build: ./a}',
      '  b:latest: {build: {url: "https://h/r.git#x", dir: d, args: {V: 1.10}}}',
      '  c: {clone: "hub:u/n:t", model: pc-x86-64}',
      '  d: {import: /x/d.tar, labels: {walt.node.models: pc-x86-64}}',
      '  pc-x86-64-tiny: {default: true}',
      '  e: {default: {packages: [nano], files: files}}',
    );
    expect(Object.fromEntries(images)).toEqual({
      a: { kind: 'build', from: { folder: '/w/a' }, args: {} },
      b: { kind: 'build', from: { url: 'https://h/r.git#x' }, dir: 'd', args: { V: '1.10' } },
      c: { kind: 'clone', link: 'hub:u/n:t', model: 'pc-x86-64' },
      d: { kind: 'import', path: '/x/d.tar', labels: { 'walt.node.models': 'pc-x86-64' } },
      'pc-x86-64-tiny': { kind: 'default' },
      e: { kind: 'default', variant: { packages: ['nano'], files: '/w/files' } },
    });
  });

  test('networks: what the file says of one counts where a node does not', () => {
    const { nodes } = lab(
      'networks:',
      '  home-net: {lat: 10ms, loss: 1%}',
      '  other-net:',
      'nodes:',
      '  n1: {settings: {networks: "walt-net,home-net,other-net"}}',
      '  n2: {settings: {networks: "walt-net,home-net[bw=1Mbps]"}}',
    );
    expect(nodes.get('n1')?.settings.networks).toBe('walt-net,home-net[lat=10ms,loss=1%],other-net');
    expect(nodes.get('n2')?.settings.networks).toBe('walt-net,home-net[bw=1Mbps]');
  });

  test('merge keys and anchors; an empty file is a lab without anything', () => {
    const { nodes } = lab('nodes:', '  n1: &base {image: box}', '  n2: {<<: *base, power: off}');
    expect(nodes.get('n2')).toMatchObject({ image: 'box', power: 'off' });
    expect(lab('# nothing')).toEqual({ images: new Map(), nodes: new Map() });
  });
});

describe('what is wrong, and where', () => {
  test('the form', () => {
    expect(
      problems(
        'images:',
        '  base: {clone: "hub:a/b", model: x}',
        '  b2: {build: {foldr: x}}',
        '  b3: {build: [x]}',
        '  b4: {build: ""}',
        'nodes:',
        '  web:',
        '    imag: web',
        '    settings: {ram: 512, cpu.cores: 99, foo: 1}',
        '  db: {power: of}',
        '  c: [1]',
        '  dd: {from: a, snapshots: x}',
        '  ee: {snapshots: ["a b"], image: {}}',
        'node: {}',
      ),
    ).toEqual([
      "2:35 'images.base.model' takes pc-x86-64 or qemu-arm-64, not 'x'.",
      "3:16 'build' of an image has no 'foldr': did you mean 'folder'?",
      "4:8 'images.b3.build' takes text, or names with values below it, not a list.",
      "5:15 'images.b4.build' may not be empty.",
      "8:5 A node has no 'imag': did you mean 'image'?",
      "9:21 Failed: ram value should be a number and M or G, such as 512M, not '512'.",
      "9:37 Failed: cpu.cores value should be a whole number from 1 to 64, not '99'.",
      "9:41 A node's settings has no 'foo': there is netsetup, networks, ram, cpu.cores, disks, boot.mode, boot.delay, boot.timeout, boot.retries, mount.persist, kexec.allow, firmware, accel, expose.",
      "10:15 'nodes.db.power' takes on or off, not 'of'.",
      "11:3 'nodes.c' takes names with values, each on a line below it, not a list.",
      "12:14 'nodes.dd.from' takes <node>@<snapshot>, as `bootyard node snapshot list` has it, not 'a'.",
      "12:28 'nodes.dd.snapshots' takes a list, not 'x'.",
      "13:20 'nodes.ee.snapshots.0' takes up to 64 letters, digits and _ . -, a letter or digit first, not 'a b'.",
      "13:28 'nodes.ee.image' takes text, not names with values.",
      "14:1 A lab file has no 'node': did you mean 'nodes'?",
    ]);
  });

  test('what does not go together', () => {
    expect(
      problems(
        'images:',
        '  Bad: {import: a}',
        '  pc: {default: true}',
        '  two: {import: a.tar, clone: "b:c/d"}',
        '  none: {}',
        '  b2: {build: {dir: x}}',
        '  b3: {build: {url: "-x"}}',
        '  cl: {clone: hub, labels: {a: b}}',
        '  im: {import: x, model: pc-x86-64}',
        '  va: {default: {packages: [A]}}',
      ),
    ).toEqual([
      '2:3 Bad name: Only lowercase letters, digits and dash(-) characters are allowed in <name> and <tag>.',
      "3:3 There is no default image 'pc'; there are pc-x86-64-tiny, pc-x86-64-default, qemu-arm-64-tiny.",
      '4:3 Image two needs to say one way, not clone and import: take one of build, clone, import, default.',
      '5:3 Image none needs to say how it is made: take one of build, clone, import, default.',
      "6:8 'build' needs one thing to build from: folder or url.",
      "7:21 '-x' is no URL of a git repository: give <url>[#<branch>].",
      "8:15 'hub' is no link: write [hub|<label>]:<user>/<name>[:<tag>], or docker:<name>[:<tag>].",
      "8:20 'labels' goes with import, not with clone.",
      "9:19 'model' goes with clone, not with import.",
      "10:29 'A' is no name of a Debian package.",
    ]);
    expect(
      problems(
        'networks:',
        '  home-net: {lat: 10ms, bw: 100Mbs}',
        '  walt-net:',
        'nodes:',
        '  web: {settings: {networks: "walt-net,home-nt"}, from: x@y}',
        '  WEB: ',
        '  self: {from: self@a}',
        '  n_1: {image: X}',
        '  arm: {model: qemu-arm-64, settings: {firmware: uefi}}',
        '  p1: {settings: {expose: "80:8080"}}',
        '  p2: {settings: {expose: "81:8080"}, snapshots: [a, a], power: off}',
      ),
    ).toEqual([
      "2:3 'bw=100Mbs' is not a valid network resource restriction. See 'bootyard node config --help'.",
      '3:3 walt-net is there by itself: restrict it in the setting networks of a node.',
      "5:9 A node made from a snapshot takes its settings from there: leave 'settings' out.",
      "5:30 There is no network 'home-nt' in this file: add it below 'networks', where there is home-net, walt-net.",
      "6:3 There is a node 'web' already, and case does not count.",
      '7:16 A node cannot be made from a snapshot of its own.',
      "8:3 Failed: invalid node name 'n_1': only alphanumeric characters and '-' are allowed (example: vnode1).",
      '8:16 Bad name: Only lowercase letters, digits and dash(-) characters are allowed in <name> and <tag>.',
      "9:29 Failed: arm is a qemu-arm-64 node, which starts with U-Boot, so 'firmware' setting cannot be applied.",
      '11:27 Port 8080 of the host leads to node p1 already: take another one.',
      '11:39 Snapshot a is there twice.',
      '11:39 A snapshot is saved of a node that runs: this one has power off.',
    ]);
  });

  test('no YAML', () => {
    expect(problems('nodes: {', '  a: b')[0]).toMatch(/^\d+:\d+ This is no YAML that is understood: /);
    expect(problems('nodes: {}', 'nodes: {}')).toEqual([
      '2:1 This is no YAML that is understood: Map keys must be unique.',
    ]);
    expect(problems('nodes: *none')[0]).toMatch(/^1:8 This is no YAML|^1:1 The aliases/);
    expect(problems(`# ${'x'.repeat(1_000_000)}`)).toEqual(['1:1 A file has at most 1 MB.']);
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef'])
      bomb.push(`${to}: &${to} [${`*${from},`.repeat(9)}]`);
    expect(problems(...bomb)[0]).toMatch(/aliases of this file cannot be followed/);
  });
});
