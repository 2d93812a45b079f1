import { hex } from '../core/address.ts';
import { CommandError, messageOf } from '../core/errors.ts';
import { allOrNothing, type Undo } from '../core/undo.ts';
import type { HostFunction } from '../host/function.ts';
import type { Host } from '../host/host.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { IommuObject, PasidTable } from '../memory/iommu-object.ts';
import type { PciBus } from '../pci/bus.ts';
import type { HeldBackState } from '../trace/held-back.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { TraceParts } from '../trace/trace.ts';
import { VfioContainer, type ContainerState, type VfioContract } from './container.ts';
import { VfioDevice } from './device.ts';
import { GuestIommuObject } from './guest-iommu-object.ts';
import type { GuestCarrier } from './guest-carrier.ts';
import { type HostAddress, resolveHostFunction } from './host-address.ts';
import { exceedingCapabilities } from './host-capabilities.ts';
import { Isolation } from './isolation.ts';
import { IommufdListener } from './iommufd-listener.ts';
import { type Notice, VfioListener } from './listener.ts';
import { PageRequestRoute } from './page-request-route.ts';

export interface VfioParts extends TraceParts {
  readonly host: Host;
  /** Guest RAM: the system memory's address space. */
  readonly memory: AddressSpace;
}

export interface VfioAttachment {
  /** The device's id, or its QOM path where it has none. */
  readonly name: string;
  readonly address: HostAddress;
  readonly bus: PciBus;
  readonly devfn: number;
  /** The id of an iommufd object: contract iommufd. Absent: contract pasid-table. */
  readonly iommufd?: string;
  /** The guest may give it pages that other devices with this reach, too; default false. */
  readonly shared?: boolean;
}

export interface ContainerInfo {
  readonly id: number;
  readonly contract: VfioContract;
  readonly iommufd?: string;
  readonly groups: { id: number; devices: string[] }[];
  /** How many runs are mapped. */
  readonly mappings: number;
  /** Region notifiers first, then the devices' object notifiers. */
  readonly listeners: { device: string; kind: 'region' | 'object' }[];
}

export interface VfioState {
  readonly nextContainer: number;
  readonly containers: ContainerState[];
  /** What injected faults keep from the listeners, in the order of {@link Vfio.devices}. */
  readonly notices: (HeldBackState<Notice> | null)[];
}

/**
 * The user side of VFIO: host functions handed to guest devices, their groups, and the containers that these share.
 * Devices of one address space share a container; the functions of a group are never apart.
 */
export class Vfio implements Snapshottable<VfioState> {
  readonly #host: Host;
  readonly #memory: AddressSpace;
  readonly #trace: TraceParts;
  readonly #isolation: Isolation;
  #containers: readonly VfioContainer[] = [];
  #devices: readonly VfioDevice[] = [];
  #nextContainer = 0;

  constructor({ host, memory, ...trace }: VfioParts) {
    this.#host = host;
    this.#memory = memory;
    this.#trace = trace;
    this.#isolation = new Isolation(trace);
  }

  /** In the order in which they came. */
  get devices(): readonly VfioDevice[] {
    return this.#devices;
  }

  /** By id. */
  containers(): ContainerInfo[] {
    return this.#containers.map((container) => this.#describe(container));
  }

  /**
   * Hands a host function to a device: claims it, joins or makes the container of the device's address space, maps
   * what that space shows, and listens at its IOMMU object.
   * @throws CommandError when the function is absent, taken or without a group, the group is used elsewhere, or the
   *   vIOMMU or the host refuses; nothing has changed then
   */
  attach(attachment: VfioAttachment): VfioDevice {
    const found = resolveHostFunction(this.#host, attachment.address);
    if (found.device !== null) throw new CommandError(`vfio ${found.name}: device is already attached`);
    const addressSpace = attachment.bus.addressSpaceOf(attachment.devfn);
    const iommufd = attachment.iommufd ?? null;
    this.#checkGroup(found, addressSpace, iommufd);
    const guest = attachment.bus.effectiveIommuOps()?.guestCapabilities;
    const exceeding = guest === undefined ? [] : exceedingCapabilities(guest, this.#host.iommu.capabilities);
    const nextContainer = this.#nextContainer;
    try {
      if (iommufd !== null && exceeding[0] !== undefined) throw new CommandError(exceeding[0]);
      const device = allOrNothing((undo) => {
        undo(() => (this.#nextContainer = nextContainer));
        return this.#attach(attachment, found, addressSpace, undo);
      });
      // The contract of 2017 never asks what the vIOMMU has promised.
      for (const desc of exceeding) this.#trace.checks.fail('host-capabilities', { device: device.name, desc });
      return device;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      throw new CommandError(`vfio ${found.name}: ${messageOf(error)}`, error.errorClass);
    }
  }

  /**
   * Compares what each container has mapped with what it should have, behind a reset or a load, or when the guest has
   * switched its vIOMMU on or off (check `layout-after-reset`).
   */
  checkLayout(occasion: 'reset' | 'load' | 'switch-on of translation' | 'switch-off of translation'): void {
    const { checks } = this.#trace;
    if (!checks.isEnabled('layout-after-reset')) return;
    for (const container of this.#containers) {
      const fault = container.layoutFault();
      if (fault === null) continue;
      const { kind, iova, size } = fault;
      const what = kind === 'missing' ? 'is not mapped as it should be' : 'is mapped, and should not be so';
      const desc = `After a ${occasion}, ${hex(iova)}-${hex(iova + size - 1n)} ${what} in container ${container.id}`;
      const device = this.#devices.find((one) => one.container === container)?.name;
      checks.fail('layout-after-reset', { ...(device !== undefined && { device }), desc });
    }
    for (const { name, container, function: found } of this.#devices) {
      const bound = container.addressSpace.iommuObject()?.binding ?? null;
      if (sameTable(bound, found.binding)) continue;
      const [told, held] = [bound, found.binding].map((table) =>
        table === null ? 'none' : `the one at ${hex(table.address)}`,
      );
      const desc = `After a ${occasion}, the PASID table bound for '${name}' is ${told}, and the host nests ${held}`;
      checks.fail('layout-after-reset', { device: name, desc });
    }
  }

  save(): VfioState {
    return {
      nextContainer: this.#nextContainer,
      containers: this.#containers.map((container) => container.save()),
      notices: this.#devices.map(({ listener }) => listener?.save() ?? null),
    };
  }

  /** The same devices must be attached again before. @throws Error when other containers exist than were saved */
  restore(state: VfioState): void {
    if (state.containers.length !== this.#containers.length) {
      throw new Error(`${state.containers.length} containers were saved, ${this.#containers.length} exist`);
    }
    state.containers.forEach((container, index) => this.#containers[index]!.restore(container));
    for (const [index, { listener }] of this.#devices.entries()) {
      const notices = state.notices[index] ?? null;
      if (notices !== null) listener?.restore(notices);
    }
    this.#nextContainer = state.nextContainer;
  }

  #checkGroup(found: HostFunction, addressSpace: AddressSpace, iommufd: string | null): void {
    const mate = this.#devices.find((device) => device.group === found.group);
    if (mate === undefined) return;
    if (mate.container.addressSpace !== addressSpace) {
      throw new CommandError(`vfio ${found.name}: group ${mate.group} used in multiple address spaces`);
    }
    if (mate.container.iommufd !== iommufd) {
      const how = mate.container.iommufd === null ? 'without iommufd' : `with iommufd=${mate.container.iommufd}`;
      throw new CommandError(
        `vfio ${found.name}: group ${mate.group} is used ${how} by device '${mate.name}'; attach all functions of a ` +
          'group in the same way',
      );
    }
  }

  #attach(
    attachment: VfioAttachment,
    found: HostFunction & { readonly group: number },
    addressSpace: AddressSpace,
    undo: Undo,
  ): VfioDevice {
    const { name, bus, devfn } = attachment;
    const { points } = this.#trace;
    points.vfio_realize?.(found.name, found.group);
    const viommu = bus.effectiveIommuOps();
    viommu?.attachHostDevice?.(bus, devfn, found);
    undo(() => viommu?.detachHostDevice?.(bus, devfn, found));
    found.claim(() => name);
    undo(() => found.release());
    const iommufd = attachment.iommufd ?? null;
    const shared = attachment.shared ?? false;
    const container = this.#containerOf({ addressSpace, iommufd, shared }, undo, (made) => {
      this.#trace.faults.pass('attach', name);
      found.attach(made.table);
      if (iommufd !== null) points.iommufd_cdev_attach_ioas_hwpt?.(-1, found.name, -1, made.table.id);
    });
    const object = addressSpace.iommuObject();
    const listener = object === null ? null : this.#listenerOf(name, object, found, container);
    listener?.register();
    if (object !== null && viommu !== null) {
      const { events } = this.#trace;
      const { contract } = container;
      found.pages.connect(
        new PageRequestRoute({ device: name, bus, devfn, contract, function: found, object, viommu, events }),
      );
    }
    const device: VfioDevice = new VfioDevice({
      name,
      container,
      function: found,
      shared,
      listener,
      release: () => {
        this.#devices = this.#devices.filter((other) => other !== device);
        found.pages.disconnect('the device was removed');
        listener?.unregister();
        found.detach();
        if (iommufd !== null) points.iommufd_cdev_detach_ioas_hwpt?.(-1, found.name);
        this.#dropIfUnused(container);
        found.release();
        viommu?.detachHostDevice?.(bus, devfn, found);
      },
    });
    this.#devices = [...this.#devices, device];
    return device;
  }

  #listenerOf(device: string, object: IommuObject, found: HostFunction, container: VfioContainer): VfioListener {
    const { faults } = this.#trace;
    return new VfioListener(this.#carrierOf(device, object, found, container), object, faults, this.#host.iommu.clock);
  }

  /** What carries the vIOMMU's word about a device to the host, by the contract of its container. */
  #carrierOf(device: string, object: IommuObject, found: HostFunction, container: VfioContainer): GuestCarrier {
    const isShadowed = (): boolean => container.guestRegions.length > 0;
    if (container.contract === 'pasid-table') return new GuestIommuObject(device, found, isShadowed);
    const { iommu } = this.#host;
    const { events, faults, points } = this.#trace;
    const memory = this.#memory;
    return new IommufdListener({ device, object, function: found, iommu, memory, events, faults, points, isShadowed });
  }

  /** The container of an address space; a new one maps the space after `attach` has put the function under its table. */
  #containerOf(
    {
      addressSpace,
      iommufd,
      shared,
    }: { readonly addressSpace: AddressSpace; readonly iommufd: string | null; readonly shared: boolean },
    undo: Undo,
    attach: (container: VfioContainer) => void,
  ): VfioContainer {
    const present = this.#containers.find((one) => one.addressSpace === addressSpace && one.iommufd === iommufd);
    if (present !== undefined) {
      attach(present);
      return present;
    }
    const { iommu, memory } = this.#host;
    const table = iommu.createPageTable();
    if (iommufd !== null) this.#trace.points.iommufd_backend_alloc_ioas?.(-1, table.id);
    // The first device is not among its members before all is mapped for it.
    const isShared = (): boolean => {
      const members = this.#devices.filter((device) => device.container === container);
      return members.length === 0 ? shared : members.every((device) => device.shared);
    };
    const container: VfioContainer = new VfioContainer({
      id: this.#nextContainer++,
      iommufd,
      addressSpace,
      table,
      pageSize: iommu.capabilities.pageSizes[0]!,
      skipsReadonly: iommufd !== null && iommu.capabilities.errata772415,
      memory: this.#memory,
      hostMemory: memory,
      clock: iommu.clock,
      isolation: this.#isolation,
      isShared,
      ...this.#trace,
    });
    // Undone in reverse: the function leaves the table (its own step runs after this one) before the table can go.
    undo(() => {
      for (const one of table.functions) one.detach();
      iommu.destroyPageTable(table);
    });
    attach(container);
    container.connect();
    undo(() => container.disconnect());
    this.#containers = [...this.#containers, container];
    undo(() => (this.#containers = this.#containers.filter((one) => one !== container)));
    return container;
  }

  #dropIfUnused(container: VfioContainer): void {
    if (this.#devices.some((device) => device.container === container)) return;
    this.#containers = this.#containers.filter((one) => one !== container);
    container.disconnect();
    this.#host.iommu.destroyPageTable(container.table);
    if (container.iommufd !== null) this.#trace.points.iommufd_backend_free_id?.(-1, container.table.id, 0);
  }

  #describe(container: VfioContainer): ContainerInfo {
    const members = this.#devices.filter((device) => device.container === container);
    const groups = [...new Set(members.map((device) => device.group))].sort((a, b) => a - b);
    const inGroup = (id: number): string[] => members.filter((device) => device.group === id).map(({ name }) => name);
    return {
      id: container.id,
      contract: container.contract,
      ...(container.iommufd !== null && { iommufd: container.iommufd }),
      groups: groups.map((id) => ({ id, devices: inGroup(id) })),
      mappings: container.table.mergedCount,
      listeners: [
        ...container.guestRegions.map(({ notifier }) => ({ device: notifier.device, kind: 'region' as const })),
        ...members
          .filter(({ listener }) => listener !== null)
          .map(({ name }) => ({ device: name, kind: 'object' as const })),
      ],
    };
  }
}

function sameTable(one: PasidTable | null, other: PasidTable | null): boolean {
  if (one === null || other === null) return one === other;
  return one.address === other.address && one.size === other.size && one.format === other.format;
}
