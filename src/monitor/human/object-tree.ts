import type { QomObject } from '../../qom/object.ts';
import { resolvePath } from '../../qom/tree.ts';

function lines(object: QomObject, name: string): string[] {
  const children = object.children().toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    `/${name} (${object.type.name})`,
    ...children.flatMap((child) => lines(child, child.name).map((line) => `  ${line}`)),
  ];
}

/** The text of `info qom-tree`: an object with its children by name. */
export function objectTreeText(root: QomObject, path = '/machine'): string {
  const { object, ambiguous } = resolvePath(root, path);
  if (ambiguous) return `Warning: Path '${path}' is ambiguous.\n`;
  if (object === null) return `Path '${path}' could not be resolved.\n`;
  return lines(object, object.name)
    .map((line) => `${line}\n`)
    .join('');
}
