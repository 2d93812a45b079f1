import type { HostMemory } from '../host/memory.ts';
import type { HostMapping } from '../host/page-table.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { RegionMapping } from '../memory/iommu-region.ts';
import type { RamBlock } from '../memory/ram-block.ts';

/** Input addresses that lead to bytes of a RAM block in a row; sizes and offsets in bytes. */
export interface Layout {
  readonly iova: bigint;
  readonly size: bigint;
  readonly block: RamBlock;
  /** Of the first byte. */
  readonly offset: bigint;
  readonly readonly: boolean;
}

/** Where the host's map and the expected one part; `size` in bytes. */
export interface Difference {
  /** `surplus`: mapped although it should not be, or to elsewhere, or writable; `missing`: not mapped, or not writable. */
  readonly kind: 'surplus' | 'missing';
  readonly iova: bigint;
  readonly size: bigint;
}

/**
 * What a container maps for what the tables map: the pages that lie in RAM as a whole, in one section each; it refuses
 * the others.
 */
export function* expectedOf(mappings: Iterable<RegionMapping>, memory: AddressSpace): Generator<Layout> {
  for (const { iova, address, size, pageSize, writable } of mappings) {
    for (let at = 0n; at < size; ) {
      const found = memory.translate(address + at, 'none');
      const block = found.region?.block ?? null;
      const room = found.length < size - at ? found.length : size - at;
      const whole = room - (room % pageSize);
      if (block !== null && whole > 0n) {
        const readonly = found.readonly || !writable;
        yield { iova: iova + at, size: whole, block, offset: found.offset, readonly };
      }
      at += whole > 0n ? whole : pageSize;
    }
  }
}

/** What the host has mapped, in terms of the guest's RAM. Frames that belong to no block lead to nothing expected. */
export function* actualOf(mappings: Iterable<HostMapping>, memory: HostMemory): Generator<Layout> {
  for (const { iova, size, hpa, readonly } of mappings) {
    const found = memory.locate(hpa);
    if (found !== null) yield { iova, size, block: found.block, offset: BigInt(found.offset), readonly };
  }
}

/** The differences from `first` to `last` (inclusive) of two lists by ascending address, by ascending address. */
export function* differences(
  actual: Iterable<Layout>,
  expected: Iterable<Layout>,
  first: bigint,
  last: bigint,
): Generator<Difference> {
  const present = new Cursor(actual);
  const wanted = new Cursor(expected);
  for (let at = first; at <= last; ) {
    const one = present.reach(at);
    const other = wanted.reach(at);
    if (one === null && other === null) return;
    const end = smallest(last + 1n, edgeBehind(one, at), edgeBehind(other, at));
    const mapped = one !== null && one.iova <= at ? one : null;
    const due = other !== null && other.iova <= at ? other : null;
    const size = end - at;
    if (mapped !== null && (due === null || leadsElsewhere(mapped, due, at) || (!mapped.readonly && due.readonly))) {
      yield { kind: 'surplus', iova: at, size };
    }
    if (due !== null && (mapped === null || leadsElsewhere(mapped, due, at) || (mapped.readonly && !due.readonly))) {
      yield { kind: 'missing', iova: at, size };
    }
    at = end;
  }
}

/** Goes through a list by ascending address. */
class Cursor {
  readonly #rest: Iterator<Layout, unknown>;
  #current: Layout | null;

  constructor(list: Iterable<Layout>) {
    this.#rest = list[Symbol.iterator]();
    this.#current = this.#next();
  }

  /** The first element that ends behind `at`; null at the end. */
  reach(at: bigint): Layout | null {
    while (this.#current !== null && this.#current.iova + this.#current.size <= at) this.#current = this.#next();
    return this.#current;
  }

  #next(): Layout | null {
    const step = this.#rest.next();
    return step.done === true ? null : step.value;
  }
}

/** Where the next element begins, or the present one ends. */
function edgeBehind(element: Layout | null, at: bigint): bigint | null {
  if (element === null) return null;
  return element.iova > at ? element.iova : element.iova + element.size;
}

function smallest(end: bigint, ...edges: (bigint | null)[]): bigint {
  return edges.reduce<bigint>((least, edge) => (edge !== null && edge < least ? edge : least), end);
}

function leadsElsewhere(one: Layout, other: Layout, at: bigint): boolean {
  return one.block !== other.block || one.offset + (at - one.iova) !== other.offset + (at - other.iova);
}
