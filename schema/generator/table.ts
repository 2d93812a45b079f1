import { readFileSync } from 'node:fs';
import type { Resolved } from './resolve.ts';

/** The text of src/generated/schema.ts: the shapes' types and the table that validation and introspection read. */
export function emitTable(resolved: Resolved): string {
  const shapes = readFileSync(new URL('shape.ts', import.meta.url), 'utf8');
  const table = JSON.stringify(resolved.schema);
  return `// Generated from schema/ by npm run generate. Do not edit.\n\n${shapes}\nexport const schema: SchemaShape = ${table};\n`;
}
