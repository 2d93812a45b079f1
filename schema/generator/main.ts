import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emitCompletion } from './completion.ts';
import { load } from './load.ts';
import { emitReference } from './reference.ts';
import { resolve } from './resolve.ts';
import { SchemaError } from './source.ts';
import { emitTable } from './table.ts';
import { emitTypes } from './types.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Everything that is made from the schema: path from the top of the repository, and text. */
function outputs(): Map<string, string> {
  const source = load();
  const resolved = resolve(source);
  return new Map([
    ['src/generated/types.ts', format(emitTypes(source, resolved))],
    ['src/generated/schema.ts', format(emitTable(resolved))],
    ['docs/qmp-reference.md', emitReference(source, resolved)],
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

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function current(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

try {
  const check = process.argv.includes('--check');
  const stale: string[] = [];
  for (const [file, text] of outputs()) {
    const path = join(root, file);
    if (current(path) === text) continue;
    if (check) stale.push(relative(root, path));
    else write(path, text);
  }
  if (stale.length > 0) {
    console.error(`older than schema/: ${stale.join(', ')}; run npm run generate`);
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof SchemaError)) throw error;
  console.error(`schema/${error.message}`);
  process.exitCode = 1;
}
