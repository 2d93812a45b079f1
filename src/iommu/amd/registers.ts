import type { RegisterDefinition } from '../register-file.ts';
import type { AmdProperties } from './properties.ts';

/** Where the unit's registers lie in guest-physical memory, and how many bytes they take. */
export const REGISTERS_BASE = 0xfed8_0000n;
export const REGISTERS_SIZE = 0x4000;

/** Offsets in bytes (AMD I/O Virtualization Technology Specification 48882, section 3.4). */
export const Offset = {
  deviceTable: 0x00,
  commandBase: 0x08,
  eventBase: 0x10,
  control: 0x18,
  exclusionBase: 0x20,
  exclusionLimit: 0x28,
  extendedFeatures: 0x30,
  pageRequestBase: 0x38,
  commandHead: 0x2000,
  commandTail: 0x2008,
  eventHead: 0x2010,
  eventTail: 0x2018,
  status: 0x2020,
  pageRequestHead: 0x2030,
  pageRequestTail: 0x2038,
} as const;

/** Bits of the control register. */
export const Control = {
  enable: 1n << 0n,
  eventLog: 1n << 2n,
  eventInterrupt: 1n << 3n,
  completionInterrupt: 1n << 4n,
  commandBuffer: 1n << 12n,
  guestVirtualApic: 1n << 17n,
} as const;

/** Bits of the status register. */
export const Status = {
  eventOverflow: 1n << 0n,
  eventInterrupt: 1n << 1n,
  completionInterrupt: 1n << 2n,
  eventLogRuns: 1n << 3n,
  commandBufferRuns: 1n << 4n,
} as const;

const STATUS_READ_ONLY = 0x98n;
const STATUS_WRITE_ONE_TO_CLEAR = 0x67n;

const ALL = 0xffff_ffff_ffff_ffffn;

/** Bits 51:12 of a base register. */
export const BASE_ADDRESS = 0x000f_ffff_ffff_f000n;
/** Where in a ring a head or tail register points: bits 18:4. */
export const RING_OFFSET = 0x7_fff0n;

/** How many entries a ring has: 2 to the power of bits 59:56 of its base register. */
export function ringEntries(base: bigint): number {
  return 2 ** Number((base >> 56n) & 0xfn);
}

/** The registers, in the order of their offsets. What software cannot write keeps its reset value. */
export function registerDefinitions(properties: AmdProperties): RegisterDefinition[] {
  const register = (name: string, offset: number, writable = ALL): RegisterDefinition => ({
    name,
    offset,
    width: 8,
    reset: 0n,
    writable,
    writeOneToClear: 0n,
    writeOnly: 0n,
  });
  return [
    register('DEVTAB', Offset.deviceTable),
    register('CMDBASE', Offset.commandBase),
    register('EVTBASE', Offset.eventBase),
    register('CONTROL', Offset.control),
    // QEMU takes writes of the limit alone, and does nothing with it.
    register('EXCLBASE', Offset.exclusionBase, 0n),
    register('EXCLLIMIT', Offset.exclusionLimit),
    { ...register('EXTFEAT', Offset.extendedFeatures, 0n), reset: extendedFeatures(properties) },
    register('PPRBASE', Offset.pageRequestBase),
    register('CMDHEAD', Offset.commandHead),
    register('CMDTAIL', Offset.commandTail),
    register('EVTHEAD', Offset.eventHead),
    register('EVTTAIL', Offset.eventTail),
    {
      ...register('STATUS', Offset.status, ALL & ~(STATUS_READ_ONLY | STATUS_WRITE_ONE_TO_CLEAR)),
      writeOneToClear: STATUS_WRITE_ONE_TO_CLEAR,
    },
    register('PPRHEAD', Offset.pageRequestHead),
    register('PPRTAIL', Offset.pageRequestTail),
  ];
}

/**
 * The extended feature register (section 3.4.9): prefetch, page requests, guest translation, invalidation of all,
 * guest virtual APIC, hardware error registers; GATS and HATS of 6 levels. PASIDs, which QEMU's has none of, bring
 * the levels of a GCR3 table and the width of a PASID with them.
 */
function extendedFeatures({ dmaTranslation, extendedInterrupts, pasidBits }: AmdProperties): bigint {
  const prefetch = 1n << 0n;
  const pageRequests = 1n << 1n;
  const x2apic = extendedInterrupts ? 1n << 2n : 0n;
  const guestTranslation = 1n << 4n;
  const invalidateAll = 1n << 6n;
  const virtualApic = 1n << 7n;
  const hardwareErrors = 1n << 8n;
  const hostLevels = (dmaTranslation ? 2n : 3n) << 10n;
  const guestLevels = 2n << 12n;
  const pasids = pasidBits === 0 ? 0n : (BigInt(gcr3Levels(pasidBits) - 1) << 14n) | (BigInt(pasidBits - 1) << 32n);
  return (
    prefetch |
    pageRequests |
    x2apic |
    guestTranslation |
    invalidateAll |
    virtualApic |
    hardwareErrors |
    hostLevels |
    guestLevels |
    pasids
  );
}

/** How many levels a GCR3 table needs for PASIDs of that width: 9 bits each. */
function gcr3Levels(pasidBits: number): number {
  return Math.max(1, Math.ceil(pasidBits / 9));
}
