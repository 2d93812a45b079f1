import type { Gpa } from '../core/address.ts';

/** What an object notifier is told about. */
export type ObjectEvent = 'bind' | 'unbind' | 'flush-iotlb' | 'flush-pasid-cache';

/** How a PASID table is laid out: VT-d scalable mode, VT-d extended contexts (2017), AMD's GCR3 table. */
export type PasidTableFormat = 'vtd-scalable' | 'vtd-ecs' | 'amd-gcr3';

/** A PASID table in guest memory. */
export interface PasidTable {
  readonly address: Gpa;
  /** In bytes: of the directory, or of the flat table. */
  readonly size: bigint;
  readonly format: PasidTableFormat;
  /** Tags what the table translates, in formats whose entries hold no domain-id: the one of the context entry. */
  readonly domainId?: number;
}

/** Which first-stage translations are to be dropped. `address` and `size` (in bytes) come with granularity `page`. */
export interface IotlbFlush {
  readonly granularity: 'global' | 'domain' | 'pasid' | 'page';
  readonly domainId?: number;
  readonly pasid?: number;
  readonly address?: bigint;
  readonly size?: bigint;
  /** Only leaf entries changed: paging-structure caches may stay. */
  readonly leafOnly: boolean;
}

/** Which cached PASID-table entries are to be dropped. */
export interface PasidCacheFlush {
  readonly granularity: 'global' | 'domain' | 'pasid';
  readonly domainId?: number;
  readonly pasid?: number;
}

/** Who serves a device's events behind an {@link IommuObject}. Each method throws CommandError when it fails. */
export interface ObjectListener {
  readonly name: string;
  /** The device's id, or its QOM path where it has none. */
  readonly device: string;
  readonly kind: 'vfio' | 'vhost' | 'device';
  /** A throw refuses the table. */
  bind?(table: PasidTable): void;
  unbind?(): void;
  /** The domain id that requests with `pasid` are tagged with; null when the listener knows none. */
  domainIdOf?(pasid: number): number | null;
  /** Returns how many cached entries were dropped. */
  flushIotlb?(flush: IotlbFlush): number;
  /** Returns how many cached entries were dropped. */
  flushPasidCache?(flush: PasidCacheFlush): number;
}

/** What one listener answered. `desc` is its sentence when the status is `error`. */
export interface ListenerStatus {
  listener: string;
  device: string;
  kind: 'vfio' | 'vhost' | 'device';
  status: 'ok' | 'error';
  desc?: string;
}

export interface BindResult {
  readonly listeners: ListenerStatus[];
  /** An earlier table was bound until now. */
  readonly replaced: boolean;
}

export interface FlushResult {
  readonly listeners: ListenerStatus[];
  /** The sum of the entries that the listeners dropped. */
  readonly dropped: number;
}

/** Who asked: a management command, or the guest through registers or queues. */
export type Origin = 'command' | 'guest';

/** One registrant with its counters. */
export interface ObjectRegistration {
  readonly listener: ObjectListener;
  readonly events: readonly ObjectEvent[];
  readonly delivered: number;
  readonly failed: number;
}

/**
 * The IOMMU behind one device's address space, found through that space's operations whatever regions the space
 * shows. Listeners register per event and are called in the order of registration.
 */
export interface IommuObject {
  /** The id or QOM path of the unit behind it. */
  readonly unit: string;
  /** The table that is bound now, and who bound it. */
  readonly binding: (PasidTable & { readonly origin: Origin }) | null;
  register(listener: ObjectListener, events: readonly ObjectEvent[]): void;
  unregister(listener: ObjectListener): void;
  registrations(): readonly ObjectRegistration[];
  /**
   * Offers `table` to every listener; a refusal is undone on those that had accepted.
   * @throws CommandError with the sentence of the first listener that refused
   */
  bind(table: PasidTable, origin: Origin): BindResult;
  unbind(origin: Origin): ListenerStatus[];
  flushIotlb(flush: IotlbFlush, origin: Origin): FlushResult;
  flushPasidCache(flush: PasidCacheFlush, origin: Origin): FlushResult;
}
