import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultImageTar } from '../support/default-image.ts';
import { TestLab } from '../support/lab.ts';
import type { BenchRow } from './row.ts';

const IMAGE = 'pc-x86-64-default';
const ROUNDS = 3;
const PEER = 'the same image from a local disk';
/** Both sides count as booted when sshd listens. The local side watches for that and says so on its serial line. */
const BOOTED = 'BENCH-BOOTED';
const INIT = 'BENCH-INIT';
/** The local side's stages, each with what begins the next on its serial line, and ours that do the same work. */
const STAGES = [
  { name: 'firmware and loading', until: 'Linux version', ours: ['firmware', 'dhcp', 'boot files'] },
  { name: 'kernel and initrd', until: INIT, ours: ['kernel', 'root', 'walt-init'] },
  { name: 'init', until: BOOTED, ours: ['init'] },
];
const LOCAL_INIT = `#!/bin/busybox sh
busybox mount -t proc proc /proc
(
  until busybox grep -q ':0016 .* 0A ' /proc/net/tcp /proc/net/tcp6; do busybox sleep 0.2; done
  echo ${BOOTED} >/dev/ttyS0
) &
echo ${INIT}
exec /sbin/init
`;
const LOCAL_PROGRAM = '/bin/bench-init';

/** The same image, netbooted by our chain and booted from a local disk with -kernel, in turn. */
export async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'by-boot-'));
  const lab = new TestLab();
  try {
    const local = await localDisk(folder);
    await lab.importDefault(IMAGE);
    await lab.bootyard('node', 'create', 'n1', '--image', IMAGE);
    await lab.bootyard('node', 'wait', '--timeout', '300', 'n1');
    await lab.bootyard('node', 'stop', 'n1');
    const ours: number[] = [];
    const theirs: LocalBoot[] = [];
    const stages = new Map<string, number[]>();
    for (let round = 0; round < ROUNDS; round++) {
      theirs.push(await bootLocal(local));
      await lab.bootyard('node', 'boot', 'n1');
      await lab.bootyard('node', 'wait', '--timeout', '300', 'n1');
      const timeline = await lab.timeline('n1');
      ours.push(timeline.totalMs);
      for (const { name, durationMs } of timeline.stages.filter((stage) => stage.name !== 'booted'))
        stages.set(name, [...(stages.get(name) ?? []), durationMs]);
      await lab.bootyard('node', 'stop', 'n1');
    }
    return [
      row('netboot of Debian to booted', median(ours), PEER, median(theirs.map(({ totalMs }) => totalMs))),
      ...[...stages].map(([name, times]) => stageRow(name, median(times), median(ours))),
      ...STAGES.map((stage, i) => pairRow(stage.name, stages, stage.ours, theirs, i)),
    ];
  } finally {
    await lab.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

function row(name: string, ours: number, peerName: string, peer: number): BenchRow {
  // 1.15 times as long at most
  const target = 1 / 1.15;
  return {
    name,
    unit: 'ms',
    ours,
    peer,
    peerName,
    ratio: peer / ours,
    target: Number(target.toFixed(2)),
    met: peer / ours >= target,
  };
}
/** Reported only: how much of the boot the stage takes. */
function stageRow(stage: string, ours: number, whole: number): BenchRow {
  const ratio = ours > 0 ? whole / ours : 0;
  return {
    name: `… stage ${stage}`,
    unit: 'ms',
    ours,
    peer: whole,
    peerName: 'of',
    ratio,
    target: null,
    met: null,
  };
}
/** Reported only: where the two sides differ. */
function pairRow(
  name: string,
  stages: ReadonlyMap<string, number[]>,
  parts: readonly string[],
  theirs: readonly LocalBoot[],
  index: number,
): BenchRow {
  const rounds = theirs.map((_, i) => parts.reduce((sum, part) => sum + (stages.get(part)?.[i] ?? 0), 0));
  const [ours, peer] = [median(rounds), median(theirs.map(({ stagesMs }) => stagesMs[index] ?? 0))];
  const ratio = peer / ours;
  return { name: `… both: ${name}`, unit: 'ms', ours, peer, peerName: PEER, ratio, target: null, met: null };
}
function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

interface LocalDisk {
  disk: string;
  kernel: string;
  initrd: string;
}

async function localDisk(folder: string): Promise<LocalDisk> {
  const { tar } = await defaultImageTar(IMAGE);
  const root = join(folder, 'root');
  mkdirSync(root);
  execFileSync('tar', ['-xpf', tar, '--numeric-owner', '-C', root]);
  writeFileSync(join(root, 'bin/bench-init'), LOCAL_INIT);
  chmodSync(join(root, 'bin/bench-init'), 0o755);
  execFileSync('ssh-keygen', [
    '-q',
    '-t',
    'ecdsa',
    '-m',
    'PEM',
    '-N',
    '',
    '-f',
    join(root, 'etc/ssh/ssh_host_ecdsa_key'),
  ]);
  const disk = join(folder, 'disk.img');
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, disk, '2G'], { env: withSystemTools() });
  const [kernel, initrd] = [join(folder, 'kernel'), join(folder, 'initrd')];
  copyFileSync(join(root, 'boot/pc-x86-64/kernel'), kernel);
  copyFileSync(join(root, 'boot/pc-x86-64/initrd'), initrd);
  rmSync(root, { recursive: true });
  return { disk, kernel, initrd };
}

function withSystemTools(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
}

interface LocalBoot {
  /** ms from QEMU's start to the last mark on the serial line */
  totalMs: number;
  /** ms that each of `STAGES` took */
  stagesMs: number[];
}

function bootLocal({ disk, kernel, initrd }: LocalDisk): Promise<LocalBoot> {
  const machine = [
    '-nodefaults',
    '-no-user-config',
    '-no-reboot',
    '-display',
    'none',
    '-machine',
    'pc,graphics=off,usb=off',
  ];
  const cpu = [
    '-accel',
    'tcg,thread=single,tb-size=256',
    '-cpu',
    'max',
    '-m',
    '512',
    '-smp',
    String(cores()),
  ];
  const drive = ['-drive', `file=${disk},format=raw,if=virtio,snapshot=on`];
  const boot = [
    '-kernel',
    kernel,
    '-initrd',
    initrd,
    '-append',
    `console=ttyS0 panic=30 boot=local root=/dev/vda rw init=${LOCAL_PROGRAM}`,
    '-serial',
    'stdio',
  ];
  const started = performance.now();
  const qemu = spawn('qemu-system-x86_64', [...machine, ...cpu, ...drive, ...boot], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let text = '';
    const marks: number[] = [];
    const limit = setTimeout(
      () => end(new Error(`the local disk did not boot: ${text.slice(-500)}`)),
      300_000,
    );
    const end = (result: LocalBoot | Error): void => {
      clearTimeout(limit);
      qemu.removeAllListeners('exit');
      qemu.once('exit', () => (result instanceof Error ? reject(result) : resolve(result)));
      qemu.kill('SIGKILL');
    };
    qemu.once('exit', () => reject(new Error(`QEMU ended: ${text.slice(-500)}`)));
    qemu.stdout.on('data', (chunk) => {
      text += String(chunk);
      const now = performance.now() - started;
      // The command line, which the kernel prints, does not hold the marks.
      while (marks.length < STAGES.length && text.includes(STAGES[marks.length]?.until ?? ''))
        marks.push(now);
      if (marks.length < STAGES.length) return;
      end({ totalMs: now, stagesMs: marks.map((mark, i) => mark - (marks[i - 1] ?? 0)) });
    });
  });
}

/** As many processors as a node has by default. */
function cores(): number {
  return Math.min(4, Number(execFileSync('nproc', { encoding: 'utf8' })));
}
