import { dirname } from 'node:path';
import type * as vscode from 'vscode';
import { BOOT_TEST_ENDING, readBootTest } from '../../backend/api/boot-test/cases.ts';
import { bootTestJsonSchema } from '../../backend/api/boot-test/json-schema.ts';
import { labFileJsonSchema } from '../../backend/api/lab-file/json-schema.ts';
import { readLab } from '../../backend/api/lab-file/read.ts';
import { LAB_FILE } from '../../backend/api/lab-file/schema.ts';
import { type Problem, YamlError } from '../../backend/api/yaml-file.ts';
import type { JsonSchema } from './schema-help.ts';

/** Files in YAML that Bootyard reads. */
export interface FileKind {
  /** by their names, whatever extension calls their language what */
  readonly selector: vscode.DocumentSelector;
  readonly check: (document: vscode.TextDocument) => readonly Problem[];
  readonly schema: () => JsonSchema;
}

export const LAB_FILES: FileKind = {
  selector: { scheme: 'file', pattern: `**/${LAB_FILE}` },
  check: (document) => readLab(document.getText(), dirname(document.uri.fsPath)).problems,
  schema: once(labFileJsonSchema),
};

export const BOOT_TESTS: FileKind = {
  selector: { scheme: 'file', pattern: `**/*${BOOT_TEST_ENDING}` },
  check: (document) => {
    try {
      readBootTest(document.getText(), document.fileName);
      return [];
    } catch (error) {
      if (error instanceof YamlError) return error.problems;
      throw error;
    }
  },
  schema: once(bootTestJsonSchema),
};

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
