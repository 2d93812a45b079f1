import type { TranslationStep } from './unit.ts';

/**
 * Structures in guest memory that an IOMMU reads, as bit positions. An entry is a Uint32Array of its 32-bit words, low
 * word first; bits count from 0 over the whole entry.
 */
export interface BitRange {
  /** First and last bit, inclusive. */
  readonly low: number;
  readonly high: number;
  /** The bits stand where they stand in an address: the value is the address itself. */
  readonly address: boolean;
}

export interface EntryLayout<Name extends string = string> {
  /** As explanations call it. */
  readonly structure: string;
  /** Section of the specification, with its name. */
  readonly spec: string;
  /** Size in bytes. */
  readonly bytes: number;
  readonly fields: Readonly<Record<Name, BitRange>>;
}

export const bits = (low: number, high = low): BitRange => ({ low, high, address: false });
/** Bits 63:12 (or a part) of a 64-bit word hold the address of a table or page. */
export const pointer = (low: number, high: number): BitRange => ({ low, high, address: true });

export function layout<Name extends string>(
  structure: string,
  spec: string,
  bytes: number,
  fields: Record<Name, BitRange>,
): EntryLayout<Name> {
  return { structure, spec, bytes, fields };
}

const TWO_TO_32 = 2 ** 32;

/**
 * One field. A pointer comes as an address: its 52 bits and the zeros below are exact in a double, whatever 64-bit
 * value the guest has written.
 */
export function fieldOf<Name extends string>(layout: EntryLayout<Name>, words: Uint32Array, name: Name): number {
  const { low, high, address } = layout.fields[name];
  const value = bitsOf(words, low, high);
  return address ? value * 2 ** (low % 64) : value;
}

/** All fields, in the order of the layout. */
export function decodeEntry(layout: EntryLayout, words: Uint32Array): { name: string; value: bigint }[] {
  return Object.keys(layout.fields).map((name) => ({ name, value: BigInt(fieldOf(layout, words, name)) }));
}

/** Bits `low` to `high` of an entry, at most 53 of them. */
function bitsOf(words: Uint32Array, low: number, high: number): number {
  const first = low >>> 5;
  const last = high >>> 5;
  if (first === last) return (words[first]! << (31 - (high & 31))) >>> (31 - (high & 31) + (low & 31));
  let value = words[last]! & (2 ** ((high & 31) + 1) - 1);
  value = value >>> 0;
  for (let word = last - 1; word > first; word--) value = value * TWO_TO_32 + words[word]!;
  return value * 2 ** (32 - (low & 31)) + (words[first]! >>> (low & 31));
}

/** One entry on the way of a request, for an explanation. */
export function stepOf(
  stage: 'first' | 'second',
  layout: EntryLayout,
  index: number,
  address: number,
  words: Uint32Array,
): TranslationStep {
  const raw: bigint[] = [];
  for (let word = 0; word < layout.bytes / 4; word += 2) {
    raw.push((BigInt(words[word + 1]!) << 32n) | BigInt(words[word]!));
  }
  const { structure, spec } = layout;
  return { stage, structure, index, address: BigInt(address), raw, fields: decodeEntry(layout, words), spec };
}
