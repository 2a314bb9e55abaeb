import { copyFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callersLab, plainUsersLab, type LabUser } from './lab-fixture.ts';

const owners: [string, () => LabUser][] = [['the caller', callersLab]];
if (process.getuid?.() === 0) owners.push(['a plain user', plainUsersLab]);

/** Two nodes at taps of their own, each the far end of a veth pair in a network namespace with IPv6. */
const PRELUDE = `
  import { LabNetwork } from '\${lab}/network.ts';
  import { answerRouterSolicitations, routerFiles } from '\${lab}/router.ts';
  import { findKept } from '\${lab}/kept-process.ts';
  import { execFileSync, spawn } from 'node:child_process';
  import { once } from 'node:events';
  const ip = (line) => JSON.parse(execFileSync('ip', ['-j', ...line.split(' ')], { encoding: 'utf8' }) || '[]');
  const said = [];
  const log = (line) => said.push(line);
  const network = new LabNetwork(log);
  await network.setup();
  const files = routerFiles(process.cwd());
  const print = (value) => console.log(JSON.stringify(value));
  const addressesOfBridge = () => ip('-6 address show dev walt-net').flatMap((link) => link.addr_info).map((a) => a.local);
  const makeNode = async (number) => {
    const [tap, mac] = ['by-veth' + number, '52:54:00:00:00:0' + number];
    execFileSync('ip', ['link', 'add', tap, 'type', 'veth', 'peer', 'name', 'node' + number]);
    await network.addTap(tap, { mac, ip: '192.168.152.1' + number });
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo in; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(holder.stdout, 'data');
    execFileSync('ip', ['link', 'set', 'node' + number, 'netns', String(holder.pid), 'address', mac, 'name', 'eth0']);
    const argv = (words) => ['-t', String(holder.pid), '-n', ...words];
    const run = (...words) => execFileSync('nsenter', argv(words), { encoding: 'utf8' });
    const start = (...words) => spawn('nsenter', argv(words), { stdio: ['ignore', 'pipe', 'inherit'] });
    run('sh', '-c', 'cd /proc/sys/net/ipv6/conf/eth0; echo 1 >accept_ra; echo 0 >accept_dad; echo 0 >disable_ipv6; ip link set eth0 up');
    return { run, start, end: () => { execFileSync('ip', ['link', 'delete', tap]); holder.kill(); } };
  };
`;

describe.each(owners)('router solicitations in the lab of %s', (_name, make) => {
  let user: LabUser;
  let ndp: string;
  beforeAll(async () => {
    user = make();
    // The checkout's own folder may be closed to the user.
    ndp = join(user.folder, 'ndp.py');
    copyFileSync(join(import.meta.dirname, '../support/ndp.py'), ndp);
    chmodSync(ndp, 0o644);
    await user.run('answer(await startLab(paths, options));');
  });
  afterAll(async () => {
    await user.dispose();
  });
  const inLab = async (code: string) => await user.run(`answer(inLab(\`${PRELUDE}${code}\`));`);

  test('have no answer without radvd, which is said, and the bridge stays without IPv6', async () => {
    const seen = await inLab(`
      await answerRouterSolicitations({ run: process.cwd(), log, program: 'no-such-radvd' });
      print({ said, kept: findKept(files) ?? null, addresses: addressesOfBridge() });
    `);
    expect(seen).toEqual({
      said: [
        'Router solicitations are not answered, no-such-radvd is not installed ("bootyard doctor" names the package): nodes with firmware=pxe start half a minute later.',
      ],
      kept: null,
      addresses: [],
    });
  });

  test('are answered to who asks, by word that there is no router, prefix and DHCPv6', async () => {
    const seen = await inLab(`
      await answerRouterSolicitations({ run: process.cwd(), log });
      const [asking, silent] = [await makeNode(1), await makeNode(2)];
      const listener = silent.start('python3', '${ndp}', 'hear', 'eth0');
      let heard = '';
      listener.stdout.on('data', (data) => (heard += data));
      await once(listener.stdout, 'data');
      const [router, message] = asking.run('python3', '${ndp}', 'solicit', 'eth0').trim().split(' ');
      const routes = asking.run('ip', '-6', 'route', 'show', 'default');
      const addresses = asking.run('ip', '-6', '-o', 'address', 'show', 'dev', 'eth0').trim().split('\\\\n').map((line) => line.split(/ +/)[3]);
      asking.run('python3', '${ndp}', 'forge', 'eth0');
      if (!heard.includes('last')) await once(listener, 'close');
      print({ router, message, routes, addresses, heard, addressesOfBridge: addressesOfBridge(), said });
      asking.end(); silent.end(); process.exit(0);
    `);
    expect(seen).toEqual({
      router: 'fe80::c0ff:fea8:9801',
      // type, code, checksum, hop limit 64, no flags, lifetime 0, no timers; one option: the router's MAC (RFC 4861 §4.2, §4.6.1)
      message: expect.stringMatching(/^8600[0-9a-f]{4}40000000000000000000000001010200c0a89801$/),
      routes: '',
      addresses: ['fe80::5054:ff:fe00:1/64'],
      // A node hears the others' messages, and those of their own VLANs; no answer that it has not asked for, no false one.
      heard: 'ready\nother network\nmessage\nlast\n',
      addressesOfBridge: ['fe80::c0ff:fea8:9801'],
      said: [],
    });
  });

  test("keep a node from the server's neighbour table but under its own address", async () => {
    const neighbours = await inLab(`
      const node = await makeNode(3);
      node.run('python3', '${ndp}', 'forge', 'eth0');
      node.run('python3', '${ndp}', 'solicit', 'eth0');
      print(ip('-6 neigh show dev walt-net').map((entry) => entry.dst).filter((address) => !address.startsWith('ff')));
      node.end(); process.exit(0);
    `);
    expect(neighbours).toContain('fe80::5054:ff:fe00:3');
    expect(neighbours).not.toContain('fe80::bad');
  });

  test('are answered by one process, which a new daemon finds and which the log misses when it ends', async () => {
    const [before, after] = (await inLab(`
      const before = findKept(files);
      await Promise.all([1, 2].map(() => answerRouterSolicitations({ run: process.cwd(), log })));
      print([before.pid, findKept(files).pid]);
      process.exit(0);
    `)) as number[];
    expect(after).toBe(before);
    const seen = await inLab(`
      await answerRouterSolicitations({ run: process.cwd(), log });
      process.kill(findKept(files).pid, 'SIGKILL');
      while (said.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      print(said);
    `);
    expect(seen).toEqual(['radvd has ended (SIGKILL): nodes with firmware=pxe start half a minute later.']);
  });
});
