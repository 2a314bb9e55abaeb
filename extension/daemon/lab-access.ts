import { homedir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { connectToLab, labPaths, stopLab } from '../../backend/api/lab-control.ts';
import { BootyardError } from '../../backend/errors.ts';
import type { LabAccess } from './lab-client.ts';

/** The environment of the lab that this window's settings name. */
export function labEnvironment(): NodeJS.ProcessEnv {
  const home = setting('home');
  const engine = setting('engine');
  return {
    ...process.env,
    ...(home ? { BOOTYARD_HOME: expandHome(home) } : {}),
    ...(engine ? { BOOTYARD_ENGINE: engine } : {}),
  };
}

/** The Node program for the daemon, if the settings name one. */
export function nodePath(): string | undefined {
  const path = setting('nodePath');
  return path ? expandHome(path) : undefined;
}

function setting(name: 'home' | 'nodePath' | 'engine'): string | undefined {
  return vscode.workspace.getConfiguration('bootyard').get<string>(name)?.trim() || undefined;
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

/** The lab of the settings as they are at the time of each call. */
export const configuredLab: LabAccess = {
  async attach() {
    try {
      return await connectToLab({ start: false, env: labEnvironment() });
    } catch (error) {
      if (error instanceof BootyardError && error.code === 'lab.stopped') return undefined;
      throw error;
    }
  },
  start: (options) => connectToLab({ start: true, env: labEnvironment(), nodePath: nodePath(), ...options }),
  async stop({ onProgress }) {
    await stopLab(labPaths(labEnvironment()), onProgress);
  },
};
