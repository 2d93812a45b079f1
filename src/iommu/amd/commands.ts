/** What the commands of the command buffer make the translation side do; carried out on return. */
export interface CommandTarget {
  invalidateDeviceTableEntry(deviceId: number): void;
  invalidatePages(scope: PageScope): void;
  invalidateIotlb(scope: IotlbPageScope): void;
  invalidateAll(): void;
}

/** Translations of one domain. */
export interface PageScope {
  readonly domainId: number;
  /** GN: those of the guest's first stage with that PASID. */
  readonly pasid?: number;
  /** PDE clear: only leaf entries changed. */
  readonly leafOnly: boolean;
  /** First and last page of 4 KiB, inclusive. */
  readonly first: number;
  readonly last: number;
}

/** Translations of one device; without a page all of them. */
export interface IotlbPageScope {
  readonly deviceId: number;
  readonly page?: number;
  /** What the device itself is to drop: first page of 4 KiB and how many. */
  readonly first: number;
  readonly pages: number;
}

/** What a command asks of the unit itself. */
export interface CompletionWait {
  /** Where to store what; null: nowhere. */
  readonly store: { readonly address: bigint; readonly data: bigint } | null;
  readonly interrupt: boolean;
}

export type Command =
  | ({ readonly kind: 'completion-wait' } & CompletionWait)
  | { readonly kind: 'device-table-entry'; readonly deviceId: number }
  | ({ readonly kind: 'pages' } & PageScope)
  | ({ readonly kind: 'iotlb-pages' } & IotlbPageScope)
  | { readonly kind: 'all' }
  | { readonly kind: 'nothing' };

/** A command as it was understood. */
export interface DecodedCommand {
  /** What is done; of some commands nothing, when reserved bits are set. */
  readonly command: Command;
  /** The opcode that an illegal-command event tells; null: there is none. */
  readonly illegal: number | null;
}

const Opcode = {
  completionWait: 1,
  deviceTableEntry: 2,
  pages: 3,
  iotlbPages: 4,
  interruptTable: 5,
  prefetch: 6,
  completePageRequest: 7,
  all: 8,
} as const;

const PAGES_LAST = 2 ** 52 - 1;
const NOTHING: Command = { kind: 'nothing' };

/**
 * Understands a command of two words (AMD-Vi, section 2.4). Reserved bits make a command illegal, which is told by an
 * event; most are carried out all the same, as by QEMU.
 */
export function decodeCommand(low: bigint, high: bigint): DecodedCommand {
  const opcode = field(low, 60, 4);
  const of = (command: Command, reserved: boolean, doneAnyway: boolean): DecodedCommand => ({
    command: reserved && !doneAnyway ? NOTHING : command,
    illegal: reserved ? opcode : null,
  });
  switch (opcode) {
    case Opcode.completionWait:
      return of(completionWait(low, high), field(low, 52, 8) !== 0, true);
    case Opcode.deviceTableEntry: {
      const reserved = field(low, 16, 44) !== 0 || high !== 0n;
      return of({ kind: 'device-table-entry', deviceId: field(low, 0, 16) }, reserved, false);
    }
    case Opcode.pages: {
      const reserved = field(low, 20, 12) !== 0 || field(low, 48, 12) !== 0 || field(high, 3, 9) !== 0;
      const pasid = field(high, 2, 1) !== 0 ? { pasid: field(low, 0, 20) } : {};
      const leafOnly = field(high, 1, 1) === 0;
      const scope = { domainId: field(low, 32, 16), ...pasid, leafOnly, ...pagesOf(high) };
      return of({ kind: 'pages', ...scope }, reserved, true);
    }
    case Opcode.iotlbPages: {
      const reserved = field(high, 1, 1) !== 0 || field(high, 3, 1) !== 0 || field(high, 6, 6) !== 0;
      return of(iotlbPages(low, high), reserved, false);
    }
    case Opcode.interruptTable:
      // There is no cache of interrupt remapping entries.
      return of(NOTHING, field(low, 16, 44) !== 0 || high !== 0n, false);
    case Opcode.prefetch: {
      const reserved = [field(low, 16, 8), field(low, 52, 8), field(high, 1, 1), field(high, 3, 1), field(high, 5, 7)];
      return of(NOTHING, reserved.some(Boolean), true);
    }
    case Opcode.completePageRequest: {
      const lower = [field(low, 16, 16), field(low, 52, 8)];
      const upper = [field(high, 0, 2), field(high, 3, 29), field(high, 48, 16)];
      return of(NOTHING, [...lower, ...upper].some(Boolean), true);
    }
    case Opcode.all:
      return of({ kind: 'all' }, field(low, 0, 60) !== 0 || high !== 0n, true);
    default:
      // QEMU takes the opcode of an unknown command from the wrong word.
      return { command: NOTHING, illegal: field(high, 60, 4) };
  }
}

function completionWait(low: bigint, high: bigint): Command {
  const address = low & 0x000f_ffff_ffff_fff8n;
  return {
    kind: 'completion-wait',
    store: (low & 1n) !== 0n ? { address, data: high } : null,
    interrupt: (low & 2n) !== 0n,
  };
}

/** S, bit 0: the pages are as many as the address encodes by its lowest bit of 0. From bit 51 on that is everything. */
function pagesOf(high: bigint): { first: number; last: number } {
  const page = Number(high >> 12n);
  if ((high & 1n) === 0n) return { first: page, last: page };
  let order = 0;
  while ((Math.floor(page / 2 ** order) & 1) === 1 && order < 40) order += 1;
  if (order >= 39) return { first: 0, last: PAGES_LAST };
  const pages = 2 ** (order + 1);
  const first = page - (page % pages);
  return { first, last: first + pages - 1 };
}

/** QEMU drops all of the device's for any S; the device itself is told what the address says. */
function iotlbPages(low: bigint, high: bigint): Command {
  const deviceId = field(low, 0, 16);
  const { first, last } = pagesOf(high);
  const pages = last - first + 1;
  const page = (high & 1n) === 0n ? { page: first } : {};
  return { kind: 'iotlb-pages', deviceId, ...page, first, pages };
}

function field(word: bigint, low: number, bits: number): number {
  return Number(BigInt.asUintN(bits, word >> BigInt(low)));
}
