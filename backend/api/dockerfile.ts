import { imagesOf, parseDockerfile, readInstructions } from '../images/build/dockerfile.ts';

/**
 * The lines (from 1) of FROM at which a node image can be built: those of an image of the store, or all that lead to a
 * stage with a label walt.node.models. A text that is no Dockerfile (yet) has none.
 */
export function nodeImageLines(text: string, storeImages: ReadonlySet<string>): number[] {
  try {
    const dockerfile = parseDockerfile(text);
    const own = new Set(imagesOf(dockerfile));
    const labelled = dockerfile.stages
      .at(-1)
      ?.instructions.some(({ keyword, value }) => keyword === 'LABEL' && value.includes('walt.node.models'));
    const wanted = dockerfile.stages.filter((stage, at) => {
      const isOurs = own.has(stage.image) && storeImages.has(stage.image.replace(/:latest$/, ''));
      return isOurs || (labelled === true && at === dockerfile.stages.length - 1);
    });
    return wanted.map(({ from }) => from.line);
  } catch {
    return [];
  }
}

/**
 * Where the stage of the image begins in a Dockerfile, and what the image runs when it starts, if it says so: lines, from 0.
 * A text that is no Dockerfile (yet) begins at its top.
 */
export function lastStage(text: string): { from: number; start: number | undefined } {
  let from = 0;
  let start: number | undefined;
  for (const { keyword, line } of instructionsOf(text)) {
    if (keyword === 'FROM') [from, start] = [line - 1, undefined];
    else if (keyword === 'CMD' || keyword === 'ENTRYPOINT') start ??= line - 1;
  }
  return { from, start };
}

function instructionsOf(text: string): ReturnType<typeof readInstructions> {
  try {
    return readInstructions(text);
  } catch {
    return [];
  }
}
