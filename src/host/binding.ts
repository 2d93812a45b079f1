import { ADDRESS_LAST, hex, isAligned } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { HostCapabilities } from '../memory/host-device.ts';
import type { PasidTable, PasidTableFormat } from '../memory/iommu-object.ts';
import type { HostPageTable } from './page-table.ts';

/** One 8-byte directory entry of `vtd-scalable` leads to a table of this many PASIDs. */
const PASIDS_PER_DIRECTORY_ENTRY = 64n;
const ENTRY_SIZE = 8n;
const TABLE_ALIGNMENT = 4096n;

/**
 * The largest table, in bytes, that PASIDs of `pasidBits` bits can reach into: for `vtd-scalable` the directory, with
 * 8 bytes per 64 PASIDs, for `vtd-ecs` the flat table, with 8 bytes per PASID; `amd-gcr3` counts likewise, although only
 * the top level lies in a row.
 */
export function maximumTableSize(format: PasidTableFormat, pasidBits: number): bigint {
  const pasids = 1n << BigInt(pasidBits);
  if (format !== 'vtd-scalable') return pasids * ENTRY_SIZE;
  const entries = pasids / PASIDS_PER_DIRECTORY_ENTRY;
  return (entries === 0n ? 1n : entries) * ENTRY_SIZE;
}

/** @throws CommandError when the host cannot put a guest's first stage under requests of `device` */
export function checkNesting(device: string, capabilities: HostCapabilities): void {
  if (!capabilities.nesting) {
    throw new CommandError(
      `The host IOMMU cannot nest a guest's PASID table below ${device}: it has nesting=off; start with a host-iommu that has nesting=on`,
    );
  }
  if (capabilities.pasidBits === 0) {
    throw new CommandError(`Host function ${device} has 0 PASID bits: it cannot use a PASID table`);
  }
}

/**
 * Everything that the host asks of a guest's PASID table before it nests it under `stage`, what `device` has mapped.
 * Without `limited` the table may have room for more PASIDs than the function: those are then never used.
 * @throws CommandError for the first that does not hold, naming value and limit
 */
export function checkPasidTable(
  table: PasidTable,
  device: string,
  capabilities: HostCapabilities,
  stage: HostPageTable | null,
  limited: boolean,
): void {
  const { address, size, format } = table;
  if (stage === null) {
    throw new CommandError(`Host function ${device} is attached to no page table: attach it to a container first`);
  }
  checkNesting(device, capabilities);
  if (!capabilities.formats.includes(format)) {
    const known = capabilities.formats.length === 0 ? 'none' : capabilities.formats.join(', ');
    throw new CommandError(`The host IOMMU has no PASID table format '${format}'; its formats: ${known}`);
  }
  if (!isAligned(address, TABLE_ALIGNMENT)) {
    throw new CommandError(
      `PASID table address ${hex(address)} is not a multiple of ${hex(TABLE_ALIGNMENT)}: the next one is ` +
        hex(address - (address % TABLE_ALIGNMENT) + TABLE_ALIGNMENT),
    );
  }
  if (size === 0n || size % ENTRY_SIZE !== 0n) {
    throw new CommandError(
      `PASID table size ${size} is not a positive multiple of ${ENTRY_SIZE}, the size of one entry in bytes: ` +
        `give ${size - (size % ENTRY_SIZE) + ENTRY_SIZE}`,
    );
  }
  const maximum = maximumTableSize(format, capabilities.pasidBits);
  if (limited && size > maximum) {
    throw new CommandError(
      `PASID table size ${size} is above the host's maximum of ${maximum} bytes: format ${format} with ${capabilities.pasidBits} PASID bits of ${device}`,
    );
  }
  if (address + size - 1n > ADDRESS_LAST) {
    throw new CommandError(
      `PASID table of ${size} bytes at ${hex(address)} goes beyond the last address, ${hex(ADDRESS_LAST)}`,
    );
  }
  // Of a GCR3 table with several levels the size says how many PASIDs there are; the top level is a page.
  const length = format === 'amd-gcr3' && size > TABLE_ALIGNMENT ? TABLE_ALIGNMENT : size;
  const covered = stage.covers(address, length);
  if (!covered.ok) {
    throw new CommandError(
      `PASID table ${hex(address)}-${hex(address + length - 1n)} is not wholly in guest RAM: nothing is mapped at ${hex(covered.firstMissing)}`,
    );
  }
}
