import { type Bdf, formatBdf } from '../core/bdf.ts';
import { VirtualClock } from '../core/clock.ts';
import { CommandError } from '../core/errors.ts';
import type { PasidTableFormat } from '../memory/iommu-object.ts';
import type { OperationCounter } from '../core/operation.ts';
import type { HeldBackState } from '../trace/held-back.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { TraceParts } from '../trace/trace.ts';
import { describeHostIommu, describeIotlb, type HostIommuInfo, type HostIotlbInfo } from './describe.ts';
import { type GuestFlush, HostFunction } from './function.ts';
import { HostIommu, type HostIommuState } from './iommu.ts';
import { HostMemory, type HostMemoryState } from './memory.ts';
import type { HostPageRequestsState } from './page-requests.ts';
import { checkPhysicalFunctions, withPhysicalFunction } from './virtual-function.ts';
import { BUILT_IN_FUNCTIONS, type HostFunctionOptions, type HostIommuOptions, settingsOf } from './options.ts';

export interface HostOptions {
  readonly iommu?: HostIommuOptions;
  /** Default: {@link BUILT_IN_FUNCTIONS}. */
  readonly functions?: readonly HostFunctionOptions[];
}

export interface HostParts extends TraceParts {
  readonly operations: OperationCounter;
  /** Guest time; without it none passes. */
  readonly clock?: VirtualClock;
  readonly options?: HostOptions;
}

export interface HostState {
  memory: HostMemoryState;
  functions: {
    options: HostFunctionOptions;
    table: number | null;
    pages: HostPageRequestsState;
    invalidations: HeldBackState<GuestFlush>;
  }[];
  iommu: HostIommuState;
}

/** The modelled host: its functions, its IOMMU and its physical memory. */
export class Host implements Snapshottable<HostState> {
  readonly memory = new HostMemory();
  readonly #operations: OperationCounter;
  readonly #trace: TraceParts & { readonly clock: VirtualClock };
  readonly #builtIn: readonly HostFunctionOptions[];
  #iommu: HostIommu;
  #options: HostIommuOptions;
  /** What the host IOMMU takes where its options say nothing; null: the usual. */
  #platformFormats: readonly PasidTableFormat[] | null = null;
  /** By requester: segment, bus, device, function. */
  #functions: HostFunction[] = [];

  /** @throws CommandError when an option is outside its limits, or two functions have one address */
  constructor({ operations, options = {}, clock = new VirtualClock(), ...trace }: HostParts) {
    this.#operations = operations;
    this.#trace = { ...trace, clock };
    this.#options = options.iommu ?? {};
    this.#iommu = this.#build();
    this.#builtIn = (options.functions ?? BUILT_IN_FUNCTIONS).map((fn) => ({ ...fn, builtIn: true }));
    for (const fn of this.#builtIn) this.addFunction(fn);
  }

  get iommu(): HostIommu {
    return this.#iommu;
  }

  /** By address. */
  get functions(): readonly HostFunction[] {
    return this.#functions;
  }

  /** Null where the host has no such function. */
  findFunction(bdf: Bdf): HostFunction | null {
    const name = formatBdf(bdf);
    return this.#functions.find((device) => device.name === name) ?? null;
  }

  /** By address. */
  functionsOfGroup(group: number): HostFunction[] {
    return this.#functions.filter((device) => device.group === group);
  }

  /** @throws CommandError when the address is taken or an option is outside its limits */
  addFunction(options: HostFunctionOptions): HostFunction {
    if (this.findFunction(options.bdf) !== null) {
      throw new CommandError(`The host has a function ${formatBdf(options.bdf)} already: give another bdf`);
    }
    const added = new HostFunction(
      withPhysicalFunction(options, (bdf) => this.findFunction(bdf)),
      this.#iommu,
    );
    this.#functions.push(added);
    this.#functions.sort((one, other) => one.requester - other.requester);
    return added;
  }

  /** @throws CommandError when there is none at that address, or a device uses it */
  removeFunction(bdf: Bdf): void {
    const device = this.findFunction(bdf);
    if (device === null) throw new CommandError(`The host has no function ${formatBdf(bdf)}`);
    if (device.device !== null) {
      throw new CommandError(
        `Host function ${device.name} is used by device '${device.device}': remove that one first`,
      );
    }
    const others = this.#functions.filter((other) => other !== device);
    checkPhysicalFunctions(others.map(optionsOf));
    device.release();
    this.#iommu.caches.removeDeviceCache(device.requester);
    this.#functions = others;
  }

  /**
   * Replaces the IOMMU by one with these options. Declared functions stay, and so do the built-in ones unless they are
   * not wanted; one whose address has been declared in the meantime does not come back.
   * @throws CommandError when an option is outside its limits, devices already use the old one, or a built-in function
   *   has virtual ones; nothing has changed then
   */
  configure(options: HostIommuOptions): void {
    const user = this.#functions.find((device) => device.device !== null || device.table !== null);
    if (user !== undefined || this.#iommu.pageTables.length > 0) {
      const who = user?.device ?? user?.name ?? `page table ${this.#iommu.pageTables[0]!.id}`;
      throw new CommandError(`The host IOMMU is in use by ${who}: set its properties before any device is assigned`);
    }
    const declared = this.#functions.map(optionsOf).filter(({ builtIn }) => builtIn !== true);
    const taken = new Set(declared.map(({ bdf }) => formatBdf(bdf)));
    const builtIn = options.builtInFunctions === false ? [] : this.#builtIn;
    const functions = [...builtIn.filter(({ bdf }) => !taken.has(formatBdf(bdf))), ...declared];
    checkPhysicalFunctions(functions);
    this.#options = options;
    this.#iommu = this.#build();
    this.#functions = functions.map((fn) => new HostFunction(fn, this.#iommu));
    this.#functions.sort((one, other) => one.requester - other.requester);
  }

  /**
   * The guest's vIOMMU is of a platform with other PASID tables: a host that has not been told its formats is of the
   * same one.
   * @throws CommandError when devices already use the host's IOMMU
   */
  adoptPlatform(formats: readonly PasidTableFormat[]): void {
    this.#platformFormats = formats;
    this.configure(this.#options);
  }

  /** What query-host-iommu shows. */
  describe(): HostIommuInfo {
    return describeHostIommu(this.#iommu, this.#functions);
  }

  /** What query-iotlb shows of this side, all devices or one. */
  iotlbEntries(device?: string): HostIotlbInfo[] {
    return describeIotlb(this.#iommu, this.#functions, device);
  }

  save(): HostState {
    return {
      memory: this.memory.save(),
      functions: this.#functions.map((device) => ({
        options: optionsOf(device),
        table: device.table?.id ?? null,
        pages: device.pages.save(),
        invalidations: device.invalidations.save(),
      })),
      iommu: this.#iommu.save(),
    };
  }

  /**
   * Takes a state back that a host with the same IOMMU options gave. Functions and page tables that exist on both
   * sides stay the same objects; who has claimed a function is for its device to say again.
   */
  restore(state: HostState): void {
    this.memory.restore(state.memory);
    const known = new Map(this.#functions.map((device) => [device.name, device]));
    this.#functions = state.functions.map(
      ({ options }) => known.get(formatBdf(options.bdf)) ?? new HostFunction(options, this.#iommu),
    );
    for (const device of known.values()) if (!this.#functions.includes(device)) device.restoreAttachment(null, null);
    const attached = new Map<number, number>();
    for (const [index, { invalidations, pages, table }] of state.functions.entries()) {
      this.#functions[index]!.pages.restore(pages);
      this.#functions[index]!.invalidations.restore(invalidations);
      if (table !== null) attached.set(this.#functions[index]!.requester, table);
    }
    this.#iommu.restore(state.iommu, this.#functions, attached);
  }

  #build(): HostIommu {
    const platform = this.#platformFormats === null ? {} : { formats: this.#platformFormats };
    return new HostIommu(settingsOf({ ...platform, ...this.#options }), this.memory, this.#operations, this.#trace);
  }
}

function optionsOf(device: HostFunction): HostFunctionOptions {
  const { bdf, builtIn, group, pasidBits, ats, pageRequests, physicalFunction } = device;
  return {
    bdf,
    ...(group !== null && { group }),
    pasidBits,
    ats,
    pageRequests,
    ...(physicalFunction !== null && { physicalFunction }),
    ...(builtIn && { builtIn }),
  };
}
