import { expect, test } from 'vitest';
import { file, folder, link } from '../images/support.ts';
import { expectCase, type ImageChange, type LintCase, lintChanged, program } from './support.ts';

const SSHD = '/usr/sbin/sshd';
const CONFIG = '/etc/ssh/sshd_config';
const config = (text: string, more: Record<string, string> = {}): ImageChange => ({
  put: [
    file('etc/ssh/sshd_config', text),
    ...Object.entries(more).map(([path, content]) => file(`etc/ssh/${path}`, content)),
  ],
});
const refused = (part: string, path = CONFIG): LintCase[2] => [['ssh.root-login', path, part]];
const systemd = [
  folder('lib/systemd'),
  program('lib/systemd/systemd'),
  link('sbin/init', '/lib/systemd/systemd'),
  folder('etc/systemd/system'),
];
const WANTS = 'etc/systemd/system/multi-user.target.wants';

const cases: LintCase[] = [
  ['no init', { remove: ['sbin/init'] }, [['init.missing', '/sbin/init', 'has no /sbin/init']]],
  [
    'an init that leads nowhere',
    { put: [link('sbin/init', '/gone')] },
    [['init.missing', '/sbin/init', 'a link to none']],
  ],
  [
    'an init that is a folder',
    { remove: ['sbin/init'], put: [folder('sbin/init')] },
    [['init.missing', '/sbin/init', 'no program']],
  ],
  ['no sshd', { remove: ['usr/sbin/sshd'] }, [['ssh.missing', SSHD, 'no ssh server']]],
  ['dropbear', { remove: ['usr/sbin/sshd'], put: [program('usr/sbin/dropbear')] }, []],
  [
    'dropbear that keeps root out',
    {
      remove: ['usr/sbin/sshd'],
      put: [
        program('usr/sbin/dropbear'),
        file('etc/default/dropbear', 'DROPBEAR_PORT=22\nDROPBEAR_EXTRA_ARGS="-s -gw"\n'),
      ],
    },
    refused('-w', '/etc/default/dropbear'),
  ],
  [
    'dropbear that only refuses passwords',
    {
      remove: ['usr/sbin/sshd'],
      put: [program('usr/sbin/dropbear'), file('etc/default/dropbear', 'DROPBEAR_EXTRA_ARGS="-s -g"')],
    },
    [],
  ],
  ['no sshd_config', { remove: ['etc/ssh/sshd_config'] }, []],
  ['root login off', config('PermitRootLogin no\n'), refused('PermitRootLogin no')],
  ['as another spelling', config(' permitrootlogin = "no" # really\n'), refused('PermitRootLogin no')],
  ['for commands only', config('PermitRootLogin forced-commands-only'), refused('forced-commands-only')],
  ['a comment', config('#PermitRootLogin no\n'), []],
  ['the first value counts', config('PermitRootLogin yes\nPermitRootLogin no\n'), []],
  ['off for some in a Match block', config('Match Address 10.0.0.0/8\n  PermitRootLogin no\n'), []],
  [
    'off in an included file',
    config('Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\n', {
      'sshd_config.d/b.conf': 'PermitRootLogin no',
      'sshd_config.d/a.conf': 'UsePAM yes',
      'sshd_config.d/c.txt': 'PermitRootLogin yes',
    }),
    refused('PermitRootLogin no', '/etc/ssh/sshd_config.d/b.conf'),
  ],
  [
    'on in an included file that comes first',
    config('Include sshd_config.d/*.conf\nPermitRootLogin no\n', {
      'sshd_config.d/a.conf': 'PermitRootLogin yes',
    }),
    [],
  ],
  [
    'a Match block of an included file ends with it',
    config('Include sshd_config.d/*\nPermitRootLogin no\n', {
      'sshd_config.d/a': 'Match User x\nPermitRootLogin yes',
    }),
    refused('PermitRootLogin no'),
  ],
  [
    'a file that includes itself',
    config('Include sshd_config\nInclude /etc/ssh/*\nPermitRootLogin no'),
    refused('no'),
  ],
  ['no keys', config('PubkeyAuthentication no'), refused('PubkeyAuthentication no')],
  ['keys elsewhere', config('AuthorizedKeysFile /etc/ssh/keys/%u'), refused('AuthorizedKeysFile')],
  ['keys there, too', config('AuthorizedKeysFile /etc/ssh/keys/%u .ssh/authorized_keys'), []],
  ['other users only', config('AllowUsers alice bob@10.*\n'), refused('AllowUsers')],
  ['root among them', config('AllowUsers alice\nAllowUsers r*t@10.*\n'), []],
  [
    'root locked, without PAM',
    { put: [file('etc/shadow', 'root:!:1::::::\n')] },
    refused('locked', '/etc/shadow'),
  ],
  [
    'root locked, with PAM',
    { put: [file('etc/shadow', 'root:!:1::::::\n'), ...(config('UsePAM yes').put ?? [])] },
    [],
  ],
  ['root without a password', { put: [file('etc/shadow', 'root:*:1::::::\n')] }, []],
  ['all but root', config('DenyUsers ro?t'), refused('DenyUsers')],
  [
    'no root',
    { put: [file('etc/passwd', 'bin:x:2:2::/:/bin/sh\n')] },
    [['ssh.root-shell', '/etc/passwd', 'no user root']],
  ],
  [
    'root without a shell',
    { put: [program('usr/sbin/nologin'), file('etc/passwd', 'root:x:0:0:root:/root:/usr/sbin/nologin\n')] },
    [['ssh.root-shell', '/etc/passwd', "'/usr/sbin/nologin'"]],
  ],
  [
    'root with a shell that is not there',
    { put: [file('etc/passwd', 'root:x:0:0:root:/root:/bin/zsh\n')] },
    [['ssh.root-shell', '/etc/passwd', "'/bin/zsh', which the image does not have"]],
  ],
  ['sshd that systemd does not start', { put: systemd }, [['ssh.disabled', SSHD, 'not started at boot']]],
  [
    'sshd that is masked',
    {
      put: [
        ...systemd,
        link('etc/systemd/system/ssh.service', '/dev/null'),
        link(`${WANTS}/ssh.service`, '/lib/ssh.service'),
      ],
    },
    [['ssh.disabled', '/etc/systemd/system/ssh.service', 'ssh.service is masked']],
  ],
  ['sshd that systemd starts', { put: [...systemd, link(`${WANTS}/ssh.service`, '/lib/ssh.service')] }, []],
];

test.each(cases)('system: %s', async (...row) => expectCase(row));

test.each([
  [
    'ssh.missing',
    { remove: ['usr/sbin/sshd'], put: [file('usr/bin/apt-get')] },
    'RUN apt-get update && apt-get install -y openssh-server',
  ],
  ['ssh.missing', { remove: ['usr/sbin/sshd'], put: [file('sbin/apk')] }, 'RUN apk add openssh'],
  ['ssh.missing', { remove: ['usr/sbin/sshd'] }, undefined],
  [
    'ssh.root-login',
    config('PermitRootLogin no'),
    "RUN sed -i '1i PermitRootLogin prohibit-password' /etc/ssh/sshd_config",
  ],
  [
    'ssh.disabled',
    { put: [...systemd, file('lib/systemd/system/sshd.service')] },
    'RUN systemctl unmask sshd && systemctl enable sshd',
  ],
])('%s has a line for the Dockerfile that suits the image: %#', async (rule, change: ImageChange, line) => {
  const found = await lintChanged(change);
  expect(found.find((one) => one.rule === rule)?.dockerfile).toBe(line);
});

test('the line for sshd_config mends it', async () => {
  const text = 'PermitRootLogin prohibit-password\nAllowUsers alice\nPermitRootLogin no\n';
  const found = await lintChanged(config(text));
  expect(found.map(({ dockerfile }) => dockerfile)).toEqual([
    "RUN sed -i '1i AllowUsers root' /etc/ssh/sshd_config",
  ]);
  expect(await lintChanged(config(`AllowUsers root\n${text}`))).toEqual([]);
});
