import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '../../backend/state/database.ts';
import { CARD, Neighbour } from '../support/lab-neighbour.ts';
import { TestLab, until } from '../support/lab.ts';

/** Addresses of the lab's network that run out. No node runs here. */
const lab = new TestLab();
beforeAll(() => lab.importDefault('pc-x86-64-tiny'));
afterAll(() => lab.remove());

/** A DHCP client on a machine that is no node: its own exit tells whether it got an address. */
const asks = async (neighbour: Neighbour): Promise<boolean> => {
  const client = ['udhcpc', '-i', CARD, '-f', '-n', '-q', '-t', '3', '-T', '1', '-s', '/bin/true'];
  return neighbour.run('busybox', ...client).then(
    () => true,
    () => false,
  );
};

test('machines that are no nodes, more than there are addresses for: status and log say why one gets none, and what to do', async () => {
  const mac = '02:00:00:00:00:63';
  const others = await Neighbour.join(lab);
  await others.run('ip', 'address', 'add', '192.168.152.254/24', 'dev', CARD);
  // 51 clients take an address each.
  const flood = ['perfdhcp', '-4', '-l', CARD, '-R', '51', '-n', '51', '-r', '100', '-W', '500000'];
  await others.run(...flood);
  expect((await lab.status()).notices).toBeUndefined();
  await others.leave();
  const late = await Neighbour.join(lab, mac);
  expect(await asks(late)).toBe(false);

  const sentence =
    `No DHCP answer for ${mac}, which is no node of this lab: all addresses for such machines (192.168.152.200 to ` +
    `192.168.152.250) are taken; give back one that is not needed ('dhclient -r' on its machine), or all of them with ` +
    `'bootyard lab stop' and 'bootyard lab start', which also ends the nodes.`;
  expect((await lab.status()).notices).toEqual([sentence]);
  expect((await lab.bootyard('lab', 'status')).split('\n')).toContain(sentence);
  const log = () => lab.bootyard('log', 'show', '--platform', '--history', '-1h:');
  const said = await until('the log', log, (text) => text.includes('No DHCP answer'));
  // It asked three times.
  expect(said.split('No DHCP answer')).toHaveLength(2);
  expect(said).toContain(sentence);
  await late.leave();

  await lab.bootyard('lab', 'stop');
  await lab.bootyard('lab', 'start');
  const again = await Neighbour.join(lab, mac);
  expect(await asks(again)).toBe(true);
  expect((await lab.status()).notices).toBeUndefined();
  await again.leave();
});

test('a node when all addresses are taken is refused in a sentence', async () => {
  await lab.bootyard('lab', 'stop');
  const database = openDatabase(lab.paths.database);
  const add = database.sqlite.prepare(
    `INSERT INTO nodes (mac, name, ip, model, image, settings, temporary) VALUES (?, ?, ?, 'pc-x86-64', 'pc-x86-64-tiny', '{}', 0)`,
  );
  database.transaction(() => {
    for (let host = 2; host <= 199; host++) {
      add.run(`52:54:00:00:00:${host.toString(16).padStart(2, '0')}`, `n${host}`, `192.168.152.${host}`);
    }
  });
  database.close();
  const { status, stdout, stderr } = await lab.run('node', 'create', 'one-more', '--image', 'pc-x86-64-tiny');
  expect([status, stdout, stderr.trim()]).toEqual([
    1,
    '',
    "Sorry, all addresses from 192.168.152.2 to 192.168.152.199 are taken: remove a node that is not needed ('bootyard node remove NODE').",
  ]);
});
