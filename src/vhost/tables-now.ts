import { CommandError } from '../core/errors.ts';
import type { DeviceSpace, Mapping } from '../iommu/unit.ts';
import { type Access, Permission, type Permissions } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { RamBlock } from '../memory/ram-block.ts';

/** Where the vIOMMU's tables lead an address at this moment, whatever is cached. */
export interface TablesAnswer {
  /** Guest-physical; null where they lead nowhere. */
  readonly address: bigint | null;
  /** The last address that is known to lead on likewise. */
  readonly last: bigint;
  readonly permissions: Permissions;
}

/** Table entries that the look at one page may read: one page is wanted, of the lowest table. */
const BUDGET = 64;
const BITS = { read: Permission.read, write: Permission.write, execute: Permission.execute } as const;

/** Looks at the tables behind one device's address space; nothing is cached, marked or recorded. */
export class TablesNow {
  readonly #memory: AddressSpace;
  readonly #space: () => DeviceSpace | null;

  /**
   * @param parts.memory the system memory
   * @param parts.space what a vIOMMU knows of the address space; null where none stands behind it
   */
  constructor(parts: { memory: AddressSpace; space: () => DeviceSpace | null }) {
    this.#memory = parts.memory;
    this.#space = parts.space;
  }

  /** The domain-id that the vIOMMU tags the device with; null where it has none. */
  get domainId(): number | null {
    const space = this.#space();
    const info = space?.unit.describe().devices.find(({ device }) => device === space.deviceName);
    return info?.['domain-id'] ?? null;
  }

  at(address: bigint, access: Access): TablesAnswer {
    const space = this.#space();
    if (space === null || space.bypass || this.#isUntranslated(space, address, access)) return this.#plain(address);
    const mapping = this.#mapping(space, address);
    if (mapping === null) return nowhere(address);
    const permissions = mapping.permissions.reduce((bits, name) => bits | BITS[name], 0);
    const last = mapping.iova + mapping.size - 1n;
    return { address: mapping.address + (address - mapping.iova), last, permissions };
  }

  /** Guest-physical addresses of the 64-bit table words that an address is translated by, from the top down. */
  wordsOf(address: bigint, access: Access): bigint[] {
    const space = this.#space();
    const answer = space?.bypass === false ? space.unit.translate(space, { address, access, explain: true }) : null;
    return (answer?.steps ?? []).flatMap(({ address: start, raw }) =>
      raw.map((_, index) => start + 8n * BigInt(index)),
    );
  }

  /** From now on the writes to these words are remembered. */
  watch(words: readonly bigint[]): void {
    for (const word of words) {
      const { block, offset } = this.#ram(word);
      block?.watch(Number(offset));
    }
  }

  /** The operation that wrote one of them last; 0 when none did since they were watched. */
  lastWrite(words: readonly bigint[]): number {
    return words.reduce((latest, word) => {
      const { block, offset } = this.#ram(word);
      return Math.max(latest, block?.lastWrite(Number(offset)) ?? 0);
    }, 0);
  }

  #ram(address: bigint): { block: RamBlock | null; offset: bigint } {
    const { region, offset } = this.#memory.translate(address, 'none');
    return { block: region?.block ?? null, offset };
  }

  /** The region shows, and yet the unit lets requests through as they are. */
  #isUntranslated(space: DeviceSpace, address: bigint, access: Access): boolean {
    const answer = space.unit.translate(space, { address, access });
    return answer.result === 'translated' && answer.source === 'bypass';
  }

  #mapping(space: DeviceSpace, address: bigint): Mapping | null {
    try {
      const { mappings } = space.unit.mappings(space, {
        start: address - (address & 0xfffn),
        limit: 1,
        budget: BUDGET,
      });
      const [first] = mappings;
      return first !== undefined && first.iova <= address && address < first.iova + first.size ? first : null;
    } catch (error) {
      // The entries that lead to the tables fault: nothing is translated.
      if (error instanceof CommandError) return null;
      throw error;
    }
  }

  #plain(address: bigint): TablesAnswer {
    const { region, readonly, length } = this.#memory.translate(address, 'none');
    if (region?.block == null) return nowhere(address);
    const permissions = readonly ? Permission.read : Permission.readWrite;
    return { address, last: address + length - 1n, permissions };
  }
}

function nowhere(address: bigint): TablesAnswer {
  return { address: null, last: address, permissions: Permission.none };
}
