// Writes the language-model tools of backend/api/agent-tools into the manifest, which has to have them in words.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { agentTools } from '../backend/api/agent-tools/tools.ts';

/** The manifest's `languageModelTools`. */
export function manifestTools(): object[] {
  return agentTools.map(({ name, title, description, input }) => {
    const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input' });
    return {
      name: `bootyard_${name}`,
      displayName: title,
      modelDescription: description,
      userDescription: description.split(/(?<=[.:;]) /)[0]?.replace(/[:;]$/, '.'),
      tags: ['bootyard', 'netboot'],
      canBeReferencedInPrompt: true,
      toolReferenceName: `bootyard${name.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
      icon: '$(vm)',
      inputSchema,
    };
  });
}

if (import.meta.main) {
  const file = join(import.meta.dirname, '../package.json');
  const Keys = z.record(z.string(), z.unknown());
  const manifest = Keys.parse(JSON.parse(readFileSync(file, 'utf8')));
  const contributes = { ...Keys.parse(manifest.contributes), languageModelTools: manifestTools() };
  writeFileSync(file, `${JSON.stringify({ ...manifest, contributes }, undefined, 2)}\n`);
}
