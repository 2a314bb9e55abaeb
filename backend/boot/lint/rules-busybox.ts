import { shown } from '../../images/tar/tar-path.ts';
import { type ElfNeeds, elfNeeds } from '../initrd-elf.ts';
import { elfArchitecture } from '../kernel-file.ts';
import { LIBRARY_FOLDERS } from '../initrd.ts';
import { appletsOf } from './applets.ts';
import { executable } from './repairs.ts';
import { installLine } from './dockerfile.ts';
import type { Hit, Rule } from './finding.ts';
import type { LintImage } from './image.ts';

const BUSYBOX = '/bin/busybox';
/** Debian's has 2 MB. */
const MAX_BUSYBOX = 8 << 20;

/** What the scripts of a boot call; a boot ends with "Issue detected!" at the first that is missing. */
const TO_BOOT = words(
  'cat chroot cp date grep ln ls mkdir mkfifo mktemp mount nc pivot_root reboot rm sed setsid sh sleep timeout tr umount uname',
);
/** What hybrid boot, swap, cp and save need besides (walt.md §4.2, §5.1). */
const FOR_MORE = words(
  'awk chmod dd df du echo find head modprobe mknod mv realpath rmdir sha256sum sort stat tail tar wc xargs xxd',
);

function words(text: string): string[] {
  return text.split(' ');
}

const install = (image: LintImage) => installLine(image, 'busybox-static');

interface Busybox {
  applets: ReadonlySet<string> | undefined;
  needs: ElfNeeds | undefined;
}
const known = new WeakMap<LintImage, Busybox>();

/** The busybox, when it is there. */
function busyboxOf(image: LintImage): Busybox | undefined {
  if (!image.isFile(BUSYBOX)) return undefined;
  const content = known.has(image) ? Buffer.alloc(0) : image.head(BUSYBOX, MAX_BUSYBOX);
  const busybox = known.get(image) ?? { applets: appletsOf(content), needs: elfNeeds(content) };
  known.set(image, busybox);
  return busybox;
}

const missing: Rule = {
  id: 'busybox.missing',
  severity: 'error',
  *check(image) {
    const mode = image.isFile(BUSYBOX) ? image.tree.stat(image.tree.lookupPath(BUSYBOX)).mode : undefined;
    if (mode !== undefined && (mode & 0o111) !== 0) return;
    yield {
      path: BUSYBOX,
      message:
        mode === undefined
          ? `The image has no ${BUSYBOX}, which runs all scripts of a boot.`
          : `${BUSYBOX} is not executable.`,
      fix: 'Install the package busybox-static (Alpine, Debian, Ubuntu), or link /bin/busybox to where it is.',
      dockerfile: mode === undefined ? install(image) : `RUN chmod 755 ${BUSYBOX}`,
      repair: executable(image, BUSYBOX),
    };
  },
};

const architecture: Rule = {
  id: 'busybox.architecture',
  severity: 'error',
  *check(image) {
    const found = elfArchitecture(image.head(BUSYBOX, 64));
    for (const model of image.models) {
      if (found === undefined || found === model.architecture) continue;
      if (found === '386' && model.architecture === 'amd64') continue;
      yield {
        path: BUSYBOX,
        message: `${BUSYBOX} is a program for ${found}, and ${model.name} nodes are ${model.architecture}.`,
        fix: `Build the image for ${model.architecture} (--platform linux/${model.architecture}).`,
      };
    }
  },
};

function lacking(id: string, severity: Rule['severity'], wanted: readonly string[], cost: string): Rule {
  return {
    id,
    severity,
    *check(image) {
      const applets = busyboxOf(image)?.applets;
      const gone = applets ? wanted.filter((name) => !applets.has(name)) : [];
      if (gone.length === 0) return;
      yield {
        path: BUSYBOX,
        message: `${BUSYBOX} has no ${gone.join(', no ')}: ${cost}.`,
        fix: 'Install the package busybox-static, which has all of them, or build busybox with them.',
        dockerfile: install(image),
      };
    },
  };
}

const unknown: Rule = {
  id: 'busybox.unknown',
  severity: 'info',
  *check(image) {
    const busybox = busyboxOf(image);
    if (!busybox || busybox.applets) return;
    yield {
      path: BUSYBOX,
      message: `Which commands ${BUSYBOX} has could not be told: there is no table of them in its file.`,
      fix: 'Nothing, if it is a busybox; another program cannot stand in for it.',
    };
  },
};

const libraries: Rule = {
  id: 'busybox.libraries',
  severity: 'error',
  *check(image) {
    const needs = busyboxOf(image)?.needs;
    if (!needs?.interpreter) return;
    yield* missingParts(image, needs);
  },
};

function* missingParts(image: LintImage, needs: ElfNeeds): Generator<Hit> {
  const { interpreter = '' } = needs;
  const gone = needs.libraries.filter(
    (name) => !LIBRARY_FOLDERS.some((folder) => image.isFile(`${folder}/${name}`)),
  );
  if (!image.isFile(interpreter)) gone.unshift(interpreter);
  if (gone.length > 0) {
    const names = gone.slice(0, 3).map((name) => shown(name));
    yield {
      path: BUSYBOX,
      message: `${BUSYBOX} needs ${names.join(', ')}${gone.length > 3 ? ' and more' : ''}, which the image does not have where it is looked for.`,
      fix: 'Install busybox-static, which needs no libraries.',
      dockerfile: install(image),
    };
    return;
  }
  if (['/usr/bin/ldd', '/bin/ldd'].some((path) => image.isFile(path))) return;
  yield {
    path: BUSYBOX,
    message: `${BUSYBOX} needs shared libraries, and the image has no ldd with which the boot finds them.`,
    fix: 'Install busybox-static, which needs no libraries.',
    dockerfile: install(image),
  };
}

export const busyboxRules: readonly Rule[] = [
  missing,
  architecture,
  lacking('busybox.applets', 'error', TO_BOOT, 'the scripts of a boot stop there'),
  lacking(
    'busybox.applets-more',
    'warning',
    FOR_MORE,
    'hybrid boot, swap, copies or saving of nodes will not work',
  ),
  unknown,
  libraries,
];
