import { Readable } from 'node:stream';
import { chooseEngine, type Engine } from '../../backend/images/engine/connect.ts';
import type { TarEntry } from '../../backend/images/tar/tar-writer.ts';
import { file, folder, tarOf } from '../unit/images/support.ts';
import type { TestEngine } from './engines.ts';

export const MODELS = 'LABEL walt.node.models=pc-x86-64';

export function engineOf(test: TestEngine): Promise<Engine> {
  return chooseEngine(test.kind, test.env);
}

/** Builds an image in an engine, with `root.tar` (entries, or the whole) in the context. */
export async function build(
  { docker }: Engine,
  name: string,
  dockerfile: string,
  root: TarEntry[] | Buffer = [folder('etc'), file('etc/hostname', 'box\n'), folder('bin')],
): Promise<void> {
  const context = tarOf([
    file('Dockerfile', `${dockerfile}\n`),
    file('root.tar', '', { content: Buffer.isBuffer(root) ? root : tarOf(root) }),
  ]);
  const stream = await docker.buildImage(Readable.from([context]), {
    t: name,
    forcerm: true,
    networkmode: 'none',
  });
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error: Error | null, events: { error?: string }[]) => {
      const failed = error?.message ?? events.find((event) => event.error)?.error;
      if (failed === undefined) resolve();
      else reject(new Error(`${dockerfile}: ${failed}`));
    });
  });
}
