// What is run in a node to look at its files, and to change them: POSIX sh, with the tools of busybox or GNU.
import { escapedBytes, escapedText, type ImageFile } from '../../backend/api/image-files.ts';
import { BootyardError } from '../../backend/errors.ts';

/** Codes with which scripts end, and the errors that they stand for. */
const ENDS: Record<number, string> = {
  44: 'file.missing',
  45: 'file.notFolder',
  46: 'file.isFolder',
  47: 'file.special',
  48: 'file.exists',
  49: 'file.notEmpty',
};
const DENIED = /permission denied|read-only file system|operation not permitted/i;

const PRELUDE = `LC_ALL=C; export LC_ALL; umask 022
stat=stat; command -v stat >/dev/null || stat='/bin/busybox stat'
there() { [ -e "$1" ] || [ -L "$1" ] || exit 44; }
`;
const FIELDS = '%f %u %g %s %Y %h %t %T';

/** A path in a variable, byte by byte; `escapedText` wrote it. */
function variable(name: string, path: string): string {
  const octal = [...escapedBytes(path)].map((byte) =>
    /[\w/.-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `\\0${byte.toString(8).padStart(3, '0')}`,
  );
  return `${name}=$(printf '%b.' '${octal.join('')}'); ${name}=\${${name}%.}\n`;
}

export function statScript(path: string): string {
  return `${PRELUDE}${variable('p', path)}there "$p"
$stat -c '${FIELDS}' "$p" || exit 44
[ -L "$p" ] || exit 0
$stat -L -c '${FIELDS}' "$p" 2>/dev/null || echo
readlink "$p"`;
}

/** Names, an empty one, what they are, and, behind a NUL, what links lead to. */
export function listScript(path: string): string {
  const found = (what: string): string => `find . ! -name . -prune ${what} -print0`;
  return `${PRELUDE}${variable('p', path)}there "$p"
[ -d "$p" ] || exit 45
cd "$p" || exit 1
${found('')}; printf '\\0'
${found('')} | xargs -0 $stat -c '${FIELDS} %n' 2>/dev/null; printf '\\0'
${found('-type l')} | xargs -0 $stat -L -c '${FIELDS} %n' 2>/dev/null
exit 0`;
}

export function readScript(path: string): string {
  return `${PRELUDE}${variable('p', path)}there "$p"
[ ! -d "$p" ] || exit 46
[ -f "$p" ] || exit 47
exec cat "$p"`;
}

/** Standard input becomes the file, when it has come whole; what is there keeps owner, mode and names. */
export function writeScript(
  path: string,
  size: number,
  { create, overwrite }: { create: boolean; overwrite: boolean },
): string {
  return `${PRELUDE}${variable('p', path)}
if [ -e "$p" ]; then
  [ ! -d "$p" ] || exit 46
  [ -f "$p" ] || exit 47
  ${overwrite ? ':' : 'exit 48'}
else
  [ ! -L "$p" ] || exit 44
  ${create ? ':' : 'exit 44'}
  [ -d "\${p%/*}/" ] || exit 44
fi
t="\${p%/*}/.bootyard-$$"
trap 'rm -f "$t"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$t" || exit 1
[ "$(wc -c <"$t")" -eq ${size} ] || { echo 'it did not come whole' >&2; exit 1; }
if [ -e "$p" ]; then cat "$t" >"$p"; else mv "$t" "$p"; fi`;
}

export function makeFolderScript(path: string): string {
  return `${PRELUDE}${variable('p', path)}
[ ! -e "$p" ] && [ ! -L "$p" ] || exit 48
[ -d "\${p%/*}/" ] || exit 44
mkdir "$p"`;
}

export function removeScript(path: string, recursive: boolean): string {
  return `${PRELUDE}${variable('p', path)}there "$p"
if [ -d "$p" ] && [ ! -L "$p" ]; then
  ${recursive ? 'rm -rf "$p"' : '[ -z "$(ls -A "$p")" ] || exit 49; rmdir "$p"'}
else rm -f "$p"; fi`;
}

export function moveScript(verb: 'mv' | 'cp -a', from: string, to: string, overwrite: boolean): string {
  return `${PRELUDE}${variable('p', from)}${variable('q', to)}there "$p"
if [ -e "$q" ] || [ -L "$q" ]; then ${overwrite ? 'rm -rf "$q" || exit 1' : 'exit 48'}; fi
[ -d "\${q%/*}/" ] || exit 44
${verb} "$p" "$q"`;
}

/** Why a script has ended so. */
export function scriptError(code: number | null, stderr: string, path: string): BootyardError {
  const known = ENDS[code ?? -1];
  const words = stderr
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/\p{Cc}+/gu, ' ')
    .slice(0, 300);
  if (known !== undefined) return new BootyardError(known, `${path}: ${known.slice('file.'.length)}`);
  const why = words || `a command ended with ${code ?? 'a signal'}`;
  return new BootyardError(DENIED.test(why) ? 'file.denied' : 'file.failed', `${path}: ${why}`);
}

const TYPES: Record<number, ImageFile['type']> = {
  0o010000: 'fifo',
  0o020000: 'char',
  0o040000: 'directory',
  0o060000: 'block',
  0o100000: 'file',
  0o120000: 'symlink',
  0o140000: 'socket',
};
const RECORD = /^([0-9a-f]+) (\d+) (\d+) (\d+) (-?\d+) (\d+) ([0-9a-f]+) ([0-9a-f]+)/;

function fileOf(line: string, name: string): ImageFile | undefined {
  const [all, raw = '', ...rest] = RECORD.exec(line) ?? [];
  if (all === undefined) return undefined;
  const bits = Number.parseInt(raw, 16);
  const [uid = 0, gid = 0, size = 0, seconds = 0, links = 0] = rest.slice(0, 5).map(Number);
  const [major = 0, minor = 0] = rest.slice(5).map((text) => Number.parseInt(text, 16));
  const type = TYPES[bits & 0o170000] ?? 'file';
  return {
    ...{ name, type, mode: bits & 0o7777, uid, gid, links, size: type === 'file' ? size : 0 },
    ...{ mtimeMs: seconds * 1000, target: null, leadsTo: null, xattrs: [], layer: null },
    device: type === 'char' || type === 'block' ? { major, minor } : null,
  };
}

/** What `statScript` has printed. `size` of a link: of what it leads to */
export function parseStat(output: Buffer, name: string): ImageFile | undefined {
  const [itself = '', behind = '', ...target] = output.toString('latin1').split('\n');
  const file = fileOf(itself, name);
  if (file?.type !== 'symlink') return file;
  const leadsTo = fileOf(behind, name);
  const text = Buffer.from(target.join('\n').replace(/\n$/, ''), 'latin1');
  return { ...file, target: escapedText(text), leadsTo: leadsTo?.type ?? null, size: leadsTo?.size ?? 0 };
}

/** What `listScript` has printed; what has gone meanwhile is left out. */
export function parseList(output: Buffer): ImageFile[] {
  const text = output.toString('latin1');
  const end = text.startsWith('\0') ? 0 : text.indexOf('\0\0') + 1;
  const names = text
    .slice(0, Math.max(0, end - 1))
    .split('\0')
    .filter(Boolean);
  const [stats = '', behind = ''] = text.slice(end + 1).split('\0');
  const leads = recordsOf(behind, names);
  const files: ImageFile[] = [];
  for (const [name, line] of recordsOf(stats, names)) {
    const shown = escapedText(Buffer.from(name.slice(2), 'latin1'));
    const file = fileOf(line, shown);
    const target = fileOf(leads.get(name) ?? '', shown);
    if (file) files.push({ ...file, leadsTo: file.type === 'symlink' ? (target?.type ?? null) : null });
  }
  return files;
}

/** Lines of `stat` by their names, which may have line ends of their own: they are known, and come in their order. */
function recordsOf(text: string, names: readonly string[]): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  for (const name of names) {
    const [fields] = RECORD.exec(text.slice(at, at + 200)) ?? [];
    if (fields === undefined || !text.startsWith(` ${name}\n`, at + fields.length)) continue;
    records.set(name, fields);
    at += fields.length + name.length + 2;
  }
  return records;
}
