import { BootyardError } from '../../errors.ts';
import { paxInteger, parsePax, type PaxRecords } from '../tar/pax.ts';
import { badTar, isZeroRecord, parseHeader, RECORD } from '../tar/tar-header.ts';

/** A member of a tar as it comes; its data must be used, as far as it is wanted, before the next one is asked for. */
export interface TarMember {
  /** bytes as latin1 text, as the archive has it */
  name: string;
  type: string;
  size: number;
  data(): AsyncGenerator<Buffer>;
}

/** Extended headers, which hold names and numbers. */
const MAX_HEADER = 1 << 20;
const MAX_MEMBERS = 20_000;

/**
 * Reads a tar from a stream, for archives that are not worth a file of their own (POSIX.1-2017 pax; GNU long names). The
 * stream is not trusted: throws `image.badTar` when it is no tar or breaks off.
 */
export async function* tarMembers(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TarMember> {
  const bytes = new Bytes(stream);
  const pax: PaxRecords = new Map();
  let longName: string | undefined;
  for (let count = 0; ; count++) {
    if (count > MAX_MEMBERS) throw badTar('it has too many members', bytes.position);
    const position = bytes.position;
    const record = await bytes.exactly(RECORD);
    if (isZeroRecord(record)) return;
    const header = parseHeader(record, position);
    if (header.type === 'x' || header.type === 'g' || header.type === 'L' || header.type === 'K') {
      if (header.size > MAX_HEADER) throw badTar('an extended header is too large', position);
      const data = await bytes.exactly(header.size);
      await bytes.skip(padding(header.size));
      if (header.type === 'x') parsePax(data, position, pax);
      if (header.type === 'L') longName = data.toString('latin1').replace(/\0.*$/s, '');
      continue;
    }
    const size = paxInteger(pax, 'size', position) ?? header.size;
    const name = pax.get('path') ?? longName ?? header.name;
    const data = new MemberData(bytes, size);
    yield { name, type: header.type, size, data: () => data.chunks() };
    await data.skipRest();
    await bytes.skip(padding(size));
    pax.clear();
    longName = undefined;
  }
}

function padding(size: number): number {
  return (RECORD - (size % RECORD)) % RECORD;
}

class MemberData {
  readonly #bytes: Bytes;
  #left: number;

  constructor(bytes: Bytes, size: number) {
    this.#bytes = bytes;
    this.#left = size;
  }
  async *chunks(): AsyncGenerator<Buffer> {
    while (this.#left > 0) {
      const chunk = await this.#bytes.some(this.#left);
      this.#left -= chunk.length;
      yield chunk;
    }
  }
  async skipRest(): Promise<void> {
    await this.#bytes.skip(this.#left);
    this.#left = 0;
  }
}

/** A stream by numbers of bytes. */
class Bytes {
  position = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** At least one byte and at most so many, as they come. */
  async some(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) {
        throw new BootyardError('image.badTar', `The archive breaks off at byte ${this.position}.`);
      }
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    const chunk = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(chunk.length);
    this.position += chunk.length;
    return chunk;
  }
  async exactly(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; left -= parts.at(-1)?.length ?? 0) parts.push(await this.some(left));
    return Buffer.concat(parts);
  }
  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.some(left)).length;
  }
}
