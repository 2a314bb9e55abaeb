// Our side of the NBD bench, in a process of its own:   nbd-server.ts FOLDER PORT
import { NbdServer } from '../../backend/protocols/nbd/server.ts';
import { SwapExports } from '../../backend/protocols/nbd/swap-exports.ts';

const [folder = '', port] = process.argv.slice(2);
const swap = new SwapExports(folder);
const server = new NbdServer({ exports: swap.of, publish: (event) => console.log(JSON.stringify(event)) });
await server.listen('127.0.0.1', Number(port));
console.log('ready');
