import { bucketOf } from '../core/dictionary-bucket.ts';
import type { WireObject } from './values.ts';

/** The insertion order of objects in which JavaScript enumerates members in another one. */
const insertionOrder = new WeakMap<object, readonly string[]>();

/**
 * Notes the order in which the members of a parsed object came. Needed only where a name looks like an array index:
 * JavaScript enumerates such names first, in ascending order.
 */
export function rememberInsertionOrder(object: WireObject, names: readonly string[]): void {
  insertionOrder.set(object, names);
}

/** True when an object that has this member may enumerate its members in another order than they were inserted. */
export function looksLikeIndex(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= 0x30 && first <= 0x39;
}

/** The member names of a parsed object by ascending bucket; within one bucket, the one that came last is first. */
export function membersInWireOrder(object: WireObject): string[] {
  const names = Object.keys(object);
  if (names.length < 2) return names;
  const latestFirst = [...(insertionOrder.get(object) ?? names)].reverse();
  return latestFirst.sort((a, b) => bucketOf(a) - bucketOf(b));
}

/**
 * A parsed value that the encoder shall write as QEMU echoes it, the members of every object in it in dictionary
 * order. It wraps instead of copying, since no copy could hold index-like names in that order.
 */
export class InWireOrder {
  readonly value: WireObject | readonly unknown[];

  constructor(value: WireObject | readonly unknown[]) {
    this.value = value;
  }
}
