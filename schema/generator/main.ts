import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { outputs, root } from './outputs.ts';
import { SchemaError } from './source.ts';

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
    if (check) stale.push(file);
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
