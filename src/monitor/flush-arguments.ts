import { ADDRESS_SPACE_SIZE, hex, isAligned, isPowerOfTwo, PAGE_SIZE } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type {
  FlushIotlbArguments,
  IommuFlushDeviceIotlbArguments,
  IommuFlushPasidCacheArguments,
} from '../generated/types.ts';
import type { DeviceTlbFlush } from '../memory/host-device.ts';
import type { IotlbFlush, PasidCacheFlush } from '../memory/iommu-object.ts';

/** Refuses a command whose granularity needs an argument that was not given. @throws CommandError as for a missing one */
function require<Name extends string>(args: Readonly<Partial<Record<Name, unknown>>>, name: Name): void {
  if (args[name] === undefined) throw new CommandError(`Parameter '${name}' is missing`);
}

/** The largest power of two that an argument of 64 bits can hold. */
const LARGEST = 1n << 63n;

/** @throws CommandError unless the range is a power of two of at least a page, aligned to its size */
function checkRange(address: bigint, size: bigint): void {
  if (size < PAGE_SIZE || !isPowerOfTwo(size)) {
    let enough = BigInt(PAGE_SIZE);
    while (enough < size && enough < LARGEST) enough *= 2n;
    throw new CommandError(
      `Parameter 'size' is ${size}; a flush covers a power of two of at least ${PAGE_SIZE} bytes: give ${enough}`,
    );
  }
  if (!isAligned(address, size)) {
    throw new CommandError(
      `Parameter 'address' ${hex(address)} is not a multiple of the size of the flush, ${hex(size)}: give ${hex(address - (address % size))}`,
    );
  }
}

/**
 * The tags that limit a scope of that granularity; what was not given is absent. Others say nothing about the scope, as
 * the fields of an invalidation descriptor that its granularity does not use, and an event must not show them.
 */
function tags(
  granularity: FlushIotlbArguments['granularity'],
  args: { 'domain-id'?: number | undefined; pasid?: number | undefined },
): { domainId?: number; pasid?: number } {
  const { 'domain-id': domainId, pasid } = args;
  const ofPasid = granularity === 'pasid' || granularity === 'page';
  return {
    ...(domainId !== undefined && granularity !== 'global' && { domainId }),
    ...(pasid !== undefined && ofPasid && { pasid }),
  };
}

/** The scope of an IOTLB flush from its arguments. @throws CommandError */
export function iotlbFlush(args: FlushIotlbArguments): IotlbFlush {
  const { granularity, address, size } = args;
  if (granularity === 'domain') require(args, 'domain-id');
  if (granularity === 'pasid' || granularity === 'page') require(args, 'pasid');
  const scope = { granularity, leafOnly: args['leaf-only'] ?? false, ...tags(granularity, args) };
  if (granularity !== 'page') return scope;
  require(args, 'address');
  require(args, 'size');
  checkRange(address!, size!);
  return { ...scope, address: address!, size: size! };
}

/** The scope of a PASID-cache flush from its arguments. @throws CommandError */
export function pasidCacheFlush(args: IommuFlushPasidCacheArguments): PasidCacheFlush {
  if (args.granularity === 'domain') require(args, 'domain-id');
  if (args.granularity === 'pasid') require(args, 'pasid');
  return { granularity: args.granularity, ...tags(args.granularity, args) };
}

/** The scope of an invalidation of a device's own cache from its arguments. @throws CommandError */
export function deviceTlbFlush(args: IommuFlushDeviceIotlbArguments): DeviceTlbFlush {
  const { pasid, address, size } = args;
  const all = args['all-pasids'] ?? false;
  if (all && pasid !== undefined) {
    throw new CommandError(`Parameters 'pasid' and 'all-pasids' exclude each other: leave one of them out`);
  }
  const scope = all ? { pasid: 'all' as const } : pasid !== undefined && { pasid };
  if (address === undefined && size === undefined) return { ...scope, address: 0n, size: ADDRESS_SPACE_SIZE };
  require(args, 'address');
  require(args, 'size');
  checkRange(address!, size!);
  return { ...scope, address: address!, size: size! };
}
