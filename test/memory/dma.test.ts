import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { AddressSpaceDmaPath, Dma } from '../../src/memory/dma.ts';
import type { DmaPath, DmaRequest, DmaResult } from '../../src/memory/dma.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { MapUnit } from './iommu-unit.ts';
import { bytes, newTopology, ram } from './support.ts';

const MOVED: DmaResult = { kind: 'moved' };

/** A path that writes down its requests and answers each as `answer` says. */
function path(answer: (request: DmaRequest, index: number) => DmaResult): { path: DmaPath; log: string[] } {
  const log: string[] = [];
  const move = (request: DmaRequest): DmaResult => {
    const pasid = request.pasid === undefined ? '' : ` pasid ${request.pasid}`;
    log.push(`${request.write ? 'write' : 'read'} 0x${request.address.toString(16)}+${request.bytes.length}${pasid}`);
    return answer(request, log.length - 1);
  };
  return { path: { move }, log };
}

describe('Dma', () => {
  it('goes in pieces that never cross 4 KiB of the device address', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 63n }), fc.integer({ min: 0, max: 20000 }), (address, length) => {
        const pieces: [bigint, number][] = [];
        const recording: DmaPath = {
          move: (request) => {
            pieces.push([request.address, request.bytes.length]);
            return MOVED;
          },
        };
        const dma = new Dma({ operation: 1, write: true, address, data: new Uint8Array(length), path: recording });
        expect(dma.advance()).toBe('done');
        expect(dma.moved).toBe(length);
        let at = address;
        for (const [start, size] of pieces) {
          expect(start).toBe(at);
          expect(start / 4096n).toBe((start + BigInt(size) - 1n) / 4096n);
          at += BigInt(size);
        }
        expect(at).toBe(address + BigInt(length));
        expect(pieces.length).toBeLessThanOrEqual(Math.ceil(length / 4096) + 1);
      }),
    );
  });

  it('fills the data of a read through views', () => {
    const filling: DmaPath = {
      move: ({ bytes: piece, address }) => {
        piece.fill(Number(address / 4096n));
        return MOVED;
      },
    };
    const dma = new Dma({ operation: 1, write: false, address: 0x1ffen, data: new Uint8Array(4), path: filling });
    dma.advance();
    expect([...dma.data]).toEqual([1, 1, 2, 2]);
  });

  it('stops at a fault, having moved what came before', () => {
    const fault: DmaResult = { kind: 'fault', sentence: 'no', code: 5, reason: 'not-present', moved: 16 };
    const { path: failing, log } = path((_request, index) => (index === 1 ? fault : MOVED));
    const dma = new Dma({
      operation: 3,
      write: true,
      address: 0x1800n,
      data: new Uint8Array(8192),
      pasid: 0,
      path: failing,
    });
    const ended: string[] = [];
    dma.onEnd((one) => ended.push(`${one.state} ${one.moved}`));
    expect(dma.advance()).toBe('failed');
    expect(log).toEqual(['write 0x1800+2048 pasid 0', 'write 0x2000+4096 pasid 0']);
    expect(dma.moved).toBe(2064);
    expect(dma.failure).toEqual({ sentence: 'no', code: 5, reason: 'not-present', address: 0x2010n });
    expect(dma.advance()).toBe('failed');
    dma.onEnd((one) => ended.push(`late ${one.state}`));
    expect(ended).toEqual(['failed 2064', 'late failed']);
    expect(log.length).toBe(2);
  });

  it('waits, and tries the same piece again as the operation that it belongs to', () => {
    const operations = new OperationCounter();
    const wakers: (() => void)[] = [];
    const seen: number[] = [];
    const { path: waiting, log } = path((_request, index) => {
      seen.push(operations.current);
      if (index !== 1) return MOVED;
      return { kind: 'wait', reason: 'a page request is open', onReady: (resume) => wakers.push(resume) };
    });
    const operation = 7;
    const dma = new Dma({ operation, write: true, address: 0n, data: new Uint8Array(8192), path: waiting, operations });
    expect(dma.state).toBe('new');
    expect(dma.advance()).toBe('waiting');
    expect([dma.state, dma.moved, dma.waitingFor]).toEqual(['waiting', 4096, 'a page request is open']);
    operations.run(() => wakers[0]?.());
    wakers[0]?.();
    expect([dma.state, dma.moved, dma.waitingFor]).toEqual(['done', 8192, null]);
    expect(log).toEqual(['write 0x0+4096', 'write 0x1000+4096', 'write 0x1000+4096']);
    expect(seen).toEqual([7, 7, 7]);
    expect(operations.current).toBe(0);
  });

  it('can be cancelled while it waits, and is not woken then', () => {
    let wake = (): void => {};
    const { path: waiting, log } = path(() => {
      return { kind: 'wait', reason: 'a page request is open', onReady: (resume) => (wake = resume) };
    });
    const dma = new Dma({ operation: 1, write: false, address: 0x40n, data: new Uint8Array(8), path: waiting });
    dma.advance();
    dma.cancel('The device was removed');
    wake();
    dma.cancel('again');
    expect(log.length).toBe(1);
    expect(dma.failure).toEqual({ sentence: 'The device was removed', address: 0x40n });
  });

  it('fails at the end of 64 bits', () => {
    const { path: all, log } = path(() => MOVED);
    const dma = new Dma({ operation: 1, write: true, address: (1n << 64n) - 8n, data: new Uint8Array(16), path: all });
    expect(dma.advance()).toBe('failed');
    expect(dma.moved).toBe(8);
    expect(log).toEqual(['write 0xfffffffffffffff8+8']);
    expect(dma.failure?.sentence).toBe('The transfer reaches beyond the last address, 0xffffffffffffffff');
  });

  it('takes its progress back', () => {
    const { path: stuck } = path((_request, index) =>
      index === 1 ? { kind: 'wait', reason: 'later', onReady: () => {} } : MOVED,
    );
    const options = { operation: 1, write: true, address: 0n };
    const dma = new Dma({ ...options, data: new Uint8Array(8192).fill(3), path: stuck });
    dma.advance();
    const { path: free, log } = path(() => MOVED);
    const copy = new Dma({ ...options, data: new Uint8Array(8192), path: free });
    copy.restore(dma.save());
    expect(copy.save()).toEqual(dma.save());
    expect(copy.advance()).toBe('done');
    expect(log).toEqual(['write 0x1000+4096']);
  });
});

describe('AddressSpaceDmaPath', () => {
  it('goes through the IOMMU and stops at the first page that it refuses', () => {
    const topology = newTopology();
    const memory = topology.createAddressSpace('memory', ram(topology, 'ram', 0x10000n));
    const unit = new MapUnit(topology, memory);
    unit.map(0x1000n, 0x5000n);
    const device = topology.createAddressSpace('device', unit.region);
    const through = new AddressSpaceDmaPath(device, { attributes: { requester: 0x10 } });
    const dma = new Dma({ operation: 1, write: true, address: 0x1ffen, data: bytes(1, 2, 3, 4), path: through });
    expect(dma.advance()).toBe('failed');
    expect(dma.moved).toBe(2);
    expect(dma.failure).toEqual({ sentence: 'no mapping at 0x2000', code: 5, reason: 'not-present', address: 0x2000n });
    const back = new Uint8Array(2);
    memory.read(0x5ffen, back);
    expect([...back]).toEqual([1, 2]);
  });

  it('counts what moved before a hole inside a page', () => {
    const topology = newTopology();
    const system = MemoryRegion.container(topology, 'system', 0x10000n);
    system.addSubregion(0n, ram(topology, 'ram', 0x100n));
    const through = new AddressSpaceDmaPath(topology.createAddressSpace('memory', system));
    const dma = new Dma({ operation: 1, write: false, address: 0xf0n, data: new Uint8Array(0x20), path: through });
    dma.advance();
    expect(dma.moved).toBe(0x10);
    expect(dma.failure).toEqual({ sentence: 'Nothing answers a read from address 0x100', address: 0x100n });
  });

  it('takes a PASID only where a space serves it', () => {
    const topology = newTopology();
    const plain = topology.createAddressSpace('plain', ram(topology, 'ram', 0x1000n));
    const served = topology.createAddressSpace('served', ram(topology, 'other', 0x1000n));
    const withPasid = (pasid: number) => (pasid === 4 ? served : null);
    const request = { address: 0n, write: true, bytes: bytes(8) };
    const refused = { kind: 'fault', sentence: 'Address space plain takes no requests with PASID 5' };
    expect(new AddressSpaceDmaPath(plain).move({ ...request, pasid: 5 })).toEqual(refused);
    expect(new AddressSpaceDmaPath(plain, { withPasid }).move({ ...request, pasid: 5 })).toEqual(refused);
    expect(new AddressSpaceDmaPath(plain, { withPasid }).move({ ...request, pasid: 4 })).toEqual(MOVED);
    const into = new Uint8Array(1);
    served.read(0n, into);
    expect([...into]).toEqual([8]);
  });
});
