import { Command } from 'commander';
import { ownVersion } from '../api/lab-control.ts';
import { addCompletionCommands } from './completion.ts';
import { addDoctorCommand } from './doctor.ts';
import { addImageCommands } from './image.ts';
import { addLabCommands } from './lab.ts';
import { addLogCommands } from './log.ts';
import { addMcpCommand } from './mcp.ts';
import { addNodeCommands } from './node.ts';
import { addRegistryCommands } from './registry.ts';
import { addTestCommand } from './test.ts';
import type { Session } from './session.ts';

/** All nouns and verbs. Parsing throws CommanderError instead of ending the process. */
export function makeProgram(session: Session): Command {
  const program = new Command('bootyard')
    .description('A netboot testbed: boots OS images over the network in virtual nodes.')
    .version(ownVersion())
    .enablePositionalOptions()
    .exitOverride();
  addLabCommands(program, session);
  addDoctorCommand(program, session);
  addNodeCommands(program, session);
  addImageCommands(program, session);
  addLogCommands(program, session);
  addRegistryCommands(program, session);
  addTestCommand(program, session);
  addMcpCommand(program, session);
  addCompletionCommands(program, session);
  return program;
}
