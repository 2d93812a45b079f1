import type { QomObject } from './object.ts';
import type { TypeRegistry } from './type-registry.ts';

/** What a path leads to: an object, or none, or more than one. */
export interface Resolved {
  readonly object: QomObject | null;
  readonly ambiguous: boolean;
}

const nothing: Resolved = { object: null, ambiguous: false };
const several: Resolved = { object: null, ambiguous: true };

function descend(from: QomObject, parts: readonly string[], typeName: string | null): QomObject | null {
  let object: QomObject | null = from;
  for (const part of parts) {
    object = object.component(part);
    if (object === null) return null;
  }
  return typeName === null || object.isA(typeName) ? object : null;
}

/** A partial path matches wherever its components follow each other; two matches make it ambiguous. */
function resolvePartial(from: QomObject, parts: readonly string[], typeName: string | null): Resolved {
  let object = descend(from, parts, typeName);
  for (const child of from.children()) {
    const below = resolvePartial(child, parts, typeName);
    if (below.ambiguous) return several;
    if (below.object === null) continue;
    if (object !== null) return several;
    object = below.object;
  }
  return object === null ? nothing : { object, ambiguous: false };
}

/**
 * Follows a path: one with a leading `/` from the top, any other one from everywhere. Repeated and final slashes do not
 * matter. With `typeName` only objects of that type count, which decides between a root port and its bus of one name.
 */
export function resolvePath(root: QomObject, path: string, typeName: string | null = null): Resolved {
  const parts = path.split('/').filter((part) => part !== '');
  if (!path.startsWith('/')) return resolvePartial(root, parts, typeName);
  const object = descend(root, parts, typeName);
  return object === null ? nothing : { object, ambiguous: false };
}

/** A new container object under `parent`. */
export function container(types: TypeRegistry, parent: QomObject, name: string): QomObject {
  const object = types.require('container').create();
  parent.addChild(name, object);
  return object;
}

/** The top of a new tree, with the machine, if there is one, and the containers `/objects` and `/chardevs`. */
export function createTree(types: TypeRegistry, machine: QomObject | null = null): QomObject {
  const root = types.require('container').create();
  if (machine !== null) root.addChild('machine', machine);
  container(types, root, 'objects');
  container(types, root, 'chardevs');
  return root;
}
