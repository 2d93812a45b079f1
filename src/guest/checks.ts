import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { PagePermission, PageTableShape } from './page-table.ts';
import { PAGE, type Processor } from './processor.ts';
import type { TablePages } from './table-pages.ts';
import type { PageTableBinding } from './guest-driver.ts';

/** Addresses as a function asks for them. */
export interface PageRange {
  readonly iova: bigint;
  readonly size: bigint;
  /** Absent: requests without PASID. */
  readonly pasid?: number;
}

/** Requests without PASID to this range are interrupts, which are not translated; inclusive. */
const INTERRUPTS = { start: 0xfee0_0000n, last: 0xfeef_ffffn } as const;

/** @throws CommandError unless a page table of that shape can hold the range */
export function checkRange({ iova, size, pasid }: PageRange, shape: PageTableShape, addressWidth: number): void {
  if (size === 0n || size % PAGE !== 0n) {
    throw new CommandError(`Parameter 'size' is ${size}; it must be a multiple of ${PAGE}, and not 0`);
  }
  if (iova % PAGE !== 0n) throw new CommandError(`Parameter 'iova' ${hex(iova)} is not a multiple of ${PAGE}`);
  const bits = widthOf(shape, addressWidth);
  if (iova + size > 1n << BigInt(bits)) {
    throw new CommandError(
      `${size} bytes at ${hex(iova)} go beyond ${hex((1n << BigInt(bits)) - 1n)}, the last address that the tables map`,
    );
  }
  if (pasid === undefined && iova <= INTERRUPTS.last && iova + size > INTERRUPTS.start) {
    throw new CommandError(
      `${size} bytes at ${hex(iova)} cover the interrupt range ${hex(INTERRUPTS.start)} to ${hex(INTERRUPTS.last)}, ` +
        'which is never translated',
    );
  }
}

/** @throws CommandError unless the tables can lead to these addresses with these rights */
export function checkTarget(
  { address, size, permissions }: { address: bigint; size: bigint; permissions: readonly PagePermission[] },
  shape: PageTableShape,
  addressWidth: number,
): void {
  if (address % PAGE !== 0n) throw new CommandError(`Parameter 'address' ${hex(address)} is not a multiple of ${PAGE}`);
  if (address + size > 1n << BigInt(addressWidth)) {
    throw new CommandError(
      `${size} bytes at ${hex(address)} go beyond the ${addressWidth} bits of the unit's addresses`,
    );
  }
  if (permissions.length === 0) throw new CommandError("Parameter 'permissions' is empty; give read, write or both");
  if (shape.stage !== 'first' && permissions.includes('execute')) {
    throw new CommandError('Second-stage tables have no right to execute; leave execute out');
  }
  if (shape.stage === 'first' && !permissions.includes('read')) {
    throw new CommandError('First-stage tables always permit reads; add read to the permissions');
  }
}

/** @throws CommandError unless the page table of a binding is a page of RAM that is the user's */
export function checkBinding(processor: Processor, { pageTable }: PageTableBinding, pages: TablePages): void {
  if (pageTable % PAGE !== 0n) {
    throw new CommandError(`Parameter 'page-table' ${hex(pageTable)} is not a multiple of ${PAGE}`);
  }
  if (processor.firstOutsideRam(pageTable, PAGE) !== null) {
    throw new CommandError(`Parameter 'page-table' ${hex(pageTable)} is not in RAM`);
  }
  if (pages.overlaps(pageTable, PAGE)) {
    const { address, size } = pages.range;
    throw new CommandError(
      `Parameter 'page-table' ${hex(pageTable)} is in the guest driver's own tables, ${size} bytes at ${hex(address)}`,
    );
  }
}

/** First-stage addresses are canonical, and the driver uses the lower half only. */
function widthOf({ stage, levels }: PageTableShape, addressWidth: number): number {
  const reach = 12 + 9 * levels;
  return stage === 'first' ? Math.min(reach, 48) - 1 : Math.min(reach, addressWidth);
}
