import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emitCompletion } from './completion.ts';
import { load } from './load.ts';
import { emitReference } from './reference.ts';
import { resolve } from './resolve.ts';
import { emitTable } from './table.ts';
import { emitTypes } from './types.ts';
import { emitUnits } from './units.ts';

/** The top of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Everything that is made from the schema, and from what units say of themselves: path from the top of the repository, and text.
 * @throws SchemaError when the schema does not build
 */
export function outputs(): Map<string, string> {
  const source = load();
  const resolved = resolve(source);
  return new Map([
    ['src/generated/types.ts', format(emitTypes(source, resolved))],
    ['src/generated/schema.ts', format(emitTable(resolved))],
    ['docs/qmp-reference.md', emitReference(source, resolved)],
    ['docs/units.md', emitUnits()],
    ['clients/shell/viommu-completion.bash', emitCompletion(resolved)],
  ]);
}

/** The text as `make check` wants it. */
function format(text: string): string {
  const biome = join(root, 'node_modules/.bin/biome');
  const result = spawnSync(biome, ['format', '--stdin-file-path=src/generated/output.ts'], {
    cwd: root,
    input: text,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (result.status !== 0) throw new Error(`biome cannot format the output: ${result.stderr}`);
  return result.stdout;
}
