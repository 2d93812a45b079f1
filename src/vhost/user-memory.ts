import type { AddressSpace } from '../memory/address-space.ts';
import type { FlatRange } from '../memory/flat-view.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

/** Guest RAM as it is mapped into the process that vhost serves; sizes in bytes. */
export interface UserRegion {
  /** Guest-physical. */
  readonly address: bigint;
  readonly size: bigint;
  readonly userAddress: bigint;
}

/** Some bytes of a RAM block. */
export interface UserBytes {
  readonly block: RamBlock;
  readonly offset: number;
  /** How many bytes from there on lie in the same block, in a row. */
  readonly length: bigint;
}

export interface UserMemoryState {
  blocks: { block: string; base: bigint; size: bigint }[];
}

/** Where the first block is mapped; far from guest-physical and from host-physical addresses. */
const FIRST_BASE = 0x7f00_0000_0000n;
/** Blocks begin at multiples of it, with at least as much between two. */
const ALIGNMENT = 0x20_0000n;

/**
 * The process's view of guest RAM, by which vhost reaches it: the memory table that it is given (guest-physical to user
 * addresses) and the way from user addresses to RAM. ROM is not in the table.
 */
export class UserMemory implements Snapshottable<UserMemoryState> {
  readonly #memory: AddressSpace;
  /** By name of the block, in the order in which they were first seen. */
  readonly #places = new Map<string, { readonly base: bigint; readonly size: bigint }>();

  /** @param memory the system memory */
  constructor(memory: AddressSpace) {
    this.#memory = memory;
  }

  /** The memory table, by guest-physical address. */
  regions(): UserRegion[] {
    return this.#ranges().map((range) => this.#region(range));
  }

  /** The region that a guest-physical address lies in, cut off in front of it; null where no RAM is. */
  fromGuest(address: bigint): UserRegion | null {
    const range = this.#memory.flatView.find(address);
    if (range === null || !isRam(range)) return null;
    const region = this.#region(range);
    const skipped = address - region.address;
    return { address, size: region.size - skipped, userAddress: region.userAddress + skipped };
  }

  /** The guest-physical address of a user address; null where none has it. */
  toGuest(userAddress: bigint): bigint | null {
    const region = this.regions().find((one) => contains(one, userAddress));
    return region === undefined ? null : region.address + (userAddress - region.userAddress);
  }

  /** What lies behind a user address; null for one of no RAM of the guest. */
  bytesAt(userAddress: bigint): UserBytes | null {
    for (const range of this.#ranges()) {
      const region = this.#region(range);
      const { block } = range.region;
      if (block === null || !contains(region, userAddress)) continue;
      const skipped = userAddress - region.userAddress;
      return { block, offset: Number(range.offsetInRegion + skipped), length: region.size - skipped };
    }
    return null;
  }

  save(): UserMemoryState {
    return { blocks: [...this.#places].map(([block, place]) => ({ block, ...place })) };
  }

  restore({ blocks }: UserMemoryState): void {
    this.#places.clear();
    for (const { block, base, size } of blocks) this.#places.set(block, { base, size });
  }

  #ranges(): FlatRange[] {
    return this.#memory.flatView.ranges.filter(isRam);
  }

  #region(range: FlatRange): UserRegion {
    const userAddress = this.#baseOf(range.region.block!) + range.offsetInRegion;
    return { address: range.start, size: range.last - range.start + 1n, userAddress };
  }

  #baseOf({ name, size }: RamBlock): bigint {
    const known = this.#places.get(name);
    if (known !== undefined) return known.base;
    const latest = [...this.#places.values()].at(-1);
    const base = latest === undefined ? FIRST_BASE : alignedUp(latest.base + latest.size) + ALIGNMENT;
    this.#places.set(name, { base, size });
    return base;
  }
}

function alignedUp(address: bigint): bigint {
  return ((address + ALIGNMENT - 1n) / ALIGNMENT) * ALIGNMENT;
}

function isRam({ kind, readonly, region }: FlatRange): boolean {
  return kind === 'ram' && !readonly && region.block !== null;
}

function contains({ userAddress, size }: UserRegion, address: bigint): boolean {
  return userAddress <= address && address < userAddress + size;
}
