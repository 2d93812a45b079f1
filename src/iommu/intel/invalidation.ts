/** How the unit reads its root table: RTADDR.TTM, and the extended tables of 2016 behind `ecs`. */
export type RootMode = 'legacy' | 'scalable' | 'ecs';

/** What SRTP latches from RTADDR. */
export interface RootTable {
  /** Guest-physical, aligned to 4 KiB. */
  readonly address: number;
  readonly mode: RootMode;
}

/** Entries of the context cache that an invalidation names. */
export type ContextScope =
  | { readonly granularity: 'global' }
  | { readonly granularity: 'domain'; readonly domainId: number }
  | {
      readonly granularity: 'device';
      readonly domainId: number;
      readonly sourceId: number;
      /** FM: how many of the highest bits of the function number are masked, in the order 2, 2-1, 2-0. */
      readonly functionMask: 0 | 1 | 2 | 3;
    };

/** Translations of requests without PASID. */
export type IotlbScope =
  | { readonly granularity: 'global' }
  | { readonly granularity: 'domain'; readonly domainId: number }
  | {
      readonly granularity: 'page';
      readonly domainId: number;
      /** As software gave it: it need not be aligned to the mask. */
      readonly address: bigint;
      /** AM: log2 of the number of 4 KiB pages. */
      readonly addressMask: number;
      /** IH: only leaf entries were changed. */
      readonly leafOnly: boolean;
    };

/** Translations that are tagged with a PASID, by the PASID-based IOTLB descriptor. */
export type PasidIotlbScope =
  | { readonly granularity: 'pasid'; readonly domainId: number; readonly pasid: number }
  | {
      readonly granularity: 'page';
      readonly domainId: number;
      readonly pasid: number;
      readonly address: bigint;
      readonly addressMask: number;
      readonly leafOnly: boolean;
    };

/** Entries of the PASID cache that an invalidation names. */
export type PasidCacheScope =
  | { readonly granularity: 'global' }
  | { readonly granularity: 'domain'; readonly domainId: number }
  | { readonly granularity: 'pasid'; readonly domainId: number; readonly pasid: number };

/** Translations that a device may hold itself. */
export interface DeviceIotlbScope {
  /** As the descriptor has it: bus in the high byte, device and function in the low one. */
  readonly sourceId: number;
  /** Absent: what the device holds for requests without PASID; `all`: what it holds for any PASID. */
  readonly pasid?: number | 'all';
  /** First byte, aligned to the size. */
  readonly address: bigint;
  /** In bytes, a power of two of at least 4 KiB; 2^64 is everything. */
  readonly size: bigint;
}

/**
 * What the registers and the invalidation queue drive: the translation side of the unit, which owns the caches and the
 * devices' address spaces. Calls come in the order in which software asked for them, and have been carried out when
 * they return: the register level reports completion right then.
 */
export interface TranslationControl {
  /** SRTP: the root table is latched, and the caches go with it (CAP.ESRTPS). */
  setRoot(root: RootTable): void;
  /** TE: called at changes only. */
  setEnabled(on: boolean): void;
  invalidateContext(scope: ContextScope): void;
  invalidateIotlb(scope: IotlbScope): void;
  invalidatePasidIotlb(scope: PasidIotlbScope): void;
  invalidatePasidCache(scope: PasidCacheScope): void;
  invalidateDeviceIotlb(scope: DeviceIotlbScope): void;
  /** Back to power-on: no root table, remapping off, caches empty. */
  reset(): void;
}

/** A translation fault as the translation side found it. */
export interface TranslationFaultReport {
  /** Requester ID: bus in the high byte, device and function in the low one. */
  readonly sourceId: number;
  /** The request's address; for interrupts (codes 0x20 to 0x26) the index of the entry, in bits 63:48. */
  readonly address: bigint;
  /** Fault reason, 1 to 0xff. */
  readonly code: number;
  readonly write: boolean;
  /** Of a request with PASID. */
  readonly pasid?: number;
  /** FPD of whatever entry was in force: qualified faults are then not recorded. */
  readonly faultProcessingDisabled: boolean;
}

/** Where the translation side reports faults. What is qualified, collapsed or lost is decided behind it. */
export interface FaultSink {
  record(fault: TranslationFaultReport): void;
}
