# Appends entries of every kind to a tar, and prints what a guest must see of the whole archive, one line per path:
# path|type|mode|uid|gid|size|major:minor|links|mtime|md5 of content or link target        (bytes, sorted)
import hashlib, io, sys, tarfile

source = sys.argv[1]
with tarfile.open(source, 'a:', format=tarfile.PAX_FORMAT) as tar:
    def add(name, kind=tarfile.REGTYPE, content=b'', **fields):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mtime = kind, len(content), 1700000123
        info.mode = fields.pop('mode', 0o644)
        for key, value in fields.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(content))
    add('odd', tarfile.DIRTYPE, mode=0o755)
    add('odd/setuid', content=b'#!/bin/sh\n', mode=0o4755, uid=0, gid=42)
    add('odd/owner', content=b'x' * 5000, mode=0o640, uid=1234, gid=70000)
    add('odd/sticky', tarfile.DIRTYPE, mode=0o1777)
    add('odd/empty')
    add('odd/exactly-512', content=b'y' * 512)
    add('odd/null', tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
    add('odd/disk', tarfile.BLKTYPE, mode=0o660, devmajor=259, devminor=1000)
    add('odd/pipe', tarfile.FIFOTYPE, mode=0o600)
    add('odd/link', tarfile.SYMTYPE, mode=0o777, linkname='exactly-512')
    add('odd/dangling', tarfile.SYMTYPE, mode=0o777, linkname='/nowhere/' + 'z' * 120)
    add('odd/hard', tarfile.LNKTYPE, linkname='odd/owner')
    add('odd/' + 'n' * 200, content=b'long name')
    add('odd/deep/' + '/'.join(['d' * 60] * 4) + '/leaf', content=b'deep')
    add('odd/caf\u00e9', content=b'utf-8')
    add('odd/with space\tand tab', content=b'space')
    add('odd/large', content=bytes(range(256)) * 12000)

links, rows = {}, {}
KINDS = {tarfile.DIRTYPE: 'directory', tarfile.SYMTYPE: 'symbolic link', tarfile.CHRTYPE: 'character special file',
         tarfile.BLKTYPE: 'block special file', tarfile.FIFOTYPE: 'fifo'}
with tarfile.open(source, 'r:', encoding='utf-8', errors='surrogateescape') as tar:
    for info in tar:
        path = info.name.lstrip('./') or '.'
        if path == '.':
            continue
        if info.type == tarfile.LNKTYPE:
            target = info.linkname.lstrip('./')
            links[path] = target
            continue
        kind = KINDS.get(info.type) or ('regular file' if info.size else 'regular empty file')
        size, extra = '', ''
        if info.isreg():
            size = info.size
            extra = hashlib.md5(tar.extractfile(info).read()).hexdigest()
        elif info.issym():
            size, extra = len(info.linkname.encode()), info.linkname
        device = '%x:%x' % (info.devmajor, info.devminor) if kind.endswith('special file') else '0:0'
        rows[path] = [kind, '%o' % info.mode, info.uid, info.gid, size, device, 1, int(info.mtime), extra]
for path, target in links.items():
    rows[target][6] += 1
    rows[path] = rows[target]
lines = ['|'.join([path, *map(str, row[:6]), str(row[6]) if row[0].startswith('regular') else '', str(row[7]), row[8]]) for path, row in rows.items()]
sys.stdout.buffer.write('\n'.join(lines).encode('utf-8', 'surrogateescape') + b'\n')
