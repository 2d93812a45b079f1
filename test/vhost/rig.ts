import { VhostAgent } from '../../src/devices/vhost-agent.ts';
import type { GuestDriver, GuestMode } from '../../src/guest/guest-driver.ts';
import type { NetworkDriver, NetworkProgress } from '../../src/guest/virtio/network-driver.ts';
import { MachineRig } from '../machine/support.ts';

export const RINGS = 0x30_0000n;
export const RINGS_IOVA = 0x4000_0000n;
export const BUFFERS = 0x40_0000n;
export const BUFFERS_IOVA = 0x5000_0000n;

type Values = Record<string, string>;

/** A machine with a card that vhost serves; its rings are mapped, and two pages for buffers. */
export class VhostRig extends MachineRig {
  readonly agent: VhostAgent;

  /** @param iommu values of the vIOMMU; null: none */
  constructor(iommu: Values | null, card: Values = {}, more: readonly Values[] = []) {
    super({
      memory: 64n << 20n,
      noDefaults: iommu === null,
      devices: [
        ...(iommu === null ? [] : [{ values: iommu }]),
        ...more.map((values) => ({ values })),
        { values: { driver: 'vhost-agent', id: 'vhost0', iommu_platform: 'on', addr: '0x5', ...card } },
      ],
    });
    const agent = this.machine.findDevice('vhost0');
    if (!(agent instanceof VhostAgent)) throw new Error('vhost0 is something else');
    this.agent = agent;
  }

  get driver(): GuestDriver {
    return this.machine.guests.driverOf(this.machine.units[0]!);
  }

  get card(): NetworkDriver {
    return this.machine.guests.cards.driverOf(this.agent);
  }

  get sourceId(): number {
    return this.agent.requesterId();
  }

  /** Enables the vIOMMU and maps rings and buffers. */
  enable(mode: GuestMode = 'legacy'): void {
    this.command(() => this.driver.enable(mode));
    this.map(RINGS_IOVA, RINGS, 0x6000n);
    this.map(BUFFERS_IOVA, BUFFERS, 0x2000n);
  }

  start(ats = false): string {
    return this.command(() => this.card.start({ address: RINGS, iova: RINGS_IOVA, ats }));
  }

  map(
    iova: bigint,
    address: bigint,
    size: bigint,
    permissions: readonly ('read' | 'write')[] = ['read', 'write'],
  ): string {
    return this.command(() => this.driver.map({ sourceId: this.sourceId, iova, address, size, permissions }));
  }

  unmap(iova: bigint, flush: boolean, size = 0x1000n): string {
    return this.command(() => this.driver.unmap({ sourceId: this.sourceId, iova, size, flush }));
  }

  /** Sends the first page of the buffers, and receives into the second. */
  transfer(): NetworkProgress {
    return this.machine.operations.run(() =>
      this.card.transfer({
        out: { address: BUFFERS_IOVA, length: 16 },
        into: { address: BUFFERS_IOVA + 0x1000n, length: 64 },
      }),
    );
  }

  /** The text behind the header of the packet that was received. */
  received(): string {
    const bytes = new Uint8Array(4);
    this.machine.memory.read(BUFFERS + 0x100cn, bytes);
    return Buffer.from(bytes).toString();
  }

  put(text: string): void {
    this.machine.memory.write(BUFFERS + 12n, Buffer.from(text));
  }

  /** Events of these names since the last call, in words. */
  events(pattern: RegExp): string[] {
    return this.model.splice(0).flatMap(({ name, data }) => {
      if (!pattern.test(name)) return [];
      const { type, iova, address, check } = data as {
        type?: string;
        iova?: bigint;
        address?: bigint;
        check?: string;
      };
      const where = iova ?? address;
      return [`${type ?? check ?? name}${where === undefined ? '' : ` 0x${where.toString(16)}`}`];
    });
  }

  /** One byte through vhost; the sentence of the fault, or `moved`. */
  touch(address: bigint, write: boolean): string {
    return this.machine.operations.run(() => {
      const result = this.agent.dmaPath.move({ address, write, bytes: new Uint8Array(1) });
      return result.kind === 'fault' ? result.sentence : result.kind;
    });
  }
}
