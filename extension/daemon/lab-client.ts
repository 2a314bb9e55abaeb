import type { ApiClient, CallOptions } from '../../backend/api/client.ts';

/** The typed connection to a running daemon, as far as the extension uses it. */
export type LabClient = Pick<
  ApiClient,
  | 'call'
  | 'stream'
  | 'openConsole'
  | 'replayConsole'
  | 'readLogs'
  | 'ping'
  | 'holdPort'
  | 'subscribe'
  | 'onClose'
  | 'dispose'
>;

/** How a lab is found and started; the one thing that knows folders, programs and environment. */
export interface LabAccess {
  /** The running lab, or undefined when none runs. Throws when it runs and does not answer. */
  attach(): Promise<LabClient | undefined>;
  /** The lab, started if need be. */
  start(options: Required<CallOptions>): Promise<LabClient>;
  /** Ends the lab with all its nodes. */
  stop(options: Required<CallOptions>): Promise<void>;
}
