import { NameTable } from '../core/name-table.ts';

/**
 * The member of `names` that is left over and named first.
 * @param names all members, in the order in which QEMU's dictionary has them
 * @param known those that the command takes, in the order of the schema
 */
export function firstLeftover(names: readonly string[], known: readonly string[]): string | undefined {
  const table = new NameTable();
  for (const name of names) table.insert(name);
  for (const name of known) table.remove(name);
  return table.names()[0];
}
