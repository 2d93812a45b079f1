import { ADDRESS_LAST, hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import { type AccessResult, sentenceOf } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';

/** The page of every table, in bytes. */
export const PAGE = 4096n;

/**
 * What the guest's processor can do: loads and stores at guest-physical addresses, to RAM and to registers alike.
 * Everything that the guest driver knows of the unit it knows through here.
 */
export class Processor {
  readonly #memory: AddressSpace;

  /** @param memory the system memory's address space */
  constructor(memory: AddressSpace) {
    this.#memory = memory;
  }

  /** @throws CommandError when nothing answers there */
  load(address: bigint, into: Uint8Array): void {
    this.#require(this.#memory.read(address, into), address, false);
  }

  /** @throws CommandError when nothing takes it there */
  store(address: bigint, bytes: Uint8Array): void {
    this.#require(this.#memory.write(address, bytes), address, true);
  }

  /** One access of 4 bytes. */
  load32(address: bigint): number {
    const bytes = new Uint8Array(4);
    this.load(address, bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  /** One access of 8 bytes. */
  load64(address: bigint): bigint {
    const bytes = new Uint8Array(8);
    this.load(address, bytes);
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  /** One access of 4 bytes. */
  store32(address: bigint, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.store(address, bytes);
  }

  /** Words of 8 bytes, from the lowest address on. */
  store64(address: bigint, ...words: readonly bigint[]): void {
    const bytes = new Uint8Array(words.length * 8);
    const view = new DataView(bytes.buffer);
    for (const [index, word] of words.entries()) view.setBigUint64(index * 8, word, true);
    this.store(address, bytes);
  }

  /** The first address of the range that is not writable RAM; null when all of it is. */
  firstOutsideRam(address: bigint, size: bigint): bigint | null {
    const last = address + size - 1n;
    if (last > ADDRESS_LAST) return ADDRESS_LAST;
    for (let at = address; at <= last; ) {
      const { region, readonly, length } = this.#memory.translate(at, 'write');
      if (region?.kind !== 'ram' || readonly) return at;
      at += length;
    }
    return null;
  }

  /** The last address of RAM below `limit`, exclusive; null where there is none. */
  lastRamBelow(limit: bigint): bigint | null {
    const ranges = this.#memory.flatView.ranges.filter(({ kind, readonly, start }) => {
      return kind === 'ram' && !readonly && start < limit;
    });
    const last = ranges.at(-1)?.last;
    if (last === undefined) return null;
    return last < limit ? last : limit - 1n;
  }

  /** The address of the first page of RAM in the range that holds anything but zeros; null when none does. */
  firstUsedPage(address: bigint, size: bigint): bigint | null {
    const page = new Uint8Array(Number(PAGE));
    const words = new Uint32Array(page.buffer);
    for (let at = address; at < address + size; at += PAGE) {
      this.load(at, page);
      // A plain loop: it is some ten times as fast as some() on bytes, and the range may be of many MiB.
      for (let index = 0; index < words.length; index += 1) if (words[index] !== 0) return at;
    }
    return null;
  }

  #require(result: AccessResult, address: bigint, write: boolean): void {
    if (result.ok || result.error === null) return;
    const where = result.firstBad ?? address;
    throw new CommandError(
      `The guest driver's access failed: ${sentenceOf(result.error, where, write)} (${hex(where)})`,
    );
  }
}
