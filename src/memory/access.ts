/** What a transaction wants to do at an address; `none` asks only where it leads (replay does). */
export type Access = 'none' | 'read' | 'write' | 'execute';

/** A set of {@link Permission} bits. */
export type Permissions = number;

/** The rights and attributes that an IOMMU entry carries, as bits. */
export const Permission = {
  none: 0,
  read: 1,
  write: 2,
  readWrite: 3,
  execute: 4,
  privileged: 8,
  global: 16,
} as const;

/** True when `permissions` allow `access`; `none` is always allowed. */
export function permits(permissions: Permissions, access: Access): boolean {
  switch (access) {
    case 'none':
      return true;
    case 'read':
      return (permissions & Permission.read) !== 0;
    case 'write':
      return (permissions & Permission.write) !== 0;
    case 'execute':
      return (permissions & Permission.execute) !== 0;
  }
}

/** The rights by name, in the order in which replies and events list them. */
export function permissionNames(permissions: Permissions): ('read' | 'write' | 'execute')[] {
  const names: ('read' | 'write' | 'execute')[] = [];
  if ((permissions & Permission.read) !== 0) names.push('read');
  if ((permissions & Permission.write) !== 0) names.push('write');
  if ((permissions & Permission.execute) !== 0) names.push('execute');
  return names;
}

/** What travels beside the address of a transaction. */
export interface TransactionAttributes {
  /** The 16-bit source-id of the requester. */
  readonly requester?: number;
  /** An interrupt message that the device's MSI or MSI-X sends, in contrast to a write by its DMA. */
  readonly message?: boolean;
  readonly pasid?: number;
  /** The address was translated by ATS before. */
  readonly translated?: boolean;
  /** The request asks for supervisor privilege. */
  readonly privileged?: boolean;
}

export const NO_ATTRIBUTES: TransactionAttributes = Object.freeze({});

/** Why an IOMMU let no transaction pass. */
export interface TranslationFault {
  /** A full sentence for the user. */
  readonly sentence: string;
  /** The fault reason of the unit's specification. */
  readonly code?: number;
  /** The same by name, in kebab-case. */
  readonly reason?: string;
}

/**
 * What went wrong with a piece of a transfer: `decode`: nothing answers there, or not to this size; `device`: the
 * device itself answered with an error; `fault`: an IOMMU refused the translation.
 */
export type AccessError =
  | { readonly kind: 'decode' }
  | { readonly kind: 'device' }
  | { readonly kind: 'fault'; readonly fault: TranslationFault };

/** The outcome of a transfer. The pieces behind a bad one are still tried, as on a bus. */
export interface AccessResult {
  readonly ok: boolean;
  /** How many bytes reached something; what was not reached reads as zeros. */
  readonly good: number;
  /** The first address, in the space that was asked, that failed; null when all is well. */
  readonly firstBad: bigint | null;
  /** What failed there. */
  readonly error: AccessError | null;
}

export const DECODE_ERROR: AccessError = Object.freeze({ kind: 'decode' });
export const DEVICE_ERROR: AccessError = Object.freeze({ kind: 'device' });

/** The sentence for an access that failed at `address`. */
export function sentenceOf(error: AccessError, address: bigint, write: boolean): string {
  const what = write ? 'write to' : 'read from';
  switch (error.kind) {
    case 'decode':
      return `Nothing answers a ${what} address 0x${address.toString(16)}`;
    case 'device':
      return `The device answered a ${what} address 0x${address.toString(16)} with an error`;
    case 'fault':
      return error.fault.sentence;
  }
}
