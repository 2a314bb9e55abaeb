import type { captureMethods } from './capture.ts';
import type { ByteStream, CheckedParams, Result } from './contract.ts';
import type { ServedHandlers } from './server-connection.ts';

/** What the API asks for captures of packets. */
export interface CaptureCalls {
  start(node: string, network: string | undefined, maxBytes: number): Promise<Result<'node.captureStart'>>;
  stop(node: string, network: string | undefined): Promise<Result<'node.captureStop'>>;
  list(node: string): Result<'node.captures'>;
  file(node: string, which: CheckedParams<'node.captureFile'>): Promise<Result<'node.captureFile'>>;
  packets(node: string, which: CheckedParams<'node.packets'>, stream: ByteStream): void;
}

export type CaptureHandlers = Pick<ServedHandlers, keyof typeof captureMethods>;

export function captureHandlers(captures: CaptureCalls): CaptureHandlers {
  return {
    'node.captureStart': ({ node, network, maxBytes }) => captures.start(node, network, maxBytes),
    'node.captureStop': ({ node, network }) => captures.stop(node, network),
    'node.captures': ({ node }) => captures.list(node),
    'node.captureFile': (params) => captures.file(params.node, params),
    'node.packets': (params, context) => {
      const stream = context.openStream();
      captures.packets(params.node, params, stream);
      return { stream: stream.id };
    },
  };
}
