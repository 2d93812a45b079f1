import type {
  ContextScope,
  DeviceIotlbScope,
  IotlbScope,
  PasidCacheScope,
  PasidIotlbScope,
  TranslationControl,
} from './invalidation.ts';
import { MAX_ADDRESS_MASK } from './register-invalidation.ts';

/** Types of invalidation descriptors: bits 11:9 and 3:0 (VT-d, section 6.5.2). */
export const DescriptorType = {
  context: 1,
  iotlb: 2,
  deviceIotlb: 3,
  interruptEntryCache: 4,
  wait: 5,
  pasidIotlb: 6,
  pasidCache: 7,
  pasidDeviceIotlb: 8,
  pageGroupResponse: 9,
} as const;

/** What an invalidation wait descriptor asks for. */
export interface WaitRequest {
  /** SW: a word to be written. */
  readonly status: { readonly address: bigint; readonly data: number } | null;
  /** IF */
  readonly interrupt: boolean;
}

/** Software's answer to the page requests of one group. */
export interface PageGroupResponse {
  readonly sourceId: number;
  readonly pasid?: number;
  readonly group: number;
  /** 0 success, 1 invalid request, 15 failure. */
  readonly code: number;
}

/** A descriptor that is in order. */
export type Descriptor =
  | { readonly kind: 'invalidate'; readonly apply: (translation: TranslationControl) => void }
  | { readonly kind: 'wait'; readonly wait: WaitRequest }
  | { readonly kind: 'response'; readonly response: PageGroupResponse }
  /** The unit has no interrupt entry cache: nothing is to be done. IM (`mask`) is log2 of the number of entries. */
  | {
      readonly kind: 'interrupt-entry-cache';
      readonly selective: boolean;
      readonly index: number;
      readonly mask: number;
    };

/** Where what a descriptor may hold depends on the unit. */
export interface DescriptorOptions {
  /** The queue's descriptors have 32 bytes. */
  readonly wide: boolean;
  /** Extended contexts: descriptors about PASIDs have 16 bytes, and two more granularities. */
  readonly ecs: boolean;
  readonly svm: boolean;
  readonly strict: boolean;
}

const ALL = 0xffff_ffff_ffff_ffffn;

/** Bits that must be 0 in the four words, by type. Only descriptors of 32 bytes have the upper two. */
const RESERVED: Readonly<Record<number, readonly [bigint, bigint, bigint, bigint]>> = {
  [DescriptorType.context]: [0xfffc_0000_0000_f1c0n, ALL, ALL, ALL],
  [DescriptorType.iotlb]: [0xffff_ffff_0000_f100n, 0xf80n, ALL, ALL],
  [DescriptorType.deviceIotlb]: [0xffff_0000_ffe0_f1f0n, 0xffen, ALL, ALL],
  [DescriptorType.interruptEntryCache]: [0xffff_0000_07ff_f1e0n, ALL, ALL, ALL],
  [DescriptorType.wait]: [0xffff_f180n, 3n, ALL, ALL],
  [DescriptorType.pasidIotlb]: [0xfff0_0000_0000_f1c0n, 0xf80n, ALL, ALL],
  [DescriptorType.pasidCache]: [0xfff0_0000_0000_f1c0n, ALL, ALL, ALL],
  [DescriptorType.pasidDeviceIotlb]: [0xfff0_0000_0000_f000n, 0x7fen, ALL, ALL],
  [DescriptorType.pageGroupResponse]: [0xfff0_0000_0000_01e0n, 0xffff_ffff_ffff_f003n, 0n, 0n],
};

/** Page-request drain, which a unit that takes page requests allows. */
const WAIT_DRAIN = 1n << 7n;

/** GL of revision 2: global pages go, too. None are kept apart here. */
const WITH_GLOBAL_PAGES = 1n << 7n;

const NEEDS_32_BYTES: readonly number[] = [
  DescriptorType.pasidIotlb,
  DescriptorType.pasidCache,
  DescriptorType.pasidDeviceIotlb,
];

/** The type of a descriptor, known or not. */
export function descriptorType(low: bigint): number {
  return (field(low, 9, 3) << 4) | field(low, 0, 4);
}

/**
 * Decodes a descriptor.
 * @param words - two 64-bit words, or four of a descriptor of 32 bytes; low first
 * @returns null for one that hardware cannot take: unknown type, reserved bits, reserved granularity
 */
export function decodeDescriptor(words: readonly bigint[], options: DescriptorOptions): Descriptor | null {
  const [low = 0n, high = 0n] = words;
  const type = descriptorType(low);
  const reserved = RESERVED[type];
  if (reserved === undefined) return null;
  if (!options.wide && !options.ecs && NEEDS_32_BYTES.includes(type)) return null;
  const allowed = allowedBits(type, options);
  for (const [at, word] of words.entries()) {
    if ((word & (reserved[at] ?? ALL) & ~(allowed[at] ?? 0n)) !== 0n) return null;
  }
  switch (type) {
    case DescriptorType.context:
      return invalidation(contextScope(low), (scope, translation) => translation.invalidateContext(scope));
    case DescriptorType.iotlb:
      return invalidation(iotlbScope(low, high), (scope, translation) => translation.invalidateIotlb(scope));
    case DescriptorType.deviceIotlb:
    case DescriptorType.pasidDeviceIotlb:
      return invalidation(deviceIotlbScope(type, low, high), (scope, translation) =>
        translation.invalidateDeviceIotlb(scope),
      );
    case DescriptorType.wait:
      return waitDescriptor(low, high);
    case DescriptorType.pasidIotlb:
      if (options.ecs && field(low, 4, 2) < 2) return everyPasid(field(low, 16, 16));
      return invalidation(pasidIotlbScope(low, high), (scope, translation) => translation.invalidatePasidIotlb(scope));
    case DescriptorType.pasidCache:
      return invalidation(pasidCacheScope(low), (scope, translation) => translation.invalidatePasidCache(scope));
    case DescriptorType.pageGroupResponse:
      return pageGroupResponse(low, high, options.strict);
    default:
      return interruptEntryCache(low);
  }
}

/** Reserved bits that the unit takes all the same. */
function allowedBits(type: number, { ecs, svm }: DescriptorOptions): readonly bigint[] {
  if (type === DescriptorType.wait && svm) return [WAIT_DRAIN];
  if (type === DescriptorType.pasidIotlb && ecs) return [0n, WITH_GLOBAL_PAGES];
  return [];
}

function invalidation<Scope>(
  scope: Scope | null,
  apply: (scope: Scope, translation: TranslationControl) => void,
): Descriptor | null {
  return scope === null ? null : { kind: 'invalidate', apply: (translation) => apply(scope, translation) };
}

function contextScope(low: bigint): ContextScope | null {
  const domainId = field(low, 16, 16);
  switch (field(low, 4, 2)) {
    case 1:
      return { granularity: 'global' };
    case 2:
      return { granularity: 'domain', domainId };
    case 3: {
      const functionMask = field(low, 48, 2) as 0 | 1 | 2 | 3;
      return { granularity: 'device', domainId, sourceId: field(low, 32, 16), functionMask };
    }
    default:
      return null;
  }
}

function iotlbScope(low: bigint, high: bigint): IotlbScope | null {
  const domainId = field(low, 16, 16);
  switch (field(low, 4, 2)) {
    case 1:
      return { granularity: 'global' };
    case 2:
      return { granularity: 'domain', domainId };
    case 3: {
      const pages = pagesOf(high);
      return pages.addressMask > MAX_ADDRESS_MASK ? null : { granularity: 'page', domainId, ...pages };
    }
    default:
      return null;
  }
}

function pasidIotlbScope(low: bigint, high: bigint): PasidIotlbScope | null {
  const domainId = field(low, 16, 16);
  const pasid = field(low, 32, 20);
  switch (field(low, 4, 2)) {
    case 2:
      return { granularity: 'pasid', domainId, pasid };
    case 3:
      return { granularity: 'page', domainId, pasid, ...pagesOf(high) };
    default:
      return null;
  }
}

/** Granularities 0 and 1 of revision 2, with and without global pages: all that the domain has. */
function everyPasid(domainId: number): Descriptor {
  return {
    kind: 'invalidate',
    apply: (translation) => translation.invalidateIotlb({ granularity: 'domain', domainId }),
  };
}

function pasidCacheScope(low: bigint): PasidCacheScope | null {
  const domainId = field(low, 16, 16);
  switch (field(low, 4, 2)) {
    case 0:
      return { granularity: 'domain', domainId };
    case 1:
      return { granularity: 'pasid', domainId, pasid: field(low, 32, 20) };
    case 3:
      return { granularity: 'global' };
    default:
      return null;
  }
}

function deviceIotlbScope(type: number, low: bigint, high: bigint): DeviceIotlbScope {
  const withPasid = type === DescriptorType.pasidDeviceIotlb;
  const sized = field(high, withPasid ? 11 : 0, 1) === 1;
  const range = sized ? rangeOf(high >> 12n) : { address: high & ~0xfffn, size: 0x1000n };
  if (!withPasid) return { sourceId: field(low, 32, 16), ...range };
  const pasid = field(high, 0, 1) === 1 ? 'all' : field(low, 32, 20);
  return { sourceId: field(low, 16, 16), pasid, ...range };
}

/** S=1: the lowest 0 bit of the page number tells the size, of 2 pages at least; 52 ones are everything. */
function rangeOf(page: bigint): { address: bigint; size: bigint } {
  let size = 0x2000n;
  for (let bit = 0; bit < 51 && field(page, bit, 1) === 1; bit++) size *= 2n;
  return { address: (page << 12n) & ~(size - 1n), size };
}

function pagesOf(high: bigint): { address: bigint; addressMask: number; leafOnly: boolean } {
  return { address: high & ~0xfffn, addressMask: field(high, 0, 6), leafOnly: field(high, 6, 1) === 1 };
}

/** FN alone is in order: whatever stands before it has been done by now. */
function waitDescriptor(low: bigint, high: bigint): Descriptor | null {
  const interrupt = field(low, 4, 1) === 1;
  const writesStatus = field(low, 5, 1) === 1;
  const fence = field(low, 6, 1) === 1;
  if (!interrupt && !writesStatus && !fence) return null;
  return {
    kind: 'wait',
    wait: { status: writesStatus ? { address: high, data: field(low, 32, 32) } : null, interrupt },
  };
}

function interruptEntryCache(low: bigint): Descriptor {
  const selective = field(low, 4, 1) === 1;
  return { kind: 'interrupt-entry-cache', selective, index: field(low, 32, 16), mask: field(low, 27, 5) };
}

/** A response without PASID (PP=0) is refused by QEMU; the specification has it for requests without PASID. */
function pageGroupResponse(low: bigint, high: bigint, strict: boolean): Descriptor | null {
  const withPasid = field(low, 4, 1) === 1;
  if (!withPasid && !strict) return null;
  const response = { sourceId: field(low, 16, 16), group: field(high, 3, 9), code: field(low, 12, 4) };
  return { kind: 'response', response: withPasid ? { ...response, pasid: field(low, 32, 20) } : response };
}

function field(word: bigint, low: number, bits: number): number {
  return Number(BigInt.asUintN(bits, word >> BigInt(low)));
}
