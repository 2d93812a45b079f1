import { hex } from '../core/address.ts';
import type { Hpa } from '../core/address.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

/**
 * Where host frames begin. Bit 51 is the highest of a 52-bit physical address, far above what guests use, so that a
 * guest-physical address taken for a host-physical one is seen at once; and a double still holds every frame exactly.
 */
export const FIRST_FRAME = 2 ** 51;

/** Frames of a block start at a multiple of this, so that 2 MiB and 1 GiB pages of the guest stay possible below. */
const ALIGNMENT = 2 ** 30;

const END = 2 ** 52;

/** A RAM block with the host-physical address of its first byte. */
interface Placement {
  readonly block: RamBlock;
  readonly base: number;
  /** In bytes. */
  readonly size: number;
}

export interface HostMemoryState {
  /** By ascending base. */
  placements: { block: string; base: number; size: number }[];
}

/**
 * The host-physical address space: RAM blocks of guests, each on contiguous frames. A block gets its frames when it is
 * first asked about, in that order, so that a run repeats. Between two blocks lies a hole of at least 1 GiB: an offset
 * that runs over the end of its block reaches nothing rather than the next guest.
 */
export class HostMemory implements Snapshottable<HostMemoryState> {
  /** By ascending base. */
  #placements: Placement[] = [];
  /** What a restored state reserves for blocks that have not been seen again yet. */
  #reserved: { block: string; base: number; size: number }[] = [];
  /** The placement that the latest look-up found: nearly always the next one too. */
  #latest: Placement | null = null;
  /** Grows whenever a block may have lost its frames: who remembers a {@link blockAt} compares it. */
  changes = 0;
  /** What blocks that are gone had counted, so that the sum never falls. */
  #releasedWrites = 0;

  /**
   * The host-physical address of a byte of `block`.
   * @throws RangeError when `offset` is outside the block
   */
  hpaOf(block: RamBlock, offset: number | bigint): Hpa {
    const at = Number(offset);
    if (at < 0 || at >= Number(block.size)) throw new RangeError(`${hex(at)} is outside RAM block ${block.name}`);
    return BigInt(this.#place(block).base + at) as Hpa;
  }

  /** Gives the frames of a block back; nothing happens for one that has none. */
  release(block: RamBlock): void {
    if (!this.#placements.some((placement) => placement.block === block)) return;
    this.#placements = this.#placements.filter((placement) => placement.block !== block);
    this.#latest = null;
    this.changes += 1;
    this.#releasedWrites += block.watchedWrites + 1;
  }

  /** The block and the offset in it behind a host-physical address; null where no RAM lies. */
  locate(hpa: bigint | number): { block: RamBlock; offset: number } | null {
    const address = Number(hpa);
    const placement = this.#find(address);
    return placement === null ? null : { block: placement.block, offset: address - placement.base };
  }

  /** The block behind a host-physical address; null where no RAM lies. No allocation. */
  blockAt(address: number): RamBlock | null {
    return this.#find(address)?.block ?? null;
  }

  /** The offset, in the block that {@link blockAt} found last, of an address of that block. */
  offsetOf(address: number): number {
    return address - (this.#latest?.base ?? 0);
  }

  /**
   * Grows with each write to a page of any block in which a cache has read table entries. As long as it stays the
   * same, no table that a cached entry came from has changed.
   */
  get watchedWrites(): number {
    let sum = this.#releasedWrites;
    for (const placement of this.#placements) sum += placement.block.watchedWrites;
    return sum;
  }

  /** Fills `into` from `hpa`. @throws RangeError when the range is not inside one block */
  read(hpa: bigint | number, into: Uint8Array): void {
    const address = Number(hpa);
    this.#inside(address, into.length).block.read(address - this.#latest!.base, into);
  }

  /** Writes `bytes` at `hpa`. @throws RangeError when the range is not inside one block */
  write(hpa: bigint | number, bytes: Uint8Array): void {
    const address = Number(hpa);
    this.#inside(address, bytes.length).block.write(address - this.#latest!.base, bytes);
  }

  /** How many bytes from `hpa` to the end of its block; 0 where no RAM lies. */
  bytesFrom(hpa: bigint | number): number {
    const address = Number(hpa);
    const placement = this.#find(address);
    return placement === null ? 0 : placement.base + placement.size - address;
  }

  save(): HostMemoryState {
    const seen = this.#placements.map(({ block, base, size }) => ({ block: block.name, base, size }));
    return { placements: [...seen, ...this.#reserved].sort((one, other) => one.base - other.base) };
  }

  /** Blocks are recognised by name and size: known ones at once, others when they are first asked about. */
  restore(state: HostMemoryState): void {
    const known = new Map(this.#placements.map((placement) => [placement.block.name, placement.block]));
    this.#placements = [];
    this.#latest = null;
    this.changes += 1;
    this.#reserved = [];
    for (const saved of state.placements) {
      const block = known.get(saved.block);
      if (block !== undefined && Number(block.size) === saved.size) this.#placements.push({ ...saved, block });
      else this.#reserved.push({ ...saved });
    }
  }

  #inside(address: number, length: number): Placement {
    const placement = this.#find(address);
    if (placement === null || address + length > placement.base + placement.size) {
      throw new RangeError(`${length} bytes at host-physical ${hex(address)} are not inside one RAM block`);
    }
    return placement;
  }

  #find(address: number): Placement | null {
    const latest = this.#latest;
    if (latest !== null && address >= latest.base && address < latest.base + latest.size) return latest;
    for (const placement of this.#placements) {
      if (address >= placement.base && address < placement.base + placement.size) {
        this.#latest = placement;
        return placement;
      }
    }
    return null;
  }

  #place(block: RamBlock): Placement {
    for (const placement of this.#placements) if (placement.block === block) return placement;
    const size = Number(block.size);
    const reserved = this.#reserved.findIndex((saved) => saved.block === block.name && saved.size === size);
    const base = reserved >= 0 ? this.#reserved.splice(reserved, 1)[0]!.base : this.#firstGap(size);
    const placement = { block, base, size };
    this.#placements.push(placement);
    this.#placements.sort((one, other) => one.base - other.base);
    return placement;
  }

  /** The lowest aligned base with room for `size` bytes and a hole behind them. */
  #firstGap(size: number): number {
    const room = Math.ceil(size / ALIGNMENT) * ALIGNMENT + ALIGNMENT;
    const taken = [...this.#placements, ...this.#reserved].sort((one, other) => one.base - other.base);
    let base = FIRST_FRAME;
    for (const placement of taken) {
      if (base + room <= placement.base) break;
      base = placement.base + Math.ceil(placement.size / ALIGNMENT) * ALIGNMENT + ALIGNMENT;
    }
    if (base + room > END) throw new RangeError(`The host has no ${size} contiguous bytes left for a RAM block`);
    return base;
  }
}
