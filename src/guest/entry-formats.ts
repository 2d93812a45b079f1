import type { PagePermission } from './page-table.ts';

/** How the entries of one kind of page table are written. */
export interface EntryFormat {
  isPresent(entry: bigint): boolean;
  /** Of a present entry in a table of `level`; 1 is the lowest. */
  isPage(entry: bigint, level: number): boolean;
  page(address: bigint, level: number, permissions: ReadonlySet<PagePermission>): bigint;
  /** An entry that leads to a table of the next lower level: with all rights, since those of the page decide. */
  table(address: bigint, level: number): bigint;
}

const LARGE = 1n << 7n;
/** VT-d 9.7, first-stage entries. */
const FIRST = { present: 1n, write: 2n, user: 4n, accessed: 1n << 5n, dirty: 1n << 6n, noExecute: 1n << 63n } as const;
/** VT-d 9.8, second-stage entries: read and write. */
const SECOND = { read: 1n, write: 2n } as const;
/** AMD-Vi 2.2.3: present, next level from bit 9 on, read and write. */
const AMD = { present: 1n, read: 1n << 61n, write: 1n << 62n } as const;
const NEXT_LEVEL_SHIFT = 9n;
const NEXT_LEVEL = 7n << NEXT_LEVEL_SHIFT;

/** Accessed and dirty are set from the start, as by a kernel that does not look at them. */
const firstStage: EntryFormat = {
  isPresent: (entry) => (entry & FIRST.present) !== 0n,
  isPage: (entry, level) => level === 1 || (entry & LARGE) !== 0n,
  page: (address, level, permissions) => {
    const { present, user, accessed, dirty, noExecute } = FIRST;
    const write = permissions.has('write') ? FIRST.write | dirty : 0n;
    const rights = present | user | accessed | write | (permissions.has('execute') ? 0n : noExecute);
    return address | rights | (level > 1 ? LARGE : 0n);
  },
  table: (address) => address | FIRST.present | FIRST.write | FIRST.user | FIRST.accessed,
};

const secondStage: EntryFormat = {
  isPresent: (entry) => (entry & (SECOND.read | SECOND.write)) !== 0n,
  isPage: (entry, level) => level === 1 || (entry & LARGE) !== 0n,
  page: (address, level, permissions) =>
    address |
    (permissions.has('read') ? SECOND.read : 0n) |
    (permissions.has('write') ? SECOND.write : 0n) |
    (level > 1 ? LARGE : 0n),
  table: (address) => address | SECOND.read | SECOND.write,
};

const amd: EntryFormat = {
  isPresent: (entry) => (entry & AMD.present) !== 0n,
  isPage: (entry) => (entry & NEXT_LEVEL) === 0n,
  page: (address, _level, permissions) =>
    address | AMD.present | (permissions.has('read') ? AMD.read : 0n) | (permissions.has('write') ? AMD.write : 0n),
  table: (address, level) => address | AMD.present | AMD.read | AMD.write | (BigInt(level - 1) << NEXT_LEVEL_SHIFT),
};

export const ENTRY_FORMATS = { first: firstStage, second: secondStage, amd } as const;
