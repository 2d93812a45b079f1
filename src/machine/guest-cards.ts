import type { VhostAgent } from '../devices/vhost-agent.ts';
import { NetworkDriver, type NetworkDriverState } from '../guest/virtio/network-driver.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

export type GuestCardsState = { device: string; driver: NetworkDriverState }[];

/** The built-in guest's drivers of network cards, each made when it is first wanted. */
export class GuestCards implements Snapshottable<GuestCardsState> {
  readonly #memory: AddressSpace;
  readonly #drivers = new Map<VhostAgent, NetworkDriver>();
  /** What a restored state says of cards that have not been asked for since. */
  #restored: GuestCardsState = [];

  constructor(memory: AddressSpace) {
    this.#memory = memory;
  }

  driverOf(card: VhostAgent): NetworkDriver {
    let driver = this.#drivers.get(card);
    if (driver === undefined) {
      const config = {
        read: (offset: number, size: number) => card.readConfig(offset, size),
        write: (offset: number, size: number, value: number) => card.writeConfig(offset, size, value),
        isMapped: (address: bigint) => this.#memory.flatView.find(address) !== null,
      };
      driver = new NetworkDriver({ memory: this.#memory, config });
      const saved = this.#restored.find(({ device }) => device === card.label);
      if (saved !== undefined) driver.restore(saved.driver);
      this.#restored = this.#restored.filter((one) => one !== saved);
      this.#drivers.set(card, driver);
    }
    return driver;
  }

  /** The machine was reset, and the guest with it. */
  reset(): void {
    this.#drivers.clear();
    this.#restored = [];
  }

  save(): GuestCardsState {
    const plugged = [...this.#drivers].filter(([card]) => card.realized);
    return [...plugged.map(([card, driver]) => ({ device: card.label, driver: driver.save() })), ...this.#restored];
  }

  restore(state: GuestCardsState): void {
    this.#drivers.clear();
    this.#restored = [...state];
  }
}
