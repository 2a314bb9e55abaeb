// The steps of a copy as scripts for a POSIX shell with busybox: they run alike on this host and, over ssh, in a node.
import { parentOf, type Location, type PathType } from './paths.ts';

export const TYPES = ['folder', 'file', 'link', 'special', 'missing'] as const satisfies PathType[];

/** `finish` ends with it when something stands in the way; it prints `file`, `folder` or `special` and the path. */
export const IN_THE_WAY = 3;
/** `finish` ends with it when what came is not what was asked for. */
export const UNEXPECTED = 4;

/** Bytes count, not characters; and a node may have busybox without its links. */
const PRELUDE = `
LC_ALL=C; export LC_ALL; unset TAR_OPTIONS
for tool in tar mv rm mkdir chmod; do
  command -v $tool >/dev/null || eval "$tool() { /bin/busybox $tool \\"\\$@\\"; }"
done
gnu=; case $(tar --version 2>/dev/null) in *'GNU tar'*) gnu=gnu ;; esac
is_folder() { [ -d "$1" ] && [ ! -L "$1" ]; }
exists() { [ -e "$1" ] || [ -L "$1" ]; }
type_of() {
  if [ -L "$1" ]; then echo link
  elif [ -d "$1" ]; then echo folder
  elif [ -f "$1" ]; then echo file
  elif [ -e "$1" ]; then echo special
  else echo missing; fi
}
type_behind() { if [ -d "$1" ]; then echo folder; else type_of "$1"; fi; }
`;

export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Prints a line with `gnu` if tar is GNU's, then the type of the source. */
export function lookAtSource(from: Location): string {
  const look = from.asFolder ? `type_behind ${quoted(`${from.path}/.`)}` : `type_of ${quoted(from.path)}`;
  return `${PRELUDE}echo "$gnu"; ${look}`;
}

/** As `lookAtSource`, then what `Found` holds, a line each. */
export function lookAtDestination(to: Location, inside: string): string {
  const looks = [
    `type_behind ${quoted(to.path)}`,
    `type_behind ${quoted(parentOf(to.path))}`,
    `type_of ${quoted(inside)}`,
  ];
  return `${PRELUDE}echo "$gnu"; ${looks.join('; ')}`;
}

/**
 * A tar on standard output: of all in a folder (and its own mode and time), or of one file under its name. `onlyFolders`
 * sends the folders once more, the deepest first: busybox gives a folder its time, and then makes the links in it.
 */
export function send(
  from: Location,
  isFolder: boolean,
  options: { sparse: boolean; onlyFolders: boolean },
): string {
  const folder = isFolder ? from.path : parentOf(from.path);
  const member = isFolder ? '.' : `./${from.name ?? ''}`;
  // What comes from this host is root's in the node; this host makes what it gets the user's own.
  const flags = `--format=gnu --no-unquote --owner=0 --group=0 --numeric-owner${options.sparse ? ' --sparse' : ''}`;
  const all = `tar $gnu -cf - ${quoted(member)}`;
  const folders = 'find . -depth -type d -print0 | tar $gnu -cf - --no-recursion --null -T -';
  return `${PRELUDE}cd ${quoted(folder)} || exit 2
[ -z "$gnu" ] || gnu=${quoted(flags)}
${options.onlyFolders ? folders : all}`;
}

/**
 * Unpacks standard input in a folder `in` of `work`, which it makes (unless `again`), and which is nobody else's business
 * before `finish`. On this host GNU tar lets no member out of that folder, and sets no set-user-ID bits: the sender is
 * not trusted.
 */
export function receive(work: string, options: { trusted: boolean; again: boolean }): string {
  const flags = options.trusted ? '-p' : '--no-same-owner --no-same-permissions';
  const make = `mkdir -m 700 ${quoted(work)} && mkdir ${quoted(`${work}/in`)} && `;
  return `${PRELUDE}${options.again ? '' : make}cd ${quoted(`${work}/in`)} || exit 2
umask 0
[ -z "$gnu" ] || gnu='${flags}'
tar $gnu -xf -`;
}

/** Puts what was received in its place, all of it or, when something stands in the way, nothing. */
export function finish(work: string, target: string, source: { name: string | undefined }): string {
  const { name } = source;
  return `${PRELUDE}
in=${quoted(`${work}/in`)} target=${quoted(target)}
check() {
  if is_folder "$1"; then
    if is_folder "$2"; then
      for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if exists "$entry"; then check "$entry" "$2/\${entry##*/}"; fi
      done
    elif exists "$2"; then in_the_way file "$2"; fi
  elif is_folder "$2"; then in_the_way folder "$2"
  elif [ -e "$2" ] && [ ! -f "$2" ] && [ ! -L "$2" ]; then in_the_way special "$2"; fi
}
in_the_way() { echo "$1"; printf %s "$2"; exit ${IN_THE_WAY}; }
place() {
  if is_folder "$1" && is_folder "$2"; then
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
      if exists "$entry"; then place "$entry" "$2/\${entry##*/}" || return; fi
    done
    return 0
  fi
  # mv would go through a link to a folder.
  if [ -L "$2" ]; then rm -f "$2" || return; fi
  if is_folder "$1" && [ ! -w "$1" ]; then
    # A folder that goes elsewhere is written to.
    chmod u+w "$1" && mv -f "$1" "$2" && chmod u-w "$2"
  else
    mv -f "$1" "$2"
  fi
}
${name === undefined ? 'from=$in' : onlyEntry(name)}
check "$from" "$target"
place "$from" "$target" && { chmod -R u+rwX ${quoted(work)}; rm -rf ${quoted(work)}; }`;
}

function onlyEntry(name: string): string {
  return `from=$in/${quoted(name)} count=0
for entry in "$in"/* "$in"/.[!.]* "$in"/..?*; do ! exists "$entry" || count=$((count + 1)); done
[ $count -eq 1 ] && exists "$from" && ! is_folder "$from" || exit ${UNEXPECTED}`;
}

/** Device files of a node have no business here. Prints a letter for each. */
export function removeDevices(work: string): string {
  return `find ${quoted(`${work}/in`)} \\( -type b -o -type c \\) -delete -printf x`;
}

export function discard(work: string): string {
  return `${PRELUDE}! exists ${quoted(work)} || { chmod -R u+rwX ${quoted(work)}; rm -rf ${quoted(work)}; }`;
}
