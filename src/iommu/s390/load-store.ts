import { BusError, isValidAccess, readMmio, writeMmio, type AccessSize } from '../../memory/mmio.ts';
import { NO_ATTRIBUTES } from '../../memory/access.ts';
import type { PciDevice } from '../../pci/device.ts';
import { Handle, type ZpciFunction } from './function.ts';
import type { ZpciFunctions } from './functions.ts';
import { done, exception, failed, type Outcome, refused, StatusCode } from './outcome.ts';

/** The address space of PCILG and PCISTG that is configuration space; 0 to 5 are the BARs. */
const CONFIGURATION = 15;
const LAST_BAR = 5;

/** Where a load or store goes. */
export interface LoadStoreOperands {
  readonly handle: number;
  /** 0 to 15. */
  readonly space: number;
  readonly offset: bigint;
  /** In bytes, 0 to 15. */
  readonly length: number;
}

/**
 * PCILG (load) and PCISTG (store): the only way to a function's registers, which lie in no memory. Registers are
 * little-endian and the processor is not, so the bytes of a value come in reverse.
 */
export class LoadStoreInstructions {
  readonly #functions: ZpciFunctions;

  constructor(functions: ZpciFunctions) {
    this.#functions = functions;
  }

  load(operands: LoadStoreOperands): Outcome & { readonly value?: bigint } {
    const found = this.#target(operands);
    if (!('device' in found)) return found;
    const value = access(found.device, operands, null);
    return value === null ? exception('operand') : { ...done(), value };
  }

  /** The lowest `length` bytes of `value` count. */
  store(operands: LoadStoreOperands, value: bigint): Outcome {
    const found = this.#target(operands);
    if (!('device' in found)) return found;
    return access(found.device, operands, value) === null ? exception('operand') : done();
  }

  #target({ handle, space }: LoadStoreOperands): Outcome | { readonly device: PciDevice } {
    if ((handle & Handle.enabled) === 0) return refused();
    const target: ZpciFunction | null = this.#functions.byHandle(handle);
    const device = target?.device ?? null;
    if (target === null || device === null) return refused();
    if (target.state === 'error') return failed(StatusCode.blocked);
    if (space > LAST_BAR && space !== CONFIGURATION) return failed(StatusCode.invalidAddressSpace);
    return { device };
  }
}

/** One access; null for one that the space does not take. `value` null reads. */
function access(device: PciDevice, { space, offset, length }: LoadStoreOperands, value: bigint | null): bigint | null {
  const word = space === CONFIGURATION ? 4n : 8n;
  if (![1, 2, 4, 8].includes(length) || BigInt(length) > word - (offset % word)) return null;
  const given = value === null ? null : reversed(BigInt.asUintN(8 * length, value), length);
  const answer =
    space === CONFIGURATION ? configuration(device, offset, length, given) : bar(device, space, offset, length, given);
  return answer === null ? null : reversed(answer, length);
}

function configuration(device: PciDevice, offset: bigint, length: number, value: bigint | null): bigint | null {
  if (offset + BigInt(length) > (device.express ? 4096n : 256n)) return BigInt.asUintN(8 * length, -1n);
  if (value === null) return BigInt(device.readConfig(Number(offset), length));
  device.writeConfig(Number(offset), length, Number(value));
  return value;
}

function bar(device: PciDevice, index: number, offset: bigint, length: number, value: bigint | null): bigint | null {
  if (!(device.identity.bars ?? []).some((one) => one.index === index)) return null;
  const region = device.registers.bars.region(index);
  const { operations, size } = region;
  if (operations == null || offset + BigInt(length) > size) return null;
  const [at, width] = [Number(offset), length as AccessSize];
  if (!isValidAccess(operations, at, width, value !== null, NO_ATTRIBUTES)) return null;
  try {
    if (value === null) return readMmio({ region, operations }, at, width, NO_ATTRIBUTES);
    writeMmio({ region, operations }, at, width, value, NO_ATTRIBUTES);
    return value;
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    return null;
  }
}

function reversed(value: bigint, length: number): bigint {
  let result = 0n;
  for (let byte = 0; byte < length; byte++) result = (result << 8n) | ((value >> BigInt(8 * byte)) & 0xffn);
  return result;
}
