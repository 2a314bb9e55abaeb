// Our side of the NFS bench, in a process of its own:   nfs-server.ts TAR EXPORT NFSPORT PORTMAPPORT
import { LayerFile } from '../../backend/images/tree/layer-file.ts';
import { scanTarSync } from '../../backend/images/tar/tar-scan.ts';
import { ImageTree, mergeLayers, treeId } from '../../backend/images/tree/tree.ts';
import { NfsServer } from '../../backend/protocols/nfs/server.ts';

const [tar = '', path = '', nfsPort, portmapPort] = process.argv.slice(2);
const layer = new LayerFile(tar);
const id = treeId(['bench']);
const tree = new ImageTree(id, mergeLayers([scanTarSync(layer.fd, layer.size)], id), [layer]);
const server = new NfsServer({
  address: '127.0.0.1',
  nfsPort: Number(nfsPort),
  portmapPort: Number(portmapPort),
  exports: {
    mount: (_client, asked) => (asked === path ? { tree } : { refused: 'not exported' }),
    tree: (_client, asked) => (asked === id ? tree : undefined),
  },
  publish: () => {},
});
await server.start();
console.log('ready');
