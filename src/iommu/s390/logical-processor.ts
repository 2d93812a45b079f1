import { Register } from '../../pci/registers.ts';
import type { ZpciFunctions } from './functions.ts';
import { FIRST_DMA_ADDRESS, LAST_DMA_ADDRESS } from './tables.ts';

/** Response codes of CLP (call logical processor). */
export const ClpResponse = {
  done: 0x0010,
  invalidHandle: 0x0101,
  /** Enabled already, or not; or the operation is unknown. */
  invalidOperation: 0x0102,
  invalidDmaSpaces: 0x0103,
  insufficientResources: 0x0104,
} as const;

/** Response codes of SCLP's adapter configuration. */
const SclpResponse = {
  done: 0x0020,
  noAction: 0x0120,
  reserved: 0x05f0,
  notRecognized: 0x09f0,
} as const;

/** One function, as CLP lists it. */
export interface ListedFunction {
  readonly 'vendor-id': number;
  readonly 'device-id': number;
  readonly configured: boolean;
  readonly fid: number;
  readonly handle: number;
}

/** What CLP tells of a function. */
export interface FunctionDescription {
  readonly fid: number;
  readonly uid: number;
  /** First and last DMA address (SDMA, EDMA), inclusive. */
  readonly 'start-dma': bigint;
  readonly 'end-dma': bigint;
}

/** The services of the logical processor (CLP) and of the service processor (SCLP) that are about functions. */
export class LogicalProcessor {
  readonly #functions: ZpciFunctions;

  constructor(functions: ZpciFunctions) {
    this.#functions = functions;
  }

  /** List PCI functions: those that are plugged, in the order in which they came. */
  list(): ListedFunction[] {
    return this.#functions.all().flatMap(({ device, state, fid, handle }) => {
      if (device === null || state === 'reserved') return [];
      const vendor = device.readConfig(Register.vendor, 2);
      const id = device.readConfig(Register.vendor + 2, 2);
      return [{ 'vendor-id': vendor, 'device-id': id, configured: state !== 'standby', fid, handle }];
    });
  }

  /** Set PCI function: enables with a number of DMA spaces, or disables. @returns with the handle that it has now */
  set(handle: number, operation: 'enable' | 'disable', dmaSpaces: number): { response: number; handle?: number } {
    const target = this.#functions.byHandle(handle);
    if (target === null || target.state === 'reserved') return { response: ClpResponse.invalidHandle };
    if (operation === 'disable') {
      if (!target.enabled) return { response: ClpResponse.invalidOperation };
      target.disable();
      return { response: ClpResponse.done, handle: target.handle };
    }
    if (dmaSpaces === 0) return { response: ClpResponse.invalidDmaSpaces };
    if (dmaSpaces !== 1) return { response: ClpResponse.insufficientResources };
    if (target.enabled || target.state === 'standby') return { response: ClpResponse.invalidOperation };
    target.enable();
    return { response: ClpResponse.done, handle: target.handle };
  }

  /** Query PCI function. */
  query(handle: number): { response: number; function?: FunctionDescription } {
    const target = this.#functions.byHandle(handle);
    if (target === null) return { response: ClpResponse.invalidHandle };
    const { fid, uid } = target;
    const description = { fid, uid, 'start-dma': FIRST_DMA_ADDRESS, 'end-dma': LAST_DMA_ADDRESS };
    return { response: ClpResponse.done, function: description };
  }

  /** SCLP: standby becomes disabled. */
  configure(fid: number): number {
    const target = this.#functions.byFid(fid);
    if (target === null) return SclpResponse.notRecognized;
    if (target.state === 'reserved') return SclpResponse.reserved;
    if (target.state !== 'standby') return SclpResponse.noAction;
    target.configure();
    return SclpResponse.done;
  }

  /** SCLP: whatever it is becomes standby, and registrations end. */
  deconfigure(fid: number): number {
    const target = this.#functions.byFid(fid);
    if (target === null) return SclpResponse.notRecognized;
    if (target.state === 'reserved') return SclpResponse.reserved;
    if (target.state === 'standby') return SclpResponse.noAction;
    target.deconfigure();
    return SclpResponse.done;
  }
}
