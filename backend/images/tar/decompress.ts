import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { BootyardError, messageOf, systemCode } from '../../errors.ts';

export type Compression = 'gzip' | 'zstd' | 'xz' | 'bzip2';

const MAGIC: [Compression, number[]][] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** How data that starts with these bytes is compressed; undefined when it is not. */
export function compressionOf(first: Uint8Array): Compression | undefined {
  return MAGIC.find(([, magic]) => magic.every((byte, at) => first[at] === byte))?.[0];
}

/** Decompresses chunks. Damaged or cut off data ends in `image.badCompression`. */
export async function* decompress(
  kind: Compression,
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const zstdBuiltIn = 'createZstdDecompress' in zlib;
  if (kind === 'gzip' || (kind === 'zstd' && zstdBuiltIn)) yield* inProcess(kind, chunks);
  else yield* byProgram([kind, '-dc'], chunks, `its ${kind} data is damaged or cut off`, signal);
}

async function* inProcess(
  kind: 'gzip' | 'zstd',
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const options = { chunkSize: 1 << 20 };
  const stream = kind === 'gzip' ? zlib.createGunzip(options) : zlib.createZstdDecompress(options);
  const input = Readable.from(chunks, { objectMode: false, highWaterMark: 1 << 20 });
  input.on('error', (error) => stream.destroy(error));
  input.pipe(stream);
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (!code.startsWith('Z_') && !code.startsWith('ZSTD_') && code !== 'ERR_ZSTD') throw error;
    throw new BootyardError(
      'image.badCompression',
      `The image is refused: its ${kind} data is damaged or cut off.`,
    );
  } finally {
    input.destroy();
    stream.destroy();
  }
}

/** What a program writes to its standard output. A failure is said as `refused` and its first line on standard error. */
export async function* byProgram(
  [command = '', ...args]: string[],
  input: AsyncIterable<Uint8Array> | undefined,
  refused: string,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    env: { ...process.env, LC_ALL: 'C' },
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, 2000)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  ended.catch(() => undefined);
  // A program that gives up early closes its input; its exit code tells the story.
  child.stdin.on('error', () => undefined);
  const source = input ? Readable.from(input, { objectMode: false, highWaterMark: 1 << 20 }) : undefined;
  let inputError: unknown;
  source?.on('error', (error) => {
    inputError = error;
    child.kill();
  });
  if (source) source.pipe(child.stdin);
  else child.stdin.end();
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const code = await ended.catch((error: unknown) => {
      throw programError(command, error);
    });
    if (inputError instanceof Error) throw inputError;
    signal?.throwIfAborted();
    if (code !== 0)
      throw new BootyardError('image.badData', `The image is refused: ${refused} (${firstLine(complaint)}).`);
  } finally {
    source?.destroy();
    child.kill();
  }
}

function programError(command: string, error: unknown): unknown {
  if (systemCode(error) !== 'ENOENT') return error;
  return new BootyardError(
    'image.noProgram',
    `The program '${command}' is needed to read this image: install it (${messageOf(error)}).`,
  );
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.trim() || 'no reason given';
}
