import type { IntelProperties } from './properties.ts';

/** A field of a 64-bit register. */
const at = (value: number | boolean, bit: number): bigint => BigInt(value) << BigInt(bit);

/** Offsets of the register groups whose places CAP and ECAP tell, in units of 16 bytes. */
const FAULT_RECORDS = 0x220 / 16;
const IOTLB_REGISTERS = 0xf0 / 16;

/**
 * CAP, the capability register (VT-d, section 11.4.2), as QEMU 11.1.3 sets it.
 * 64K domains, pages of 2 MiB and 1 GiB in the second stage, page-selective invalidation up to 2^18 pages, one fault
 * record, drained reads and writes; ESRTPS: setting the root table pointer invalidates all caches.
 */
export function capabilityRegister(properties: IntelProperties): bigint {
  const { awBits, cachingMode, dmaTranslation, firstStage, firstStage1G } = properties;
  const widths = dmaTranslation ? (awBits >= 39 ? 0b010 : 0) | (awBits >= 48 ? 0b100 : 0) : 0;
  return (
    at(6, 0) |
    at(cachingMode, 7) |
    at(widths, 8) |
    at(awBits - 1, 16) |
    at(FAULT_RECORDS, 24) |
    at(0b11, 34) |
    at(1, 39) |
    at(18, 48) |
    at(1, 54) |
    at(1, 55) |
    at(firstStage && firstStage1G, 56) |
    at(1, 63)
  );
}

/**
 * ECAP, the extended capability register (VT-d, section 11.4.3), as QEMU 11.1.3 sets it. It offers a first stage or a
 * second stage in scalable mode, never both, and never nesting. With `ecs` it has the bits that stood for extended
 * contexts and nesting in revision 2 of the specification.
 */
export function extendedCapabilityRegister(properties: IntelProperties): bigint {
  const { deviceIotlb, ecs, extendedInterruptMode, firstStage, interruptRemapping, pasidBits, scalableMode } =
    properties;
  const { snoopControl, svm } = properties;
  const secondStage = scalableMode && !firstStage;
  return (
    at(1, 1) |
    at(deviceIotlb, 2) |
    at(interruptRemapping, 3) |
    at(interruptRemapping && extendedInterruptMode, 4) |
    at(1, 6) |
    at(snoopControl, 7) |
    at(IOTLB_REGISTERS, 8) |
    at(interruptRemapping ? 15 : 0, 20) |
    at(ecs, 24) |
    at(ecs, 26) |
    at(svm, 29) |
    at(secondStage, 31) |
    at(svm, 33) |
    at(pasidBits > 0 ? pasidBits - 1 : 0, 35) |
    at(pasidBits > 0, 40) |
    at(svm, 42) |
    at(scalableMode, 43) |
    at(secondStage, 46) |
    at(firstStage, 47)
  );
}
