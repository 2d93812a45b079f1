import { hex, isAligned, isPowerOfTwo } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { IotlbFlush, PasidCacheFlush, PasidTable } from '../memory/iommu-object.ts';

const FOUR_KIB = 4096n;
/** PASIDs have at most 20 bits (PCIe base specification, section 6.20). */
const PASID_LIMIT = 1 << 20;
/** Domain ids have 16 bits (VT-d, section 9.3). */
const DOMAIN_LIMIT = 1 << 16;

/** @throws CommandError unless the table lies on a 4 KiB boundary */
export function checkPasidTable(table: PasidTable): void {
  if (!isAligned(table.address, FOUR_KIB)) {
    throw new CommandError(
      `The PASID table's address ${hex(table.address)} is not a multiple of 4 KiB: the next one is ` +
        hex(table.address - (table.address % FOUR_KIB) + FOUR_KIB),
    );
  }
}

function checkNumbers(domainId: number | undefined, pasid: number | undefined): void {
  if (domainId !== undefined && !(domainId >= 0 && domainId < DOMAIN_LIMIT)) {
    throw new CommandError(`Domain id ${domainId} is out of range; it must be between 0 and ${DOMAIN_LIMIT - 1}`);
  }
  if (pasid !== undefined && !(pasid >= 0 && pasid < PASID_LIMIT)) {
    throw new CommandError(`PASID ${pasid} is out of range; it must be between 0 and ${PASID_LIMIT - 1}`);
  }
}

function missing(member: string): CommandError {
  return new CommandError(`Parameter '${member}' is missing`);
}

/**
 * Each granularity comes with the members that define it, and a page range is a naturally aligned power of two of
 * 4 KiB pages, as invalidation descriptors express it.
 * @throws CommandError naming what is missing or out of range
 */
export function checkIotlbFlush(flush: IotlbFlush): void {
  const { granularity, domainId, pasid, address, size } = flush;
  if (granularity === 'domain' && domainId === undefined) throw missing('domain-id');
  if ((granularity === 'pasid' || granularity === 'page') && pasid === undefined) throw missing('pasid');
  checkNumbers(domainId, pasid);
  if (granularity !== 'page') return;
  if (address === undefined) throw missing('address');
  if (size === undefined) throw missing('size');
  if (size < FOUR_KIB || !isPowerOfTwo(size)) {
    throw new CommandError(`The flush size ${hex(size)} must be a power of two and at least 4 KiB (0x1000)`);
  }
  if (!isAligned(address, size)) {
    throw new CommandError(`The flush address ${hex(address)} must be a multiple of the flush size ${hex(size)}`);
  }
}

/** @throws CommandError naming what is missing or out of range */
export function checkPasidCacheFlush(flush: PasidCacheFlush): void {
  const { granularity, domainId, pasid } = flush;
  if (granularity === 'domain' && domainId === undefined) throw missing('domain-id');
  if (granularity === 'pasid' && pasid === undefined) throw missing('pasid');
  checkNumbers(domainId, pasid);
}
