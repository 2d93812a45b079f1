import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const packages: Record<string, string> = {
  socat: 'socat',
  'qemu-system-x86_64': 'qemu-system-x86',
  python3: 'python3',
  go: 'golang-go',
};

/** Where a system program lies, or null. */
export function findProgram(name: string): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && existsSync(path)) return path;
  }
  return null;
}

/**
 * For tests that need a program which npm cannot install. On a user's machine a missing one skips the test, by
 * `it.skipIf(program.missing)(…)` and `program.title(…)`, which says what to install; in CI it fails at once.
 */
export function systemProgram(name: string): { path: string; missing: boolean; title: (text: string) => string } {
  const path = findProgram(name);
  if (path === null && process.env['CI'] !== undefined && process.env['CI'] !== '') {
    throw new Error(`${name} is missing: install the package ${packages[name] ?? name}`);
  }
  const hint = path === null ? ` (install the package ${packages[name] ?? name})` : '';
  return { path: path ?? name, missing: path === null, title: (text) => text + hint };
}
