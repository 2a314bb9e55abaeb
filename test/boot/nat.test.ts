import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enterArgv } from '../../backend/lab/launch.ts';
import { ADDRESSES, TestInternet } from '../support/internet.ts';
import { repository, TestLab, until } from '../support/lab.ts';
import { isLong } from '../support/long.ts';

const internet = new TestInternet();
const lab = new TestLab({ command: [...internet.prefix, join(repository, 'bin/bootyard')] });
beforeAll(async () => {
  await internet.start();
  await lab.importDefault('pc-x86-64-tiny');
  await Promise.all([
    lab.bootyard('node', 'create', '--wait', 'out', 'netsetup=nat'),
    lab.bootyard('node', 'create', '--wait', 'in'),
  ]);
}, 400_000);
afterAll(async () => {
  await lab.remove();
  internet.stop();
});

/** What a web server says to a node, or nothing. */
const fetched = (node: string, host: string, port = 80): Promise<string> =>
  lab.inNode(node, `timeout 8 wget -q -O - http://${host}:${port}/ 2>/dev/null; true`);
const inLab = (...command: string[]): string => {
  const [program = '', ...args] = enterArgv(lab.paths, command);
  return execFileSync(program, args, { encoding: 'utf8' });
};
const defaultRoute = 'ip route | grep ^default; true';
const { web, name, host, neighbour } = ADDRESSES;

describe('netsetup', () => {
  test('NAT: a node reaches the internet by address and by name', async () => {
    expect(await lab.inNode('out', defaultRoute)).toContain('via 192.168.152.1');
    expect(await fetched('out', web)).toBe('internet');
    expect(await fetched('out', name)).toBe('internet');
    expect(await lab.inNode('out', `nslookup ${name} 192.168.152.1`)).toContain(web);
    expect(await lab.inNode('out', 'nslookup in.walt 192.168.152.1')).toContain((await lab.node('in')).ip);
  });

  test('NAT: nodes still reach each other', async () => {
    expect(await lab.inNode('out', 'ping -c1 -W5 in.walt >/dev/null && echo yes')).toBe('yes\n');
    expect(await lab.inNode('in', 'ping -c1 -W5 out.walt >/dev/null && echo yes')).toBe('yes\n');
  });

  test('LAN: a node reaches nothing outside, whatever routes it makes itself', async () => {
    expect(await lab.inNode('in', defaultRoute)).toBe('');
    await lab.inNode('in', 'route add default gw 192.168.152.1');
    expect(await fetched('in', web)).toBe('');
    expect(await lab.inNode('in', `nslookup ${name} 192.168.152.1 2>&1; true`)).not.toContain(web);
  });

  test('LAN: a node that takes the address of one with NAT reaches nothing either', async () => {
    const { ip } = await lab.node('out');
    const route = 'ip route replace default via 192.168.152.1';
    await lab.inNode('in', `ip addr add ${ip}/32 dev eth0 && ${route} src ${ip}`);
    expect(await fetched('in', web)).toBe('');
    await lab.inNode('in', `${route} && ip addr del ${ip}/32 dev eth0`);
    expect(await fetched('out', web)).toBe('internet');
  });

  test('neither reaches the host, its loopback or its networks', async () => {
    const closed = [host, neighbour, '198.18.152.2', '198.18.152.100', '127.0.0.1', '169.254.169.254'];
    for (const address of closed) {
      expect([address, await fetched('out', address, 8080)]).toEqual([address, '']);
    }
    expect(await fetched('in', host, 8080)).toBe('');
    // The server is there: the lab itself, which may, reaches it.
    expect(inLab('curl', '-s', '-m', '9', `http://${host}:8080/`)).toBe('host');
    internet.addHostAddress('10.98.0.1/24');
    await until(
      'the new network is known',
      () => inLab('nft', 'list', 'set', 'ip', 'bootyard', 'closed'),
      (list) => list.includes('10.98.0.0/24'),
    );
    expect(inLab('curl', '-s', '-m', '9', 'http://10.98.0.1:8080/')).toBe('host');
    expect(await fetched('out', '10.98.0.1', 8080)).toBe('');
  }, 120_000);

  test('NAT outlives the daemon', async () => {
    const { pid } = (await lab.status()).daemon ?? {};
    process.kill(pid ?? 0, 'SIGKILL');
    await until(
      'the next daemon',
      async () => (await lab.status()).daemon?.pid,
      (next) => next !== undefined && next !== pid,
    );
    expect(await fetched('out', name)).toBe('internet');
    expect(await fetched('out', host, 8080)).toBe('');
  }, 120_000);

  test.runIf(isLong)(
    'a change counts from the next boot; without a node with NAT there is no uplink',
    async () => {
      const refused = await lab.run('node', 'config', 'out', 'netsetup=WAN');
      expect(refused).toMatchObject({
        status: 1,
        stderr: "Failed: netsetup value should be 'NAT' or 'LAN'.\n",
      });
      expect(await lab.bootyard('node', 'config', 'out', 'netsetup=LAN')).toContain(
        'Done. Reboot node(s) to see new settings in effect.',
      );
      expect(await fetched('out', web)).toBe('internet');
      await lab.bootyard('node', 'reboot', '--hard', 'out');
      await lab.bootyard('node', 'wait', '--timeout', '280', 'out');
      await lab.inNode('out', 'route add default gw 192.168.152.1; true');
      expect(await fetched('out', web)).toBe('');
      expect(inLab('ip', 'link', 'show')).not.toContain('uplink');
    },
    200_000,
  );
});
