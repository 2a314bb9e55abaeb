import type { Cause, Reason } from './cause.ts';
import { MAKE_ANEW } from './causes-kernel.ts';
import { type BootCase, fromConsole, fromFinding, fromSetting } from './facts.ts';

const SIGNALS: Readonly<Record<number, string>> = {
  4: 'SIGILL: an instruction that this processor has not',
  6: 'SIGABRT: it gave up',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV: it touched memory that is not its own',
  15: 'SIGTERM',
};

/** Kernel panics, by what the kernel says of them. */
export const panicCauses: readonly Cause[] = [
  panic(
    'init.crash',
    'kernel panic: init (process 1) crashed or ended',
    /Attempted to kill init! exitcode=0x([0-9a-f]{8})/,
    (boot, found) => {
      const code = Number.parseInt(found[1] ?? '0', 16);
      const { signal, status } = { signal: code & 0x7f, status: (code >> 8) & 0xff };
      const how =
        signal === 0
          ? `ended with exit code ${status}`
          : `was killed by ${SIGNALS[signal] ?? `signal ${signal}`}`;
      const { image, node } = boot.facts;
      const program = boot.isIn('init', 'booted')
        ? `/sbin/init of image ${image}`
        : 'the first process (walt-init or the initrd)';
      return {
        why: `${program} ${how}, and a kernel cannot go on without its process 1`,
        fix: `see what it said before with 'bootyard node console ${node}', and correct it in the image`,
      };
    },
  ),
  panic(
    'panic.no-init',
    'kernel panic: no init was found',
    /(No working init found|Requested init (\S+) failed \(error (-?\d+)\))/,
    (boot, found) => {
      const [, path, error] = boot.line(/Failed to execute (\/init) \(error (-\d+)\)/) ?? [];
      if (path !== undefined) {
        const how = error === '-2' ? ': it, or the program that runs it, is not there' : '';
        const initrd = `${boot.bootFolder}/initrd of image ${boot.facts.image}`;
        return {
          why: `the kernel could not run ${path} of ${initrd} (error ${error}${how})`,
          fix: MAKE_ANEW,
        };
      }
      return {
        why: `the kernel found no program to start as init${found[2] ? ` (${found[2]}: error ${found[3]})` : ''}`,
        fix: `see that init=/bin/walt-init is among the kernel arguments, and that /bin/busybox of image ${boot.facts.image} runs`,
      };
    },
  ),
  panic(
    'memory.panic',
    'kernel panic: out of memory',
    /(System is deadlocked on memory|Out of memory.*|compulsory panic_on_oom.*)/,
    (boot) => ({
      why: `its ${boot.facts.settings.ram} of memory were used up, and nothing was left to be killed`,
      fix: moreMemory(boot),
    }),
  ),
  panic(
    'panic.timer',
    'kernel panic: no timer interrupt came in time, as on an overloaded host',
    /(IO-APIC \+ timer doesn't work)/,
    (boot) => ({
      why: 'no timer interrupt reached its kernel in time, as the host is overloaded (a kernel of a PC waits for the first ones only some ms)',
      fix: `boot it again with 'bootyard node boot ${boot.facts.node}', with fewer nodes at the same time`,
    }),
  ),
  panic('panic.sysrq', 'kernel panic: asked for by SysRq', /sysrq triggered crash/, () => ({
    why: 'somebody or something in the node asked for a crash (echo c > /proc/sysrq-trigger)',
    fix: 'see what in the image does so',
  })),
  panic(
    'panic.exception',
    'kernel panic: a bug in the kernel or a driver (oops)',
    /(Fatal exception.*|Fatal machine check.*|hung_task.*|softlockup.*)/,
    (boot) => {
      const header = /\b[A-Za-z][^\]:]*: [0-9a-f]{4} \[#\d+\].*/;
      const bug = (boot.line(/BUG: .+|kernel BUG at .+/) ?? boot.line(header))?.[0];
      const [, place, module] = boot.line(/RIP: [0-9a-f]+:(\S+)(?: \[(\w+)\])?/) ?? [];
      const { image, node } = boot.facts;
      return {
        why: `its kernel crashed${bug ? ` (${bug.slice(0, 120)})` : ''}${place ? ` in ${place}` : ''}${module ? ` of its module ${module}` : ''}`,
        fix: `try another kernel in image ${image}${module ? ` or do without that module` : ''}, and see the call trace with 'bootyard node console ${node}'`,
      };
    },
  ),
];

/** A panic that none of these is. */
export const panicCause = panic('panic.other', 'kernel panic of another kind', /()(.*)/, (boot, found) => ({
  why: `the kernel gave up: ${found[2] || 'it does not say why'}`,
  fix: `see the lines before it with 'bootyard node console ${boot.facts.node}'`,
}));

export const memoryCauses: readonly Cause[] = [
  {
    id: 'memory.out',
    title: 'out of memory: the kernel killed a program',
    explain(boot) {
      const line = boot.line(/Out of memory: Killed process \d+ \((.+?)\)/);
      // One that found nothing more to kill says so itself.
      const isOver = boot.line(
        /Kernel panic - not syncing.*(deadlocked on memory|Out of memory|panic_on_oom)/,
      );
      if (!line || isOver || boot.is('not started', 'crashed', 'booted')) return undefined;
      return {
        why: `its ${boot.facts.settings.ram} of memory were used up, and the kernel killed the program ${line[1]}`,
        fix: moreMemory(boot),
        evidence: [...fromSetting('ram', boot.facts.settings.ram), ...fromConsole(line.input)],
      };
    },
  },
];

function moreMemory({ facts }: BootCase): string {
  return `give it more with 'bootyard node config ${facts.node} ram=1G', or let it do with less`;
}

function panic(
  id: string,
  title: string,
  pattern: RegExp,
  decode: (boot: BootCase, found: RegExpExecArray) => Omit<Reason, 'evidence'>,
): Cause {
  const words = new RegExp(`Kernel panic - not syncing:? ?.*?${pattern.source}`);
  return {
    id,
    title,
    explain(boot) {
      const line =
        boot.line(/Kernel panic - not syncing.*/) ??
        /Kernel panic - not syncing.*/.exec(boot.facts.end.text) ??
        undefined;
      const found = line && words.exec(line[0]);
      if (!found || !boot.is('panicked', 'rebooted', 'stalled', 'unreachable')) return undefined;
      return {
        ...decode(boot, found),
        evidence: [...fromConsole(line[0]), ...fromFinding(boot.finding('init.missing', 'init.loader'))],
      };
    },
  };
}
