import type { WireObject } from './values.ts';

const BUCKETS = 512;
const encoder = new TextEncoder();

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

/**
 * The bucket (0 to 511) that QEMU's dictionary keeps a member in; members are visited and written by ascending bucket.
 * The hash is over the UTF-8 bytes of the name (U+0000 as C0 80), in unsigned 32-bit arithmetic.
 */
export function bucketOf(name: string): number {
  let sum = Math.imul(0x238f13af, name.length);
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code === 0 || code > 0x7f) return bucketOfBytes(encoder.encode(name));
    sum = (sum + (code << ((index * 5) % 24))) | 0;
  }
  return bucketOfSum(sum);
}

function bucketOfBytes(utf8: Uint8Array): number {
  const bytes: number[] = [];
  for (const byte of utf8) {
    if (byte === 0) bytes.push(0xc0, 0x80);
    else bytes.push(byte);
  }
  let sum = Math.imul(0x238f13af, bytes.length);
  bytes.forEach((byte, index) => {
    sum = (sum + (byte << ((index * 5) % 24))) | 0;
  });
  return bucketOfSum(sum);
}

function bucketOfSum(sum: number): number {
  return (Math.imul(1103515243, sum) + 12345) & (BUCKETS - 1);
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
