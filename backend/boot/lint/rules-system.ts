import { shown } from '../../images/tar/tar-path.ts';
import { elfNeeds } from '../initrd-elf.ts';
import { installLine } from './dockerfile.ts';
import type { Hit, Rule } from './finding.ts';
import type { LintImage } from './image.ts';
import { executable } from './repairs.ts';
import { matchesPattern, readSshdConfig, type SshdConfig } from './sshd-config.ts';

const INIT = '/sbin/init';
const SSHD = ['/usr/sbin/sshd', '/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'];
const DROPBEAR = ['/usr/sbin/dropbear', '/usr/bin/dropbear', '/sbin/dropbear', '/usr/local/sbin/dropbear'];

const SSH_UNITS = ['ssh', 'sshd', 'dropbear'];

const noInit: Rule = {
  id: 'init.missing',
  severity: 'error',
  *check(image) {
    const inode = image.tree.lookupPath(INIT);
    const isProgram = image.isFile(INIT) && (image.tree.stat(inode).mode & 0o111) !== 0;
    if (isProgram) return;
    const isThere = image.tree.lookupPath(INIT, { follow: false }) !== 0;
    yield {
      path: INIT,
      message: isThere
        ? `${INIT} is no program, or a link to none: the system of the image cannot start.`
        : `The image has no ${INIT}: container images mostly come without one, and a node needs one.`,
      fix: 'Install an init system (Debian: systemd-sysv, Alpine: openrc and busybox-openrc).',
      dockerfile: installLine(image, 'systemd-sysv', 'openrc busybox-openrc'),
      repair: executable(image, INIT),
    };
  },
};

const initLoader: Rule = {
  id: 'init.loader',
  severity: 'error',
  *check(image) {
    const needs = elfNeeds(image.head(INIT, 8 << 20));
    if (!needs?.interpreter || image.isFile(needs.interpreter)) return;
    yield {
      path: needs.interpreter,
      message: `${INIT} needs the loader ${shown(needs.interpreter)}, which the image does not have: no program of it will start.`,
      fix: 'Install the C library, and see that /lib and /lib64 are the links or folders that the distribution makes them.',
    };
  },
};

const noSshd: Rule = {
  id: 'ssh.missing',
  severity: 'error',
  *check(image) {
    if ([...SSHD, ...DROPBEAR].some((path) => image.isFile(path))) return;
    yield {
      path: SSHD[0] ?? '',
      message:
        'The image has no ssh server (openssh or dropbear): shells, commands and copies need one on port 22.',
      fix: 'Install openssh-server or dropbear, and let it start at boot.',
      dockerfile: installLine(image, 'openssh-server', 'openssh'),
    };
  },
};

const rootLogin: Rule = {
  id: 'ssh.root-login',
  severity: 'error',
  *check(image) {
    const refusal = SSHD.some((path) => image.isFile(path))
      ? (sshdRefusal(readSshdConfig(image)) ?? lockedRoot(image))
      : dropbearRefusal(image);
    if (!refusal) return;
    const { why, ...hit } = refusal;
    yield {
      ...hit,
      message: `The ssh server of the image does not let root in with a key (${why}), which shells and commands need.`,
    };
  },
};

interface Refusal extends Omit<Hit, 'message'> {
  why: string;
}

const KEY_FILES = ['.ssh/authorized_keys', '%h/.ssh/authorized_keys', '/root/.ssh/authorized_keys'];

/** Why sshd lets root not in by key, if it does not. */
function sshdRefusal(config: SshdConfig): Refusal | undefined {
  const firstWord = (keyword: string) => config.get(keyword)?.[0]?.words[0]?.toLowerCase();
  const allWords = (keyword: string) => (config.get(keyword) ?? []).flatMap(({ words }) => words);
  if (['no', 'forced-commands-only'].includes(firstWord('permitrootlogin') ?? ''))
    return refused(config, 'PermitRootLogin', 'PermitRootLogin prohibit-password');
  if (firstWord('pubkeyauthentication') === 'no')
    return refused(config, 'PubkeyAuthentication', 'PubkeyAuthentication yes');
  const keyFiles = config.get('authorizedkeysfile')?.[0]?.words;
  if (keyFiles && !keyFiles.some((file) => KEY_FILES.includes(file))) {
    const line = 'AuthorizedKeysFile .ssh/authorized_keys';
    // It would take other users' keys away from where they are.
    return { ...refused(config, 'AuthorizedKeysFile', line), repair: undefined };
  }
  if (allWords('denyusers').some(isRoot)) {
    const { path, why } = refused(config, 'DenyUsers', '');
    return { path, why, fix: `Take root out of DenyUsers in ${path}.` };
  }
  const allowed = allWords('allowusers');
  if (allowed.length === 0 || allowed.some(isRoot)) return undefined;
  return refused(config, 'AllowUsers', 'AllowUsers root');
}

/** `line` in sshd_config, as the first one, mends it. */
function refused(config: SshdConfig, keyword: string, line: string): Refusal {
  const { words = [], path = '' } = config.get(keyword.toLowerCase())?.[0] ?? {};
  return {
    path,
    why: `${keyword} ${shown(words.join(' ')).slice(1, -1)}`,
    fix: `Say '${line}' at the beginning of /etc/ssh/sshd_config.`,
    dockerfile: `RUN sed -i '1i ${line}' /etc/ssh/sshd_config`,
    repair: { do: 'prepend', path: '/etc/ssh/sshd_config', line },
  };
}

/** Without PAM, sshd on Linux takes a `!` before the password for a locked account (OpenSSH's auth.c, LOCKED_PASSWD_PREFIX). */
function lockedRoot(image: LintImage): Refusal | undefined {
  const usesPam = readSshdConfig(image).get('usepam')?.[0]?.words[0]?.toLowerCase() === 'yes';
  if (usesPam || !/^root:!/m.test(image.text('/etc/shadow'))) return undefined;
  return {
    path: '/etc/shadow',
    why: 'root is locked by a ! in /etc/shadow, and UsePAM is not on',
    fix: 'Put a * in the place of the !: no password fits that either, but keys do.',
    dockerfile: "RUN sed -i 's/^root:!*/root:*/' /etc/shadow",
    repair: { do: 'replace', path: '/etc/shadow', from: 'root:!', to: 'root:*' },
  };
}

function isRoot(pattern: string): boolean {
  return matchesPattern('root', pattern.split('@')[0] ?? '');
}

/** dropbear's -w: no root; -s and -g only refuse passwords. */
function dropbearRefusal(image: LintImage): Refusal | undefined {
  for (const path of ['/etc/default/dropbear', '/etc/conf.d/dropbear']) {
    for (const line of image.text(path, 64 << 10).split('\n')) {
      const words = /^\s*(?:DROPBEAR_EXTRA_ARGS|DROPBEAR_OPTS)\s*=\s*["']?([^"'#]*)/.exec(line)?.[1];
      if (!words?.split(/\s+/).some((word) => /^-[a-zA-Z]*w/.test(word))) continue;
      return { path, why: 'its option -w', fix: `Take -w out of ${path}.` };
    }
  }
  return undefined;
}

const rootShell: Rule = {
  id: 'ssh.root-shell',
  severity: 'error',
  *check(image) {
    const line = image
      .text('/etc/passwd')
      .split('\n')
      .find((one) => one.startsWith('root:'));
    if (image.text('/etc/passwd') === '') return;
    const shell = line?.split(':')[6]?.trim();
    if (shell !== undefined && (shell === '' || (!/\/(nologin|false)$/.test(shell) && image.isFile(shell))))
      return;
    yield {
      path: '/etc/passwd',
      message:
        shell === undefined
          ? 'The image has no user root in /etc/passwd, as which shells and commands run.'
          : `The shell of root is ${shown(shell)}, ${image.isFile(shell) ? 'with which nobody can log in' : 'which the image does not have'}.`,
      fix: 'Give root a shell that is in the image, such as /bin/sh.',
      ...(image.isFile('/bin/sh')
        ? { dockerfile: "RUN sed -i 's|^root:.*|root:x:0:0:root:/root:/bin/sh|' /etc/passwd" }
        : {}),
    };
  },
};

const sshDisabled: Rule = {
  id: 'ssh.disabled',
  severity: 'warning',
  *check(image) {
    const systemd = image.tree.lookupPath('/lib/systemd/systemd');
    if (systemd === 0 || image.tree.lookupPath(INIT) !== systemd) return;
    const units = SSH_UNITS.flatMap((name) => [`${name}.service`, `${name}.socket`]);
    const masked = units.find((unit) => isMasked(image, unit));
    const enabled = image
      .names('/etc/systemd/system')
      .filter((name) => /\.(wants|requires)$/.test(name))
      .flatMap((name) => image.names(`/etc/systemd/system/${name}`))
      .some((unit) => units.includes(unit) && !isMasked(image, unit));
    const server = [...SSHD, ...DROPBEAR].find((path) => image.isFile(path));
    if (enabled || server === undefined) return;
    yield disabledHit(image, masked, server);
  },
};

function isMasked(image: LintImage, unit: string): boolean {
  const inode = image.tree.lookupPath(`/etc/systemd/system/${unit}`, { follow: false });
  return inode !== 0 && Buffer.from(image.tree.linkTarget(inode)).toString('latin1') === '/dev/null';
}

function disabledHit(image: LintImage, masked: string | undefined, server: string): Hit {
  const unit = SSH_UNITS.find((name) => image.isFile(`/lib/systemd/system/${name}.service`));
  return {
    path: masked === undefined ? server : `/etc/systemd/system/${masked}`,
    message: `The ssh server of the image is not started at boot${masked === undefined ? '' : ` (${masked} is masked)`}: no unit of it is enabled.`,
    fix: 'Enable it (systemctl enable ssh), unless something else starts it.',
    dockerfile: unit && `RUN systemctl unmask ${unit} && systemctl enable ${unit}`,
  };
}

export const systemRules: readonly Rule[] = [noInit, initLoader, noSshd, rootLogin, rootShell, sshDisabled];
