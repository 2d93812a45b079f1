import type { HypercallResult } from '../../iommu/spapr/hypercalls.ts';
import { Hypercall, HypercallStatus } from '../../iommu/spapr/hypercalls.ts';
import { CommandError } from '../../core/errors.ts';
import { hex } from '../../core/address.ts';
import type { Processor } from '../processor.ts';

/** The default DMA window of a device as its device tree has it (ibm,dma-window, ibm,my-dma-window); in bytes. */
export interface WindowProperty {
  readonly address: bigint;
  readonly size: bigint;
  /** Bus unit id of the PCI host bridge whose guests may create windows (ibm,ddw-applicable); else null. */
  readonly dynamicBuid: bigint | null;
}

/** What a pSeries guest has: the hypervisor, and the device tree. */
export interface SpaprPlatform {
  /** One hypercall; `args` are r4 and following. */
  hypercall(number: number, args: readonly bigint[]): HypercallResult;
  /** The default window with that LIOBN; null without one. */
  windowOf(liobn: number): WindowProperty | null;
}

/** @throws CommandError when the hypervisor refuses */
export function requireHypercall(
  platform: SpaprPlatform,
  number: number,
  ...args: readonly bigint[]
): readonly bigint[] {
  const { status, values } = platform.hypercall(number, args);
  if (status === HypercallStatus.success) return values;
  const given = args.map((value) => hex(value)).join(', ');
  throw new CommandError(`Hypercall ${hex(number)} (${given}) returned ${status}`);
}

/**
 * Makes an RTAS call, with its arguments in guest RAM at `buffer`; words have 32 bits.
 * @returns the return values, signed; the first is the status
 * @throws CommandError when the hypervisor knows no such call, or the buffer is no RAM
 */
export function callRtas(
  { processor, platform, buffer }: { processor: Processor; platform: SpaprPlatform; buffer: bigint },
  token: number,
  args: readonly number[],
  returns: number,
): number[] {
  const words = [token, args.length, returns, ...args];
  const bytes = new Uint8Array(4 * (words.length + returns));
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setUint32(4 * index, word);
  processor.store(buffer, bytes);
  requireHypercall(platform, Hypercall.rtas, buffer);
  processor.load(buffer, bytes);
  return Array.from({ length: returns }, (_, index) => view.getInt32(4 * (words.length + index)));
}
