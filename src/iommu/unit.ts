import type { Access } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { IommuRegion } from '../memory/iommu-region.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { UnitFeatures } from './features.ts';
import type { Binding, NotifierIommuObject } from './object.ts';
import type { Reach, ReverseSearch } from './reverse-search.ts';

/** How a unit translates at the moment. */
export type IommuMode = 'off' | 'legacy' | 'scalable' | 'ecs' | 'other';

/** Whether a device's requests go around its unit; `auto`: what the unit's registers and tables say. */
export type BypassMode = 'auto' | 'bypass' | 'translate';

/** Who sends requests. */
export interface Requester {
  /** The id, or the QOM path. */
  readonly label: string;
  /** Where it sits: on PCI its address, 0000:00:1f.2; elsewhere as its bus names the place, vio@71000000. */
  readonly location: string;
}

/** One device's view of memory behind a unit. It is made when it is first asked for and stays as long as the unit. */
export interface DeviceSpace {
  readonly unit: IommuUnit;
  readonly addressSpace: AddressSpace;
  /** Shown by the address space unless it is bypassed, by ascending address; several where a unit has windows. */
  readonly regions: readonly IommuRegion[];
  /** Found through the address space, bypassed or not. */
  readonly iommuObject: NotifierIommuObject;
  /** The address space shows plain memory at the moment. */
  readonly bypass: boolean;
  /** Those whose requests come here: one, or all that a bridge of conventional PCI speaks for. */
  readonly requesters: readonly Requester[];
  /** What events and listings call it: the (first) requester; where none is plugged in, the place. */
  readonly deviceName: string;
  /** A command said what it shows. */
  readonly forced: boolean;
  /** What software calls its devices towards the unit, where that is not their PCI requester id. */
  readonly guestId?: number;
}

export interface TranslationRequest {
  readonly address: bigint;
  readonly access: Access;
  /** Absent: a request without PASID; 0 is a PASID. */
  readonly pasid?: number;
  /** The answer comes with the table entries behind it. */
  readonly explain?: boolean;
}

/** One table entry on the way of a request. */
export interface TranslationStep {
  /** The stage that the entry serves. */
  readonly stage: 'first' | 'second';
  readonly structure: string;
  /** Of a page-table entry; 1 is the lowest. */
  readonly level?: number;
  /** Which entry of its table it is. */
  readonly index: number;
  /** Guest-physical; of what lies in no guest memory the first address that it translates, 0 where it is not for addresses. */
  readonly address: bigint;
  /** 64-bit words, low first; none of what lies in no guest memory. */
  readonly raw: bigint[];
  readonly fields: { readonly name: string; readonly value: bigint }[];
  /** Section of the specification. */
  readonly spec: string;
}

/** A unit's answer, as `iommu-translate` gives it; with `steps` when they were asked for. */
export type UnitTranslation = UnitAnswer & { readonly steps?: readonly TranslationStep[] };

type UnitAnswer =
  | {
      readonly result: 'translated';
      /** Guest-physical, of that very byte. */
      readonly address: bigint;
      /** Size in bytes of the page that it lies in. */
      readonly size: bigint;
      readonly permissions: ('read' | 'write' | 'execute')[];
      readonly source: 'iotlb' | 'walk' | 'bypass';
    }
  | { readonly result: 'fault'; readonly code: number; readonly reason: string; readonly desc: string };

/** A run of addresses that lead to neighbours, in pages of one size and with the same rights. */
export interface Mapping {
  readonly iova: bigint;
  /** Guest-physical. */
  readonly address: bigint;
  readonly size: bigint;
  readonly permissions: ('read' | 'write' | 'execute')[];
  readonly 'page-size': bigint;
}

export interface MappingQuery {
  readonly pasid?: number;
  /** First address of interest; default 0. */
  readonly start?: bigint;
  /** How many runs at most. */
  readonly limit: number;
  /** How many table entries may be read; default 200000. */
  readonly budget?: number;
}

/** `next` is where to go on; without it that was all. A page may be short, even empty, and go on all the same. */
export interface MappingPage {
  readonly mappings: Mapping[];
  readonly next?: bigint;
}

/** A cached translation of the unit, as `query-iotlb` lists it. */
export interface UnitIotlbEntry {
  readonly device: string;
  readonly 'domain-id': number;
  readonly pasid?: number;
  readonly iova: bigint;
  readonly address: bigint;
  readonly size: bigint;
  readonly permissions: ('read' | 'write' | 'execute')[];
  readonly stage: 'first' | 'second' | 'nested';
  readonly level: number;
  /** The tables say something else by now. */
  readonly stale: boolean;
}

/** What a unit offers to the guest, as `query-iommus` lists it. */
export interface IommuCapabilities {
  readonly 'aw-bits': number;
  readonly 'pasid-bits': number;
  readonly 'first-stage': boolean;
  readonly 'second-stage': boolean;
  readonly nested: boolean;
  readonly 'caching-mode': boolean;
  readonly 'device-iotlb': boolean;
  readonly 'page-requests': boolean;
  readonly registers: readonly { readonly name: string; readonly value: bigint }[];
}

export interface IommuDeviceInfo {
  readonly device: string;
  readonly bdf: string;
  readonly bypass: boolean;
  readonly 'domain-id'?: number;
  readonly binding?: Binding;
}

/** A unit as `query-iommus` lists it. */
export interface IommuInfo {
  readonly id: string;
  readonly kind: string;
  readonly 'qom-path': string;
  readonly mode: IommuMode;
  readonly capabilities: IommuCapabilities;
  readonly devices: readonly IommuDeviceInfo[];
  readonly caches: readonly {
    readonly name: string;
    readonly entries: number;
    readonly size: number;
    readonly hits: number;
    readonly misses: number;
  }[];
}

/**
 * What every emulated IOMMU is to the rest of the machine, whatever bus its devices sit on. A unit in front of a PCI
 * bus serves that bus as `PciIommuOps`, too.
 */
export interface IommuUnit extends Snapshottable<unknown> {
  /** Null when the user gave none. */
  readonly id: string | null;
  readonly qomPath: string;
  /** What replies and events call it: the id, or the QOM path. */
  readonly name: string;
  /** The device type. */
  readonly kind: string;
  /** What units of this kind can do, with which properties. */
  readonly features: UnitFeatures;
  readonly mode: IommuMode;
  describe(): IommuInfo;
  /** The devices' spaces, those of requests without PASID, in a fixed order: on PCI by bus number and function. */
  deviceSpaces(): readonly DeviceSpace[];
  /** Of an address space that this unit gave to a device; null for every other one. */
  spaceOf(addressSpace: AddressSpace): DeviceSpace | null;
  /**
   * Shows a device plain memory, or the IOMMU region, until the unit judges the device anew or is reset.
   * @throws CommandError when a listener cannot follow; nothing has changed then
   */
  setBypass(space: DeviceSpace, mode: BypassMode): void;
  /** Looks an address up without side effects: no cache is filled, no bit set, no fault recorded. */
  translate(space: DeviceSpace, request: TranslationRequest): UnitTranslation;
  /**
   * What a device's tables map, by ascending address.
   * @throws CommandError when the entries that lead to the tables fault
   */
  mappings(space: DeviceSpace, query: MappingQuery): MappingPage;
  /** By which addresses a device reaches the guest-physical page of `search`: by PASID (without first) and address. */
  reverse(space: DeviceSpace, search: ReverseSearch): Reach[];
  /** By device, PASID (without first) and address. */
  iotlbEntries(): UnitIotlbEntry[];
  /** A reset of the machine: bindings go, and all devices are judged anew. */
  reset(): void;
}
