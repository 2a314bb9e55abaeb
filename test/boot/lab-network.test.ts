import { describe, expect, test } from 'vitest';
import { labForTests, labOwners } from './lab-fixture.ts';

const PRELUDE = `
  import { LabNetwork, NETWORK } from '\${lab}/network.ts';
  import { execFileSync, spawn } from 'node:child_process';
  import dgram from 'node:dgram';
  import { once } from 'node:events';
  const ip = (line) => JSON.parse(execFileSync('ip', ['-j', '-d', ...line.split(' ')], { encoding: 'utf8' }) || '[]');
  const said = [];
  const network = new LabNetwork((line) => said.push(line));
  await network.setup();
  const print = (value) => console.log(JSON.stringify(value));
`;

describe.each(labOwners)('network in the lab of %s', (_name, make) => {
  const inLab = labForTests(make, PRELUDE);

  test('is there after setup, and the same after another', async () => {
    const look = `
      const [bridge] = ip('link show walt-net');
      print({ mac: bridge.address, kind: bridge.linkinfo.info_kind, stp: bridge.linkinfo.info_data.stp_state,
        delay: bridge.linkinfo.info_data.forward_delay, snooping: bridge.linkinfo.info_data.mcast_snooping,
        addresses: ip('address show walt-net')[0].addr_info.map((a) => a.local + '/' + a.prefixlen), up: bridge.flags.includes('UP'),
        lo: ip('link show lo')[0].flags.includes('UP'), routes: ip('route show').map((r) => r.dst + ' ' + r.dev) });
    `;
    const expected = {
      mac: '02:00:c0:a8:98:01',
      kind: 'bridge',
      stp: 0,
      delay: 0,
      snooping: 0,
      // IPv4 alone: no link-local address from which routers would be asked for
      addresses: ['192.168.152.1/24'],
      up: true,
      lo: true,
      routes: ['192.168.152.0/24 walt-net', '255.255.255.255 walt-net'],
    };
    expect(await inLab(look)).toEqual(expected);
    expect(
      await inLab(`await network.setup(); await Promise.all([network.setup(), network.setup()]); ${look}`),
    ).toEqual(expected);
  });

  test('has taps that live until they are removed', async () => {
    const owner = { mac: '52:54:00:00:00:01', ip: '192.168.152.11' };
    const taps = await inLab(`
      await Promise.all([network.addTap('by-1', ${JSON.stringify(owner)}), network.addTap('by-2'), network.addTap('by-3')]);
      await network.addTap('by-1', ${JSON.stringify(owner)});
      const [tap] = ip('link show by-1');
      print([tap.linkinfo.info_data.type, tap.linkinfo.info_data.persist, tap.master, tap.flags.includes('UP'), tap.address !== NETWORK.mac]);
    `);
    expect(taps).toEqual(['tap', true, 'walt-net', true, true]);
    // another daemon finds them
    expect(await inLab('print(await network.listTaps())')).toEqual([
      { name: 'by-1', owner },
      { name: 'by-2' },
      { name: 'by-3' },
    ]);
    const left = await inLab(`
      await Promise.all([network.removeTap('by-1'), network.removeTap('by-2')]);
      await network.removeTap('by-2');
      await network.removeTap('by-3');
      print([await network.listTaps(), execFileSync('/usr/sbin/nft', ['list', 'ruleset'], { encoding: 'utf8' }).includes('by-1')]);
    `);
    expect(left).toEqual([[], false]);
  });

  test('takes no name and no owner that could be anything else', async () => {
    const refusals = await inLab(`
      const tried = (...args) => network.addTap(...args).then(() => 'made', (error) => error.code);
      print(await Promise.all([tried('a23456789012345x'), tried(''), tried('-x'), tried('x y'), tried('x;reboot'), tried('x\\\\nlink'),
        tried('ok', { mac: '52:54:00:00:00:01', ip: '1.2.3' }), tried('ok', { mac: 'x }', ip: '1.2.3.4' })]));
    `);
    expect(refusals).toEqual(Array(8).fill('lab.network'));
    expect(await inLab('print(await network.listTaps())')).toEqual([]);
  });

  test('holds a node to its own addresses', async () => {
    // The far end of a veth pair plays the node. Packets keep their order, so when the last one is there, all are that will be.
    const heard = await inLab(`
      const owner = { mac: '52:54:00:00:00:0a', ip: '192.168.152.10' };
      execFileSync('ip', 'link add by-veth type veth peer name node0'.split(' '));
      await network.addTap('by-veth', owner);
      const node = spawn('unshare', ['--net', 'sh', '-c', 'echo in; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(node.stdout, 'data');
      execFileSync('ip', ['link', 'set', 'node0', 'netns', String(node.pid)]);
      const inNode = (...argv) => execFileSync('nsenter', ['-t', String(node.pid), '-n', ...argv], { encoding: 'utf8' });
      const ipInNode = (line) => inNode('ip', ...line.split(' '));
      const send = (text, target, port, from) => inNode(process.execPath, '-e',
        'const s = require("node:dgram").createSocket("udp4"); s.bind(' + from + ', () => { s.setBroadcast(true); s.send(' +
        JSON.stringify(text) + ', ' + port + ', "' + target + '", (e) => { if (e) console.error(e.message); s.close(); }); });');
      const heard = [];
      // every socket is read up to its own last packet
      const opened = [9999, 67, 68].map(async (port) => {
        const socket = dgram.createSocket('udp4');
        const last = new Promise((resolve) => socket.on('message', (data, from) => {
          if (String(data) === 'last') resolve();
          else heard.push(port + ': ' + data + ' from ' + from.address);
        }));
        socket.bind(port);
        await once(socket, 'listening');
        return { last };
      });
      const sockets = await Promise.all(opened);
      // either end hears of the link in its own time
      const up = async (mac) => {
        ipInNode('link set node0 down');
        ipInNode('link set node0 address ' + mac + ' up');
        while (ip('link show by-veth')[0].linkinfo.info_slave_data.state !== 'forwarding' || !ipInNode('link show node0').includes('state UP')) await new Promise((r) => setTimeout(r, 5));
      };
      await up('52:54:00:00:00:0a');
      ipInNode('route add 255.255.255.255 dev node0');
      send('discover', '255.255.255.255', 67, 68);
      ipInNode('address add 192.168.152.10/24 dev node0');
      send('own', '192.168.152.1', 9999, 0);
      // a false answer to a client
      send('rogue offer', '255.255.255.255', 68, 67);
      // another's IPv4 address, first with ARP, then with the server's MAC known
      ipInNode('address flush dev node0');
      ipInNode('address add 192.168.152.11/24 dev node0');
      send('stolen address by arp', '192.168.152.1', 9999, 0);
      ipInNode('neigh replace 192.168.152.1 lladdr 02:00:c0:a8:98:01 dev node0');
      send('stolen address', '192.168.152.1', 9999, 0);
      // another's MAC
      ipInNode('address flush dev node0');
      await up('52:54:00:00:00:0b');
      ipInNode('address add 192.168.152.10/24 dev node0');
      ipInNode('neigh replace 192.168.152.1 lladdr 02:00:c0:a8:98:01 dev node0');
      send('stolen mac', '192.168.152.1', 9999, 0);
      await up('52:54:00:00:00:0a');
      ipInNode('neigh replace 192.168.152.1 lladdr 02:00:c0:a8:98:01 dev node0');
      for (const port of [9999, 67, 68]) send('last', '192.168.152.1', port, 0);
      await Promise.all(sockets.map((socket) => socket.last));
      const neighbours = ip('neigh show dev walt-net').filter((n) => n.lladdr).map((n) => n.dst + ' ' + n.lladdr);
      print({ heard: heard.sort(), neighbours, filter: network.sourceFilter, said });
      node.kill();
      process.exit(0);
    `);
    expect(heard).toEqual({
      heard: ['67: discover from 0.0.0.0', '9999: own from 192.168.152.10'],
      neighbours: ['192.168.152.10 52:54:00:00:00:0a'],
      filter: { active: true, reason: 'the kernel filters on the bridge' },
      said: [],
    });
  });
});
