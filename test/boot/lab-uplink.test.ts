import { describe, expect, test } from 'vitest';
import { labForTests, labOwners } from './lab-fixture.ts';

const PRELUDE = `
  import { LabNetwork } from '\${lab}/network.ts';
  import { Nat } from '\${lab}/nat.ts';
  import { uplinkIsOpen } from '\${lab}/uplink.ts';
  import { execFileSync } from 'node:child_process';
  import { readFileSync } from 'node:fs';
  import { setTimeout as delay } from 'node:timers/promises';
  const run = process.cwd();
  const said = [];
  const nat = new Nat({ run, asked: ['10.77.0.0/16'], log: (line) => said.push(line) });
  const network = new LabNetwork((line) => said.push(line), nat);
  await network.setup();
  const print = (value) => { console.log(JSON.stringify(value)); nat.close(); };
  const owner = (number, nat) => ({ mac: '52:54:00:00:00:0' + number, ip: '192.168.152.1' + number, nat });
  const sh = (line) => execFileSync('sh', ['-c', line], { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/bin' } });
  const guests = () => /elements = \\\\{ (.*) \\\\}/.exec(sh('nft list set ip bootyard nodes'))?.[1];
  const forwards = () => readFileSync('/proc/sys/net/ipv4/ip_forward', 'latin1').trim();
  const until = async (condition) => { for (let i = 0; i < 400 && !condition(); i++) await delay(50); return condition(); };
`;

describe.each(labOwners)('uplink in the lab of %s', (_name, make) => {
  const inLab = labForTests(make, PRELUDE);

  test('is there from the first node with NAT to the last', async () => {
    const first = await inLab(`
      const before = [uplinkIsOpen(), forwards()];
      await network.addTap('by-lan', owner(1, false));
      const withLan = uplinkIsOpen();
      await network.addTap('by-nat', owner(2, true));
      print({ before, withLan, open: uplinkIsOpen(), forwards: forwards(), guests: guests(),
        may: [network.mayLeave('192.168.152.11'), network.mayLeave('192.168.152.12')], said });
    `);
    expect(first).toEqual({
      before: [false, '0'],
      withLan: false,
      open: true,
      forwards: '1',
      guests: '192.168.152.12',
      may: [false, true],
      said: [],
    });
    // The next daemon finds it, and knows whose it is.
    const second = await inLab(`
      const found = [uplinkIsOpen(), network.mayLeave('192.168.152.12')];
      await network.addTap('by-nat2', owner(3, true));
      await network.removeTap('by-nat');
      const between = [uplinkIsOpen(), guests()];
      await network.removeTap('by-nat2');
      print({ found, between, ended: await until(() => !uplinkIsOpen()), forwards: forwards() });
    `);
    expect(second).toEqual({
      found: [true, true],
      between: [true, '192.168.152.13'],
      ended: true,
      forwards: '0',
    });
  });

  test('keeps out what is the host’s, save what was asked for, and is opened again when it ends', async () => {
    const rules = await inLab(`
      await network.addTap('by-nat', owner(2, true));
      const list = (name) => sh('nft list set ip bootyard ' + name);
      sh('kill $(pidof slirp4netns)');
      const ended = await until(() => !uplinkIsOpen());
      const again = await until(() => uplinkIsOpen());
      print({ closed: list('closed'), open: list('open'), ended, again });
      await network.removeTap('by-nat');
    `);
    expect(rules).toMatchObject({ ended: true, again: true, open: expect.stringContaining('10.77.0.0/16') });
    const { closed } = rules as { closed: string };
    for (const never of ['127.0.0.0/8', '169.254.0.0/16', '198.18.152.0/24', '192.168.152.0/24'])
      expect(closed).toContain(never);
  });

  test('without a program for it, a node with NAT is refused with one sentence', async () => {
    const refused = await inLab(`
      process.env.PATH = '/nowhere';
      const error = await network.addTap('by-nat', owner(2, true)).catch((error) => error.message);
      await network.removeTap('by-nat');
      print([error, uplinkIsOpen(), forwards()]);
    `);
    expect(refused).toEqual([
      'The lab has no uplink for netsetup=NAT: slirp4netns is not installed; "bootyard doctor" names the package.',
      false,
      '0',
    ]);
  });
});
