import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './lab.ts';
import { closeTun, openTun } from './tun.ts';

/** A user without any right, who has a copy of the product; `/dev/net/tun` is open to all while there is one. */
export interface PlainUser {
  uid: number;
  /** an empty folder of the user's own */
  home: string;
  /** words before a command that make it the user's */
  prefix: string[];
  /** the user's own bin/bootyard */
  bootyard: string;
  env: NodeJS.ProcessEnv;
  remove(): void;
}

/** Root only: makes the user. */
export function makePlainUser(): PlainUser {
  const name = `byuser${process.pid}`;
  // Short: socket paths hold 107 bytes.
  const folder = mkdtempSync('/tmp/by-u-');
  const home = join(folder, 'h');
  execFileSync('useradd', ['--create-home', '--home-dir', home, '--shell', '/bin/sh', name]);
  const uid = statSync(home).uid;
  chmodSync(folder, 0o755);
  const product = copyProduct(join(folder, 'p'));
  mkdirSync(join(home, 'lab'));
  chownSync(join(home, 'lab'), uid, statSync(home).gid);
  openTun();
  return {
    uid,
    home: join(home, 'lab'),
    prefix: [
      'setpriv',
      `--reuid=${uid}`,
      `--regid=${statSync(home).gid}`,
      '--init-groups',
      '--inh-caps=-all',
    ],
    bootyard: join(product, 'bin/bootyard'),
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: home,
      USER: name,
      BOOTYARD_NODE: join(product, 'node'),
    },
    remove() {
      execFileSync('userdel', [name]);
      closeTun();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a package of the product holds, where everybody may read it: the checkout's own folder may be closed. */
function copyProduct(folder: string): string {
  mkdirSync(folder);
  for (const name of ['bin', 'dist', 'package.json']) {
    cpSync(join(repository, name), join(folder, name), { recursive: true });
  }
  cpSync(process.execPath, join(folder, 'node'));
  return folder;
}
