import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { until } from './lab.ts';

const run = promisify(execFile);
/** discard (RFC 863): nobody listens, and no test looks at it */
const MARKER_PORT = 9;

export interface CaptureOptions {
  file: string;
  interface: string;
  /** an address to which a packet leaves by the interface; a broadcast address needs no answer */
  marker: string;
  /** in the language of pcap-filter(7); it must let UDP through */
  filter?: string;
}

/**
 * All packets of an interface between `start` and `stop`. The program says that it captures a moment before it does, and
 * ends before it has read what waits: packets of our own at either end, seen in the file, show that it is complete.
 */
export class Capture {
  readonly #options: CaptureOptions;
  readonly #program: ChildProcess;
  #said = '';

  private constructor(options: CaptureOptions) {
    this.#options = options;
    const filter = options.filter === undefined ? [] : ['-f', options.filter];
    const args = ['-q', '-i', options.interface, ...filter, '-B', '32', '-w', options.file];
    this.#program = spawn('dumpcap', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#program.stderr?.on('data', (chunk) => (this.#said += String(chunk)));
  }

  static async start(options: CaptureOptions): Promise<Capture> {
    const capture = new Capture(options);
    await capture.#mark();
    return capture;
  }

  async stop(): Promise<void> {
    await this.#mark();
    this.#program.kill('SIGINT');
    await once(this.#program, 'close');
    const dropped = /received\/dropped on interface .*: \d+\/(\d+)/.exec(this.#said)?.[1];
    if (dropped !== undefined && dropped !== '0') throw new Error(`packets were missed: ${this.#said}`);
  }

  /** How many packets a display filter selects, our own left out. `decode`: tshark's -d, such as `udp.port==69,tftp`. */
  async count(filter: string, ...decode: string[]): Promise<number> {
    const args = ['-r', this.#options.file, '-T', 'fields', '-e', 'frame.number'];
    for (const rule of decode) args.push('-d', rule);
    args.push('-Y', `(${filter}) && !(udp.dstport == ${MARKER_PORT})`);
    const { stdout } = await run('tshark', args, { maxBuffer: 64 << 20 });
    return stdout.split('\n').filter((line) => line !== '').length;
  }

  /** Sends a packet again and again until the file has it. */
  async #mark(): Promise<void> {
    const { file, marker } = this.#options;
    const text = randomUUID();
    const socket = createSocket('udp4');
    socket.bind();
    await once(socket, 'listening');
    socket.setBroadcast(true);
    const isSeen = async (): Promise<boolean> => {
      if (this.#program.exitCode !== null) throw new Error(`dumpcap ended: ${this.#said}`);
      await new Promise((resolve) => socket.send(text, MARKER_PORT, marker, resolve));
      return existsSync(file) && readFileSync(file).includes(text);
    };
    try {
      await until(`a packet of ours in ${file}`, isSeen, (seen) => seen, 30_000);
    } finally {
      socket.close();
    }
  }
}
