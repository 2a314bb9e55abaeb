/** One figure next to its peer's. `ratio` above 1 means that ours is better. */
export interface BenchRow {
  name: string;
  unit: string;
  ours: number;
  peer: number;
  peerName: string;
  ratio: number;
  /** the ratio to reach; null for a figure that is only reported */
  target: number | null;
  met: boolean | null;
}
