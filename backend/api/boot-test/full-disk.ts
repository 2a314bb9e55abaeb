import { quoted } from '../copy/scripts.ts';
import { type RunInNode, shortened } from './commands.ts';

const SECONDS = 300;

/**
 * Leaves no room on the file system of a folder, without writing what fills it: one in memory gets the size of what it
 * holds, one on a disk a file that has all blocks and no content, which a sparse disk does not store. Swap space of the
 * server makes the root in memory larger a moment after the boot, so that is waited for. /persist is a disk of the host.
 */
const SCRIPT = String.raw`
[ -d "$folder" ] || { echo 'there is no such folder'; exit 1; }
tries=0
while grep -qs 'walt-init-[n]bd' /proc/[0-9]*/cmdline && [ $tries -lt 60 ]; do tries=$((tries + 1)); sleep 1; done
mount=$(df -Pk "$folder" | tail -n 1 | { read -r _ _ _ _ _ mount; echo "$mount"; })
type=$(while read -r _ place kind _; do [ "$place" != "$mount" ] || echo "$kind"; done </proc/mounts | tail -n 1)
if [ "$type" = overlay ] && [ "$mount" = / ]; then
  . /bin/walt-env
  [ "$walt_boot_mode" != network ] || { mount=/run/walt/rootfs; type=tmpfs; }
fi
case $type in
  tmpfs)
    used=$(df -Pk "$mount" | tail -n 1 | { read -r _ _ used _; echo "$used"; })
    # No size at all would be no limit.
    [ "$used" -gt 0 ] || used=4
    mount -o "remount,size=$used"k "$mount" || exit 1
    ;;
  ext[234] | overlay | btrfs | xfs | f2fs)
    size=$(df -Pk "$folder" | tail -n 1 | { read -r _ blocks _; echo "$blocks"; })
    while [ "$size" -ge 1 ]; do
      fallocate -l $((size * 1024)) "$folder/.full-$size" 2>/dev/null
      size=$((size / 2))
    done
    ;;
  *)
    echo "its file system is of the type '$type', which is not filled"
    exit 1
    ;;
esac
if head -c 65536 /dev/zero >"$folder/.full" 2>/dev/null; then
  rm -f "$folder/.full"
  echo 'there is still room on it'
  exit 1
fi
exit 0
`;

/** A sentence on what went wrong, or undefined. */
export async function fillDisk(run: RunInNode, folder: string): Promise<string | undefined> {
  const { code, output } = await run(`folder=${quoted(folder)}\n${SCRIPT}`, SECONDS);
  if (code === 0) return undefined;
  const why = code === null ? `that did not end within ${SECONDS} s` : shortened(output, -1);
  return `The disk of ${folder} could not be filled: ${why || `exit code ${code}`}.`;
}
