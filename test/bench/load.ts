/** What a load generator printed. */
export interface Load {
  operationsPerSecond: number;
  megabytesPerSecond: number;
  medianMicroseconds: number;
}
/** One line of a bench that a load generator makes. */
export interface Operation {
  name: string;
  /** as the generator knows it */
  operation: string;
  /** requests that are outstanding at a time */
  depth: number;
  unit: string;
  figure: (load: Load) => number;
  target: number | null;
  /** the smaller figure is the better one */
  less?: boolean;
}
export const perSecond = { unit: 'op/s', figure: (load: Load) => load.operationsPerSecond };
export const throughput = { unit: 'MB/s', figure: (load: Load) => load.megabytesPerSecond };
export const latency = { unit: 'µs', figure: (load: Load) => load.medianMicroseconds, less: true };
