import type { QmpClient } from '../../clients/typescript/client.ts';
import { TestDaemon } from '../support/daemon.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';

const REGISTERS = 0xfed9_0000n;
const IQT = REGISTERS + 0x88n;
const IQA = REGISTERS + 0x90n;

/** A daemon whose guest is driven by commands, and by register writes of the test's own. */
export class VtdRig {
  readonly daemon: TestDaemon | InProcessDaemon;
  readonly client: QmpClient;

  protected constructor(daemon: TestDaemon | InProcessDaemon, client: QmpClient) {
    this.daemon = daemon;
    this.client = client;
  }

  static async start(...args: readonly string[]): Promise<VtdRig> {
    const daemon = await TestDaemon.start(args);
    return new VtdRig(daemon, await daemon.client());
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.daemon.stop();
  }

  async write(address: bigint, ...words: readonly bigint[]): Promise<void> {
    const bytes = Buffer.alloc(words.length * 8);
    for (const [index, word] of words.entries()) bytes.writeBigUInt64LE(word, index * 8);
    await this.client.execute('memory-write', { address, data: bytes.toString('hex'), encoding: 'hex' });
  }

  async word(address: bigint): Promise<bigint> {
    const { data } = await this.client.execute('memory-read', { address, size: 8n, encoding: 'hex' });
    return Buffer.from(data, 'hex').readBigUInt64LE();
  }

  /** Puts a descriptor into the guest's invalidation queue and has the unit process it, as a driver does. */
  async invalidate(...words: readonly bigint[]): Promise<void> {
    const address = await this.word(IQA);
    const size = (address & 0x800n) === 0n ? 16n : 32n;
    const bytes = size << ((address & 7n) + (size === 32n ? 7n : 8n));
    const tail = await this.word(IQT);
    const descriptor = Array.from({ length: Number(size) / 8 }, (_, index) => words[index] ?? 0n);
    await this.write((address & ~0xfffn) + tail, ...descriptor);
    await this.write(IQT, (tail + size) % bytes);
  }

  async read(device: string, address: bigint, pasid?: number): Promise<string> {
    const { data } = await this.client.execute('dma-read', {
      device,
      address,
      size: 4n,
      encoding: 'hex',
      ...(pasid !== undefined && { pasid }),
    });
    return data ?? '';
  }

  /** Names of the events that have come since the last call. */
  names(): string[] {
    return this.client.events.takeAll().map(({ event }) => event);
  }
}
