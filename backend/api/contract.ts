import type { z } from 'zod';
import { bootMethods } from './boots.ts';
import { bootTestMethods } from './boot-test.ts';
import { captureMethods } from './capture.ts';
import { changeMethods } from './change.ts';
import { contactMethods } from './contact.ts';
import { debugMethods } from './debug.ts';
import { engineMethods } from './engine.ts';
import { imageMethods } from './image.ts';
import { imageFileMethods } from './image-files.ts';
import { imageShellMethods } from './image-shell.ts';
import { imageOperationMethods } from './image-operations.ts';
import { labMethods } from './lab.ts';
import { logMethods } from './log.ts';
import { nodeMethods } from './node.ts';
import { portMethods } from './port.ts';
import { readMethods } from './reads.ts';
import { saveMethods } from './save.ts';
import { topologyMethods } from './topology.ts';

/** Every call of the API. One file per noun; this one only joins them. */
export const methods = {
  ...labMethods,
  ...nodeMethods,
  ...bootMethods,
  ...captureMethods,
  ...engineMethods,
  ...imageMethods,
  ...imageOperationMethods,
  ...imageFileMethods,
  ...imageShellMethods,
  ...portMethods,
  ...saveMethods,
  ...readMethods,
  ...contactMethods,
  ...changeMethods,
  ...bootTestMethods,
  ...debugMethods,
  ...logMethods,
  ...topologyMethods,
};
export type Methods = typeof methods;
export type MethodName = keyof Methods;
export type Params<M extends MethodName> = z.input<Methods[M]['params']>;
export type CheckedParams<M extends MethodName> = z.output<Methods[M]['params']>;
export type Result<M extends MethodName> = z.output<Methods[M]['result']>;

/** Progress of a long call: a sentence, and how much of the whole is done (0 to 1) where that is known. */
export interface Progress {
  message: string;
  fraction?: number;
}
/** The server's end of a byte stream (`stream.ts`). */
export interface ByteStream {
  readonly id: number;
  /** false when the window is full: send no more before `onDrain` */
  write(data: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  onData(listener: (data: Uint8Array) => void): void;
  onClose(listener: () => void): void;
  end(message?: string): void;
}
export interface CallContext {
  /** aborted when the client cancels or goes away */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  readonly openStream: () => ByteStream;
}
/** What the daemon implements: one function per method. */
export type Handlers = {
  [M in MethodName]: (params: CheckedParams<M>, context: CallContext) => Promise<Result<M>> | Result<M>;
};
