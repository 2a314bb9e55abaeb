import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from './connect.ts';
import { isLeftBehind, ownerMark } from './owner.ts';

/** It is a name and no label because a commit puts labels of the container into the image. */
const NAME = /^\/?(bootyard-shell-(.*))$/;

/** A name for a container of this process; `lab`: folder of the lab's images. */
export function shellContainerName(lab: string): string {
  return `bootyard-shell-${ownerMark(lab, 4)}`;
}

/** Temporary files of the container of that name. */
export function shellFolder(name: string): string {
  return join(tmpdir(), name);
}

/** Removes the containers of this lab whose processes ended without doing so. */
export async function sweepShellContainers({ docker }: Engine, lab: string): Promise<void> {
  for (const { Id, Names } of await docker.listContainers({ all: true })) {
    const [, name, mark] = NAME.exec(Names[0] ?? '') ?? [];
    if (name === undefined || mark === undefined || !isLeftBehind(mark, lab)) continue;
    // Another shell may sweep it at this moment.
    await docker
      .getContainer(Id)
      .remove({ force: true })
      .catch(() => undefined);
    rmSync(shellFolder(name), { recursive: true, force: true });
  }
}
