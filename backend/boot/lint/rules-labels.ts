import { imageModels } from '../../images/names.ts';
import { MODEL_NAMES } from '../models.ts';
import type { Rule } from './finding.ts';

const MODELS = 'walt.node.models';
const MINVERSION = 'walt.server.minversion';
/** The version of WalT's server whose image contract this is. */
const SERVER_VERSION = 10;
const modelLine = `LABEL ${MODELS}="pc-x86-64"`;
const ofModels = { dockerfile: modelLine, repair: { do: 'label', name: MODELS } } as const;

/** What somebody wrote, in a sentence. */
function quoted(text: string): string {
  return `'${text.slice(0, 40).replace(/[\p{C}']/gu, '?')}'`;
}

const noModels: Rule = {
  id: 'labels.no-models',
  severity: 'error',
  *check({ source }) {
    if (imageModels({ ...source.labels }).length > 0) return;
    yield {
      path: MODELS,
      message: `The image has no label ${MODELS}, so no node can boot it.`,
      fix: `Add the label with the node models that the image is for (${MODEL_NAMES.join(', ')}).`,
      ...ofModels,
    };
  },
};

const unknownModel: Rule = {
  id: 'labels.unknown-model',
  severity: 'warning',
  *check({ source }) {
    for (const model of imageModels({ ...source.labels }).filter((name) => !MODEL_NAMES.includes(name))) {
      yield {
        path: MODELS,
        message: `The label ${MODELS} names ${quoted(model)}, which is no node model here: such nodes cannot be made.`,
        fix: `Known models are ${MODEL_NAMES.join(', ')}.`,
        ...ofModels,
      };
    }
  },
};

const noKnownModel: Rule = {
  id: 'labels.no-known-model',
  severity: 'error',
  *check({ source, models }) {
    if (models.length > 0 || imageModels({ ...source.labels }).length === 0) return;
    yield {
      path: MODELS,
      message: `The label ${MODELS} names no model that can be booted here.`,
      fix: `Known models are ${MODEL_NAMES.join(', ')}.`,
      ...ofModels,
    };
  },
};

const minversion: Rule = {
  id: 'labels.minversion',
  severity: 'warning',
  *check({ source }) {
    const text = source.labels[MINVERSION];
    const mended = {
      dockerfile: `LABEL ${MINVERSION}="4"`,
      repair: { do: 'label', name: MINVERSION },
    } as const;
    if (text === undefined || /^[0-9]{1,6}$/.test(text.trim())) {
      if (Number(text ?? 0) <= SERVER_VERSION) return;
      yield {
        path: MINVERSION,
        message: `The label ${MINVERSION} asks for a WalT server of version ${Number(text)}, and this lab does what version ${SERVER_VERSION} does.`,
        fix: `Lower the label if the image works here, or use an older version of the image.`,
        ...mended,
      };
      return;
    }
    yield {
      path: MINVERSION,
      message: `The label ${MINVERSION} is ${quoted(text)}, and not a number: WalT servers refuse the image.`,
      fix: 'Give the label the lowest version of WalT servers that the image works with; 4 is the usual one.',
      ...mended,
    };
  },
};

const architecture: Rule = {
  id: 'labels.architecture',
  severity: 'warning',
  *check({ source, models }) {
    for (const model of models.filter((one) => one.architecture !== source.architecture)) {
      yield {
        path: MODELS,
        message: `The image says that it is for ${quoted(source.architecture)}, and ${model.name} nodes are ${model.architecture}.`,
        fix: `Build the image for ${model.architecture} (--platform linux/${model.architecture}), or take ${model.name} out of the label.`,
      };
    }
  },
};

export const labelRules: readonly Rule[] = [noModels, unknownModel, noKnownModel, minversion, architecture];
