import { bootNodes, runCommand, waitBooted } from './act.ts';
import { explainLastBoot, listImages, listNodes, readConsole } from './look.ts';
import type { AgentTool } from './tool.ts';

/** What agents can do in the lab: small verbs, each bounded in time and in what it answers. */
export const agentTools: readonly AgentTool[] = [
  listNodes,
  listImages,
  explainLastBoot,
  bootNodes,
  waitBooted,
  runCommand,
  readConsole,
];
