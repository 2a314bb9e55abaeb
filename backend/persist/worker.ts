// The thread that owns all shares: what waits for a disk here holds up nothing else of the daemon.
import { parentPort } from 'node:worker_threads';
import type { FromWorker, Order } from './messages.ts';
import { ShareWorker } from './share-worker.ts';

const port = parentPort;
if (!port) throw new Error('worker.ts is not a program, but a thread of the daemon');

const post = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
/** by folder */
const shares = new Map<string, ShareWorker>();

port.on('message', (order: Order) => {
  let share = shares.get(order.folder);
  if (!share) shares.set(order.folder, (share = new ShareWorker(order, post)));
  share.take(order);
});
