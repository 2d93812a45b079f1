import type { AddressSpace } from '../../memory/address-space.ts';
import type { AdapterInterrupts } from './adapter-interrupts.ts';
import type { ZpciFunction } from './function.ts';
import { Handle } from './function.ts';
import type { ZpciFunctions } from './functions.ts';
import {
  decodeBlock,
  EMPTY_BLOCK,
  encodeBlock,
  FIB_SIZE,
  FibControl,
  type InformationBlock,
} from './information-block.ts';
import { done, exception, failed, type Outcome, refused, StatusCode } from './outcome.ts';
import { Anchor, designationOf, FIRST_DMA_ADDRESS, LAST_DMA_ADDRESS } from './tables.ts';

/** Operation controls of MPCIFC, bits 7:0 of its first register. */
export const Operation = {
  registerInterrupts: 2,
  deregisterInterrupts: 3,
  registerTranslation: 4,
  deregisterTranslation: 5,
  reregisterTranslation: 6,
  resetError: 7,
  resetBlock: 9,
} as const;

const PAGE_MASK = 0xfffn;

/** What the first register of MPCIFC and STPCIFC holds. */
export interface ControlOperands {
  /** Function handle, bits 63:32. */
  readonly handle: number;
  /** DMA address space, bits 23:16; 0 is the only one. */
  readonly dmaSpace: number;
  /** Operation control, bits 7:0 (MPCIFC). */
  readonly operation: number;
}

/** What STPCIFC stores, and the handle where the function got its enabled bit. */
export type StoreOutcome = Outcome & { readonly block?: InformationBlock; readonly handle?: number };

/** The instructions that control a function: MPCIFC (modify), STPCIFC (store) and RPCIT (refresh translations). */
export class ControlInstructions {
  readonly #functions: ZpciFunctions;
  readonly #memory: AddressSpace;

  /** @param memory where information blocks lie: the system memory's address space */
  constructor(functions: ZpciFunctions, memory: AddressSpace) {
    this.#functions = functions;
    this.#memory = memory;
  }

  /** Modify PCI function controls, with the information block at a guest-physical address. */
  modifyFrom(operands: ControlOperands, address: bigint): Outcome {
    if (address % 8n !== 0n) return exception('specification');
    return this.modify(operands, () => {
      const bytes = new Uint8Array(FIB_SIZE);
      return this.#memory.read(address, bytes).ok ? decodeBlock(bytes) : null;
    });
  }

  /** Store PCI function controls to a guest-physical address. */
  storeTo(operands: ControlOperands, address: bigint): StoreOutcome {
    if (operands.dmaSpace === 0 && address % 8n !== 0n) return exception('specification');
    const outcome = this.store(operands);
    if (outcome.block === undefined || this.#memory.write(address, encodeBlock(outcome.block)).ok) return outcome;
    return exception('addressing');
  }

  /** Modify PCI function controls. `fetch` reads the information block, behind the checks of the handle. */
  modify(operands: ControlOperands, fetch: () => InformationBlock | null): Outcome {
    const target = this.#functions.byHandle(operands.handle);
    if (target === null || !isConfigured(target)) return refused();
    const block = fetch();
    if (block === null) return exception('addressing');
    if (block.format !== 0) return exception('operand');
    switch (operands.operation) {
      case Operation.registerInterrupts:
        if (target.interrupts !== null) return failed(StatusCode.sequence);
        target.interrupts = interruptsOf(block);
        return done();
      case Operation.deregisterInterrupts:
        if (target.interrupts === null) return failed(StatusCode.sequence);
        target.interrupts = null;
        return done();
      case Operation.registerTranslation:
        return this.#translation(target, operands, false, () => register(target, block));
      case Operation.deregisterTranslation:
        return this.#translation(target, operands, true, () => {
          target.iommu.deregister();
          return done();
        });
      case Operation.reregisterTranslation:
        return this.#translation(target, operands, true, () => {
          target.iommu.deregister();
          return register(target, block);
        });
      case Operation.resetError:
        if (target.state !== 'blocked' && target.state !== 'error') return failed(StatusCode.sequence);
        target.state = 'enabled';
        return done();
      case Operation.resetBlock:
        if (target.state !== 'error') return failed(StatusCode.sequence);
        target.state = 'blocked';
        return done();
      default:
        return exception('operand');
    }
  }

  /** Store PCI function controls. The function is found by its index alone. */
  store({
    handle,
    dmaSpace,
  }: ControlOperands): Outcome & { readonly block?: InformationBlock; readonly handle?: number } {
    if (dmaSpace !== 0) return failed(StatusCode.invalidDmaSpace);
    const target = this.#functions.byIndex(handle & Handle.index);
    if (target === null || target.state === 'reserved' || target.state === 'standby') return refused();
    const namesEnabled = (handle & Handle.enabled) !== 0;
    if (target.state === 'disabled') return namesEnabled ? refused() : { ...done(), block: EMPTY_BLOCK };
    const { iommu, interrupts } = target;
    const { registration } = iommu;
    let controls: number = FibControl.enabled;
    if (target.state !== 'enabled') controls |= FibControl.error;
    if (target.state === 'error') controls |= FibControl.blocked;
    if (registration !== null) controls |= FibControl.registered;
    const block: InformationBlock = {
      format: 0,
      controls,
      base: registration?.base ?? 0n,
      limit: registration?.limit ?? 0n,
      anchor: registration?.anchor ?? 0n,
      interrupts: interrupts?.parameters ?? 0,
      bitVector: interrupts?.bitVector ?? 0n,
      summary: interrupts?.summary ?? 0n,
      measurement: 0n,
    };
    return { ...done(), block, ...(!namesEnabled && { handle: (handle | Handle.enabled) >>> 0 }) };
  }

  /**
   * Refresh PCI translations: `start` and `length` come from an even register and the one behind it.
   * @param register the number of the even register
   */
  refresh(handle: number, register: number, start: bigint, length: bigint): Outcome {
    if (register % 2 !== 0) return exception('specification');
    const target = this.#functions.byHandle(handle);
    if (target === null || !isConfigured(target)) return refused();
    if (target.state === 'error') return failed(StatusCode.errorRecovery);
    const result = target.iommu.refresh(start, BigInt.asUintN(64, start + length));
    if ('code' in result) {
      target.fail(result.code, result.address, 'none');
      return failed(StatusCode.functionInError);
    }
    target.refreshes += 1;
    return result.room ? done() : failed(StatusCode.insufficientResources);
  }

  #translation(target: ZpciFunction, { dmaSpace }: ControlOperands, present: boolean, body: () => Outcome): Outcome {
    if (dmaSpace !== 0) return failed(StatusCode.invalidDmaSpace);
    if ((target.iommu.registration !== null) !== present) return failed(StatusCode.sequence);
    return body();
  }
}

/** Software has configured it and enabled it once. */
function isConfigured({ state }: ZpciFunction): boolean {
  return state === 'enabled' || state === 'blocked' || state === 'error';
}

function register(target: ZpciFunction, { base, limit, anchor }: InformationBlock): Outcome {
  const first = base & ~PAGE_MASK;
  const last = limit | PAGE_MASK;
  if (first > last || first < FIRST_DMA_ADDRESS || last > LAST_DMA_ADDRESS) return exception('operand');
  const hasTables = (anchor & Anchor.translates) !== 0n;
  if (hasTables ? designationOf(anchor) !== Anchor.regionThird : !target.relaxedTranslation)
    return exception('operand');
  target.iommu.register({ base: first, limit: last, anchor });
  return done();
}

function interruptsOf({ interrupts, bitVector, summary }: InformationBlock): AdapterInterrupts {
  return { parameters: interrupts, bitVector, summary };
}
